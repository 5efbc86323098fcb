//! UNSUBSCRIBE that strands nothing: it leaves when nobody has a message any more that he may still settle, and what the
//! broker would keep for us is given back.
//!
//! ```text
//!            the last message is settled, or its time is over
//!   Waits ───────────────────────────────────────────────► Left ──► goes with the connection
//!            BEGIN, NACK each message, UNSUBSCRIBE, COMMIT  │  ▲
//!                     a MESSAGE or a stray ERROR shows that │  │
//!                     something was on its way: SUBSCRIBE   ▼  │ NACK each message, UNSUBSCRIBE, COMMIT
//!                     for one message, with a receipt     Again ────────► Begun
//!                                                           RECEIPT: BEGIN, with a receipt
//! ```
//!
//! Brokers that return messages by themselves know Waits alone. The others take a NACK only while its subscription stands,
//! and send a message that is NACKed before the UNSUBSCRIBE again at once: hence the transaction. What they send between
//! our UNSUBSCRIBE and their reading of it reaches us, as a MESSAGE or as a stray ERROR, and each is one delivery, whose
//! number is known. The second subscription wants a single message: the RECEIPT of its BEGIN comes behind what was on its
//! way, so that nothing is left to be sent if the queue holds anything. If it was empty, and a message came just then,
//! that message shows itself as the first ones did.

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use stomp_proto::{AckMode, Command, Frame, Version};

use crate::{
    CommandError, Connection, DeliveryIds, Event, Message, Profile, ReceiptId, Session, SubscriptionId,
    Timestamp, Unsubscribe, connected::Connected, frames, outbox::Kind, receipts::Awaited, session::State,
    subscriptions::Subscription, unsettled::Unsettled,
};

/// A subscription that its owner has ended.
#[derive(Debug)]
pub(crate) struct Leaving {
    subscription: Subscription,
    /// Whether a durable subscription is deleted, and not only left.
    deletes: bool,
    stage: Stage,
    /// When UNSUBSCRIBE is written at the latest. None until the first call that brings the time.
    deadline: Option<Timestamp>,
}

/// The most that are remembered after their UNSUBSCRIBE. What comes late for one that is forgotten stays out of sight until
/// the connection ends.
const REMEMBERED: usize = 256;

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waits,
    Left,
    Again,
    Begun,
}

/// Unsubscribing.
impl Session {
    /// Ends a subscription: it is not sent again. Messages that nobody has collected, and those that still come, are
    /// dropped; those that were collected may still be settled: UNSUBSCRIBE leaves when all of them are, or were
    /// [given back](Self::give_back), and at the latest after
    /// [`Config::unsubscribe_timeout`](crate::Config::unsubscribe_timeout). Then acknowledgements are
    /// [`CommandError::Unsubscribed`], and what was not acknowledged goes back to the broker: where it would keep that until
    /// the connection ends (RabbitMQ), it is made to return it, but for what was on its way to a queue that is
    /// [`temporary`](crate::Profile::temporary), and in 1.0, which has no NACK.
    ///
    /// A durable subscription is only left: the broker goes on to collect messages for it.
    ///
    /// # Errors
    /// [`CommandError::Unsubscribed`] when there is none.
    pub fn unsubscribe(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        let stands = !self.subscriptions.waits(id);
        let subscription = self.subscriptions.remove(id).ok_or(CommandError::Unsubscribed)?;
        if stands {
            self.leave_subscription(id, subscription, false);
        }
        Ok(())
    }

    /// Ends a durable subscription as [`unsubscribe`](Self::unsubscribe) does, and deletes it at the broker with all that it
    /// has collected.
    ///
    /// # Errors
    /// [`CommandError::Unsubscribed`] when there is none; [`CommandError::NotDurable`] when its SUBSCRIBE has none of the
    /// headers that make it durable on this broker; [`CommandError::NotConnected`]. Nothing was sent.
    pub fn delete_durable(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        let subscription = self.subscriptions.get(id).ok_or(CommandError::Unsubscribed)?;
        let names = self.connection().ok_or(CommandError::NotConnected)?.profile.durable;
        if !names.iter().any(|name| subscription.subscribe.headers.contains(name)) {
            return Err(CommandError::NotDurable);
        }
        self.open()?;
        if let Some(subscription) = self.subscriptions.remove(id) {
            self.leave_subscription(id, subscription, true);
        }
        Ok(())
    }

