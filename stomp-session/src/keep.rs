//! Sending at least once: accepted within bounds, written as the broker takes it, written again on the next connection.

use core::time::Duration;

use stomp_proto::{Command, Frame};

use crate::{
    AtLeastOnce, CommandError, Lost, NotSent, Outcome, ReceiptId, Session, Unknown,
    at_least_once::Kept,
    connected::Connected,
    isolation::Push,
    receipts::{Awaited, Pending, Stage},
    send::check_send,
    session::State,
};

/// Sending at least once.
impl Session {
    /// Sends a SEND frame until a broker has confirmed it: over any number of connections, in the order of the calls, and
    /// with or without a connection now. [`Event::Receipt`](crate::Event::Receipt) comes exactly once: confirmed, rejected,
    /// or when its time is over ([`AtLeastOnce::timeout`]), then [`Outcome::NotSent`] if nothing of it was ever handed
    /// over and [`Outcome::Unknown`] otherwise. After that it is never sent again.
    ///
    /// - It is kept in memory only: a crash of the process loses it.
    /// - It may arrive more than once. Each copy carries the same de-duplication id
    ///   ([`Config::deduplication_header`](crate::Config::deduplication_header)); Artemis discards a repeat.
    ///   [`Config::at_least_once_window`](crate::Config::at_least_once_window) bounds how many may be doubled by a lost
    ///   connection.
    /// - It is `persistent:true` unless the frame says otherwise: a RECEIPT for anything else is no promise that the
    ///   message survives the broker.
    /// - Confirmed means receipted. A message that no queue takes is receipted too.
    /// - Rejected is the broker's word on its newest copy; an earlier one may have been stored.
    /// - It takes no part in a transaction, which belongs to one connection.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent. [`CommandError::AtLeastOnceFull`] when too many, or too much, is kept already;
    /// [`CommandError::NoIdentity`] when [`Config::identity`](crate::Config::identity) was not set.
    pub fn send_at_least_once(
        &mut self,
        mut frame: Frame,
        how: AtLeastOnce,
    ) -> Result<ReceiptId, CommandError> {
        self.keep(&mut frame, how)
    }

    /// The same for a frame that its owner drops if it is not taken: a body may run anything when it is dropped.
    pub(crate) fn keep(&mut self, frame: &mut Frame, how: AtLeastOnce) -> Result<ReceiptId, CommandError> {
        check_send(frame)?;
        if self.is_ending() {
            return Err(CommandError::Closed);
        }
        if self.config.identity.is_none() {
            return Err(CommandError::NoIdentity);
        }
        if !self.has_room_to_keep(frame.size()) {
            let (messages, octets) = (self.deliveries.len(), self.deliveries.octets());
            return Err(CommandError::AtLeastOnceFull { messages, octets });
        }
        let id = self.next_receipt();
        let mut frame = core::mem::replace(frame, Frame::new(Command::Send));
        if !frame.headers().contains("persistent") {
            frame.headers_mut().push("persistent", "true");
        }
        self.deliveries.add(id, frame, how, self.config.at_least_once_timeout);
        self.pump();
        Ok(id)
    }

    pub(crate) fn has_room_to_keep(&self, size: usize) -> bool {
        self.deliveries.len() < self.config.at_least_once_messages
            && self.deliveries.octets().saturating_add(size) <= self.config.at_least_once_octets
    }

    /// Whether none is kept: what finds no room then never will.
    #[cfg(feature = "client")]
    pub(crate) fn keeps_none(&self) -> bool {
        self.deliveries.len() == 0
    }

    /// Writes as many of them as may be out.
    pub(crate) fn pump(&mut self) {
        while let State::Connected(connected) = &self.state {
            let waits = connected.isolation.as_ref().is_some_and(|isolation| !isolation.is_done());
            let next = self.deliveries.next(self.config.at_least_once_window);
            let Some(id) = next.filter(|_| !waits) else { return };
            self.write_copy(id, Connected::push_awaited);
        }
    }

