//! What a test makes go wrong.

use std::collections::BTreeSet;

use stomp_proto::{Command, Frame};

use super::{
    Broker, ConnectionId,
    refusal::{ErrorClass, Refusal},
    subscription::SubscriptionName,
};

impl Broker {
    /// Goes on reading from a connection and never answers again: no frame, no heart-beat, no message, no end.
    pub fn silence(&mut self, connection: ConnectionId) {
        if let Some(peer) = self.connections.get_mut(&connection) {
            peer.silent = true;
        }
    }

    /// Whether the connections made from now on are accepted and never answered.
    pub const fn silence_new_connections(&mut self, silent: bool) {
        self.silences_new = silent;
    }

    /// Whether RECEIPTs are held back from now on. What they would confirm is done nevertheless.
    pub const fn drop_receipts(&mut self, dropped: bool) {
        self.drops_receipts = dropped;
    }

    /// Ends a connection without a word. What is written and not yet polled is lost.
    pub fn close(&mut self, connection: ConnectionId) {
        if let Some(peer) = self.connections.get_mut(&connection) {
            peer.drop_output();
            self.finish(connection);
            self.dispatch();
        }
    }

    /// Ends a connection: what is written leaves, and nothing more is read.
    pub fn hang_up(&mut self, connection: ConnectionId) {
        self.finish(connection);
        self.dispatch();
    }

    /// Dies and comes back: all connections end without a word, and messages that were with consumers are in their
    /// queues again. With [`durable_only`](super::BrokerConfig::durable_only) those without `persistent:true` are gone.
    pub fn crash(&mut self) {
        self.die(false);
    }

    /// Ends a subscription by itself, as RabbitMQ does when a queue is deleted: its client gets an ERROR that names it, and
    /// what neither this one nor one that has ended before has acknowledged goes back.
    pub fn cancel(&mut self, connection: ConnectionId, id: &str) {
        let name = SubscriptionName::Id(id.into());
        let Some(peer) = self.connections.get(&connection) else { return };
        let alive: BTreeSet<_> =
            peer.subscriptions.iter().filter(|it| *it.0 != name).map(|it| *it.1).collect();
        let ended = peer.subscriptions.get(&name).and_then(|key| self.subscriptions.get(key));
        let source = ended.map(|ended| ended.source.clone());
        if self.remove_subscription(connection, &name) {
            self.take_back(connection, |unacked| {
                Some(&unacked.source) == source.as_ref() && !alive.contains(&unacked.subscription)
            });
            let error = Frame::new(Command::Error)
                .with_header("message", "Server cancelled subscription")
                .with_header("subscription", id);
            self.write(connection, |version, out| error.encode(version, out));
            self.dispatch();
        }
    }

    /// Sends an ERROR that answers nothing, and closes if the policy closes on [`ErrorClass::Scripted`].
    pub fn send_error(&mut self, connection: ConnectionId, message: &str, detail: &str) {
        let refusal = Refusal::new(ErrorClass::Scripted, detail.to_owned());
        self.refuse(connection, None, &Refusal { message: Some(message.to_owned()), ..refusal });
        self.finish_doomed(connection);
        self.dispatch();
    }

    /// Sends octets as they are, whatever they are, and to a silenced connection too.
    pub fn send_octets(&mut self, connection: ConnectionId, octets: &[u8]) {
        let now = self.now;
        if let Some(peer) = self.open_connection(connection) {
            peer.write_octets(octets, now);
            self.outputs.insert(connection);
        }
    }
}
