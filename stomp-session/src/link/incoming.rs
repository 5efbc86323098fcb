//! What the broker sends, and what follows from it.

use core::time::Duration;

use stomp_proto::{AckMode, Command, Excess, Frame, Item};

use super::{
    Link,
    context::{Cx, Parts, Reaction, delivery_ids},
    receipts::{Awaited, Pending, Stage},
    unsubscribing::UnsubscribeOptions,
    wire::Wire,
};
use crate::model::{
    error::{CommandError, Ended, Lost, NotSent, Outcome, ServerError, Unknown},
    event::Event,
    ids::{ReceiptId, SubscriptionId},
    message::{Arrival, Message},
    profile::Nack,
    subscribe::Oversized,
};

impl Link {
    /// Takes something that came. An error ends the connection.
    pub(crate) fn handle_item(&mut self, item: Item, cx: &mut Cx<'_>) -> Result<Reaction, Lost> {
        match item {
            Item::Frame(frame) => self.handle_frame(frame, cx),
            Item::TooLarge { frame, excess } if frame.command() == Command::Message => {
                Ok(self.handle_oversized(frame, excess, cx))
            }
            Item::TooLarge { frame, .. } => self.handle_frame(frame, cx),
            // That something came was noted before.
            Item::HeartBeat => {
                self.heart_beats.beat();
                Ok(Reaction::None)
            }
            _ => Ok(Reaction::None),
        }
    }

    fn handle_frame(&mut self, frame: Frame, cx: &mut Cx<'_>) -> Result<Reaction, Lost> {
        match frame.command() {
            Command::Receipt => Ok(self.handle_receipt(frame, cx)),
            Command::Error => {
                self.handle_error(ServerError::new(frame, &cx.mask()), cx)?;
                self.proceed(cx);
                Ok(Reaction::None)
            }
            other => Err(Lost::UnexpectedFrame(other)),
        }
    }

    /// Takes a message that somebody is there for. After the command gate has closed nobody could acknowledge any.
    pub(crate) fn accept(&mut self, frame: &Frame, cx: &mut Cx<'_>) -> Option<Arrival> {
        if cx.is_leaving() && self.send_back(frame, cx) {
            return None;
        }
        self.settlement.count(frame, delivery_ids(&self.connection));
        let Some(subscription) = cx.replay.subscriptions.standing(frame, self.connection.version) else {
            self.handle_unowned(frame, cx);
            return None;
        };
        let mut held = cx.replay.subscriptions.get(subscription)?;
        if held.asked.is_some() {
            self.confirm_subscribe(subscription, cx);
            held = cx.replay.subscriptions.get(subscription)?;
        }
        if held.is_browsed(frame, &self.connection.profile) {
            self.end_browse(subscription, cx);
            return None;
        }
        let ack_mode = held.subscribe.ack_mode;
        // The broker gives it back; nobody else gets what it has forgotten.
        if cx.is_moving && ack_mode != AckMode::Auto && !held.subscribe.keep_stale {
            self.settlement.deliver_to_nobody(subscription, frame, self.connection.version);
            cx.events.count_returned();
            return None;
        }
        let delivery = match ack_mode {
            AckMode::Auto => 0,
            _ => self.settlement.deliver(subscription, frame, self.connection.version),
        };
        Some(Arrival::new(self.connection.id, subscription, ack_mode, delivery))
    }

    /// All that a queue holds was shown. It is not browsed again on the next connection.
    fn end_browse(&mut self, id: SubscriptionId, cx: &mut Cx<'_>) {
        if let Some(subscription) = cx.replay.subscriptions.remove(id) {
            self.unsubscribe(id, subscription, UnsubscribeOptions::default(), cx);
            cx.events.push(Event::SubscriptionEnded { id, reason: Ended::Browsed });
        }
    }

    /// A message says that its subscription stands, whether a RECEIPT comes or not; but not under an id that had messages on
    /// this connection before.
    fn confirm_subscribe(&mut self, id: SubscriptionId, cx: &mut Cx<'_>) {
        let Some(held) = cx.replay.subscriptions.get(id) else { return };
        let Some(receipt) = held.asked else { return };
        if cx.replay.subscriptions.was_used_before(&held.wire_id) || self.wire.receipts.is_queued(receipt) {
            return;
        }
        let _ = self.wire.receipts.take(receipt);
        self.answer(receipt, Awaited::Subscribe(id), Outcome::Confirmed, cx);
        self.proceed(cx);
    }

    /// A message for a subscription that does not stand. After UNSUBSCRIBE they are normal (ActiveMQ sends up to 200):
    /// dropped, and never refused by themselves, which RabbitMQ would answer with an ERROR.
    fn handle_unowned(&mut self, frame: &Frame, cx: &mut Cx<'_>) {
        let id = frame.header("subscription").and_then(|id| self.unsubscribing.of(&id.text().ok()?));
        if let Some(id) = id {
            self.settlement.deliver_to_nobody(id, frame, self.connection.version);
            self.subscribe_again(id, cx);
        } else if !cx.replay.subscriptions.was_removed(frame) {
            return cx.events.push(Event::Unroutable(frame.clone()));
        }
        cx.replay.subscriptions.count_late_message();
    }

