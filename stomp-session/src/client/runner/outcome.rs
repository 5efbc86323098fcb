//! How handlers failed, and what a runner has come to.

use std::fmt;

use stomp_proto::Excess;

use crate::{CommandError, Ended, client::error::SendError};

/// How a handler failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a handler has no other way to fail")]
pub enum Failure<E> {
    /// It returned an error.
    Error(E),
    /// It panicked, with that message.
    Panicked(String),
    /// It was not called: the message was over the limits, and came without its body
    /// ([`Oversized::Deliver`](crate::Oversized::Deliver)).
    TooLarge(Excess),
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panicked(text) => write!(f, "the handler panicked: {text}"),
            Self::TooLarge(excess) => {
                write!(f, "{excess} is over the limit: the message came without its body")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Failure<E> {}

/// What a runner has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Messages whose handler succeeded.
    pub handled: u64,
    /// Messages whose handler failed, after all [attempts](super::OnFailure::Retry).
    pub failed: u64,
    /// How often a handler was called again after it had failed.
    pub retried: u64,
    /// Of all these, the ones that could not be settled, since their connection had ended: the broker delivers them again.
    pub ack_lost: u64,
    /// Messages whose handler was dropped at a deadline, or awaited the end of the session, or was to be called again when the
    /// runner was told to stop: unacknowledged.
    pub abandoned: u64,
}

/// Why a runner ended that was not told to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped<E> {
    /// What it had done until then.
    pub tally: Tally,
    /// Why it ended.
    pub reason: StopReason<E>,
}

/// Why a runner ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason<E> {
    /// A handler failed, and the policy was to stop.
    Failed(Failure<E>),
    /// The copy of a failed message could not be forwarded, so that the message was not acknowledged.
    Forward(SendError),
    /// A message could not be settled as the policy wants, or the subscription's ack mode has no place in a runner.
    Command(CommandError),
    /// The subscription has ended, and not by its owner's will.
    Ended(Ended),
    /// The future that was [to stop](super::Runner::until) the runner panicked, with that message.
    Panicked(String),
}

impl<E: fmt::Display> fmt::Display for Stopped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            StopReason::Failed(failure) => write!(f, "a handler failed: {failure}"),
            StopReason::Forward(error) => write!(f, "a failed message could not be forwarded: {error}"),
            StopReason::Command(error) => write!(f, "a message could not be settled: {error}"),
            StopReason::Ended(ended) => ended.fmt(f),
            StopReason::Panicked(text) => write!(f, "what was to stop the runner panicked: {text}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Stopped<E> {}
