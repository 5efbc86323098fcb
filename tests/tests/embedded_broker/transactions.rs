//! BEGIN, COMMIT and ABORT over SEND, ACK and NACK.

use stomp_proto::Version;
use stomp_testkit::broker::BrokerConfig;

use crate::wire::{settle, wire};

#[test]
fn a_transaction_is_all_or_nothing() {
    for version in Version::ALL {
        for (end, sent, unacked) in [("COMMIT", 2, 0), ("ABORT", 0, 1)] {
            let mut wire = wire(BrokerConfig::default());
            let client = wire.open(version);
            wire.subscribe(client, "0", "/queue/a", "ack:client\n");
            wire.send(client, "/queue/a", &["1"]);
            wire.say(client, "BEGIN\ntransaction:t\n\n");
            wire.say(client, "SEND\ndestination:/queue/b\ntransaction:t\n\n2");
            wire.say(client, &settle("ACK", version, client, 1, "0", "transaction:t\n"));
            wire.say(client, "SEND\ndestination:/queue/b\ntransaction:t\n\n3");
            assert_eq!((wire.broker.depth("/queue/b"), wire.broker.unacked("/queue/a")), (0, 1));
            wire.say(client, &format!("{end}\ntransaction:t\n\n"));
            assert_eq!(wire.broker.messages("/queue/b"), ["2", "3"][..sent], "{end} in {version}");
            assert_eq!(wire.broker.unacked("/queue/a"), unacked);
            assert_eq!(wire.bodies(client), ["1"]);
        }
    }
}

#[test]
fn a_nack_waits_for_the_commit() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "0", "/queue/a", "ack:client\n");
    wire.send(client, "/queue/a", &["1"]);
    wire.say(client, "BEGIN\ntransaction:t\n\n");
    wire.say(client, &settle("NACK", Version::V1_2, client, 1, "0", "transaction:t\n"));
    assert_eq!(wire.broker.depth("/queue/DLQ.a"), 0);
    wire.say(client, "COMMIT\ntransaction:t\n\n");
    assert_eq!(wire.broker.messages("/queue/DLQ.a"), ["1"]);
}

#[test]
fn a_settlement_of_what_went_back_meanwhile_is_nothing() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "0", "/queue/a", "ack:client\n");
    wire.send(client, "/queue/a", &["1"]);
    wire.say(client, "BEGIN\ntransaction:t\n\n");
    wire.say(client, &settle("ACK", Version::V1_2, client, 1, "0", "transaction:t\n"));
    wire.say(client, "UNSUBSCRIBE\nid:0\n\n");
    wire.say(client, "COMMIT\ntransaction:t\nreceipt:c\n\n");
    assert_eq!(wire.headers(client, "receipt-id"), ["c"]);
    assert_eq!(wire.broker.messages("/queue/a"), ["1"]);
}

#[test]
fn the_end_of_a_connection_aborts() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_2);
    wire.say(client, "BEGIN\ntransaction:t\n\n");
    wire.say(client, "SEND\ndestination:/queue/b\ntransaction:t\n\n2");
    wire.broker.disconnected(client, wire.now);
    let other = wire.open(Version::V1_2);
    wire.say(other, "COMMIT\ntransaction:t\n\n");
    assert_eq!(wire.headers(other, "message"), ["Unknown transaction"]);
    assert_eq!(wire.broker.depth("/queue/b"), 0);
}

#[test]
fn transactions_that_do_not_exist() {
    let rows = [
        ("COMMIT\n\n", "Missing header"),
        ("BEGIN\n\n", "Missing header"),
        ("COMMIT\ntransaction:no\n\n", "Unknown transaction"),
        ("ABORT\ntransaction:no\n\n", "Unknown transaction"),
        ("SEND\ndestination:/queue/b\ntransaction:no\n\n", "Unknown transaction"),
        ("BEGIN\ntransaction:t\n\n", "Duplicate transaction"),
    ];
    for version in Version::ALL {
        for (frame, message) in rows {
            let mut wire = wire(BrokerConfig::default());
            let client = wire.open(version);
            wire.say(client, "BEGIN\ntransaction:t\n\n");
            wire.say(client, frame);
            assert_eq!(wire.headers(client, "message"), [message], "{frame} in {version}");
            assert_eq!(wire.broker.depth("/queue/b"), 0);
        }
    }
}
