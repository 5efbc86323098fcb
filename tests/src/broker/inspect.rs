//! What a test can inspect and add: messages, connections, and what clients have sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use stomp_proto::{Frame, Headers, Version};

use super::{Broker, ConnectionId, content::Content, returns::Returns, subscription::SubscriptionName};

/// What was counted and kept. It outlives the connections.
#[derive(Debug, Default)]
pub(super) struct Records {
    received: BTreeMap<ConnectionId, Received>,
    /// How many messages were accepted for a destination.
    accepted: BTreeMap<Arc<str>, u64>,
    pub(super) discarded: u64,
    pub(super) unwritable: u64,
}

/// Which frames are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recording {
    All,
    Latest,
    Nothing,
}

#[derive(Debug, Default)]
struct Received {
    frames: Vec<Frame>,
    octets: usize,
    heart_beats: u64,
}

/// How many of the latest frames of a connection are kept, with how many octets, and of how many connections.
const FRAMES: usize = 1_000;
const OCTETS: usize = 1024 * 1024;
const CONNECTIONS: usize = 100;

impl Received {
    /// Forgets the oldest frames until there is room for some.
    fn make_room(&mut self) {
        let mut kept = self.frames.len();
        while kept > FRAMES * 3 / 4 || self.octets > OCTETS * 3 / 4 {
            let Some(oldest) = self.frames.get(self.frames.len() - kept) else { break };
            self.octets = self.octets.saturating_sub(size(oldest));
            kept -= 1;
        }
        self.frames.drain(..self.frames.len() - kept);
    }
}

/// The octets that a frame takes, roughly.
fn size(frame: &Frame) -> usize {
    let headers = frame.headers().iter().map(|(name, value)| name.octets().len() + value.octets().len() + 2);
    headers.sum::<usize>() + frame.body().len() + 64
}

impl Records {
    pub(super) fn note_frame(&mut self, connection: ConnectionId, frame: &Frame, recording: Recording) {
        if recording == Recording::Nothing {
            return;
        }
        let received = self.received.entry(connection).or_default();
        received.octets += size(frame);
        received.frames.push(frame.clone().into_owned());
        if recording == Recording::Latest {
            if received.frames.len() > FRAMES || received.octets > OCTETS {
                received.make_room();
            }
            while self.received.len() > CONNECTIONS {
                self.received.pop_first();
            }
        }
    }

    pub(super) fn note_accepted(&mut self, destination: &Arc<str>) {
        *self.accepted.entry(destination.clone()).or_default() += 1;
    }

    pub(super) fn note_heart_beat(&mut self, connection: ConnectionId) {
        self.received.entry(connection).or_default().heart_beats += 1;
    }
}

impl Broker {
    /// Records the latest frames where the configuration records none.
    pub(crate) fn record_latest(&mut self) {
        if self.config.records == Recording::Nothing {
            self.config.records = Recording::Latest;
        }
    }

    /// Publishes a message as if a client had sent it.
    ///
    /// # Panics
    /// Panics if `destination` or the name of a header is empty, which no client could send.
    pub fn publish(&mut self, destination: &str, body: impl Into<Bytes>, headers: &[(&str, &str)]) {
        assert!(!destination.is_empty(), "a message needs a destination");
        assert!(headers.iter().all(|(name, _)| !name.is_empty()), "a header needs a name: {headers:?}");
        let mut relayed = Headers::new();
        headers.iter().for_each(|(name, value)| relayed.push(name, value));
        self.keep(Content::new(destination.into(), relayed, body.into()));
        self.dispatch();
    }

    /// Removes the messages that wait in a queue.
    pub fn purge(&mut self, destination: &str) {
        self.store.purge(destination);
    }

    /// Returns the number of messages that wait at a destination. For a topic these are the messages for which its
    /// subscribers have no room.
    #[must_use]
    pub fn depth(&self, destination: &str) -> usize {
        self.store.ready(destination).count()
    }

    /// Returns the number of messages that were accepted for a destination since the broker was created, whatever has
    /// become of them.
    ///
    /// Messages [published](Self::publish) by the test count, and so do those that were dead-lettered to the destination.
    #[must_use]
    pub fn accepted(&self, destination: &str) -> u64 {
        self.records.accepted.get(destination).copied().unwrap_or(0)
    }

    /// The names of all destinations that there is something to say about.
    pub(super) fn destinations(&self) -> BTreeSet<&str> {
        let subscribed = self.subscriptions.values().map(|subscription| &*subscription.terms.destination);
        let accepted = self.records.accepted.keys().map(|name| &**name);
        subscribed.chain(accepted).collect()
    }

