//! What the broker sends, and what follows from it.

use alloc::{boxed::Box, string::String};

use stomp_proto::{AckMode, Command, Frame, Item};

use crate::{
    Connection, Ended, Event, Input, Lost, Message, Nack, Oversized, ServerError, Session, SubscriptionId,
    handshake, mask::Mask, session::State,
};

impl Session {
    pub(crate) fn handle_item(&mut self, item: Item, input: &mut Input) {
        self.trace(&item);
        match item {
            Item::Frame(frame) if matches!(self.state, State::Handshake { .. }) => {
                self.handle_answer(frame, input)
            }
            Item::Frame(frame) => self.handle_frame(frame),
            Item::TooLarge { frame, length } if frame.command() == Command::Message => {
                self.handle_oversized(frame, length);
            }
            Item::TooLarge { frame, .. } => self.handle_frame(frame),
            // That something came was noted before.
            Item::HeartBeat => {
                if let Some(connected) = self.connected_mut() {
                    connected.heart_beats.beat();
                }
            }
            _ => {}
        }
    }

    fn trace(&mut self, item: &Item) {
        if self.traces_frames {
            self.events.push_back(match item {
                Item::Frame(frame) | Item::TooLarge { frame, .. } => {
                    Event::FrameReceived(frame.clone().into_owned())
                }
                _ => Event::HeartBeatReceived,
            });
        }
    }

    /// The answer to CONNECT: CONNECTED or ERROR, and nothing else.
    fn handle_answer(&mut self, frame: Frame, input: &mut Input) {
        match frame.command() {
            Command::Connected => self.handle_agreement(&frame, input),
            Command::Error => {
                let error = ServerError::new(frame, &self.mask());
                let reason = self.refused(Some(error));
                self.fail(reason, true);
            }
            other => self.fail(Lost::UnexpectedFrame(other), true),
        }
    }

    /// Why CONNECT was answered so, or not at all.
    pub(crate) fn refused(&self, error: Option<ServerError>) -> Lost {
        match (&self.state, error) {
            (State::Handshake { backslash: Some(sent), .. }, error) => {
                Lost::BackslashRefused { error, sent: *sent }
            }
            (_, Some(error)) => Lost::Refused(error),
            (_, None) => Lost::ClosedBeforeConnected,
        }
    }

    fn handle_agreement(&mut self, frame: &Frame, input: &mut Input) {
        let State::Handshake { endpoint, outbox, .. } = &mut self.state else { return };
        let (endpoint, outbox) = (endpoint.clone(), core::mem::take(outbox));
        match handshake::connected(&self.config, &endpoint, frame) {
            Ok((agreed, profile)) => {
                input.set_version(agreed.version);
                let mask = self.mask();
                let hide = |text: String| mask.hide(&text).unwrap_or(text);
                let connection = Connection {
                    id: self.connection_id(),
                    endpoint,
                    version: agreed.version,
                    heart_beat: agreed.heart_beat,
                    server: agreed.server.map(hide),
                    session: agreed.session.map(hide),
                    profile: Box::new(profile),
                };
                self.establish(connection, outbox);
            }
            Err(reason) => {
                let reason = self.mask().lost(reason);
                self.fail(reason, true);
            }
        }
    }

    /// What nothing that is shown may repeat.
    pub(crate) fn mask(&self) -> Mask {
        Mask::of(self.failover.login())
    }

    fn handle_frame(&mut self, frame: Frame) {
        match frame.command() {
            Command::Message => {
                let message = self.accept(frame).map(Event::Message);
                self.events.extend(message);
            }
            Command::Receipt => self.handle_receipt(frame),
            Command::Error => self.handle_error(ServerError::new(frame, &self.mask())),
            other => self.fail(Lost::UnexpectedFrame(other), true),
        }
    }

