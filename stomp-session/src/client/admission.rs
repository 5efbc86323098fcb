//! Decides what is sent at once, of single sends and of publishers. A message that finds a connection with room is sent; the
//! others are parked and sent in order.

use std::{
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::PreparedFrame;

use super::{
    error::{BeginError, PublishError, SendError},
    notice::Notice,
    outgoing::{Admitted, Content, How, Line, Mode, Parked, ParkedId, What},
    publishers::{Flush, PublisherId, Window},
    settings::Settings,
    shared::Inner,
};
use crate::{AtLeastOnce, Closed, CommandError, ReceiptId, Timestamp, TransactionId};

/// How far a send has come at its first poll.
pub(super) enum Started {
    Admitted(Admitted),
    Parked(ParkedId),
}

impl Inner {
    /// Sends, or parks what has to wait: then the content is taken.
    pub(super) fn start_send(
        &mut self,
        settings: &Settings,
        content: &mut Content,
        how: How,
        waker: &Waker,
    ) -> Result<Started, SendError> {
        self.check_open()?;
        // It has failed.
        if how.transaction.is_some() && how.mode != Mode::Plain {
            return Err(SendError::InTransaction);
        }
        let is_over = how.transaction.is_some_and(|transaction| !self.stands(transaction));
        if is_over || self.may_pass(how.line(), content.size(), settings) {
            return Ok(Started::Admitted(self.send_now(content, how, how.timeout, Some(waker))?));
        }
        self.check_parking()?;
        if how.immediate {
            return self.send_immediately(content, how, waker);
        }
        let watcher = if how.is_buffered() {
            let octets = self.parking.octets().saturating_add(content.size());
            if octets > settings.outbound_budget {
                return Err(SendError::Full);
            }
            None
        } else {
            Some(waker.clone())
        };
        self.after.drop_body(content.unpin());
        let (what, patience) =
            (What::Send { content: content.take(), how }, how.timeout.unwrap_or(settings.send_timeout));
        let is_watched = watcher.is_some();
        let id = self.park(how.line(), Parked::new(what, patience, watcher));
        Ok(if is_watched { Started::Parked(id) } else { Started::Admitted(Admitted::Sent) })
    }

    /// Begins a transaction, or has the BEGIN wait for its turn.
    pub(super) fn start_transaction(
        &mut self,
        settings: &Settings,
        patience: Duration,
        waker: &Waker,
    ) -> Result<Started, BeginError> {
        self.check_open()?;
        if self.may_pass(Line::Transport, 0, settings) {
            return self.begin().map(Started::Admitted);
        }
        self.check_parking()?;
        let parked = Parked::new(What::Begin, patience, Some(waker.clone()));
        Ok(Started::Parked(self.park(Line::Transport, parked)))
    }

    fn check_open(&self) -> Result<(), BeginError> {
        self.closed.as_deref().map_or(Ok(()), |closed| Err(BeginError::Closed(closed.clone())))
    }

    /// During a graceful end, parked messages are still sent, but none is added.
    fn check_parking(&self) -> Result<(), BeginError> {
        if self.parking.is_closing() { Err(CommandError::Closed.into()) } else { Ok(()) }
    }

    /// Sends without waiting. If there is no connection, the session returns the error.
    fn send_immediately(
        &mut self,
        content: &mut Content,
        how: How,
        waker: &Waker,
    ) -> Result<Started, SendError> {
        if how.line() == Line::Transport && self.session.takes_sends() {
            return Err(SendError::Full);
        }
        Ok(Started::Admitted(self.send_now(content, how, how.timeout, Some(waker))?))
    }

    pub(super) fn park(&mut self, line: Line, parked: Parked) -> ParkedId {
        // The driver gives it its deadline.
        self.wake_driver();
        self.parking.park(line, parked)
    }

    fn may_pass(&self, line: Line, size: usize, settings: &Settings) -> bool {
        self.parking.first(line).is_none() && self.has_room(line, size, settings)
    }

    /// Whether a message of this size can be sent. An empty buffer takes any size.
    fn has_room(&self, line: Line, size: usize, settings: &Settings) -> bool {
        match line {
            Line::Transport => {
                self.session.takes_sends() && self.session.unsent() < settings.outbound_budget.max(1)
            }
            Line::Kept => self.session.keeps_none() || self.session.has_room_to_keep(size),
        }
    }

    fn stands(&self, transaction: TransactionId) -> bool {
        self.session.connection().is_some_and(|connection| connection.id == transaction.connection)
    }

    /// Sends the parked messages for which there is room.
    pub(super) fn admit(&mut self, settings: &Settings) {
        if self.parking.is_empty() || self.closed.is_some() {
            return;
        }
        for line in [Line::Transport, Line::Kept] {
            while let Some(size) = self.parking.first(line)
                && self.has_room(line, size, settings)
                && let Some((id, parked)) = self.parking.pop(line)
            {
                self.let_out(id, parked);
            }
        }
    }

    fn let_out(&mut self, id: ParkedId, mut parked: Parked) {
        let rest = parked.rest(self.session.now());
        let admitted = match &mut parked.what {
            What::Begin => self.begin(),
            What::Send { content, how } => self.send_now(content, *how, how.timeout.map(|_| rest), None),
        };
        self.settle_parked(id, parked, admitted);
    }

    /// Reports the result to the sender. If a RECEIPT is awaited, that wakes the sender instead.
    fn settle_parked(&mut self, id: ParkedId, parked: Parked, result: Result<Admitted, BeginError>) {
        let Parked { what, watcher, .. } = parked;
        if let What::Send { content, .. } = what {
            self.after.drop_content(content);
        }
        self.flushes.note_admitted(id.number, result.is_ok(), &self.session);
        // A disconnect may have waited for it.
        self.wake_driver();
        match (watcher, result) {
            (Some(waker), result) => {
                match result {
                    Ok(Admitted::Receipt(receipt)) => {
                        let unused = self.receipts.watch(receipt, waker);
                        self.discard(unused);
                    }
                    _ => self.after.wake(Some(waker)),
                }
                self.parking.keep(id, result);
            }
            (None, Err(error)) => self.note(&Notice::SendFailed(error.into())),
            (None, Ok(_)) => {}
        }
    }

    /// Sends. If a RECEIPT is awaited, that wakes the `waker`.
    fn send_now(
        &mut self,
        content: &mut Content,
        how: How,
        rest: Option<Duration>,
        waker: Option<&Waker>,
    ) -> Result<Admitted, BeginError> {
        let receipt = match (how.mode, how.transaction) {
            (Mode::Plain, None) => {
                content.send(&mut self.session)?;
                None
            }
            (_, Some(transaction)) => {
                self.session.send_in(transaction, content.frame())?;
                None
            }
            (Mode::Confirmed, None) => {
                let rest = rest.unwrap_or_else(|| self.session.config().timeout);
                Some(content.confirm(&mut self.session, rest)?)
            }
            (Mode::AtLeastOnce { ordered }, None) => {
                Some(self.session.keep(content.frame(), AtLeastOnce { timeout: rest, ordered })?)
            }
        };
        self.counters.count_sent();
        if let Some(publisher) = how.publisher {
            self.wake_driver();
            return Ok(Admitted::Published(self.note_published(publisher, receipt)));
        }
        self.wake_driver();
        Ok(receipt.map_or(Admitted::Sent, |id| {
            self.receipts.await_one(id, waker.cloned());
            Admitted::Receipt(id)
        }))
    }

    fn begin(&mut self) -> Result<Admitted, BeginError> {
        let id = self.session.begin()?;
        self.wake_driver();
        Ok(Admitted::Begun(id))
    }

    pub(super) fn poll_parked(&mut self, id: ParkedId, waker: Waker) -> Poll<Result<Admitted, BeginError>> {
        let (polled, unused) = self.parking.poll(id, waker);
        self.discard(unused);
        polled
    }

    /// The sender has been dropped: what has not been admitted is not sent, and a transaction whose beginning was not
    /// reported is aborted.
    pub(super) fn forget_parked(&mut self, id: ParkedId) {
        match self.parking.forget(id) {
            (Some(Parked { what, watcher, .. }), _) => {
                self.discard(watcher);
                if let What::Send { content, .. } = what {
                    self.after.drop_content(content);
                }
                self.wake_driver();
            }
            (None, Some(Ok(Admitted::Receipt(receipt)))) => self.forget_receipt(receipt),
            (None, Some(Ok(Admitted::Begun(transaction)))) => {
                let _ = self.session.abort(transaction);
                self.wake_driver();
            }
            (None, _) => {}
        }
    }

    /// Fails the parked messages that have passed their deadline.
    pub(super) fn expire_parked(&mut self, now: Timestamp) {
        for (id, parked) in self.parking.expire(now) {
            let waited = parked.patience;
            let is_connected = self.session.takes_sends();
            let is_kept = matches!(parked.what, What::Send { how, .. } if how.line() == Line::Kept);
            let error = match is_connected || is_kept {
                true => BeginError::NoRoom(waited),
                false => BeginError::NoConnection(waited),
            };
            self.settle_parked(id, parked, Err(error));
        }
    }

    /// The connection has ended, and with it the transactions on it.
    pub(super) fn fail_in_transactions(&mut self) {
        let is_meant = |what: &What| matches!(what, What::Send { how, .. } if how.transaction.is_some());
        self.parking.take(is_meant).into_iter().for_each(|(id, parked)| self.let_out(id, parked));
    }

    /// The session has ended.
    pub(super) fn close_parking(&mut self, closed: &Closed) {
        for (id, parked) in self.parking.take(|_| true) {
            self.settle_parked(id, parked, Err(BeginError::Closed(closed.clone())));
        }
    }

    pub(super) fn poll_receipt(&mut self, id: ReceiptId, waker: &Waker) -> Option<crate::Outcome> {
        self.receipts.poll(id, waker).map_err(|replaced| self.after.discard(replaced)).ok()
    }

    /// Stops waiting for a receipt, and withdraws its frame if nothing of it was handed to the transport.
    pub(super) fn forget_receipt(&mut self, id: ReceiptId) {
        let (waited, waker) = self.receipts.forget(id);
        if waited {
            self.session.cancel(id);
            self.wake_driver();
        }
        self.discard(waker);
    }
}

/// What became of a message that was fed.
pub(super) enum Fed {
    /// It was handed over under this number.
    HandedOver(u64),
    /// It waits by itself for a connection with room.
    Parked(ParkedId),
    /// It was not taken, because the window is full. The waker is woken when there is room.
    Full,
}

/// The frame that a publisher sends, and how it is sent.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) id: PublisherId,
    pub(super) how: How,
    pub(super) frame: PreparedFrame,
    /// The size of the frame without a body, in octets.
    pub(super) size: usize,
}

