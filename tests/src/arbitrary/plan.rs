//! Plans: what an application, a broker and a network do, as data that proptest can draw and shrink.

use std::time::Duration;

use stomp_proto::AckMode;

/// A test of an event loop, for [`check`](super::check()).
///
/// ```
/// use std::time::Duration;
/// use stomp_testkit::arbitrary::{Fault, Operation, Plan, Step};
///
/// let plan = Plan {
///     steps: vec![
///         Step::Do(Operation::SendConfirmed { destination: 0, length: 100 }),
///         Step::Suffer(Fault::Reset { after: 20 }),
///         Step::Wait(Duration::from_secs(1)),
///     ],
///     ..Plan::default()
/// };
/// let words = [
///     "1. the application sends 100 octets to /queue/0 and asks for a RECEIPT",
///     "2. the connection is reset when the loop has written 20 more octets",
///     "3. 1s pass",
/// ];
/// assert!(plan.to_string().lines().map(str::trim).eq(words));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "tests write plans down")]
pub struct Plan {
    /// The steps, in order. Between two of them the loop does all that can be done.
    pub steps: Vec<Step>,
    /// How many octets a read gives at most. The numbers are used in turn, over and over; 0 counts as 1. If there are none, a
    /// read gives all there is.
    pub reads: Vec<usize>,
    /// How many octets the socket takes at most in a millisecond. The numbers are used in turn, over and over; 0 counts as 1. If
    /// there are none, a write takes everything.
    pub writes: Vec<usize>,
}

/// A step of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The application does something.
    Do(Operation),
    /// The broker or the network misbehaves.
    Suffer(Fault),
    /// Time passes.
    Wait(Duration),
}

/// Something that the application asks of its session.
///
/// Destination 0 is `/queue/0`, and so on. Subscriptions, messages and transactions are counted back from the newest, which is 0;
/// behind the oldest, the newest follows again. If there is none, or if the session refuses the command, nothing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Subscribes.
    Subscribe {
        /// The destination.
        destination: usize,
        /// The ack mode.
        ack: AckMode,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// Which one.
        subscription: usize,
    },
    /// Sends without asking for a RECEIPT.
    Send {
        /// The destination.
        destination: usize,
        /// The length of the body in octets, besides a number that tells the message from all others.
        length: usize,
    },
    /// Sends and asks for a RECEIPT.
    SendConfirmed {
        /// The destination.
        destination: usize,
        /// The length of the body, as for `Send`.
        length: usize,
    },
    /// Sends at least once.
    SendAtLeastOnce {
        /// The destination.
        destination: usize,
        /// The length of the body, as for `Send`.
        length: usize,
    },
    /// Acknowledges a message.
    Ack {
        /// Which one of those that were not settled.
        message: usize,
    },
    /// Acknowledges a message and asks for a RECEIPT.
    AckConfirmed {
        /// Which one of those that were not settled.
        message: usize,
    },
    /// Refuses a message.
    Nack {
        /// Which one of those that were not settled.
        message: usize,
    },
    /// Begins a transaction.
    Begin,
    /// Sends in a transaction.
    SendIn {
        /// Which one of those that were not ended.
        transaction: usize,
        /// The destination.
        destination: usize,
    },
    /// Acknowledges a message in a transaction.
    AckIn {
        /// Which one of those that were not ended.
        transaction: usize,
        /// Which one of those that were not settled.
        message: usize,
    },
    /// Commits a transaction.
    Commit {
        /// Which one of those that were not ended.
        transaction: usize,
    },
    /// Aborts a transaction.
    Abort {
        /// Which one of those that were not ended.
        transaction: usize,
    },
    /// Disconnects. Each check does so at its end in any case.
    Disconnect,
}

/// Something that the broker or the network does to the loop.
///
/// A fault of the connection has no effect if there is none. Faults that are in force when the steps are over are lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The broker closes the connection, this one or a later one, when the loop has read this many more octets.
    Close {
        /// The number of octets.
        after: usize,
    },
    /// The connection, this one or a later one, is reset when the loop has written this many more octets.
    Reset {
        /// The number of octets.
        after: usize,
    },
    /// The next attempts to connect are refused.
    RefuseConnections {
        /// How many.
        count: usize,
    },
    /// The next connections are opened, and nothing is ever said on them.
    IgnoreConnections {
        /// How many.
        count: usize,
    },
    /// From now on the broker says nothing on the connection.
    FallSilent,
    /// The broker sends an ERROR that answers no frame, and closes the connection.
    SendError,
    /// The broker refuses the next SEND with an ERROR.
    RefuseSend,
    /// The broker stores the message of the next SEND twice.
    StoreTwice,
    /// The broker sends no RECEIPT until the connection ends.
    DropReceipts,
    /// The broker sends the RECEIPT of the next SEND late.
    DelayReceipt {
        /// How much later.
        by: Duration,
    },
    /// The broker sends the next RECEIPT twice.
    RepeatReceipt,
}