    fn leave_subscription(&mut self, id: SubscriptionId, subscription: Subscription, deletes: bool) {
        // One that is only expected was never subscribed.
        if self.open().is_err() || subscription.subscribe.expected {
            return;
        }
        let isolation = self.connected_mut().and_then(|connected| connected.isolation.as_mut());
        if isolation.is_some_and(|isolation| isolation.forget(id)) {
            return;
        }
        self.subscriptions.retire(&subscription);
        self.give_back_uncollected(id);
        if let Some(connected) = self.connected_mut() {
            let leaving = Leaving { subscription, deletes, stage: Stage::Waits, deadline: None };
            connected.leaving.insert(id, leaving);
        }
        self.continue_leaving(id);
    }

    fn give_back_uncollected(&mut self, id: SubscriptionId) {
        let is_meant = |message: &Message| message.subscription == id && message.needs_ack();
        let mut uncollected = Vec::new();
        self.events.retain(|event| match event {
            Event::Message(message) | Event::TooLarge { message, .. } if is_meant(message) => {
                uncollected.push(message.twin());
                false
            }
            _ => true,
        });
        uncollected.iter().for_each(|message| self.give_back(message));
    }

    /// Writes the UNSUBSCRIBE if nothing keeps it back any more.
    pub(crate) fn continue_leaving(&mut self, id: SubscriptionId) {
        let Some(connected) = self.connected_mut() else { return };
        let waits = connected.leaving.get(&id).is_some_and(Leaving::waits);
        if waits && connected.unsettled.get(&id).is_none_or(Unsettled::is_done) {
            connected.leave(id);
        }
    }

    /// A message for a subscription that does not stand. After UNSUBSCRIBE they are normal (ActiveMQ sends up to 200):
    /// dropped, and never refused by themselves, which RabbitMQ would answer with an ERROR.
    pub(crate) fn handle_unowned(&mut self, frame: Frame) {
        let State::Connected(connected) = &mut self.state else { return };
        let id = frame.header("subscription").and_then(|id| connected.leaving_of(&id.text().ok()?));
        if let Some(id) = id {
            let delivery = connected.deliver(id, &frame);
            connected.unsettled.entry(id).and_modify(|unsettled| unsettled.give_back(delivery));
            self.subscribe_again(id);
        } else if !self.subscriptions.was_removed(&frame) {
            return self.events.push_back(Event::Unroutable(frame));
        }
        self.late_messages = self.late_messages.saturating_add(1);
    }

    /// An ERROR that stands for a message.
    pub(crate) fn handle_stray(&mut self, wire_id: &str) {
        let State::Connected(connected) = &mut self.state else { return };
        let delivery = connected.deliveries.saturating_add(1);
        connected.deliveries = delivery;
        let Some(id) = connected.leaving_of(wire_id) else { return };
        connected.unsettled.entry(id).and_modify(|unsettled| unsettled.add_returned(delivery));
        self.subscribe_again(id);
    }

    /// Something was on its way when it left.
    fn subscribe_again(&mut self, id: SubscriptionId) {
        let is_left = |leaving: &Leaving| leaving.stage == Stage::Left;
        if !self.connected().and_then(|connected| connected.leaving.get(&id)).is_some_and(is_left) {
            return;
        }
        let receipt = self.next_receipt();
        let Some(connected) = self.connected_mut() else { return };
        let Connected { leaving, connection, .. } = connected;
        let Some(leaving) = leaving.get_mut(&id) else { return };
        (leaving.stage, leaving.deadline) = (Stage::Again, None);
        leaving.subscription.narrow(&connection.profile);
        let frame = leaving.subscription.frame(connection.version, &connection.profile, receipt);
        connected.find_out(id, &frame, receipt);
    }