    pub(super) fn subscribe_again(&mut self, id: SubscriptionId, cx: &mut Cx<'_>) {
        if self.said_all {
            return;
        }
        let Self { unsubscribing, connection, wire, settlement, .. } = self;
        let mut parts = Parts { connection, wire, settlement };
        if let Some(Some(name)) = unsubscribing.subscribe_again(id, &mut parts, cx.ids) {
            cx.replay.subscriptions.leave(id, name);
        }
    }

    /// A message that was read past: settled as its subscription wants, if the broker does that.
    fn handle_oversized(&mut self, frame: Frame, excess: Excess, cx: &mut Cx<'_>) -> Reaction {
        let Some(arrival) = self.accept(&frame, cx) else { return Reaction::None };
        let mut message = Message::new(frame, arrival);
        let policy = cx.replay.subscriptions.get(message.subscription()).map(|held| held.subscribe.oversized);
        let settled = match policy.unwrap_or_default() {
            Oversized::Leave | Oversized::Deliver => Ok(()),
            Oversized::Acknowledge => self.ack(&mut message, cx),
            Oversized::DeadLetter => self.nack_as(&mut message, Nack::DeadLetter, cx),
        };
        // What could not be settled is left: the message says so.
        drop::<Result<(), CommandError>>(settled);
        Reaction::Tell(Event::TooLarge { message, excess })
    }

    /// The RECEIPT of a frame whose sender is told the outcome: by far the most that come. Whether it was one; anything else is
    /// left for [`handle_item`](Self::handle_item).
    pub(crate) fn confirm_command(&mut self, frame: &Frame, cx: &mut Cx<'_>) -> bool {
        let Some((id, awaited)) = self.wire.take_command(frame) else { return false };
        cx.events.trace_frame(frame);
        self.answer(id, awaited, Outcome::Confirmed, cx);
        self.proceed(cx);
        true
    }

    /// Matched by id only: receipts come out of order and prove nothing about what earlier frames have done. One that
    /// nobody waits for is harmless: its waiter may have gone.
    fn handle_receipt(&mut self, frame: Frame, cx: &mut Cx<'_>) -> Reaction {
        let reaction = match self.take_answered(&frame) {
            Some((_, Awaited::Disconnect)) => return Reaction::Finished,
            Some((id, awaited)) => {
                self.answer(id, awaited, Outcome::Confirmed, cx);
                Reaction::None
            }
            None => Reaction::Tell(Event::Unroutable(frame)),
        };
        self.proceed(cx);
        reaction
    }

    /// What a RECEIPT or an ERROR answers, if somebody waits for it; or a SUBSCRIBE, whose answer counts however late it is.
    pub(super) fn take_answered(&mut self, frame: &Frame) -> Option<(ReceiptId, Awaited)> {
        self.wire.take_answered(frame).or_else(|| {
            let id = self.connection.id.receipt(frame.header("receipt-id")?.number()?);
            self.late.remove(&id).map(|subscription| (id, Awaited::Subscribe(subscription)))
        })
    }

    /// The time of a wait is over.
    pub(super) fn give_up(&mut self, id: ReceiptId, cx: &mut Cx<'_>) {
        self.giving_back.iter_mut().for_each(|it| it.stop());
        self.stop_waiting(id, |limit| (NotSent::Timeout(limit), Unknown::Timeout(limit)), cx);
    }

    /// The receipts stand behind messages that nobody takes, and there is no room for more of those. What is sent at least
    /// once waits on. Whether there was anything to give up.
    #[cfg(feature = "client")]
    pub(crate) fn give_up_receipts(&mut self, octets: usize, cx: &mut Cx<'_>) -> bool {
        let commands = self.wire.receipts.commands();
        for id in &commands {
            self.stop_waiting(*id, |_| (NotSent::InboxFull { octets }, Unknown::InboxFull { octets }), cx);
        }
        !commands.is_empty()
    }

    /// What has not left is withdrawn.
    fn stop_waiting(
        &mut self,
        id: ReceiptId,
        why: impl FnOnce(Duration) -> (NotSent, Unknown),
        cx: &mut Cx<'_>,
    ) {
        let limit = self.wire.receipts.limit(id).unwrap_or_default();
        let Some((Pending { awaited, stage, .. }, body)) = self.wire.forget(id) else { return };
        cx.events.discard(body);
        self.note_late(id, awaited);
        let (not_sent, unknown) = why(limit);
        let outcome = match stage {
            // It leaves all the same.
            _ if awaited.is_ack() => Outcome::Unknown(unknown),
            Stage::Queued(_) | Stage::Unwritten => Outcome::NotSent(not_sent),
            Stage::OnWire => Outcome::Unknown(unknown),
        };
        self.answer(id, awaited, outcome, cx);
    }