/// The messages of publishers: handed over at once if there is room, otherwise parked as any other send.
impl Inner {
    /// Hands a message over, or parks it.
    pub(super) fn feed(
        &mut self,
        settings: &Settings,
        terms: &mut Terms,
        body: &Bytes,
        waker: &Waker,
    ) -> Result<Fed, SendError> {
        self.check_open()?;
        if self.poll_window(terms.id, waker)?.is_pending() {
            return Ok(Fed::Full);
        }
        let line = terms.how.line();
        if self.may_pass(line, terms.size.saturating_add(body.len()), settings) {
            return self.publish_now(terms, body).map(Fed::HandedOver);
        }
        self.check_parking()?;
        let frame = Arc::new(Mutex::new(terms.frame.clone()));
        let mut content = Content::Prepared { frame, body: body.clone() };
        let patience = terms.how.timeout.unwrap_or(settings.send_timeout);
        self.after.drop_body(content.unpin());
        let parked = Parked::new(What::Send { content, how: terms.how }, patience, Some(waker.clone()));
        Ok(Fed::Parked(self.park(line, parked)))
    }

    /// Whether there is room in the window. If there is none, the waker is woken when there is.
    pub(super) fn poll_window(&mut self, id: PublisherId, waker: &Waker) -> Result<Poll<()>, SendError> {
        match self.publishers.window(id) {
            Window::Open => Ok(Poll::Ready(())),
            Window::Untaken(count) => Err(SendError::OutcomesUntaken(count)),
            Window::Full => {
                let replaced = self.publishers.await_room(id, waker.clone());
                self.discard(replaced);
                Ok(Poll::Pending)
            }
        }
    }

