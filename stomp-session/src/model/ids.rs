//! The ids of a session: newtypes, so that none is taken for another.

use alloc::string::{String, ToString};
use core::{
    fmt,
    hash::{Hash, Hasher},
    sync::atomic::{AtomicU32, Ordering},
};

/// Tells the sessions of a process apart. Nothing is made of it but comparisons: it is never shown, so that a seed
/// reproduces a run.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner(u32);

impl Owner {
    /// Another one than all before.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// A number that a session gave away, and which session that was.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number {
    pub(crate) value: u64,
    pub(crate) owner: Owner,
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// The id of a connection of a session. Connections are counted from 1.
///
/// Ids that a broker assigns on one connection have no meaning on the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) Number);

impl ConnectionId {
    /// The receipt of that number, of the same session.
    pub(crate) const fn receipt(self, value: u64) -> ReceiptId {
        ReceiptId(Number { value, owner: self.0.owner })
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// The id of an attempt to connect and of the connection that results from it. A report with the id of another attempt
/// is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub(crate) Number);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {}", self.0)
    }
}

/// The id of a frame that asked for a RECEIPT.
///
/// It is never used twice in a session, so that a late RECEIPT cannot confirm another frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId(pub(crate) Number);

impl ReceiptId {
    pub(crate) fn wire(self) -> String {
        self.to_string()
    }

    /// What [`wire`](Self::wire) says.
    pub(crate) const fn number(self) -> u64 {
        self.0.value
    }
}

/// Displays the id as it is sent in `receipt` and `receipt-id`.
impl fmt::Display for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a subscription, the same on all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(crate) Number);

/// Displays the id as it is sent in `id` and `subscription`, unless [`Subscribe::id`](crate::Subscribe::id) has chosen
/// another one.
impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a transaction. It is valid only on the connection on which the transaction began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    pub(crate) number: u64,
    pub(crate) connection: ConnectionId,
}

impl TransactionId {
    pub(crate) fn wire(self) -> String {
        self.to_string()
    }
}

/// Displays the id as it is sent in `transaction`.
impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.number)
    }
}

/// The numbers that a session gives away, none of them twice.
#[derive(Debug)]
pub(crate) struct Ids {
    pub(crate) owner: Owner,
    receipts: u64,
    connections: u64,
    outboxes: u64,
}

impl Ids {
    pub(crate) const fn new(owner: Owner) -> Self {
        Self { owner, receipts: 1, connections: 0, outboxes: 0 }
    }

    const fn number(&self, value: u64) -> Number {
        Number { value, owner: self.owner }
    }

    pub(crate) const fn receipt(&mut self) -> ReceiptId {
        let id = ReceiptId(self.number(self.receipts));
        self.receipts = self.receipts.saturating_add(1);
        id
    }

    /// The one that is given away next.
    #[cfg(feature = "client")]
    pub(crate) const fn next_receipt(&self) -> ReceiptId {
        ReceiptId(self.number(self.receipts))
    }

    pub(crate) const fn connection(&mut self) -> ConnectionId {
        self.connections = self.connections.saturating_add(1);
        ConnectionId(self.number(self.connections))
    }

    /// Whether that connection is the newest.
    pub(crate) fn is_newest(&self, connection: ConnectionId) -> bool {
        connection.0 == self.number(self.connections)
    }

    pub(crate) const fn outbox(&mut self) -> u64 {
        self.outboxes = self.outboxes.saturating_add(1);
        self.outboxes
    }
}
