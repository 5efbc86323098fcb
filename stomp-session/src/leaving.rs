//! UNSUBSCRIBE that strands nothing: it leaves when nobody has a message any more that he may still settle.

use alloc::{format, vec::Vec};

use stomp_proto::{Command, Frame, Version};

use crate::{
    CommandError, Connection, Event, Message, Session, SubscriptionId, Timestamp, connected::Connected,
    frames, outbox::Kind, session::State, settle::with_command, subscriptions::Subscription,
    unsettled::Unsettled,
};

/// A subscription that its owner has ended, and whose UNSUBSCRIBE has not been written.
#[derive(Debug)]
pub(crate) struct Leaving {
    subscription: Subscription,
    /// Whether a durable subscription is deleted, and not only left.
    deletes: bool,
    /// None until the first call that brings the time.
    deadline: Option<Timestamp>,
}

/// Unsubscribing.
impl Session {
    /// Ends a subscription: it is not sent again. Messages that nobody has collected, and those that still come, are
    /// dropped; those that were collected may still be settled: UNSUBSCRIBE leaves when all of them are, or were
    /// [given back](Self::give_back), and at the latest after
    /// [`Config::unsubscribe_timeout`](crate::Config::unsubscribe_timeout). Then acknowledgements are
    /// [`CommandError::Unsubscribed`].
    ///
    /// A durable subscription is only left: the broker goes on to collect messages for it.
    ///
    /// # Errors
    /// [`CommandError::Unsubscribed`] when there is none.
    pub fn unsubscribe(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        let subscription = self.subscriptions.remove(id).ok_or(CommandError::Unsubscribed)?;
        self.leave_subscription(id, subscription, false);
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
        let careful = self.connected_mut().and_then(|connected| connected.careful.as_mut());
        if careful.is_some_and(|careful| careful.forget(id)) {
            return;
        }
        self.subscriptions.retire(&subscription);
        self.give_back_uncollected(id);
        if let Some(connected) = self.connected_mut() {
            connected.leaving.insert(id, Leaving { subscription, deletes, deadline: None });
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
        if connected.unsettled.get(&id).is_none_or(Unsettled::is_done) {
            connected.leave(id);
        }
    }

    /// A message for a subscription that does not stand. After UNSUBSCRIBE they are normal (ActiveMQ sends up to 200):
    /// dropped, and never refused, which RabbitMQ would answer with an ERROR.
    pub(crate) fn handle_unowned(&mut self, frame: Frame) {
        let State::Connected(connected) = &mut self.state else { return };
        let leaving = connected.leaving.iter().find(|(_, leaving)| leaving.is_of(&frame)).map(|(id, _)| *id);
        if let Some(id) = leaving {
            let delivery = connected.deliver(id, &frame);
            let ack = connected.stranded(&frame);
            connected.unsettled.entry(id).and_modify(|unsettled| unsettled.give_back(delivery, ack));
        } else if !self.subscriptions.was_removed(&frame) {
            return self.events.push_back(Event::Unroutable(frame));
        }
        self.late_messages = self.late_messages.saturating_add(1);
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
        let unstamped = self.leaving.values_mut().filter(|leaving| leaving.deadline.is_none());
        unstamped.for_each(|leaving| leaving.deadline = Some(deadline));
    }

    pub(crate) fn leaving_deadline(&self) -> Option<Timestamp> {
        self.leaving.values().map(|leaving| leaving.deadline.unwrap_or(Timestamp::ZERO)).min()
    }

    /// Writes the UNSUBSCRIBEs whose time has come, all of them at [`Timestamp::MAX`].
    pub(crate) fn leave_overdue(&mut self, now: Timestamp) {
        let is_due = |leaving: &Leaving| leaving.deadline.unwrap_or(now) <= now;
        let due: Vec<_> = self.leaving.iter().filter(|(_, it)| is_due(it)).map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.leave(id));
    }

    /// Writes an UNSUBSCRIBE. Where it would strand what nobody has taken, that is refused in a transaction around it:
    /// before it, it would come again at once; after it, it is nobody's to refuse.
    fn leave(&mut self, id: SubscriptionId) {
        let Some(leaving) = self.leaving.remove(&id) else { return };
        let returned = self.unsettled.remove(&id).map(|mut unsettled| unsettled.take_returned());
        let transaction = format!("unsubscribe-{}", leaving.subscription.wire_id);
        // 1.0 has no NACK.
        let can_refuse = self.connection.version != Version::V1_0;
        let refused: Vec<_> = returned.filter(|_| can_refuse).unwrap_or_default();
        let nacks =
            refused.iter().map(|ack| with_command(Command::Nack, ack, &[("transaction", &transaction)]));
        let around = |frame: Frame| (!refused.is_empty()).then_some(frame);
        let begin = around(frames::begin(&transaction)).into_iter();
        let unsubscribe = [leaving.frame(&self.connection)];
        let all = begin.chain(nacks).chain(unsubscribe).chain(around(frames::commit(&transaction)));
        for frame in all.collect::<Vec<_>>() {
            // All that is in it was in a SUBSCRIBE or a MESSAGE of this connection.
            let _ = self.push(&frame, Kind::Unanswered);
        }
    }
}

impl Leaving {
    fn is_of(&self, frame: &Frame) -> bool {
        frame.header("subscription").is_some_and(|id| id == *self.subscription.wire_id)
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
