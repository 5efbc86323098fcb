//! Points at which a broker can be made to crash.

use stomp_proto::Command;

use super::{Broker, ConnectionId, connection::Connection, journal::Fact};

/// A point in the conversation with a client at which the broker can crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
#[non_exhaustive]
pub enum CrashPoint {
    /// A client dials. The owner reports this with [`Broker::reach`].
    Dialled,
    Accepted,
    ConnectRead,
    ConnectedWritten,
    SubscribeRead,
    SubscribeReceipted,
    /// Half of a MESSAGE has been written.
    MessageHalfWritten,
    MessageWritten,
    AckRead,
    SendRead,
    SendStored,
    SendReceipted,
    TransactionBegun,
    CommitRead,
    CommitCarriedOut,
    DisconnectRead,
    DisconnectReceipted,
}

impl CrashPoint {
    /// All points, in the order in which a client meets them.
    pub const ALL: [Self; 17] = [
        Self::Dialled,
        Self::Accepted,
        Self::ConnectRead,
        Self::ConnectedWritten,
        Self::SubscribeRead,
        Self::SubscribeReceipted,
        Self::MessageHalfWritten,
        Self::MessageWritten,
        Self::AckRead,
        Self::SendRead,
        Self::SendStored,
        Self::SendReceipted,
        Self::TransactionBegun,
        Self::CommitRead,
        Self::CommitCarriedOut,
        Self::DisconnectRead,
        Self::DisconnectReceipted,
    ];

    pub(super) const fn before(command: Command) -> Option<Self> {
        match command {
            Command::Connect | Command::Stomp => Some(Self::ConnectRead),
            Command::Subscribe => Some(Self::SubscribeRead),
            Command::Ack | Command::Nack => Some(Self::AckRead),
            Command::Send => Some(Self::SendRead),
            Command::Commit => Some(Self::CommitRead),
            Command::Disconnect => Some(Self::DisconnectRead),
            _ => None,
        }
    }

    /// The point after the command was carried out and before it is receipted.
    pub(super) const fn within(command: Command) -> Option<Self> {
        match command {
            Command::Send => Some(Self::SendStored),
            Command::Commit => Some(Self::CommitCarriedOut),
            _ => None,
        }
    }

    pub(super) const fn after(command: Command) -> Option<Self> {
        match command {
            Command::Connect | Command::Stomp => Some(Self::ConnectedWritten),
            Command::Subscribe => Some(Self::SubscribeReceipted),
            Command::Send => Some(Self::SendReceipted),
            Command::Begin => Some(Self::TransactionBegun),
            Command::Disconnect => Some(Self::DisconnectReceipted),
            _ => None,
        }
    }

    /// Whether the output written before this point reaches the client.
    const fn keeps_output(self) -> bool {
        matches!(
            self,
            Self::ConnectedWritten
                | Self::SubscribeReceipted
                | Self::MessageHalfWritten
                | Self::MessageWritten
                | Self::SendReceipted
                | Self::TransactionBegun
                | Self::DisconnectReceipted
        )
    }
}

impl Broker {
    /// Makes the broker [crash](Self::crash) when this point is reached next.
    pub const fn crash_at(&mut self, point: CrashPoint) {
        self.armed = Some(point);
    }

    /// Returns the point at which the broker will crash, or `None` if it will not.
    #[must_use]
    pub const fn armed(&self) -> Option<CrashPoint> {
        self.armed
    }

    /// Returns how often the broker has crashed.
    #[must_use]
    pub const fn crashes(&self) -> u64 {
        self.crashes
    }

    /// Reports that a point has been reached. Returns `true` if the broker has crashed there.
    pub fn reach(&mut self, point: CrashPoint) -> bool {
        let dies = self.armed == Some(point);
        if dies {
            self.armed = None;
            self.die(point.keeps_output());
        }
        dies
    }

    /// As [`reach`](Self::reach), for a command that may have no such point.
    pub(super) fn reach_any(&mut self, point: Option<CrashPoint>) -> bool {
        point.is_some_and(|point| self.reach(point))
    }

    /// As [`reach`](Self::reach), for the MESSAGE that begins at `before` in the output of the connection.
    pub(super) fn reach_message(&mut self, connection: ConnectionId, before: usize) {
        if self.armed == Some(CrashPoint::MessageHalfWritten) {
            self.connections.get_mut(&connection).into_iter().for_each(|peer| peer.halve_output(before));
        }
        _ = self.reach(CrashPoint::MessageHalfWritten) || self.reach(CrashPoint::MessageWritten);
    }

    /// Ends all connections without an ERROR, and forgets what is not stored.
    pub(super) fn die(&mut self, keep_output: bool) {
        self.crashes += 1;
        for connection in self.connections.keys().copied().collect::<Vec<_>>() {
            let peer = self.connections.get_mut(&connection).filter(|_| !keep_output);
            peer.into_iter().for_each(Connection::drop_output);
            self.finish(connection);
        }
        let unsynced = self.unsynced().collect();
        self.deferred.clear();
        self.forget_scheduled();
        for message in self.store.drop_volatile(&unsynced, self.config.durable_only) {
            self.note(|| Fact::Forgotten(message.content.body.clone()));
        }
    }
}
