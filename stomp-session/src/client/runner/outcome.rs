//! How handlers fail, and how a runner ends.

use std::fmt;

use stomp_proto::Excess;

use crate::{CommandError, Ended, client::error::SendError};

/// The failure of a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a handler has no other way to fail")]
pub enum Failure<E> {
    /// The handler returned this error.
    Error(E),
    /// The handler panicked with this message.
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

/// Counts of what a runner has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// The number of messages whose handler succeeded.
    pub handled: u64,
    /// The number of messages whose handler failed, after all [attempts](super::OnFailure::Retry).
    pub failed: u64,
    /// The number of times a handler was called again after it had failed.
    pub retried: u64,
    /// The number of these messages that could not be settled because their connection had ended. The broker delivers
    /// them again.
    pub ack_lost: u64,
    /// The number of messages that were left unacknowledged, because their handler was dropped at a deadline, awaited
    /// the end of the session, or was to be called again when the runner was told to stop.
    pub abandoned: u64,
}

/// An error returned by a runner that has ended although it was not told to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped<E> {
    /// What the runner has done.
    pub tally: Tally,
    /// The reason why it ended.
    pub reason: StopReason<E>,
}

/// The reason why a runner ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason<E> {
    /// A handler failed, and the policy was to stop.
    Failed(Failure<E>),
    /// The copy of a failed message could not be forwarded. The message was therefore not acknowledged.
    Forward(SendError),
    /// A message could not be settled as the policy requires, or the runner refuses the ack mode of the subscription.
    Command(CommandError),
    /// The subscription ended, but not because the application ended it.
    Ended(Ended),
    /// The future that [stops](super::Runner::until) the runner panicked with this message.
    Panicked(String),
}

impl<E: fmt::Display> fmt::Display for Stopped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            StopReason::Failed(failure) => write!(f, "a handler failed: {failure}"),
            StopReason::Forward(error) => write!(f, "a failed message could not be forwarded: {error}"),
            StopReason::Command(error) => write!(f, "a message could not be settled: {error}"),
            StopReason::Ended(ended) => ended.fmt(f),
            StopReason::Panicked(text) => write!(f, "the future that stops the runner panicked: {text}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Stopped<E> {}
