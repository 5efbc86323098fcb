//! Queues, topics, headers, prefetch and the output window.

use stomp_proto::Version;
use stomp_testkit::broker::{BrokerConfig, Output};

use crate::wire::{ack, wire};

#[test]
fn a_message_by_version_and_mode() {
    let rows = [
        (Version::V1_0, "auto", "message-id:ID:0:1\n", ""),
        (Version::V1_0, "client", "message-id:ID:0:1\n", ""),
        (Version::V1_1, "auto", "message-id:ID\\c0\\c1\n", ""),
        (Version::V1_1, "client-individual", "message-id:ID\\c0\\c1\n", ""),
        (Version::V1_2, "auto", "message-id:ID\\c0\\c1\n", ""),
        (Version::V1_2, "client", "message-id:ID\\c0\\c1\n", "ack:ack\\c0\\c1\n"),
        (Version::V1_2, "client-individual", "message-id:ID\\c0\\c1\n", "ack:ack\\c0\\c1\n"),
    ];
    for (version, mode, message_id, ack) in rows {
        let mut wire = wire(BrokerConfig::default());
        let client = wire.open(version);
        wire.subscribe(client, "7", "/queue/a", &format!("ack:{mode}\n"));
        wire.say(client, "SEND\ndestination:/queue/a\nreceipt:1\nx:y\ncontent-type:text/plain\nx:z\n\nhello");
        let message = format!(
            "MESSAGE\nsubscription:7\n{message_id}destination:/queue/a\n{ack}content-length:5\nx:y\n\
             content-type:text/plain\n\nhello\0\n"
        );
        assert_eq!(wire.hear(client), format!("RECEIPT\nreceipt-id:1\n\n\0\n{message}"), "{version} {mode}");
        assert_eq!(wire.broker.unacked("/queue/a"), usize::from(mode != "auto"));
    }
}

#[test]
fn presets_relay_what_was_for_the_broker() {
    for (config, relayed) in [
        (BrokerConfig::rabbitmq(), Some("1")),
        (BrokerConfig::artemis(), Some("1")),
        (BrokerConfig::activemq(), None),
    ] {
        let mut wire = wire(config);
        let client = wire.open(Version::V1_2);
        wire.subscribe(client, "0", "/queue/a", "");
        wire.say(client, "SEND\ndestination:/queue/a\nreceipt:1\n\n");
        assert_eq!(wire.headers(client, "receipt"), Vec::from_iter(relayed));
    }
}

#[test]
fn a_full_queue_keeps_receipts_back() {
    let mut wire = wire(BrokerConfig::default().flow_control(1));
    let (producer, consumer) = (wire.open(Version::V1_2), wire.open(Version::V1_2));
    for number in 1..=3 {
        wire.say(producer, &format!("SEND\ndestination:/queue/a\nreceipt:{number}\n\n{number}"));
    }
    wire.say(producer, "SEND\ndestination:/queue/b\nreceipt:b\n\n");
    assert_eq!(wire.headers(producer, "receipt-id"), ["1", "b"]);
    assert_eq!(wire.broker.messages("/queue/a"), ["1", "2", "3"], "what was sent is stored all the same");
    wire.subscribe(consumer, "0", "/queue/a", "ack:auto\nprefetch-count:1\n");
    assert_eq!(wire.headers(producer, "receipt-id"), ["2", "3"]);
    wire.broker.purge("/queue/a");
}

#[test]
fn a_1_0_subscription_may_have_no_id() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_0);
    wire.say(client, "SUBSCRIBE\ndestination:/queue/a\n\n");
    wire.send(client, "/queue/a", &["x"]);
    let message = "MESSAGE\nmessage-id:ID:0:1\ndestination:/queue/a\ncontent-length:1\n\nx\0\n";
    assert_eq!(wire.hear(client), message);
    wire.say(client, "UNSUBSCRIBE\ndestination:/queue/a\nreceipt:1\n\n");
    wire.send(client, "/queue/a", &["y"]);
    assert_eq!(wire.hear(client), "RECEIPT\nreceipt-id:1\n\n\0\n");
    assert_eq!(wire.broker.messages("/queue/a"), ["y"]);
}

