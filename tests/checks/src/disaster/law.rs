//! What must hold, whatever happens.

use std::fmt;

/// A promise of a session to its owner. The numbers are those of the laws in the documentation of the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Law {
    /// INV-1: every operation ends within its deadline.
    Ends = 1,
    /// INV-2: a result is for the operation that asked.
    RightResult,
    /// INV-3: an ACK or NACK goes to the connection that delivered the message.
    NoStaleAck,
    /// INV-4: what is confirmed is with the broker, and what is rejected is not.
    ConfirmedIsStored,
    /// INV-5: nothing is acknowledged that was not asked for.
    NoSilentAck,
    /// INV-6: what is not acknowledged is delivered again.
    AtLeastOnce,
    /// INV-7: messages come in the order of the wire, and all of them.
    Order,
    /// INV-8: what is written is STOMP, and what was meant.
    Wire,
    /// INV-9: no frame is written twice unasked.
    NoRepeat,
    /// INV-10: something is written within the promised time.
    Beats,
    /// INV-11: a dead peer is noticed, in time and not too early.
    DeadPeer,
    /// INV-12: attempts keep to the schedule, one at a time, and end.
    Schedule,
    /// INV-13: a connection begins with the subscriptions that live.
    Replay,
    /// INV-14: what is held is bounded, and nothing at the end.
    Memory,
    /// INV-15: a transaction stays on its connection.
    Transaction,
    /// INV-16: credentials go where they belong and are never shown.
    Secrets,
    /// INV-17: nothing panics.
    NoPanic,
    /// INV-18: the end comes once, in time, and says what became of things.
    Close,
    /// INV-19: the same seed is the same run.
    Determinism,
    /// INV-20: what kills connections is not met for ever.
    Poison,
    /// INV-21: a subscription that stood once is subscribed or being retried.
    Retried,
    /// INV-22: nothing of one session goes out on another's connection.
    Foreign,
    /// INV-23: a frame that is blamed was the cause.
    Blame,
    /// INV-24: what cannot be had costs the others little.
    Suspects,
    /// INV-25: a move leaves in good order and in time, and ends where it was to go.
    Move,
    /// INV-26: once a broker serves again, so are its clients within seconds.
    Gap,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INV-{} ({self:?})", *self as u8)
    }
}

/// A law that does not hold, and how it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.what)
    }
}

pub(super) type Checked<T = ()> = Result<T, Violation>;

/// Goes on if it holds.
pub(super) fn demand(holds: bool, law: Law, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation { law, what: what() }) }
}
