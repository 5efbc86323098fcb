//! The end of a connection, and what becomes of what it held.

use super::{Broker, ConnectionId, Return};

impl Broker {
    /// Ends a connection from this side. Pending output is written before it is closed.
    pub(super) fn finish(&mut self, connection: ConnectionId) {
        self.close_behind(connection, Return::Loss);
    }

    /// As [`finish`](Self::finish), because the client has said goodbye.
    pub(super) fn leave(&mut self, connection: ConnectionId) {
        self.close_behind(connection, Return::Disconnect);
    }

    fn close_behind(&mut self, connection: ConnectionId, by: Return) {
        self.end(connection, by);
        if let Some(peer) = self.connections.get_mut(&connection) {
            peer.closing = true;
            self.outputs.insert(connection);
        }
    }

    /// Takes back everything that a connection held.
    pub(super) fn end(&mut self, connection: ConnectionId, by: Return) {
        let Some(peer) = self.connections.get_mut(&connection) else { return };
        peer.transactions.clear();
        for name in peer.subscriptions.keys().cloned().collect::<Vec<_>>() {
            self.remove_subscription(connection, &name, by);
        }
        self.take_back(connection, by, |_| true);
        self.end_returns(connection, by);
        self.delete_temporaries(connection);
    }
}
