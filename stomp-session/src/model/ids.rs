//! Names of what a session has to do with: newtypes, so that none is taken for another.

use alloc::string::String;
use core::fmt;

/// Counts the connections of a session: what came on one has no meaning on the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// Names an attempt to connect, and the connection that it becomes: what is reported of another one is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub(crate) u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {}", self.0)
    }
}

/// Names a frame that asked for a RECEIPT. Never used twice in a session, so that a late RECEIPT confirms nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId(pub(crate) u64);

impl ReceiptId {
    /// As it stands in `receipt` and `receipt-id`.
    pub(crate) fn wire(self) -> String {
        alloc::format!("{}", self.0)
    }
}

/// Names a subscription, over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(crate) u64);

/// Names a transaction. It is good on its own connection only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    pub(crate) number: u64,
    pub(crate) connection: ConnectionId,
}

impl TransactionId {
    /// As it stands in `transaction`.
    pub(crate) fn wire(self) -> String {
        alloc::format!("t{}", self.number)
    }
}

/// The numbers that a session gives away, none of them twice.
#[derive(Debug)]
pub(crate) struct Ids {
    receipts: u64,
    connections: u64,
    outboxes: u64,
}

impl Ids {
    pub(crate) const fn new() -> Self {
        Self { receipts: 1, connections: 0, outboxes: 0 }
    }

    pub(crate) const fn receipt(&mut self) -> ReceiptId {
        let id = ReceiptId(self.receipts);
        self.receipts = self.receipts.saturating_add(1);
        id
    }

    pub(crate) const fn connection(&mut self) -> ConnectionId {
        self.connections = self.connections.saturating_add(1);
        ConnectionId(self.connections)
    }

    /// Whether that connection is the newest.
    pub(crate) const fn is_newest(&self, connection: ConnectionId) -> bool {
        self.connections == connection.0
    }

    pub(crate) const fn outbox(&mut self) -> u64 {
        self.outboxes = self.outboxes.saturating_add(1);
        self.outboxes
    }
}