    /// Writes a copy of one of them.
    pub(crate) fn write_copy(&mut self, id: ReceiptId, push: Push) {
        let receipt = self.next_receipt();
        let State::Connected(connected) = &mut self.state else { return };
        let Some(kept) = self.deliveries.get(id) else { return };
        let configured = self.config.deduplication_header.as_deref();
        let name = configured.unwrap_or(connected.connection.profile.deduplication_header);
        let mut copy = kept.frame.clone();
        if !copy.headers().contains(name) {
            let identity = self.config.identity.unwrap_or_default();
            copy.headers_mut().push(name, alloc::format!("{identity:032x}-{}", id.0));
        }
        copy.headers_mut().push("receipt", receipt.wire());
        match push(connected, &copy, receipt, Awaited::Delivery(id), Duration::MAX) {
            Ok(()) => self.deliveries.note_written(id, receipt),
            Err(error) => {
                self.end_delivery(id, NotSent::Unwritable(error.clone()), Unknown::Unwritable(error))
            }
        }
    }

    /// The broker's answer to a copy.
    pub(crate) fn answer_delivery(&mut self, id: ReceiptId, outcome: Outcome) {
        if let Some(kept) = self.deliveries.take(id) {
            self.discard([kept.frame.body_bytes()]);
            self.tell(id, outcome);
        }
    }

    /// Ends one without an answer.
    pub(crate) fn end_delivery(&mut self, id: ReceiptId, not_sent: NotSent, unknown: Unknown) {
        let Some(Kept { frame, handed_over, copy, .. }) = self.deliveries.take(id) else { return };
        self.discard([frame.body_bytes()]);
        copy.map(|copy| self.forget_copy(copy));
        self.tell(id, if handed_over { Outcome::Unknown(unknown) } else { Outcome::NotSent(not_sent) });
    }

    /// Its time is over.
    pub(crate) fn expire_delivery(&mut self, id: ReceiptId) {
        let Some(kept) = self.deliveries.get(id) else { return };
        let limit = kept.limit;
        let unknown = match kept.last.clone() {
            Some(last) => Unknown::TimeoutAfter { limit, last },
            None => Unknown::Timeout(limit),
        };
        self.end_delivery(id, NotSent::Timeout(limit), unknown);
    }

    /// The session ends.
    pub(crate) fn end_deliveries(&mut self, reason: &Lost) {
        while let Some(id) = self.deliveries.first() {
            self.end_delivery(id, NotSent::Lost(reason.clone()), Unknown::Lost(reason.clone()));
        }
    }

    /// Withdraws a frame that asked for a RECEIPT: nobody waits for it any more, no event comes, and it is never sent (again).
    /// Whether nothing of it has ever left, so that no broker has it; else one may have it.
    pub fn cancel(&mut self, id: ReceiptId) -> bool {
        let withdrawn = match self.deliveries.take(id) {
            Some(Kept { frame, handed_over, copy, .. }) => {
                self.discard([frame.body_bytes()]);
                copy.map(|copy| self.forget_copy(copy));
                !handed_over
            }
            None => self.forget_copy(id),
        };
        self.proceed();
        withdrawn
    }

    /// Waits no more for an answer to a frame, and takes it back if nothing of it has left. Whether that was so.
    fn forget_copy(&mut self, id: ReceiptId) -> bool {
        let Some(connected) = self.connected_mut() else { return false };
        // A COMMIT is not cancelled.
        if !matches!(connected.receipts.awaited(id), Some(Awaited::Command | Awaited::Delivery(_))) {
            return false;
        }
        let Some(Pending { stage, .. }) = connected.receipts.take(id) else { return false };
        let Stage::Queued(place) = stage else {
            connected.unanswered = true;
            return false;
        };
        let body = connected.withdraw(place);
        self.discard(body);
        true
    }
}