    /// The broker has answered: what it had sent before has come.
    pub(crate) fn go_on_leaving(&mut self, id: SubscriptionId) {
        let receipt = self.next_receipt();
        let Some(connected) = self.connected_mut() else { return };
        let Some(leaving) = connected.leaving.get_mut(&id) else { return };
        match leaving.stage {
            Stage::Again => {
                leaving.stage = Stage::Begun;
                let begin = frames::begin(&leaving.transaction()).with_header("receipt", receipt.wire());
                connected.find_out(id, &begin, receipt);
            }
            Stage::Begun => connected.leave(id),
            Stage::Waits | Stage::Left => {}
        }
    }

    /// An ERROR that names a subscription says that the broker has ended it: there is nothing to leave any more.
    pub(crate) fn forget_cancelled(&mut self, error: &Frame) {
        let id = error.header("subscription").and_then(|id| self.connected()?.leaving_of(&id.text().ok()?));
        if let Some(id) = id {
            self.forget_leaving(id);
        }
    }

    /// The broker has ended it by itself.
    pub(crate) fn forget_leaving(&mut self, id: SubscriptionId) {
        if let Some(connected) = self.connected_mut() {
            connected.leaving.remove(&id);
            connected.unsettled.remove(&id);
        }
    }

    /// Messages that came for a subscription after its end, and were dropped. They stay with the broker.
    #[must_use]
    pub const fn late_messages(&self) -> u64 {
        self.late_messages
    }
}

impl Connected {
    /// Gives those that were left since the last call their time.
    pub(crate) fn stamp_leaving(&mut self, deadline: Timestamp) {
        let unstamped =
            self.leaving.values_mut().filter(|it| it.stage != Stage::Left && it.deadline.is_none());
        unstamped.for_each(|leaving| leaving.deadline = Some(deadline));
    }

    pub(crate) fn leaving_deadline(&self) -> Option<Timestamp> {
        let unfinished = self.leaving.values().filter(|leaving| leaving.stage != Stage::Left);
        unfinished.map(|leaving| leaving.deadline.unwrap_or(Timestamp::ZERO)).min()
    }