#[test]
fn a_queue_shares_and_a_topic_copies() {
    for (destination, first, second) in [
        ("/queue/a", ["1", "3"].as_slice(), ["2", "4"].as_slice()),
        ("plain", &["1", "3"], &["2", "4"]),
        ("/topic/a", &["1", "2", "3", "4"], &["1", "2", "3", "4"]),
    ] {
        let mut wire = wire(BrokerConfig::default());
        let [one, two] = [Version::V1_1, Version::V1_2].map(|version| wire.open(version));
        wire.subscribe(one, "0", destination, "");
        wire.subscribe(two, "0", destination, "");
        wire.send(one, destination, &["1", "2", "3", "4"]);
        assert_eq!(wire.bodies(one), first, "{destination}");
        assert_eq!(wire.bodies(two), second, "{destination}");
        assert_eq!(wire.broker.depth(destination), 0);
    }
}

#[test]
fn a_queue_stores_and_a_topic_does_not() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_2);
    for destination in ["/queue/a", "/topic/a"] {
        wire.send(client, destination, &["early"]);
        wire.subscribe(client, destination, destination, "");
    }
    assert_eq!(wire.headers(client, "destination"), ["/queue/a"]);
}

#[test]
fn header_values_survive_their_escapes() {
    for (version, x) in [(Version::V1_1, "a\\cb\\nc\\\\d"), (Version::V1_2, "a\\cb\\nc\\\\d\\r")] {
        let mut wire = wire(BrokerConfig::default());
        let client = wire.open(version);
        wire.subscribe(client, "\\c", "/queue/\\c", "");
        wire.say(client, &format!("SEND\ndestination:/queue/\\c\nx\\c:{x}\n\n"));
        let heard = wire.hear(client);
        for line in ["subscription:\\c", "destination:/queue/\\c", &format!("x\\c:{x}")] {
            assert!(heard.lines().any(|found| found == line), "{line} in {heard}");
        }
        assert_eq!(wire.broker.subscribers("/queue/:"), 1);
    }
}

#[test]
fn what_1_0_cannot_express_is_dead_lettered() {
    let mut wire = wire(BrokerConfig::default());
    let [old, new] = [Version::V1_0, Version::V1_2].map(|version| wire.open(version));
    wire.subscribe(old, "0", "/queue/a", "");
    for header in ["x:\\n", "x\\c:1", "x:", "x:é"] {
        wire.say(new, &format!("SEND\ndestination:/queue/a\n{header}\n\n{header}"));
    }
    assert_eq!(wire.bodies(old), ["x:", "x:é"]);
    assert_eq!(wire.broker.unwritable(), 2);
    assert_eq!(wire.broker.messages("/queue/DLQ.a"), ["x:\\n", "x\\c:1"]);
    wire.subscribe(new, "0", "/queue/DLQ.a", "");
    assert_eq!(wire.headers(new, "original-destination"), ["/queue/a"; 2]);
}

#[test]
fn prefetch_bounds_what_is_out() {
    for header in ["prefetch-count:2", "activemq.prefetchSize:2"] {
        let mut wire = wire(BrokerConfig::default());
        let client = wire.open(Version::V1_2);
        wire.send(client, "/queue/a", &["1", "2", "3", "4"]);
        wire.subscribe(client, "0", "/queue/a", &format!("ack:client-individual\n{header}\n"));
        assert_eq!(wire.bodies(client), ["1", "2"]);
        assert_eq!((wire.broker.depth("/queue/a"), wire.broker.unacked("/queue/a")), (2, 2));
        wire.say(client, &ack(Version::V1_2, client, 2, "0"));
        assert_eq!(wire.bodies(client), ["3"]);
        wire.say(client, &ack(Version::V1_2, client, 1, "0"));
        assert_eq!(wire.bodies(client), ["4"]);
    }
}

