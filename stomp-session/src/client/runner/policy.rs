//! What becomes of a message whose handler failed.

use std::time::Duration;

use stomp_proto::{Headers, Text};

use crate::{Nack, Profile, client::message::Message};

/// What becomes of a message whose handler failed. Brokers mean different things by NACK, so each of them is named by what
/// it does, and refused with [`CommandError::NackCannot`](crate::CommandError::NackCannot) by a broker that does something
/// else.
///
/// | | RabbitMQ | ActiveMQ | Artemis | unknown, 1.0 |
/// | --- | --- | --- | --- | --- |
/// | [`Stop`](Self::Stop), [`Forward`](Self::Forward), [`Acknowledge`](Self::Acknowledge) | yes | yes | yes | yes |
/// | [`Requeue`](Self::Requeue) | yes | no | no | no |
/// | [`DeadLetter`](Self::DeadLetter) | yes; destroys where no dead letter exchange is configured | yes | no | no |
/// | [`Discard`](Self::Discard) | no | no | yes | no |
///
/// [`Retry`](Self::Retry) tells the broker nothing, and comes before any of them.
///
/// A message that was over the [limits](crate::client::Builder::limits) and came without its body
/// ([`Oversized::Deliver`](crate::Oversized::Deliver)) is a failed message, which no handler has seen: `Retry` is passed over,
/// and a copy that is forwarded has no body and the header `message-too-large`, which says what was over the limit.
///
/// With ack mode `auto` there is nothing left to settle: only `Stop`, `Forward`, `Acknowledge`, and `Retry` before them, can
/// be had.
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
    /// The handler is called again with the same message. In between the message keeps its place in the limit and stays
    /// unacknowledged: all attempts and pauses together should be shorter than the broker's patience, which is half an hour
    /// for RabbitMQ.
    ///
    /// A runner that is told to stop tries no more: the broker delivers the message again, or, where it has forgotten it,
    /// `then` applies at once. When the message's connection ends in a pause, the broker delivers it again.
    Retry {
        /// How often it is called again.
        attempts: u32,
        /// The pause before it is called again. It doubles each time, up to 30 s or what it was at first, whichever is more.
        backoff: Duration,
        /// What becomes of the message when the last attempt has failed, too.
        then: Box<Self>,
    },
}

/// The longest pause that others become by doubling.
const LONGEST: Duration = Duration::from_secs(30);

impl OnFailure {
    /// The NACK that it takes.
    pub(super) const fn nack(&self) -> Option<Nack> {
        match self {
            Self::Requeue => Some(Nack::Requeue),
            Self::DeadLetter => Some(Nack::DeadLetter),
            Self::Discard => Some(Nack::Discard),
            Self::Stop | Self::Forward(_) | Self::Acknowledge | Self::Retry { .. } => None,
        }
    }

    /// What comes where it would be of no use to call the handler: that is no `Retry`.
    pub(super) fn without_retries(mut self) -> Self {
        while let Self::Retry { then, .. } = self {
            self = *then;
        }
        self
    }

    /// The pause before the handler is called again, unless it was called again often enough, and what comes when it is not
    /// called again: that is no `Retry`.
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

/// That pause, doubled so often.
pub(super) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
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

    /// Sets a header of the copy. It replaces those of that name, those that the message had included.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// The headers of the copy, but for its destination.
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
