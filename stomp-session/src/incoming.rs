//! What the broker sends, and what follows from it.

use alloc::{boxed::Box, string::String};

use stomp_proto::{AckMode, Command, Frame, Item};

use crate::{
    Connection, Event, Input, Lost, Message, Nack, Outcome, Oversized, ServerError, Session, SubscriptionId,
    handshake, mask::Mask, receipts::Awaited, session::State,
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
        let subscription = self.subscriptions.of(&frame).filter(|id| !self.subscriptions.waits(*id));
        let Some(subscription) = subscription else {
            self.handle_unowned(frame);
            return None;
        };
        self.confirm_subscribe(subscription);
        let State::Connected(connected) = &mut self.state else { return None };
        let ack_mode =
            self.subscriptions.get(subscription).map(|held| held.subscribe.ack_mode).unwrap_or_default();
        let delivery = if ack_mode == AckMode::Auto { 0 } else { connected.deliver(subscription, &frame) };
        Some(Message { frame, connection, subscription, ack_mode, delivery, settled: false })
    }

    /// A message says that its subscription stands, whether a RECEIPT comes or not; but not under an id that had messages on
    /// this connection before.
    fn confirm_subscribe(&mut self, id: SubscriptionId) {
        let Some(held) = self.subscriptions.get(id) else { return };
        let Some(receipt) = held.asked.filter(|_| !self.subscriptions.was_used_before(&held.wire_id)) else {
            return;
        };
        let Some(connected) = self.connected_mut().filter(|it| !it.receipts.is_queued(receipt)) else {
            return;
        };
        let _ = connected.receipts.take(receipt);
        self.resolve(receipt, Awaited::Subscribe(id), Outcome::Confirmed);
        self.proceed();
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
}
