//! What a connection settles at a time: the broker passes on a limited number of ACKs and NACKs to a queue, and the rest when
//! it has caught up.

use core::time::Duration;

use super::{
    Broker, ConnectionId, Fact, delivery_limit::Return, settle::Verdict, source::Source, store::Message,
    subscription::SubscriptionName,
};

/// How long the broker takes to catch up.
const MOMENT: Duration = Duration::from_millis(1);

/// What a connection has settled in one queue since the broker last caught up.
#[derive(Debug, Default)]
pub(super) struct Returns {
    /// How many ACKs and NACKs have gone on.
    passed: usize,
    /// The messages of those that have not. They come back with the end of the connection, if that comes first.
    held: Vec<(Message, Verdict)>,
    since: Duration,
}

impl Returns {
    /// When those that have not gone on do so by themselves.
    pub(super) fn deadline(&self) -> Option<Duration> {
        (!self.held.is_empty()).then(|| self.since + MOMENT)
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &Message> {
        self.held.iter().map(|(message, _)| message)
    }
}

impl Broker {
    /// Counts an ACK or NACK of messages of one queue. Returns whether it goes on now.
    pub(super) fn passes_on(&mut self, connection: ConnectionId, source: &Source) -> bool {
        let Some(most) = self.config.habits.settles_at_once else { return true };
        let Some(peer) = self.connections.get_mut(&connection) else { return true };
        let returns = peer.returns.entry(source.clone()).or_default();
        if returns.passed == 0 {
            returns.since = self.now;
        }
        let passes = returns.passed < most;
        returns.passed += usize::from(passes);
        passes
    }

    /// Keeps a message whose ACK or NACK does not go on.
    pub(super) fn hold_up(
        &mut self,
        connection: ConnectionId,
        source: &Source,
        message: Message,
        verdict: Verdict,
    ) {
        let peer = self.connections.get_mut(&connection);
        let returns = peer.and_then(|peer| peer.returns.get_mut(source));
        if let Some(returns) = returns {
            returns.held.push((message, verdict));
        }
    }

    /// What a connection has settled in a queue goes on: the broker has processed all that it had sent there.
    pub(super) fn catch_up(&mut self, connection: ConnectionId, source: &Source) {
        let returns = self.connections.get_mut(&connection).and_then(|peer| peer.returns.remove(source));
        for (message, verdict) in returns.into_iter().flat_map(|returns| returns.held) {
            self.conclude(connection, source, message, verdict);
        }
    }

    /// The same for the queues of a subscription.
    pub(super) fn catch_up_with(&mut self, connection: ConnectionId, name: &SubscriptionName) {
        let key = self.connections.get(&connection).and_then(|peer| peer.subscriptions.get(name));
        let sources = key.map_or_else(Vec::new, |key| self.store.sources(*key));
        sources.into_iter().for_each(|source| self.catch_up(connection, &source));
    }

    /// The same for everything that was given back a moment ago.
    pub(super) fn catch_up_by_time(&mut self) {
        let mut due = Vec::new();
        for (connection, peer) in &self.connections {
            let of_peer = peer.returns.iter().filter(|(_, returns)| returns.since + MOMENT <= self.now);
            due.extend(of_peer.map(|(source, _)| (*connection, source.clone())));
        }
        due.into_iter().for_each(|(connection, source)| self.catch_up(connection, &source));
    }

    /// The connection ends: what has not gone on comes back with it, acknowledged or not.
    pub(super) fn end_returns(&mut self, connection: ConnectionId, by: Return) {
        let Some(peer) = self.connections.get_mut(&connection) else { return };
        for (source, returns) in core::mem::take(&mut peer.returns) {
            for (message, verdict) in returns.held {
                if verdict == Verdict::Acknowledge {
                    self.note(|| Fact::AckLost { connection, body: message.content.body.clone(), by });
                }
                self.give_back(&source, message, by);
            }
        }
    }
}
