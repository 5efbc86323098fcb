//! What becomes of the frames that asked for a RECEIPT: each is resolved exactly once.

use core::time::Duration;

use stomp_proto::Frame;

use crate::{
    Event, Lost, NotSent, Outcome, ReceiptId, Session, Unknown,
    receipts::{Awaited, Pending, Stage},
};

impl Session {
    /// Matched by id only: receipts come out of order and prove nothing about what earlier frames have done. One that
    /// nobody waits for is harmless: its waiter may have gone.
    pub(crate) fn handle_receipt(&mut self, frame: Frame) {
        match self.take_awaited(&frame) {
            Some((_, Awaited::Disconnect)) => {
                self.end(true, &Lost::Disconnected, true);
            }
            Some((id, awaited)) => self.resolve(id, awaited, Outcome::Confirmed),
            None => self.events.push_back(Event::Unroutable(frame)),
        }
        self.proceed();
    }

    /// Does what has waited for an answer.
    pub(crate) fn proceed(&mut self) {
        self.continue_isolation();
        self.try_suspects();
        self.pump();
        self.continue_disconnect();
    }

    /// What the `receipt-id` of a RECEIPT or an ERROR answers, if somebody waits for it.
    pub(crate) fn take_awaited(&mut self, frame: &Frame) -> Option<(ReceiptId, Awaited)> {
        let id = frame.header("receipt-id")?.number().map(ReceiptId)?;
        let connected = self.connected_mut()?;
        let Pending { awaited, sends_before, .. } = connected.receipts.take_answered(id)?;
        // 1.2, "RECEIPT": all frames before it were received, if not processed.
        connected.sends_received = connected.sends_received.max(sends_before);
        Some((id, awaited))
    }

    /// The frame that an ERROR which names nobody must mean: all others of this connection were answered, and none was sent
    /// that has no answer. Only where frames are sent alone, or for a SUBSCRIBE, which would be sent again and refused again
    /// on each connection: who else has an ERROR for an answer may as well not know.
    pub(crate) fn take_alone(&mut self) -> Option<(ReceiptId, Awaited)> {
        let connected = self.connected_mut()?;
        let id = connected.receipts.only_on_wire().filter(|_| !connected.unanswered)?;
        let is_alone = connected.isolation.as_ref().is_some_and(|isolation| isolation.is_alone(id));
        let is_subscribe = matches!(connected.receipts.awaited(id)?, Awaited::Subscribe(_));
        let is_meant = is_alone || (is_subscribe && !connected.settled);
        let pending = is_meant.then(|| connected.receipts.take(id)).flatten()?;
        Some((id, pending.awaited))
    }

    /// The time of a wait is over.
    pub(crate) fn give_up(&mut self, id: ReceiptId) {
        self.stop_waiting(id, |limit| (NotSent::Timeout(limit), Unknown::Timeout(limit)));
    }

    /// The receipts stand behind messages that nobody takes, and there is no room for more of those. What is sent at least
    /// once waits on. Whether there was anything to give up.
    #[cfg(feature = "client")]
    pub(crate) fn give_up_receipts(&mut self, octets: usize) -> bool {
        let commands = self.connected().map_or_else(Vec::new, |connected| connected.receipts.commands());
        for id in &commands {
            self.stop_waiting(*id, |_| (NotSent::InboxFull { octets }, Unknown::InboxFull { octets }));
        }
        !commands.is_empty()
    }

    /// What has not left is withdrawn.
    fn stop_waiting(&mut self, id: ReceiptId, why: impl FnOnce(Duration) -> (NotSent, Unknown)) {
        let Some(connected) = self.connected_mut() else { return };
        let Some(Pending { awaited, stage, limit, .. }) = connected.receipts.take(id) else { return };
        let (not_sent, unknown) = why(limit);
        let outcome = match stage {
            Stage::Queued(place) => {
                let body = connected.withdraw(place);
                self.discard(body);
                Outcome::NotSent(not_sent)
            }
            Stage::OnWire => {
                connected.unanswered = true;
                Outcome::Unknown(unknown)
            }
        };
        self.resolve(id, awaited, outcome);
    }

    /// The connection has ended, and with it the wait.
    pub(crate) fn lose_receipt(&mut self, id: ReceiptId, reason: &Lost) {
        let Some(connected) = self.connected_mut() else { return };
        let Some(Pending { awaited, stage, .. }) = connected.receipts.take(id) else { return };
        let outcome = match stage {
            Stage::Queued(_) => Outcome::NotSent(NotSent::Lost(reason.clone())),
            Stage::OnWire => Outcome::Unknown(Unknown::Lost(reason.clone())),
        };
        self.resolve(id, awaited, outcome);
    }

    /// Tells the outcome to whoever waits for it.
    pub(crate) fn resolve(&mut self, id: ReceiptId, awaited: Awaited, outcome: Outcome) {
        match (awaited, outcome) {
            (Awaited::Command, outcome) => self.tell(id, outcome),
            (Awaited::Commit(number), outcome) => self.answer_commit(number, outcome),
            (Awaited::Part(number), outcome) => self.answer_part(number, id, outcome),
            (Awaited::Delivery(id), outcome @ (Outcome::Confirmed | Outcome::Rejected(_))) => {
                self.answer_delivery(id, outcome);
            }
            (Awaited::Subscribe(subscription), Outcome::Confirmed) => {
                // An ERROR that named it may have come before: a RECEIPT that follows is no success.
                if self.subscriptions.note_taken(subscription, id, self.now) {
                    self.events.push_back(Event::Subscribed(subscription));
                }
            }
            (Awaited::Leaving(id), Outcome::Confirmed) => self.go_on_leaving(id),
            (Awaited::Leaving(id), Outcome::Rejected(_)) => self.forget_leaving(id),
            // Without an answer a SEND is kept, the subscription may well stand, and DISCONNECT has a deadline of its own.
            (
                Awaited::Abort
                | Awaited::Delivery(_)
                | Awaited::Leaving(_)
                | Awaited::Subscribe(_)
                | Awaited::Disconnect,
                _,
            ) => {}
        }
    }

    /// Tells the outcome of a frame to whoever has sent it.
    pub(crate) fn tell(&mut self, id: ReceiptId, outcome: Outcome) {
        if let Some(ending) = &mut self.ending {
            ending.count(&outcome);
        }
        self.events.push_back(Event::Receipt { id, outcome });
    }
}