    /// Returns the number of messages of a destination that are delivered and not acknowledged, or whose ACK or NACK is [held
    /// up](super::BrokerConfig::settles_at_once).
    #[must_use]
    pub fn unacked(&self, destination: &str) -> usize {
        let unacked = self.connections.values().flat_map(|peer| peer.unacked.values());
        let returns = self.connections.values().flat_map(|peer| peer.returns.values());
        let there = unacked.map(|unacked| &unacked.message).chain(returns.flat_map(Returns::held));
        there.filter(|message| *message.content.destination == *destination).count()
    }

    /// Returns the number of messages that a connection still holds for subscriptions that have ended, so that no other
    /// connection gets them.
    #[must_use]
    pub fn stranded(&self, connection: ConnectionId) -> usize {
        let unacked = self.connections.get(&connection).into_iter().flat_map(|peer| peer.unacked.values());
        unacked.filter(|unacked| !self.subscriptions.contains_key(&unacked.subscription)).count()
    }

    /// Returns the bodies of the messages that wait at a destination, oldest first.
    #[must_use]
    pub fn messages(&self, destination: &str) -> Vec<Bytes> {
        self.store.ready(destination).map(|message| message.content.body.clone()).collect()
    }

    /// Returns the names of the queues that hold messages, in order.
    #[must_use]
    pub fn queues(&self) -> Vec<String> {
        self.store.names().map(str::to_owned).collect()
    }

    /// Returns the open connections, oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.connections.iter().filter(|(_, peer)| !peer.closing).map(|(connection, _)| *connection).collect()
    }

    /// Returns the version on which a connection has agreed, or `None` before CONNECTED and after the end of the
    /// connection.
    #[must_use]
    pub fn version(&self, connection: ConnectionId) -> Option<Version> {
        self.connections.get(&connection)?.version
    }

    /// Returns the number of subscriptions of a destination.
    #[must_use]
    pub fn subscribers(&self, destination: &str) -> usize {
        let subscriptions = self.subscriptions.values();
        subscriptions.filter(|subscription| *subscription.terms.destination == *destination).count()
    }

    /// Returns the subscriptions of a destination that have an id, as pairs of connection and id, oldest first.
    #[must_use]
    pub fn subscriptions(&self, destination: &str) -> Vec<(ConnectionId, String)> {
        let there = self.subscriptions.values().filter(|held| *held.terms.destination == *destination);
        there.filter_map(|held| Some((held.connection, held.terms.name.id()?.to_owned()))).collect()
    }

    /// Returns `true` if a connection has a subscription with this id.
    #[must_use]
    pub fn is_subscribed(&self, connection: ConnectionId, id: &str) -> bool {
        let name = SubscriptionName::Id(id.into());
        self.connections.get(&connection).is_some_and(|peer| peer.subscriptions.contains_key(&name))
    }

    /// Returns all frames that the client of a connection has sent, including those that were refused.
    ///
    /// They are recorded with [`BrokerConfig::recording`](super::BrokerConfig::recording), and the latest of them by every
    /// [`Server`](crate::server::Server). They are kept after the connection has ended.
    #[must_use]
    pub fn frames(&self, connection: ConnectionId) -> &[Frame] {
        self.records.received.get(&connection).map_or(&[], |received| &received.frames)
    }

    /// Returns an iterator over all connections of which frames were recorded, each with its frames, oldest first.
    pub fn received(&self) -> impl Iterator<Item = (ConnectionId, &[Frame])> {
        self.records.received.iter().map(|(connection, received)| (*connection, &*received.frames))
    }

    /// Removes all frames that were recorded, and returns them, those of the oldest connection first.
    ///
    /// To print what clients send, take the frames whenever [`received`](Self::received) has some.
    pub fn take_frames(&mut self) -> Vec<(ConnectionId, Frame)> {
        let received = self.records.received.iter_mut();
        let taken = received.map(|(connection, received)| {
            received.octets = 0;
            (*connection, std::mem::take(&mut received.frames))
        });
        taken
            .flat_map(|(connection, frames)| frames.into_iter().map(move |frame| (connection, frame)))
            .collect()
    }

    /// Returns the number of heart-beats that the client of a connection has sent.
    ///
    /// They are counted only where frames are recorded.
    #[must_use]
    pub fn heart_beats(&self, connection: ConnectionId) -> u64 {
        self.records.received.get(&connection).map_or(0, |received| received.heart_beats)
    }

    /// Returns the number of messages that were destroyed by a NACK under
    /// [`NackPolicy::Discard`](super::NackPolicy::Discard).
    #[must_use]
    pub const fn discarded(&self) -> u64 {
        self.records.discarded
    }

    /// Returns the number of messages that were dead-lettered because the version of their consumer cannot express
    /// them.
    ///
    /// STOMP 1.0, for example, has no escapes, so it cannot express a line end in a header.
    #[must_use]
    pub const fn unwritable(&self) -> u64 {
        self.records.unwritable
    }
}
