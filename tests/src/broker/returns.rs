//! What a connection gives back at a time: the broker passes on a limited number of messages, and the rest when it has caught up.

use core::time::Duration;

use super::{
    Broker, ConnectionId, delivery_limit::Return, source::Source, store::Message,
    subscription::SubscriptionName,
};

/// How long the broker takes to catch up.
const MOMENT: Duration = Duration::from_millis(1);

/// What a connection has given back to one queue since the broker last caught up.
#[derive(Debug, Default)]
pub(super) struct Returns {
    /// How many have gone on.
    passed: usize,
    /// Those that have not. They come back with the end of the connection, if that comes first.
    held: Vec<Message>,
    since: Duration,
}

impl Returns {
    /// When those that have not gone on do so by themselves.
    pub(super) fn deadline(&self) -> Option<Duration> {
        (!self.held.is_empty()).then(|| self.since + MOMENT)
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &Message> {
        self.held.iter()
    }
}

impl Broker {
    /// Takes a message back that a NACK returns: now, or when the broker has caught up.
    pub(super) fn requeue(&mut self, connection: ConnectionId, source: &Source, message: Message) {
        let most = self.config.habits.requeues_at_once;
        if let Some(most) = most
            && let Some(peer) = self.connections.get_mut(&connection)
        {
            let returns = peer.returns.entry(source.clone()).or_default();
            if returns.passed == 0 {
                returns.since = self.now;
            }
            if returns.passed >= most {
                return returns.held.push(message);
            }
            returns.passed += 1;
        }
        self.give_back(source, message, Return::Nack);
    }

    /// What a connection has given back to a queue goes on: the broker has processed all that it had sent there.
    pub(super) fn catch_up(&mut self, connection: ConnectionId, source: &Source) {
        let returns = self.connections.get_mut(&connection).and_then(|peer| peer.returns.remove(source));
        self.let_go(source, returns, Return::Nack);
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

    /// The connection ends: what has not gone on comes back with it.
    pub(super) fn end_returns(&mut self, connection: ConnectionId, by: Return) {
        let Some(peer) = self.connections.get_mut(&connection) else { return };
        for (source, returns) in core::mem::take(&mut peer.returns) {
            self.let_go(&source, Some(returns), by);
        }
    }

    fn let_go(&mut self, source: &Source, returns: Option<Returns>, by: Return) {
        let held = returns.into_iter().flat_map(|returns| returns.held);
        held.for_each(|message| self.give_back(source, message, by));
    }
}
