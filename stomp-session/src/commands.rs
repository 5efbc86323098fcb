//! What the application commands: checked against the state, tracked, and encoded straight into the outbox.

use alloc::vec::Vec;
use core::time::Duration;

use stomp_proto::{AckMode, Command, Frame, Version};

use crate::{
    CommandError, Connection, Ended, Event, Message, Nack, Session, Subscribe, SubscriptionId,
    connected::Connected, outbox::Kind, receipts::Awaited, session::State,
};

/// Commands. Each either does all it says or nothing, at once; none waits.
impl Session {
    /// Subscribes. The subscription lives until [`unsubscribe`](Self::unsubscribe) or the broker's refusal: it is sent on
    /// this connection, if one stands, and on each one that follows.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn subscribe(&mut self, subscribe: Subscribe) -> Result<SubscriptionId, CommandError> {
        if matches!(self.state, State::Disconnecting { .. } | State::Closed) {
            return Err(CommandError::Closed);
        }
        let id = self.subscriptions.add(subscribe)?;
        self.subscriptions.share(id, self.config.prefetch_budget);
        if let Err(error) = self.send_subscribe(id) {
            self.subscriptions.remove(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Ends a subscription. Messages of it that still come are dropped; the broker keeps those that were not acknowledged.
    ///
    /// # Errors
    /// [`CommandError::Unsubscribed`] when there is none.
    pub fn unsubscribe(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        let subscription = self.subscriptions.remove(id).ok_or(CommandError::Unsubscribed)?;
        let State::Connected(connected) = &mut self.state else { return Ok(()) };
        if subscription.subscribe.expected {
            return Ok(());
        }
        let frame = Frame::new(Command::Unsubscribe).with_header("id", &subscription.wire_id);
        // In 1.0 a subscription may be known by its destination alone.
        let frame = match connected.connection.version {
            Version::V1_0 => frame.with_header("destination", &subscription.subscribe.destination),
            _ => frame,
        };
        connected.push(&frame, Kind::Unanswered)?;
        self.subscriptions.retire(subscription);
        Ok(())
    }

    /// Acknowledges a message. With ack mode `client` all before it as well.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent. Above all [`CommandError::Stale`] when its connection has ended.
    pub fn ack(&mut self, message: &mut Message) -> Result<(), CommandError> {
        self.settle(Command::Ack, message, &[])
    }

    /// Tells the broker that a message was not consumed. What follows differs: RabbitMQ delivers it again at once,
    /// ActiveMQ moves it to a dead letter queue.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and [`CommandError::NackDiscards`] on Artemis, which would destroy the message.
    pub fn nack(&mut self, message: &mut Message) -> Result<(), CommandError> {
        let profile = self.connection().map(|connection| &connection.profile);
        if let Some(profile) = profile.filter(|profile| profile.nack == Nack::Discard) {
            return Err(CommandError::NackDiscards { broker: profile.name });
        }
        self.settle(Command::Nack, message, &[])
    }

    /// Tells the broker that a message was not consumed, and what to do with it: only what is wanted, or nothing.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and [`CommandError::NackCannot`] where the broker's [`Profile`](crate::Profile) has no NACK
    /// that does that.
    pub fn nack_as(&mut self, message: &mut Message, wanted: Nack) -> Result<(), CommandError> {
        let headers = match self.connection().map(|connection| &connection.profile) {
            Some(profile) => profile
                .nack_headers(wanted)
                .ok_or(CommandError::NackCannot { broker: profile.name, wanted })?,
            None => &[],
        };
        self.settle(Command::Nack, message, headers)
    }

    fn settle(
        &mut self,
        command: Command,
        message: &mut Message,
        headers: &[(&str, &str)],
    ) -> Result<(), CommandError> {
        if message.settled {
            return Err(CommandError::AlreadySettled);
        }
        if message.ack_mode == AckMode::Auto {
            return Err(CommandError::NotAcknowledged);
        }
        let current = self.connected().map(|connected| connected.connection.id);
        if current != Some(message.connection) {
            return Err(CommandError::Stale { came: message.connection });
        }
        if self.subscriptions.get(message.subscription).is_none() {
            return Err(CommandError::Unsubscribed);
        }
        let connected = self.open()?;
        let version = connected.connection.version;
        let frame = acknowledgement(command, message, version)?;
        let frame = headers.iter().fold(frame, |frame, (name, value)| frame.with_header(name, value));
        connected.push(&frame, Kind::Unanswered)?;
        message.settled = true;
        Ok(())
    }

    /// Sends the table of subscriptions.
    pub(crate) fn replay(&mut self) {
        let ids: Vec<_> = self.subscriptions.iter().map(|(id, _)| id).collect();
        for id in ids {
            if let Err(error) = self.send_subscribe(id) {
                // Written before, but not in the version of this connection.
                self.subscriptions.remove(id);
                self.events.push_back(Event::SubscriptionEnded { id, reason: Ended::Unwritable(error) });
            }
        }
    }

    /// Expects messages under that subscription id, which is never subscribed, and acknowledges none of them. RabbitMQ sends
    /// the replies to a `reply-to:/temp-queue/…` so.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn expect(&mut self, id: &str) -> Result<SubscriptionId, CommandError> {
        let subscribe = Subscribe::new(id).id(id).ack(AckMode::Auto);
        self.subscribe(Subscribe { expected: true, ..subscribe })
    }

    fn send_subscribe(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        let receipt = self.next_receipt();
        let State::Connected(connected) = &mut self.state else { return Ok(()) };
        let subscription = self.subscriptions.get(id).ok_or(CommandError::Unsubscribed)?;
        if subscription.subscribe.expected {
            return Ok(());
        }
        let Connection { version, profile, .. } = &connected.connection;
        let frame = subscription.frame(*version, profile, receipt);
        // It lives longer than any wait: only the broker's time for the RECEIPT counts.
        connected.push_awaited(&frame, receipt, Awaited::Subscribe(id), Duration::MAX)?;
        Ok(())
    }

    /// The connection, if commands may be given on it.
    pub(crate) fn open(&mut self) -> Result<&mut Connected, CommandError> {
        match &mut self.state {
            State::Connected(connected) => Ok(connected),
            State::Disconnecting { .. } | State::Closed => Err(CommandError::Closed),
            _ => Err(CommandError::NotConnected),
        }
    }
}

/// ACK or NACK as the version wants it: 1.0 by message-id, 1.1 by subscription and message-id, 1.2 by the `ack` header.
fn acknowledgement(command: Command, message: &Message, version: Version) -> Result<Frame, CommandError> {
    let named = |name: &'static str| message.header(name).ok_or(CommandError::NoAckHeader(name));
    let frame = Frame::new(command);
    Ok(match version {
        Version::V1_0 => frame.with_header("message-id", named("message-id")?.octets()),
        Version::V1_1 => frame
            .with_header("subscription", named("subscription")?.octets())
            .with_header("message-id", named("message-id")?.octets()),
        Version::V1_2 => frame.with_header("id", named("ack")?.octets()),
    })
}
