//! Faults that a test can cause.

use std::collections::BTreeSet;

use stomp_proto::{Command, Frame};

use super::{
    Broker, ConnectionId, Return,
    refusal::{ErrorClass, Refusal},
    subscription::SubscriptionName,
};

impl Broker {
    /// Silences a connection: the broker keeps reading from it, but sends no frames and no heart-beats any more, and
    /// does not close it.
    pub fn silence(&mut self, connection: ConnectionId) {
        if let Some(peer) = self.connections.get_mut(&connection) {
            peer.silent = true;
        }
    }

    /// Sets whether connections are accepted but never answered from now on.
    pub const fn silence_new_connections(&mut self, silent: bool) {
        self.silences_new = silent;
    }

    /// Sets whether RECEIPTs are dropped from now on. The frames that ask for them are processed nevertheless.
    pub const fn drop_receipts(&mut self, dropped: bool) {
        self.drops_receipts = dropped;
    }

    /// Closes a connection without an ERROR. Output that has not been polled is lost.
    pub fn close(&mut self, connection: ConnectionId) {
        if let Some(peer) = self.connections.get_mut(&connection) {
            peer.drop_output();
            self.finish(connection);
            self.dispatch();
        }
    }

    /// Closes a connection after the pending output has been written. Nothing more is read from it.
    pub fn hang_up(&mut self, connection: ConnectionId) {
        self.finish(connection);
        self.dispatch();
    }

    /// Crashes and restarts the broker.
    ///
    /// All connections end without an ERROR, and unacknowledged messages return to their queues. With
    /// [`durable_only`](super::BrokerConfig::durable_only), messages without `persistent:true` are destroyed.
    pub fn crash(&mut self) {
        self.die(false);
    }

    /// Cancels a subscription, as RabbitMQ does when a queue is deleted.
    ///
    /// The client gets an ERROR that names the subscription. Its unacknowledged messages return to their queue, and so
    /// do those that ended subscriptions of the same connection have taken from the same source.
    pub fn cancel(&mut self, connection: ConnectionId, id: &str) {
        let name = SubscriptionName::Id(id.into());
        let Some(peer) = self.connections.get(&connection) else { return };
        let alive: BTreeSet<_> =
            peer.subscriptions.iter().filter(|it| *it.0 != name).map(|it| *it.1).collect();
        let ended = peer.subscriptions.get(&name);
        let sources = ended.map_or_else(Vec::new, |key| self.store.sources(*key));
        if self.remove_subscription(connection, &name, Return::Cancel) {
            self.take_back(connection, Return::Cancel, |unacked| {
                sources.contains(&unacked.source) && !alive.contains(&unacked.subscription)
            });
            let error = Frame::new(Command::Error)
                .with_header("message", "Server cancelled subscription")
                .with_header("subscription", id);
            self.write(connection, |version, out| error.encode(version, out));
            self.dispatch();
        }
    }

    /// Sends an ERROR that answers no frame. It closes the connection if the [`ErrorPolicy`](super::ErrorPolicy) closes
    /// on [`ErrorClass::Scripted`].
    pub fn send_error(&mut self, connection: ConnectionId, message: &str, detail: &str) {
        let refusal = Refusal::new(ErrorClass::Scripted, detail.to_owned());
        self.refuse(connection, None, &Refusal { message: Some(message.to_owned()), ..refusal });
        self.finish_doomed(connection);
        self.dispatch();
    }

    /// Sends octets unchanged, whether or not they are valid STOMP, and even to a silenced connection.
    pub fn send_octets(&mut self, connection: ConnectionId, octets: &[u8]) {
        let now = self.now;
        if let Some(peer) = self.open_connection(connection) {
            peer.write_octets(octets, now);
            self.outputs.insert(connection);
        }
    }
}