    pub(super) fn note_late(&mut self, id: ReceiptId, awaited: Awaited) {
        if let Awaited::Subscribe(subscription) = awaited {
            self.late.insert(id, subscription);
        }
    }

    /// The answer to what is alone does not come.
    pub(super) fn stop_waiting_alone(&mut self, id: ReceiptId) {
        match self.wire.receipts.awaited(id) {
            Some(awaited @ Awaited::Subscribe(_)) => {
                let _ = self.wire.forget(id);
                self.note_late(id, awaited);
            }
            Some(_) => self.wire.unanswered = true,
            // Its own time was over at the same moment.
            None => {}
        }
    }

    /// The connection has ended, and with it the wait.
    pub(super) fn lose_receipt(&mut self, id: ReceiptId, reason: &Lost, cx: &mut Cx<'_>) {
        let Some(Pending { awaited, stage, .. }) = self.wire.receipts.take(id) else { return };
        let outcome = match stage {
            Stage::Queued(_) | Stage::Unwritten => Outcome::NotSent(NotSent::Lost(reason.clone())),
            Stage::OnWire => Outcome::Unknown(Unknown::Lost(reason.clone())),
        };
        self.answer(id, awaited, outcome, cx);
    }

    /// Tells the outcome of a frame to whoever waits for it. What is kept, or subscribed, and was refused is judged elsewhere.
    pub(super) fn answer(&mut self, id: ReceiptId, awaited: Awaited, outcome: Outcome, cx: &mut Cx<'_>) {
        let Self { wire, transactions, .. } = self;
        match (awaited, outcome) {
            (Awaited::Command, outcome) => cx.events.tell(id, outcome),
            (Awaited::Ack, outcome) => {
                self.settlement.take_parts(id).for_each(|part| _ = wire.receipts.take(part));
                cx.events.tell(id, outcome);
            }
            (Awaited::AckPart(whole), outcome) => self.answer_part(whole, id, outcome, cx),
            (Awaited::Commit(number), outcome) => transactions.answer_commit(number, outcome, wire, cx),
            (Awaited::Part(number), outcome) => transactions.answer_part(number, id, outcome, wire, cx),
            (Awaited::Kept(id), Outcome::Confirmed) => {
                cx.replay.open_for_kept(id);
                cx.replay.answer(id, Outcome::Confirmed, cx.events);
            }
            (Awaited::Subscribe(subscription), Outcome::Confirmed) => {
                // An ERROR that named it may have come before: a RECEIPT that follows is no success.
                if let Some(was_closed) = cx.replay.subscriptions.note_taken(subscription, id, cx.now) {
                    cx.replay.open_for(subscription, was_closed);
                    cx.events.push(Event::Subscribed(subscription));
                }
            }
            (Awaited::Unsubscribe(id), Outcome::Confirmed | Outcome::Rejected(_)) => {
                let is_awaited = self.unsubscribing.take_asked(id);
                if cx.replay.subscriptions.release(id) || is_awaited {
                    cx.events.push(Event::Unsubscribed(id));
                }
            }
            (Awaited::Unsubscribing(id), outcome) => self.answer_unsubscribing(id, &outcome, cx),
            // Without an answer a SEND is kept, the subscription may well stand, and DISCONNECT has a deadline of its own.
            (
                Awaited::Abort
                | Awaited::Kept(_)
                | Awaited::Subscribe(_)
                | Awaited::Unsubscribe(_)
                | Awaited::Disconnect,
                _,
            ) => {}
        }
    }

    /// One of the ACKs was answered that an acknowledgement was spelled out in: the last one, or one that was refused, answers it.
    fn answer_part(&mut self, whole: ReceiptId, part: ReceiptId, outcome: Outcome, cx: &mut Cx<'_>) {
        let outcome = match outcome {
            Outcome::Confirmed if !self.settlement.answer_part(whole, part) => return,
            Outcome::Confirmed | Outcome::Rejected(_) => outcome,
            // The whole has its own end.
            _ => return,
        };
        if self.wire.receipts.take(whole).is_some() {
            self.answer(whole, Awaited::Ack, outcome, cx);
        }
    }

    fn answer_unsubscribing(&mut self, id: SubscriptionId, outcome: &Outcome, cx: &mut Cx<'_>) {
        let Self { unsubscribing, connection, wire, settlement, .. } = self;
        let mut parts = Parts { connection, wire, settlement };
        match outcome {
            Outcome::Confirmed => unsubscribing.answered(id, &mut parts, cx.ids),
            Outcome::Rejected(_) => unsubscribing.forget(id, &mut parts),
            _ => {}
        }
    }

    /// For commands that write directly.
    pub(super) const fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}
