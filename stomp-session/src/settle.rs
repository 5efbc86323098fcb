//! What becomes of a message: acknowledged, refused, or given back unsettled.

use alloc::{vec, vec::Vec};

use stomp_proto::{AckMode, Command, Frame, Version};

use crate::{
    CommandError, Message, Nack, Session, SubscriptionId,
    connected::Connected,
    frames::{self, FrameError},
    leaving::Leaving,
};

/// Settling.
impl Session {
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

    /// Says that nobody will settle a message: it was dropped, or never taken. Nothing is sent and the broker keeps it for
    /// us, but an UNSUBSCRIBE does not wait for it any more, and where it would strand the message it brings it back. One
    /// that was settled is left alone.
    pub fn give_back(&mut self, message: &Message) {
        let Some(connected) = self.connected_mut().filter(|it| it.connection.id == message.connection) else {
            return;
        };
        if let Some(unsettled) = connected.unsettled.get_mut(&message.subscription) {
            unsettled.give_back(message.delivery);
        }
        self.continue_leaving(message.subscription);
    }

    fn settle(
        &mut self,
        command: Command,
        message: &mut Message,
        headers: &[(&str, &str)],
    ) -> Result<(), CommandError> {
        self.may_settle(message)?.settle(command, message, headers)?;
        message.settled = true;
        self.continue_leaving(message.subscription);
        Ok(())
    }

    /// The connection, if the message can be settled on it.
    fn may_settle(&mut self, message: &Message) -> Result<&mut Connected, CommandError> {
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
        let id = message.subscription;
        let stands = self.subscriptions.get(id).is_some() && !self.subscriptions.waits(id);
        let connected = self.open()?;
        let stands = stands && connected.unsettled.get(&id).is_some_and(|it| it.owns(message.delivery));
        if !stands && !connected.leaving.get(&message.subscription).is_some_and(Leaving::waits) {
            return Err(CommandError::Unsubscribed);
        }
        Ok(connected)
    }

    /// The ACKs that settle a message in a transaction, after which it counts as settled.
    pub(crate) fn take_settlement(&mut self, message: &Message) -> Result<Vec<Frame>, CommandError> {
        let connected = self.may_settle(message)?;
        let ack = acknowledgement(&message.frame, connected.connection.version)?;
        let unsettled = connected.unsettled.entry(message.subscription).or_default();
        if unsettled.is_covered(message.delivery) {
            return Err(CommandError::AlreadySettled);
        }
        if unsettled.waits() {
            return Err(CommandError::NotInTransaction);
        }
        let mut acks = vec![ack];
        acks.extend(unsettled.settle(message.delivery));
        Ok(acks)
    }
}

impl Connected {
    fn settle(
        &mut self,
        command: Command,
        message: &Message,
        headers: &[(&str, &str)],
    ) -> Result<(), CommandError> {
        let ack = acknowledgement(&message.frame, self.connection.version)?;
        let unsettled = self.unsettled.entry(message.subscription).or_default();
        if unsettled.is_covered(message.delivery) {
            return Err(CommandError::AlreadySettled);
        }
        if command == Command::Ack && unsettled.waits() {
            let through = unsettled.settle_prefix(message.delivery, ack);
            return through.map_or(Ok(()), |ack| Ok(self.push_settlement(&ack)?));
        }
        self.push_settlement(&with_command(command, &ack, headers))?;
        let others = self.unsettled.entry(message.subscription).or_default().settle(message.delivery);
        for ack in others {
            // One that cannot be written stays with the broker, which delivers it again.
            let _ = self.push_settlement(&with_command(command, &ack, headers));
        }
        Ok(())
    }

    /// Counts a message, as the broker does if it numbers them.
    pub(crate) fn count(&mut self, message: &Frame) {
        let next = self.deliveries.saturating_add(1);
        let id = || message.header("message-id")?.text().ok();
        let own = self.delivery_ids().and_then(|ids| ids.number(&id()?));
        self.deliveries = own.unwrap_or(next);
    }

    /// Notes that the message which was counted last needs an acknowledgement. Gives its number.
    pub(crate) fn deliver(&mut self, subscription: SubscriptionId, frame: &Frame) -> u64 {
        let version = self.connection.version;
        if let Some(unsettled) = self.unsettled.get_mut(&subscription) {
            let ack = unsettled.keeps_acks().then(|| acknowledgement(frame, version).ok()).flatten();
            unsettled.add(self.deliveries, ack);
        }
        self.deliveries
    }
}

/// The acknowledgement with other headers added, under another command.
pub(crate) fn with_command(command: Command, ack: &Frame, headers: &[(&str, &str)]) -> Frame {
    let frame = frames::with_command(command, ack);
    headers.iter().fold(frame, |frame, (name, value)| frame.with_header(name, value))
}

fn acknowledgement(message: &Frame, version: Version) -> Result<Frame, CommandError> {
    frames::ack(message, version).map_err(|error| match error {
        FrameError::MissingHeader { header, .. } => CommandError::NoAckHeader(header),
        // It came as a MESSAGE, and every version has ACK.
        _ => CommandError::WrongCommand(message.command()),
    })
}
