//! How handlers fail, how a runner ends, and the options that decide what becomes of a message whose handler has failed.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use stomp_proto::{Excess, Headers};

use crate::{
    CommandError, Ended, Nack, Profile,
    client::{
        error::SendError,
        message::{Message, is_reserved},
    },
};

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

/// What becomes of a message whose handler has failed.
///
/// Brokers differ in the effect of NACK, so each policy is named after its effect. On a broker whose NACK has a
/// different effect, the runner ends with [`CommandError::NackCannot`].
///
/// | | RabbitMQ | ActiveMQ | Artemis | unknown, 1.0 |
/// | --- | --- | --- | --- | --- |
/// | [`Stop`](Self::Stop), [`Forward`](Self::Forward), [`Acknowledge`](Self::Acknowledge) | yes | yes | yes | yes |
/// | [`Requeue`](Self::Requeue) | yes | no | no | no |
/// | [`DeadLetter`](Self::DeadLetter) | yes; destroys where no dead letter exchange is configured | yes | no | no |
/// | [`Discard`](Self::Discard) | no | no | yes | no |
///
/// [`Retry`](Self::Retry) sends nothing to the broker, and comes before any other policy.
///
/// A message over the [limits](crate::client::Builder::limits) that came without its body
/// ([`Oversized::Deliver`](crate::Oversized::Deliver)) is a failed message that no handler has seen. `Retry` is skipped,
/// and a forwarded copy has no body but a header `message-too-large`, which says which limit was exceeded.
///
/// With ack mode `auto`, nothing can be settled any more. Only `Stop`, `Forward` and `Acknowledge` are then possible,
/// and `Retry` before them.
///
/// ```
/// use std::time::Duration;
/// use stomp_session::client::{Forward, OnFailure};
///
/// // Called again after 0.2, 0.4 and 0.8 s; then a copy goes to the error queue.
/// let policy = OnFailure::Retry {
///     attempts: 3,
///     backoff: Duration::from_millis(200),
///     then: Box::new(OnFailure::Forward(Forward::to("/queue/errors"))),
/// };
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a box would show in every use")]
pub enum OnFailure {
    /// The runner takes no more messages, lets the other handlers end, and ends with the failure.
    ///
    /// The message stays unacknowledged, and the broker delivers it again. This is the default, because it hides no
    /// failure.
    #[default]
    Stop,
    /// A NACK makes the broker deliver the message again.
    ///
    /// The NACK is sent after a pause that doubles with the failures in a row, from 100 ms to 30 s. During the pause,
    /// the message counts towards the limit of the runner. Without the pause, a message that always fails would be
    /// delivered thousands of times a second.
    Requeue,
    /// A NACK makes the broker move the message to its dead letter queue.
    DeadLetter,
    /// A NACK makes the broker destroy the message.
    Discard,
    /// A copy of the message is sent to another destination. The message is acknowledged once the broker has confirmed
    /// the copy.
    Forward(Forward),
    /// The message is acknowledged as if it had been handled.
    Acknowledge,
    /// The handler is called again with the same message.
    ///
    /// Between the attempts, the message counts towards the limit of the runner and stays unacknowledged. All attempts
    /// and pauses together should take less time than the broker waits for an acknowledgement, which is half an hour on
    /// RabbitMQ.
    ///
    /// A runner that is told to stop does not call the handler again. The broker then delivers the message again. If
    /// the broker has already forgotten the message, `then` applies at once. If the message's connection ends during a
    /// pause, the broker delivers the message again.
    Retry {
        /// The number of times the handler is called again.
        attempts: u32,
        /// The pause before the handler is called again. It doubles each time, up to 30 s or its first value, whichever
        /// is longer.
        backoff: Duration,
        /// What becomes of the message when the last attempt has failed too.
        then: Box<Self>,
    },
}

/// The longest pause that doubling can reach.
const LONGEST: Duration = Duration::from_secs(30);

impl OnFailure {
    /// The effect of the NACK that the policy needs, if it needs one.
    pub(super) const fn nack(&self) -> Option<Nack> {
        match self {
            Self::Requeue => Some(Nack::Requeue),
            Self::DeadLetter => Some(Nack::DeadLetter),
            Self::Discard => Some(Nack::Discard),
            Self::Stop | Self::Forward(_) | Self::Acknowledge | Self::Retry { .. } => None,
        }
    }

    /// Returns the policy that applies if it is of no use to call the handler, which is no `Retry`.
    pub(super) fn without_retries(mut self) -> Self {
        while let Self::Retry { then, .. } = self {
            self = *then;
        }
        self
    }

    /// Returns the pause before the handler is called again, or `None` if it has been called often enough; and the
    /// policy that applies when it is not called again, which is no `Retry`.
    pub(super) fn after(mut self, mut retried: u32) -> (Option<Duration>, Self) {
        let mut pause = None;
        while let Self::Retry { attempts, backoff, then } = self {
            if retried < attempts && pause.is_none() {
                pause = Some(doubled(backoff, retried, LONGEST.max(backoff)));
            }
            retried = retried.saturating_sub(attempts);
            self = *then;
        }
        (pause, self)
    }
}

/// Returns the pause after doubling it this many times.
pub(super) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}

/// The destination for the copy of a message whose handler has failed.
///
/// The copy is persistent. It has the body of the message, its application headers, and `message-failed` with the text
/// of the failure if that header is not there yet.
///
/// Headers that belong to the delivery or to the broker's routing are left out, because a copy that has them would be
/// lost. For example, RabbitMQ refuses a copy with the `transaction` of the first sender, and Artemis confirms it and
/// discards it.
#[derive(Clone, Debug)]
#[must_use = "it is handed to `Runner::on_failure`"]
pub struct Forward {
    pub(super) destination: String,
    pub(super) headers: Headers,
}

impl Forward {
    /// Creates a forward to this destination.
    pub fn to(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), headers: Headers::new() }
    }

    /// Sets a header of the copy. It replaces all headers with that name, including those of the message.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// Returns the headers of the copy, except for its destination.
    pub(super) fn headers(&self, message: &Message, failure: &str, profile: &Profile) -> Headers {
        let mut copy = self.headers.clone();
        let queue = profile.send_to_queue.iter().filter(|(name, _)| !self.headers.contains(name));
        queue.for_each(|(name, value)| copy.push(name, value));
        for (name, value) in message.headers().iter() {
            let taken = copy.iter().any(|(own, _)| own.octets() == name.octets());
            if !taken && !is_reserved(&name) && name != *profile.deduplication_header {
                copy.push(name.octets(), value.octets());
            }
        }
        if !copy.contains(MESSAGE_FAILED) {
            copy.push(MESSAGE_FAILED, one_line(failure));
        }
        copy.set("persistent", "true");
        copy
    }
}

/// The header with the reason of the failure, named as in stompest.
const MESSAGE_FAILED: &str = "message-failed";

/// Returns the text as the value of a header in any version: 1.0 has no escapes for line ends.
fn one_line(text: &str) -> String {
    text.chars().take(1024).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// The default time limit for running handlers after a stop.
const GRACE: Duration = Duration::from_secs(10);

type Decide<E> = Box<dyn Fn(&Message, &Failure<E>) -> OnFailure + Send>;
type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Options<E> {
    pub(super) decide: Decide<E>,
    pub(super) limit: usize,
    pub(super) grace: Duration,
    pub(super) until: Option<Until>,
}

impl<E> Default for Options<E> {
    fn default() -> Self {
        Self { decide: Box::new(|_, _| OnFailure::Stop), limit: 1, grace: GRACE, until: None }
    }
}