    /// Writes the UNSUBSCRIBEs whose time has come.
    pub(crate) fn leave_overdue(&mut self, now: Timestamp) {
        let is_due = |it: &Leaving| it.stage != Stage::Left && it.deadline.unwrap_or(now) <= now;
        let due: Vec<_> = self.leaving.iter().filter(|(_, it)| is_due(it)).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.leave(id));
    }

    /// Writes all UNSUBSCRIBEs that were not written. The connection is about to end, and gives back all there is.
    pub(crate) fn leave_all(&mut self) {
        let leaving = core::mem::take(&mut self.leaving).into_values();
        for leaving in leaving.filter(|leaving| leaving.stage != Stage::Left) {
            let _ = self.push(&leaving.frame(&self.connection), Kind::Unanswered);
        }
    }

    /// Writes an UNSUBSCRIBE. Where it would strand what nobody has settled, that is refused in a transaction around it:
    /// before it, it would come again at once; after it, it is nobody's to refuse.
    fn leave(&mut self, id: SubscriptionId) {
        let Some(mut leaving) = self.leaving.remove(&id) else { return };
        let unsettled = self.unsettled.remove(&id).unwrap_or_default();
        let strands = self.delivery_ids().filter(|_| leaving.is_acknowledged());
        let nack = |(ids, number)| leaving.nack(&self.connection, ids, number);
        let nacks: Vec<_> =
            unsettled.into_numbers().filter_map(|number| Some(nack((strands?, number)))).collect();
        let has_begun = leaving.stage == Stage::Begun;
        let begin = (!has_begun && !nacks.is_empty()).then(|| frames::begin(&leaving.transaction()));
        let commit = (has_begun || !nacks.is_empty()).then(|| frames::commit(&leaving.transaction()));
        let unsubscribe = [leaving.frame(&self.connection)];
        for frame in begin.into_iter().chain(nacks).chain(unsubscribe).chain(commit) {
            // All that is in it was in a SUBSCRIBE or a MESSAGE of this connection.
            let _ = self.push(&frame, Kind::Unanswered);
        }
        if strands.is_some() && !leaving.is_temporary(&self.connection.profile) {
            leaving.stage = Stage::Left;
            self.remember(id, leaving);
        }
    }

    fn remember(&mut self, id: SubscriptionId, leaving: Leaving) {
        self.leaving.insert(id, leaving);
        self.unsettled.insert(id, Unsettled::default());
        let mut left = self.leaving.iter().filter(|(_, leaving)| leaving.stage == Stage::Left);
        let oldest = left.next().map(|(id, _)| *id).filter(|_| left.count() >= REMEMBERED);
        if let Some(oldest) = oldest {
            self.leaving.remove(&oldest);
            self.unsettled.remove(&oldest);
        }
    }

    /// Sends a frame whose RECEIPT comes behind what the broker had sent before. It is not taken back: others build on it.
    fn find_out(&mut self, id: SubscriptionId, frame: &Frame, receipt: ReceiptId) {
        // It cannot fail: it is made of what was sent on this connection before.
        let _ = self.push_awaited(frame, receipt, Awaited::Leaving(id), Duration::MAX);
    }

    fn leaving_of(&self, wire_id: &str) -> Option<SubscriptionId> {
        self.leaving.iter().find(|(_, leaving)| leaving.subscription.wire_id == wire_id).map(|(id, _)| *id)
    }

    /// How messages are named that UNSUBSCRIBE would strand. 1.0 has no NACK to give them back with.
    pub(crate) fn delivery_ids(&self) -> Option<DeliveryIds> {
        match self.connection.profile.unsubscribe {
            Unsubscribe::Strands(ids) if self.connection.version != Version::V1_0 => Some(ids),
            _ => None,
        }
    }
}

impl Leaving {
    /// Whether somebody has messages that he may still settle.
    pub(crate) fn waits(&self) -> bool {
        self.stage == Stage::Waits
    }

    /// Whether anything of it can be left unsettled, at a place that does not go with it.
    fn is_acknowledged(&self) -> bool {
        self.subscription.subscribe.ack_mode != AckMode::Auto && !self.deletes
    }

    /// Whether its queue goes with it.
    fn is_temporary(&self, profile: &Profile) -> bool {
        let headers = &self.subscription.subscribe.headers;
        profile.temporary.iter().any(|(name, value)| headers.get(name).is_some_and(|it| it == *value))
    }

    fn transaction(&self) -> String {
        format!("unsubscribe-{}", self.subscription.wire_id)
    }

    fn nack(&self, connection: &Connection, ids: DeliveryIds, number: u64) -> Frame {
        let wire_id = &self.subscription.wire_id;
        let id = ids.id(wire_id, connection.session.as_deref().unwrap_or_default(), number);
        let nack = Frame::new(Command::Nack);
        let nack = match connection.version {
            Version::V1_2 => nack.with_header("id", id),
            _ => nack.with_header("subscription", wire_id).with_header("message-id", id),
        };
        nack.with_header("transaction", self.transaction())
    }

    fn frame(&self, connection: &Connection) -> Frame {
        let Subscription { wire_id, subscribe, .. } = &self.subscription;
        let mut frame = frames::unsubscribe(wire_id, &subscribe.destination, connection.version);
        let names = connection.profile.durable.iter().filter(|_| self.deletes);
        for (name, value) in names.filter_map(|name| Some((name, subscribe.headers.get(name)?))) {
            frame.headers_mut().push(name, value.octets());
        }
        frame
    }
}
