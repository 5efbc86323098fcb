//! The ids under which a delivery is acknowledged: the `message-id` of 1.0 and 1.1, and the `ack` of 1.2.
//!
//! They differ, as on ActiveMQ, so that a client that confuses them is found out; both hold a ':', so that one that
//! does not escape is too; both name the connection, so that an id from an earlier one is never mistaken for its own.

use stomp_proto::{Frame, Version};

use super::{
    ConnectionId,
    connection::DeliveryId,
    refusal::{ErrorClass, Refusal},
    value,
};

const MESSAGE_ID: &str = "ID:";
const ACK: &str = "ack:";

pub(super) fn message_id(delivery: DeliveryId) -> String {
    format!("{MESSAGE_ID}{}:{}", delivery.connection, delivery.number)
}

pub(super) fn ack(delivery: DeliveryId) -> String {
    format!("{ACK}{}:{}", delivery.connection, delivery.number)
}

/// The delivery that an ACK or NACK names.
pub(super) fn delivery(frame: &Frame, version: Version) -> Result<DeliveryId, Refusal> {
    let (header, prefix) = if version >= Version::V1_2 { ("id", ACK) } else { ("message-id", MESSAGE_ID) };
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