    fn publish_now(&mut self, terms: &mut Terms, body: &Bytes) -> Result<u64, SendError> {
        let Terms { id, how, frame, .. } = terms;
        let receipt = match how.mode {
            Mode::Plain => self.session.publish(frame, body, None)?,
            Mode::Confirmed => {
                let timeout = how.timeout.unwrap_or_else(|| self.session.config().timeout);
                self.session.publish(frame, body, Some(timeout))?
            }
            Mode::AtLeastOnce { ordered } => {
                let mut frame = frame.frame().clone().with_body(body.clone());
                Some(self.session.keep(&mut frame, AtLeastOnce { timeout: how.timeout, ordered })?)
            }
        };
        self.counters.count_sent();
        self.wake_driver();
        Ok(self.note_published(*id, receipt))
    }

    /// Counts a message that was handed to the session.
    fn note_published(&mut self, id: PublisherId, receipt: Option<ReceiptId>) -> u64 {
        let position = receipt.is_none().then(|| self.session.sends_appended());
        let number = self.publishers.hand_over(id, position);
        receipt.into_iter().for_each(|receipt| self.receipts.publish(receipt, id, number));
        number
    }

    /// The number of the oldest message without an outcome, or of the next one.
    pub(super) fn first_unsettled(&self, id: PublisherId) -> u64 {
        self.receipts.first_of(id).unwrap_or_else(|| self.publishers.next_number(id))
    }

    pub(super) fn poll_publisher_flush(
        &mut self,
        terms: &Terms,
        waker: Waker,
    ) -> Poll<Result<(), PublishError>> {
        let (flushed, unused) = self.publishers.poll_flush(terms.id, waker);
        self.discard(unused);
        match (flushed, terms.how.mode) {
            (Flush::Waits, _) => Poll::Pending,
            (Flush::Done, _) => Poll::Ready(Ok(())),
            (Flush::Failed(count), Mode::Plain) => Poll::Ready(Err(PublishError::Unsent { count })),
            (Flush::Failed(count), _) => Poll::Ready(Err(PublishError::Unconfirmed { count })),
        }
    }

    /// Messages that were handed over are still sent; their outcomes are not reported.
    pub(super) fn remove_publisher(&mut self, id: PublisherId) {
        if self.publishers.has_unsettled(id) {
            self.receipts.forget_all_of(id);
        }
        let waker = self.publishers.remove(id);
        self.discard(waker);
    }
}
