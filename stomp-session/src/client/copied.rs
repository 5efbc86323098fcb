//! Which headers of a message a copy of it may have.

use stomp_proto::{Headers, Text};

/// Returns those of a message's headers that a copy of it may have: the headers of its application, without those that belong to
/// the delivery or to the broker's routing.
///
/// A broker that gets one of the others back takes it for an order: RabbitMQ refuses a copy with the `transaction` of the first
/// sender, and Artemis confirms it and loses it. A [`Forward`](super::Forward) leaves out the same.
///
/// ```
/// use stomp_session::{client::application_headers, proto::Headers};
///
/// let mut came = Headers::new();
/// came.push("message-id", "7");
/// came.push("redelivered", "true");
/// came.push("colour", "red");
///
/// let mut copied = Headers::new();
/// copied.push("colour", "red");
/// assert_eq!(application_headers(&came), copied);
/// ```
#[must_use]
pub fn application_headers(headers: &Headers) -> Headers {
    let mut copied = Headers::new();
    let kept = headers.iter().filter(|(name, _)| !is_reserved(name));
    kept.for_each(|(name, value)| copied.push(name.octets(), value.octets()));
    copied
}

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

/// Prefixes of names that brokers reserve: the de-duplication and routing headers of Artemis and ActiveMQ, and what
/// RabbitMQ notes about dead letters.
const RESERVED_PREFIXES: [&[u8]; 7] =
    [b"_AMQ", b"__AMQ", b"AMQ_", b"_HQ_", b"JMSX", b"x-first-death-", b"x-last-death-"];

pub(super) fn is_reserved(name: &Text<'_>) -> bool {
    let octets = name.octets();
    RESERVED.iter().any(|reserved| *name == **reserved)
        || RESERVED_PREFIXES.iter().any(|prefix| octets.starts_with(prefix))
}
