//! What becomes of a message whose handler failed.

use std::{any::Any, fmt};

use stomp_proto::{Headers, Text};

use crate::{
    CommandError, Ended, Nack, Profile,
    client::{contained::panic_text, error::SendError, message::Message},
};

/// What becomes of a message whose handler failed. Brokers mean different things by NACK, so each of them is named by what
/// it does, and refused with [`CommandError::NackCannot`] by a broker that does something else.
///
/// | | RabbitMQ | ActiveMQ | Artemis | unknown, 1.0 |
/// | --- | --- | --- | --- | --- |
/// | [`Stop`](Self::Stop), [`Forward`](Self::Forward), [`Acknowledge`](Self::Acknowledge) | yes | yes | yes | yes |
/// | [`Requeue`](Self::Requeue) | yes | no | no | no |
/// | [`DeadLetter`](Self::DeadLetter) | yes; destroys where no dead letter exchange is configured | yes | no | no |
/// | [`Discard`](Self::Discard) | no | no | yes | no |
///
/// With ack mode `auto` there is nothing left to settle: only `Stop`, `Forward` and `Acknowledge` can be had.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and a box would show in every use")]
pub enum OnFailure {
    /// The runner takes no more messages, lets the other handlers end, and ends with the failure. The message stays
    /// unacknowledged: the broker delivers it again. The default, since nothing is ever silent.
    #[default]
    Stop,
    /// NACK, so that the broker delivers it again: after a pause that doubles with the failures in a row, from 100 ms to
    /// 30 s, in which the message keeps its place in the limit. Without it one poison message goes round thousands of times
    /// a second.
    Requeue,
    /// NACK, so that the broker moves it to its dead letter queue.
    DeadLetter,
    /// NACK, so that the broker destroys it.
    Discard,
    /// A copy is sent elsewhere, and acknowledged once the broker has confirmed the copy.
    Forward(Forward),
    /// As if it had been handled.
    Acknowledge,
}

impl OnFailure {
    /// The NACK that it takes.
    pub(super) const fn nack(&self) -> Option<Nack> {
        match self {
            Self::Requeue => Some(Nack::Requeue),
            Self::DeadLetter => Some(Nack::DeadLetter),
            Self::Discard => Some(Nack::Discard),
            Self::Stop | Self::Forward(_) | Self::Acknowledge => None,
        }
    }
}

/// Where the copy of a message goes whose handler failed.
///
/// The copy is persistent, has the message's body and its application headers, and `message-failed` with the failure's text,
/// if it had none. What belongs to the delivery or to the broker's routing is left out: relayed, it would lose the copy
/// (RabbitMQ refuses one with the `transaction` of the first sender, Artemis receipts it and throws it away).
#[derive(Clone, Debug)]
#[must_use = "it is handed to `Runner::on_failure`"]
pub struct Forward {
    pub(super) destination: String,
    pub(super) headers: Headers,
}

impl Forward {
    /// To that destination.
    pub fn to(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), headers: Headers::new() }
    }

    /// Another header of the copy. It takes the place of one that the message had.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The headers of the copy, but for its destination.
    pub(super) fn headers(
        &self,
        message: &Message,
        failure: &impl fmt::Display,
        profile: &Profile,
    ) -> Headers {
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
            copy.push(MESSAGE_FAILED, one_line(&failure.to_string()));
        }
        copy.set("persistent", "true");
        copy
    }
}

/// Says why a handler failed. stompest's name for it.
const MESSAGE_FAILED: &str = "message-failed";

/// Headers of a MESSAGE that belong to its delivery, or by which brokers route.
const RESERVED: [&str; 26] = [
    "ack",
    "browser",
    "content-length",
    "destination",
    "destination-type",
    "expires",
    "message-id",
    "original-destination",
    "originalExpiration",
    "persistent",
    "priority",
    "receipt",
    "redelivered",
    "routing-type",
    "subscription",
    "subscription-type",
    "timestamp",
    "transaction",
    "x-acquired-count",
    "x-death",
    "x-delivery-count",
    "x-opt-deaths",
    "x-received-from",
    "BCC",
    "CC",
    "dlqDeliveryFailureCause",
];

/// Beginnings of names that brokers keep for themselves: the de-duplication and routing headers of Artemis and ActiveMQ, and
/// what RabbitMQ notes about dead letters.
const RESERVED_PREFIXES: [&[u8]; 7] =
    [b"_AMQ", b"__AMQ", b"AMQ_", b"_HQ_", b"JMSX", b"x-first-death-", b"x-last-death-"];

fn is_reserved(name: &Text<'_>) -> bool {
    let octets = name.octets();
    RESERVED.iter().any(|reserved| *name == **reserved)
        || RESERVED_PREFIXES.iter().any(|prefix| octets.starts_with(prefix))
}

/// Text for a header, whatever the version: 1.0 has no escapes for line ends.
fn one_line(text: &str) -> String {
    text.chars().take(1024).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// How a handler failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a handler has no third way to fail")]
pub enum Failure<E> {
    /// It returned an error.
    Error(E),
    /// It panicked, with that message.
    Panicked(String),
}

impl<E> Failure<E> {
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self::Panicked(panic_text(payload))
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panicked(text) => write!(f, "the handler panicked: {text}"),
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
    /// Messages whose handler failed.
    pub failed: u64,
    /// Of all these, the ones that could not be settled, since their connection had ended: the broker delivers them again.
    pub ack_lost: u64,
    /// Messages whose handler was dropped at a deadline, or awaited the end of the session: unacknowledged.
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
}

impl<E: fmt::Display> fmt::Display for Stopped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            StopReason::Failed(failure) => write!(f, "a handler failed: {failure}"),
            StopReason::Forward(error) => write!(f, "a failed message could not be forwarded: {error}"),
            StopReason::Command(error) => write!(f, "a message could not be settled: {error}"),
            StopReason::Ended(ended) => ended.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Stopped<E> {}