    /// A message that somebody is there for. After the command gate has closed nobody could acknowledge any.
    fn accept(&mut self, frame: Frame) -> Option<Message> {
        if self.ending.is_some() {
            return None;
        }
        let State::Connected(connected) = &mut self.state else { return None };
        connected.count(&frame);
        let connection = connected.connection.id;
        let Some(subscription) = self.subscriptions.of(&frame) else {
            self.handle_unowned(frame);
            return None;
        };
        let ack_mode =
            self.subscriptions.get(subscription).map(|held| held.subscribe.ack_mode).unwrap_or_default();
        let delivery = if ack_mode == AckMode::Auto { 0 } else { connected.deliver(subscription, &frame) };
        Some(Message { frame, connection, subscription, ack_mode, delivery, settled: false })
    }

    /// A message whose body was read past: settled as its subscription wants, if the broker does that.
    fn handle_oversized(&mut self, frame: Frame, length: u64) {
        let Some(mut message) = self.accept(frame) else { return };
        let policy = self.subscriptions.get(message.subscription).map(|held| held.subscribe.oversized);
        let settled = match policy.unwrap_or_default() {
            Oversized::Leave => Ok(()),
            Oversized::Acknowledge => self.ack(&mut message),
            Oversized::DeadLetter => self.nack_as(&mut message, Nack::DeadLetter),
        };
        // What could not be settled is left: the message says so.
        drop(settled);
        self.events.push_back(Event::TooLarge { message, length });
    }

    /// An ERROR that names a frame of ours rejects that frame; one that names a subscription ends it. The connection goes
    /// on: ActiveMQ keeps it, and where the broker closes it an EOF follows. One that names nobody ends the connection
    /// (1.1 and 1.2: the server must close it; RabbitMQ does not always), and what is pending is unknown: RabbitMQ has
    /// stored ten of twenty SENDs that it never receipted. Only a frame that was alone is what it means.
    fn handle_error(&mut self, error: ServerError) {
        if let Some((id, awaited)) = self.take_awaited(error.frame()) {
            return self.reject(id, awaited, error);
        }
        if let Some(subscription) = self.subscriptions.of(error.frame()) {
            return self.end_subscription(subscription, error);
        }
        if let Some(id) = self.stray_id(&error) {
            self.stray_errors = self.stray_errors.saturating_add(1);
            return self.handle_stray(id);
        }
        self.forget_cancelled(error.frame());
        if error.frame().headers().contains("receipt-id") || self.subscriptions.was_removed(error.frame()) {
            return self.events.push_back(Event::Error(error));
        }
        if !error.frame().headers().contains("subscription")
            && let Some((id, awaited)) = self.take_alone()
        {
            self.reject(id, awaited, error.clone());
        }
        self.fail(Lost::ServerError(error), true);
    }

    /// The id of the subscription that was ended, if an ERROR that names nobody answers a message which the broker had for
    /// it. One that means an ACK of ours has another text.
    fn stray_id<'a>(&self, error: &'a ServerError) -> Option<&'a str> {
        let (frame, message) = (error.frame(), error.text("message").unwrap_or_default());
        let names_nobody = !["receipt-id", "subscription"].iter().any(|name| frame.headers().contains(name));
        let strays = self.connection().map_or(&[][..], |connection| connection.profile.strays);
        let strays = strays.iter().filter(|stray| names_nobody && message == stray.message);
        let mut ids = strays.filter_map(|stray| stray.id(frame.body()));
        ids.find(|id| self.subscriptions.was_removed_id(id))
    }

    /// ERRORs that answered nothing: RabbitMQ sends up to 200 after an UNSUBSCRIBE on a busy queue.
    #[must_use]
    pub const fn stray_errors(&self) -> u64 {
        self.stray_errors
    }

    pub(crate) fn end_subscription(&mut self, id: SubscriptionId, error: ServerError) {
        self.events.push_back(match self.subscriptions.remove(id) {
            Some(_) => Event::SubscriptionEnded { id, reason: Ended::Rejected(error) },
            // Its owner has unsubscribed meanwhile.
            None => Event::Error(error),
        });
    }
}
