//! What a test can see and put in: messages, connections, and what clients have sent.

use std::collections::BTreeMap;

use bytes::Bytes;
use stomp_proto::{Frame, Headers, Version};

use super::{Broker, ConnectionId, store::Content, subscription::SubscriptionName};

/// What was counted and kept. It outlives the connections.
#[derive(Debug, Default)]
pub(super) struct Records {
    received: BTreeMap<ConnectionId, Received>,
    pub(super) discarded: u64,
    pub(super) unwritable: u64,
}

#[derive(Debug, Default)]
struct Received {
    frames: Vec<Frame>,
    heart_beats: u64,
}

impl Records {
    pub(super) fn note_frame(&mut self, connection: ConnectionId, frame: &Frame) {
        self.received.entry(connection).or_default().frames.push(frame.clone().into_owned());
    }

    pub(super) fn note_heart_beat(&mut self, connection: ConnectionId) {
        self.received.entry(connection).or_default().heart_beats += 1;
    }
}

impl Broker {
    /// Accepts a message as if a client had sent it.
    pub fn publish(&mut self, destination: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) {
        let mut relayed = Headers::new();
        headers.iter().for_each(|(name, value)| relayed.push(name, value));
        let persistent = relayed.get("persistent").is_some_and(|value| value == "true");
        let body = body.into();
        self.keep(Content { destination: destination.into(), headers: relayed, body, persistent });
        self.dispatch();
    }

    /// Forgets the messages that wait in a queue.
    pub fn purge(&mut self, destination: &str) {
        self.store.purge(destination);
    }

    /// How many messages wait at a destination. For a topic these are the ones that its subscribers have no room for.
    #[must_use]
    pub fn depth(&self, destination: &str) -> usize {
        self.store.ready(destination).count()
    }

    /// How many messages of a destination consumers have and have not acknowledged.
    #[must_use]
    pub fn unacked(&self, destination: &str) -> usize {
        let unacked = self.connections.values().flat_map(|peer| peer.unacked.values());
        unacked.filter(|unacked| *unacked.message.content.destination == *destination).count()
    }

    /// How many messages a connection keeps from others for subscriptions that have ended.
    #[must_use]
    pub fn stranded(&self, connection: ConnectionId) -> usize {
        let unacked = self.connections.get(&connection).into_iter().flat_map(|peer| peer.unacked.values());
        unacked.filter(|unacked| !self.subscriptions.contains_key(&unacked.subscription)).count()
    }

    /// The bodies of the messages that wait at a destination, oldest first.
    #[must_use]
    pub fn messages(&self, destination: &str) -> Vec<Bytes> {
        self.store.ready(destination).map(|message| message.content.body.clone()).collect()
    }

    /// The names of the queues that hold messages, in order.
    #[must_use]
    pub fn queues(&self) -> Vec<String> {
        self.store.names().map(str::to_owned).collect()
    }

    /// The open connections, oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.connections.iter().filter(|(_, peer)| !peer.closing).map(|(connection, _)| *connection).collect()
    }

    /// The version that a connection has agreed on; none before CONNECTED and after its end.
    #[must_use]
    pub fn version(&self, connection: ConnectionId) -> Option<Version> {
        self.connections.get(&connection)?.version
    }

    /// How many subscriptions a destination has.
    #[must_use]
    pub fn subscribers(&self, destination: &str) -> usize {
        let subscriptions = self.subscriptions.values();
        subscriptions.filter(|subscription| *subscription.terms.destination == *destination).count()
    }

    /// The subscriptions of a destination that have an id, each with its connection, oldest first.
    #[must_use]
    pub fn subscriptions(&self, destination: &str) -> Vec<(ConnectionId, String)> {
        let there = self.subscriptions.values().filter(|held| *held.terms.destination == *destination);
        there.filter_map(|held| Some((held.connection, held.terms.name.id()?.to_owned()))).collect()
    }

    /// Whether a connection has a subscription with that id.
    #[must_use]
    pub fn is_subscribed(&self, connection: ConnectionId, id: &str) -> bool {
        let name = SubscriptionName::Id(id.into());
        self.connections.get(&connection).is_some_and(|peer| peer.subscriptions.contains_key(&name))
    }

    /// All frames that a connection's client has sent, refused ones included, with
    /// [`BrokerConfig::recording`](super::BrokerConfig::recording). They are kept when the connection has ended.
    #[must_use]
    pub fn frames(&self, connection: ConnectionId) -> &[Frame] {
        self.records.received.get(&connection).map_or(&[], |received| &received.frames)
    }

    /// All connections that frames were recorded of, each with its frames, oldest first.
    pub fn received(&self) -> impl Iterator<Item = (ConnectionId, &[Frame])> {
        self.records.received.iter().map(|(connection, received)| (*connection, &*received.frames))
    }

    /// How many heart-beats a connection's client has sent, with
    /// [`BrokerConfig::recording`](super::BrokerConfig::recording).
    #[must_use]
    pub fn heart_beats(&self, connection: ConnectionId) -> u64 {
        self.records.received.get(&connection).map_or(0, |received| received.heart_beats)
    }

    /// How many messages a NACK has destroyed, with [`NackPolicy::Discard`](super::NackPolicy::Discard).
    #[must_use]
    pub const fn discarded(&self) -> u64 {
        self.records.discarded
    }

    /// How many messages were dead-lettered because their consumer's version cannot express them: 1.0 has no escapes,
    /// so a line end in a header has no form there.
    #[must_use]
    pub const fn unwritable(&self) -> u64 {
        self.records.unwritable
    }
}
