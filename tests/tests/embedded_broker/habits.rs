//! What the presets do that the specification does not say.

use stomp_proto::Version;
use stomp_testkit::broker::{BrokerConfig, CrashPoint, Fact};

use crate::wire::{Wire, wire};

#[test]
fn rabbitmq_counts_deliveries_and_ignores_the_session_in_an_ack() {
    let mut wire = wire(BrokerConfig::rabbitmq());
    let first = wire.open(Version::V1_2);
    wire.subscribe(first, "a", "/queue/a", "ack:client-individual\nprefetch-count:1\n");
    wire.send(first, "/queue/a", &["1", "2"]);
    assert!(wire.hear(first).contains("ack:T_a@@session-0@@1\n"));
    wire.broker.disconnected(first, wire.now);
    let second = wire.open(Version::V1_2);
    wire.subscribe(second, "a", "/queue/a", "ack:client-individual\nprefetch-count:1\n");
    assert!(wire.hear(second).contains("ack:T_a@@session-1@@1\n"));
    wire.say(second, "ACK\nid:T_a@@session-0@@1\n\n");
    assert_eq!(wire.broker.depth("/queue/a") + wire.broker.unacked("/queue/a"), 1, "another message is gone");
}

#[test]
fn rabbitmq_keeps_what_is_unacknowledged_at_unsubscribe_and_sends_strays() {
    let mut wire = wire(BrokerConfig::rabbitmq().stray_errors(1));
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "a", "/queue/a", "ack:client-individual\nprefetch-count:1\n");
    wire.send(client, "/queue/a", &["1", "2", "3"]);
    wire.hear(client);
    // It has room for another message when it ends.
    wire.say(client, "ACK\nid:T_a@@session-0@@1\n\n\0UNSUBSCRIBE\nid:a\nreceipt:r\n\n");
    let heard = wire.hear(client);
    assert!(heard.starts_with("RECEIPT\nreceipt-id:r\n"), "{heard}");
    assert_eq!(heard.matches("no current subscription with tag 'T_a'").count(), 1, "{heard}");
    let left = |wire: &Wire| (wire.broker.depth("/queue/a"), wire.broker.stranded(client));
    assert_eq!(left(&wire), (1, 1));
    wire.say(client, "NACK\nid:T_a@@session-0@@2\n\n");
    assert!(wire.hear(client).contains("Message with id \"T_a@@session-0@@2\" has no subscription"));
    wire.subscribe(client, "a", "/queue/b", "ack:client-individual\n");
    wire.say(client, "NACK\nid:T_a@@session-0@@2\n\n");
    assert_eq!(left(&wire), (2, 0), "another subscription of that id can refuse it");
    wire.broker.disconnected(client, wire.now);
    assert_eq!(wire.broker.depth("/queue/a"), 2);
}

#[test]
fn activemq_sends_messages_after_the_receipt_of_unsubscribe_and_keeps_them() {
    let mut wire = wire(BrokerConfig::activemq().late_messages(1));
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "a", "/queue/a", "ack:client\nactivemq.prefetchSize:1\n");
    wire.send(client, "/queue/a", &["1", "2"]);
    wire.hear(client);
    wire.say(client, "UNSUBSCRIBE\nid:a\nreceipt:r\n\n");
    let heard = wire.hear(client);
    let receipt = heard.find("RECEIPT\nreceipt-id:r\n").expect("a RECEIPT");
    assert!(heard[receipt..].contains("MESSAGE\nsubscription:a\n"), "{heard}");
    assert_eq!(wire.broker.messages("/queue/a"), ["1", "2"]);
}

#[test]
fn activemq_refuses_a_client_id_that_is_connected() {
    let mut wire = wire(BrokerConfig::activemq().exclusive_clients());
    let connect = "CONNECT\naccept-version:1.2\nhost:h\nclient-id:me\n\n";
    let first = wire.broker.connect(wire.now);
    wire.say(first, connect);
    assert!(wire.hear(first).starts_with("CONNECTED\n"));
    let second = wire.broker.connect(wire.now);
    wire.say(second, connect);
    assert!(wire.hear(second).contains("me already connected"));
    wire.broker.disconnected(first, wire.now);
    let third = wire.broker.connect(wire.now);
    wire.say(third, connect);
    assert!(wire.hear(third).starts_with("CONNECTED\n"));
}

#[test]
fn artemis_counts_acks_before_the_commit_and_forgets_sends_of_no_transaction() {
    let mut wire = wire(BrokerConfig::artemis());
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "a", "/queue/a", "ack:client-individual\n");
    wire.send(client, "/queue/a", &["1"]);
    wire.hear(client);
    wire.say(
        client,
        "BEGIN\ntransaction:t\n\n\0ACK\nid:ack\\c0\\c1\ntransaction:t\n\n\0ABORT\ntransaction:t\n\n",
    );
    assert_eq!(wire.broker.unacked("/queue/a"), 0);
    wire.say(client, "SEND\ndestination:/queue/b\ntransaction:never\nreceipt:r\n\n");
    assert_eq!((&*wire.hear(client), wire.broker.depth("/queue/b")), ("RECEIPT\nreceipt-id:r\n\n\0\n", 0));
}

