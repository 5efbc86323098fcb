//! The ids under which a delivery is acknowledged: the `message-id` of 1.0 and 1.1, and the `ack` of 1.2.
//!
//! They differ, as on ActiveMQ, so that a client that confuses them is found out; both hold a ':', so that one that
//! does not escape is too; both name the connection, so that an id from an earlier one is never mistaken for its own.

use stomp_proto::{Frame, Version};

use super::{
    ConnectionId,
    connection::DeliveryId,
    dialect::Dialect,
    refusal::{ErrorClass, Refusal},
    subscription::SubscriptionName,
    value,
};

const MESSAGE_ID: &str = "ID:";
const ACK: &str = "ack:";

/// What the ids of one delivery are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids<'a> {
    pub(super) delivery: DeliveryId,
    /// As on RabbitMQ, which reads nothing but the subscription and the count.
    pub(super) counted: bool,
    pub(super) dialect: Dialect,
    pub(super) subscription: &'a SubscriptionName,
}

impl Ids<'_> {
    pub(super) fn message_id(self) -> String {
        if self.counted { self.counted_id() } else { message_id(self.delivery) }
    }

    pub(super) fn ack(self) -> String {
        if self.counted { self.counted_id() } else { ack(self.delivery) }
    }

    fn counted_id(self) -> String {
        let DeliveryId { connection, number } = self.delivery;
        format!("{}@@session-{connection}@@{number}", tag(self.subscription))
    }
}

/// What RabbitMQ calls the consumer of a subscription.
pub(super) fn tag(subscription: &SubscriptionName) -> String {
    match subscription {
        SubscriptionName::Id(id) => format!("T_{id}"),
        SubscriptionName::Destination(destination) => format!("Q_{destination}"),
    }
}

/// The consumer and the count that an ACK or NACK names, whatever session it names between them.
pub(super) fn counted(frame: &Frame, version: Version) -> Result<(String, u64), Refusal> {
    let header = header(version);
    let id = value(frame, header)?.ok_or_else(|| Refusal::missing(header))?;
    let parts = id.split_once("@@").and_then(|(tag, rest)| Some((tag, rest.rsplit_once("@@")?.1)));
    let (tag, number) = parts.ok_or_else(|| Refusal::bad(header))?;
    Ok((tag.to_owned(), number.parse().map_err(|_| Refusal::bad(header))?))
}

/// An ACK or NACK for a subscription that is over.
pub(super) fn over(frame: &Frame, version: Version) -> Refusal {
    let id = frame.header(header(version)).map_or_else(String::new, |id| id.to_string());
    let detail = format!("Message with id \"{}\" has no subscription\n", id.escape_debug());
    Refusal::new(ErrorClass::UnknownSubscription, detail)
}

/// A message for a subscription that is over.
pub(super) fn no_subscription(tag: &str) -> Refusal {
    let detail = format!("There is no current subscription with tag '{}'\n", tag.escape_debug());
    Refusal::new(ErrorClass::UnknownSubscription, detail)
}

const fn header(version: Version) -> &'static str {
    match version {
        Version::V1_2 => "id",
        _ => "message-id",
    }
}

fn message_id(delivery: DeliveryId) -> String {
    format!("{MESSAGE_ID}{}:{}", delivery.connection, delivery.number)
}

fn ack(delivery: DeliveryId) -> String {
    format!("{ACK}{}:{}", delivery.connection, delivery.number)
}

/// The delivery that an ACK or NACK names.
pub(super) fn delivery(frame: &Frame, version: Version) -> Result<DeliveryId, Refusal> {
    let (header, prefix) = (header(version), if version >= Version::V1_2 { ACK } else { MESSAGE_ID });
    let id = value(frame, header)?.ok_or_else(|| Refusal::missing(header))?;
    parse(&id, prefix).ok_or_else(|| unknown(&id))
}

pub(super) fn unknown(id: &str) -> Refusal {
    let id = id.escape_debug();
    Refusal::new(
        ErrorClass::UnknownAck,
        format!("No message with the id '{id}' waits for an acknowledgement"),
    )
}

fn parse(id: &str, prefix: &str) -> Option<DeliveryId> {
    let (connection, number) = id.strip_prefix(prefix)?.split_once(':')?;
    let delivery =
        DeliveryId { connection: ConnectionId(connection.parse().ok()?), number: number.parse().ok()? };
    // Only the spelling that was sent: "+1" and "01" are other ids.
    (format!("{prefix}{}:{}", delivery.connection, delivery.number) == id).then_some(delivery)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_were_written_and_in_no_other_way() {
        let delivery = DeliveryId { connection: ConnectionId(3), number: 14 };
        assert_eq!(parse(&message_id(delivery), MESSAGE_ID), Some(delivery));
        assert_eq!(parse(&ack(delivery), ACK), Some(delivery));
        for id in ["", "ID:", "ID:3", "ID:3:", "ID:3:+1", "ID:03:1", "ID:3:1:", "ack:3:14", "ID:3:14 "] {
            assert_eq!(parse(id, MESSAGE_ID), None, "{id:?}");
        }
    }
}