#[test]
fn those_without_room_do_not_hold_up_the_others() {
    let mut wire = wire(BrokerConfig::default());
    let [slow, fast] = [Version::V1_2; 2].map(|version| wire.open(version));
    wire.subscribe(slow, "0", "/queue/a", "ack:client\nprefetch-count:1\n");
    wire.subscribe(fast, "0", "/queue/a", "");
    wire.send(fast, "/queue/a", &["1", "2", "3", "4"]);
    assert_eq!(wire.bodies(slow), ["1"]);
    assert_eq!(wire.bodies(fast), ["2", "3", "4"]);
}

#[test]
fn a_connection_that_does_not_read_is_sent_no_more_and_loses_nothing() {
    for destination in ["/queue/a", "/topic/a"] {
        let mut wire = wire(BrokerConfig::default().output_window(1000));
        let [reader, sender] = [Version::V1_2; 2].map(|version| wire.open(version));
        wire.broker.sent(reader, usize::MAX);
        wire.subscribe(reader, "0", destination, "");
        for number in 0..100 {
            wire.send(sender, destination, &[&format!("{number:050}")]);
        }
        let mut received = String::new();
        let mut outputs = 0;
        while let Some(Output::Send { connection, bytes }) = wire.broker.poll_output() {
            assert_eq!(connection, reader);
            assert!(wire.broker.pending(reader) < 1200, "a window and a message");
            received.push_str(std::str::from_utf8(&bytes).unwrap());
            wire.broker.sent(reader, bytes.len());
            outputs += 1;
        }
        assert!(outputs > 5);
        let numbers = received.lines().filter_map(|line| line.trim_end_matches('\0').parse::<u32>().ok());
        assert_eq!(numbers.collect::<Vec<_>>(), (0..100).collect::<Vec<_>>(), "{destination}");
        assert_eq!(wire.broker.pending(reader), 0);
    }
}

#[test]
fn a_client_that_sends_and_does_not_read_is_held_up() {
    let mut wire = wire(BrokerConfig::default().output_window(100));
    let client = wire.open(Version::V1_2);
    wire.broker.sent(client, usize::MAX);
    let mut sent = 0;
    while wire.broker.wants_input(client) {
        wire.say(client, "SEND\ndestination:/queue/a\nreceipt:1\n\n");
        sent += 1;
    }
    assert_eq!(sent, 9, "receipts of 24 octets in twice the window");
    let octets = wire.hear(client).len();
    wire.broker.sent(client, octets);
    assert!(wire.broker.wants_input(client));
}

/// By the headers of RabbitMQ, ActiveMQ and Artemis: it collects while nobody is there, until it is deleted.
#[test]
fn a_durable_subscription_collects_while_nobody_is_there() {
    let forms = [
        "durable:true\nauto-delete:false\n",
        "activemq.subscriptionName:mine\n",
        "durable-subscription-name:mine\n",
    ];
    for form in forms {
        let mut wire = wire(BrokerConfig::default());
        let producer = wire.open(Version::V1_2);
        let publish = |wire: &mut crate::wire::Wire, body: &str| {
            wire.say(producer, &format!("SEND\ndestination:/topic/t\n\n{body}"));
        };
        publish(&mut wire, "before");
        let client = wire.open(Version::V1_2);
        wire.subscribe(client, "mine", "/topic/t", &format!("ack:auto\n{form}"));
        wire.say(client, "UNSUBSCRIBE\nid:mine\nreceipt:1\n\n");
        assert_eq!(wire.headers(client, "receipt-id"), ["1"], "{form}");
        publish(&mut wire, "away");
        assert_eq!(wire.broker.messages("/topic/t"), ["away"], "{form}");
        let client = wire.open(Version::V1_2);
        wire.subscribe(client, "mine", "/topic/t", &format!("ack:auto\n{form}"));
        assert_eq!(wire.headers(client, "content-length"), ["4"], "{form}");
        // ActiveMQ deletes one that has no consumer.
        wire.say(client, "UNSUBSCRIBE\nid:mine\nreceipt:2\n\n");
        wire.say(client, &format!("UNSUBSCRIBE\nid:mine\n{form}receipt:3\n\n"));
        assert_eq!(wire.headers(client, "receipt-id"), ["2", "3"], "{form}");
        publish(&mut wire, "late");
        assert_eq!(wire.broker.depth("/topic/t"), 0, "{form}");
    }
}