#[test]
fn artemis_drops_what_it_has_seen_on_whatever_connection() {
    for (config, stored) in [(BrokerConfig::artemis(), 1), (BrokerConfig::activemq(), 2)] {
        let mut wire = wire(config);
        for _ in 0..2 {
            let client = wire.open(Version::V1_2);
            wire.say(client, "SEND\ndestination:/queue/a\n_AMQ_DUPL_ID:1\nreceipt:r\n\n");
            assert_eq!(wire.hear(client), "RECEIPT\nreceipt-id:r\n\n\0\n");
        }
        assert_eq!(wire.broker.depth("/queue/a"), stored);
    }
}

#[test]
fn deferred_sends_are_receipted_in_any_order_and_lost_in_a_crash() {
    let mut wire = wire(BrokerConfig::rabbitmq().deferring().journaling());
    let client = wire.open(Version::V1_2);
    for number in 1..=3 {
        let body = char::from_digit(number, 10).unwrap();
        wire.say(client, &format!("SEND\ndestination:/queue/a\npersistent:true\nreceipt:{number}\n\n{body}"));
    }
    assert_eq!((&*wire.hear(client), wire.broker.deferred()), ("", 3));
    wire.broker.complete(1);
    assert_eq!(wire.hear(client), "RECEIPT\nreceipt-id:2\n\n\0\n");
    wire.broker.crash();
    assert_eq!(wire.broker.messages("/queue/a"), ["2"]);
    let facts: Vec<_> = std::iter::from_fn(|| wire.broker.poll_fact()).collect();
    assert!(facts.contains(&Fact::Forgotten("1".into())), "{facts:?}");
}

#[test]
fn rabbitmq_receipts_a_commit_before_it_is_carried_out() {
    let mut wire = wire(BrokerConfig::rabbitmq().deferring());
    let client = wire.open(Version::V1_2);
    wire.say(
        client,
        "BEGIN\ntransaction:t\n\n\0SEND\ndestination:/queue/a\ntransaction:t\nreceipt:s\n\n\0COMMIT\ntransaction:t\nreceipt:c\n\n",
    );
    assert_eq!((&*wire.hear(client), wire.broker.depth("/queue/a")), ("RECEIPT\nreceipt-id:c\n\n\0\n", 0));
    wire.broker.complete(0);
    assert_eq!((&*wire.hear(client), wire.broker.depth("/queue/a")), ("RECEIPT\nreceipt-id:s\n\n\0\n", 1));
}

#[test]
fn a_message_that_came_back_too_often_is_dead_lettered() {
    let mut wire = wire(BrokerConfig::default().delivery_limit(1));
    for _ in 0..2 {
        let client = wire.open(Version::V1_2);
        wire.send(client, "/queue/a", &["1"][..1 - wire.broker.depth("/queue/a")]);
        wire.subscribe(client, "a", "/queue/a", "ack:client\n");
        wire.broker.disconnected(client, wire.now);
    }
    assert_eq!(wire.broker.messages("/queue/DLQ.a"), ["1"]);
}

#[test]
fn impossible_destinations_are_refused() {
    let mut wire = wire(BrokerConfig::activemq());
    let client = wire.open(Version::V1_2);
    wire.say(client, "SEND\ndestination:/impossible/a\nreceipt:1\n\n");
    assert!(wire.hear(client).starts_with("ERROR\nmessage:not_found\nreceipt-id:1\n"));
    wire.say(client, "SUBSCRIBE\nid:0\ndestination:/impossible/a\nreceipt:2\n\n");
    assert!(wire.hear(client).starts_with("ERROR\nmessage:not_found\nreceipt-id:2\n"));
}

#[test]
fn a_cancelled_subscription_is_named() {
    let mut wire = wire(BrokerConfig::rabbitmq());
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "a", "/queue/a", "");
    wire.hear(client);
    wire.broker.cancel(client, "a");
    assert_eq!(wire.hear(client), "ERROR\nmessage:Server cancelled subscription\nsubscription:a\n\n\0\n");
}

/// A conversation that passes every point, and what has left before the crash at each.
#[test]
fn a_crash_at_each_point() {
    let expected = [
        (CrashPoint::Accepted, ""),
        (CrashPoint::ConnectRead, ""),
        (CrashPoint::ConnectedWritten, "CONNECTED"),
        (CrashPoint::SubscribeRead, "CONNECTED"),
        (CrashPoint::SubscribeReceipted, "CONNECTED RECEIPT"),
        (CrashPoint::SendRead, "CONNECTED RECEIPT"),
        (CrashPoint::MessageWritten, "CONNECTED RECEIPT RECEIPT MESSAGE"),
        (CrashPoint::AckRead, "CONNECTED RECEIPT RECEIPT MESSAGE"),
        (CrashPoint::DisconnectReceipted, "CONNECTED RECEIPT RECEIPT MESSAGE RECEIPT"),
    ];
    for (point, heard) in expected {
        let mut wire = wire(BrokerConfig::default());
        wire.broker.crash_at(point);
        let client = wire.broker.connect(wire.now);
        let frames = [
            "CONNECT\naccept-version:1.2\nhost:h\n\n",
            "SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client\nreceipt:1\n\n",
            "SEND\ndestination:/queue/a\nreceipt:2\n\n",
            "ACK\nid:ack\\c0\\c1\n\n",
            "DISCONNECT\nreceipt:3\n\n",
        ];
        let mut all = String::new();
        for frame in frames {
            wire.say(client, frame);
            all += &wire.hear(client);
        }
        let commands: Vec<_> = all.split("\0\n").filter_map(|frame| frame.lines().next()).collect();
        assert_eq!((commands.join(" "), wire.broker.crashes()), (heard.to_owned(), 1), "{point:?}");
    }
}
