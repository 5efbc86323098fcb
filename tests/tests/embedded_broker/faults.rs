//! What a test makes go wrong, and what it sees.

use std::time::Duration;

use stomp_proto::{Command, Version};
use stomp_testkit::broker::{BrokerConfig, ErrorClass, ErrorPolicy};

use crate::wire::wire;

#[test]
fn a_silenced_connection_is_read_and_never_answered() {
    let mut wire = wire(BrokerConfig::default().recording());
    let client = wire.broker.connect(wire.now);
    wire.say(client, "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:100,100\n\n");
    wire.subscribe(client, "0", "/queue/a", "");
    wire.hear(client);
    wire.broker.silence(client);
    wire.broker.publish("/queue/a", "x", &[]);
    wire.say(client, "SEND\ndestination:/queue/b\nreceipt:1\n\n");
    wire.say(client, "DISCONNECT\nreceipt:2\n\n");
    wire.pass(Duration::from_secs(10));
    assert_eq!(wire.hear(client), "");
    assert!(!wire.is_closed(client));
    assert_eq!((wire.broker.depth("/queue/a"), wire.broker.depth("/queue/b")), (1, 0));
    assert_eq!(wire.broker.frames(client).len(), 4);
    let other = wire.open(Version::V1_2);
    wire.subscribe(other, "0", "/queue/a", "");
    assert_eq!(wire.bodies(other), ["x"]);
}

#[test]
fn new_connections_that_are_never_answered() {
    let mut wire = wire(BrokerConfig::default());
    wire.broker.silence_new_connections(true);
    let client = wire.broker.connect(wire.now);
    wire.say(client, "CONNECT\naccept-version:1.2\nhost:h\n\n");
    wire.say(client, "garbage\n\n");
    assert_eq!(wire.hear(client), "");
    assert!(!wire.is_closed(client));
    wire.broker.silence_new_connections(false);
    wire.open(Version::V1_2);
}

#[test]
fn receipts_that_do_not_come() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_2);
    wire.broker.drop_receipts(true);
    wire.say(client, "SEND\ndestination:/queue/a\nreceipt:1\n\nx");
    wire.broker.drop_receipts(false);
    wire.say(client, "SEND\ndestination:/queue/a\nreceipt:2\n\ny");
    assert_eq!(wire.headers(client, "receipt-id"), ["2"]);
    assert_eq!(wire.broker.messages("/queue/a"), ["x", "y"]);
}

#[test]
fn a_crash_ends_all_and_keeps_what_is_durable() {
    for (config, left) in [
        (BrokerConfig::default(), ["1", "2", "3", "4"].as_slice()),
        (BrokerConfig::default().durable_only(), &["2", "4"]),
    ] {
        let mut wire = wire(config);
        let [consumer, sender] = [Version::V1_2; 2].map(|version| wire.open(version));
        wire.broker.publish("/queue/a", "1", &[]);
        wire.say(sender, "SEND\ndestination:/queue/a\npersistent:true\n\n2");
        wire.subscribe(consumer, "0", "/queue/a", "ack:client\nprefetch-count:2\n");
        wire.say(sender, "SEND\ndestination:/queue/a\npersistent:false\n\n3");
        wire.broker.publish("/queue/a", "4", &[("persistent", "true")]);
        wire.broker.crash();
        assert!(wire.is_closed(consumer) && wire.is_closed(sender));
        assert_eq!(wire.hear(consumer), "", "what had not left is lost");
        assert_eq!(wire.broker.connections(), []);
        assert_eq!(wire.broker.messages("/queue/a"), left);
        let heir = wire.open(Version::V1_2);
        wire.subscribe(heir, "0", "/queue/a", "");
        assert_eq!(wire.bodies(heir).len(), left.len());
    }
}

#[test]
fn one_connection_is_closed_without_a_word() {
    let mut wire = wire(BrokerConfig::default());
    let [one, other] = [Version::V1_2; 2].map(|version| wire.open(version));
    wire.subscribe(one, "0", "/queue/a", "ack:client\n");
    wire.subscribe(other, "0", "/queue/a", "ack:client\n");
    wire.broker.publish("/queue/a", "x", &[]);
    wire.broker.close(one);
    assert!(wire.is_closed(one) && !wire.is_closed(other));
    assert_eq!(wire.hear(one), "");
    assert_eq!(wire.bodies(other), ["!x"]);
}

#[test]
fn scripted_words() {
    for (policy, closes) in
        [(ErrorPolicy::close(), true), (ErrorPolicy::close().staying_open_on(ErrorClass::Scripted), false)]
    {
        let mut wire = wire(BrokerConfig::default().errors(policy));
        let client = wire.open(Version::V1_2);
        wire.broker.send_octets(client, b"MESSAGE\n");
        wire.broker.send_error(client, "shutdown", "now");
        assert_eq!(
            wire.hear(client),
            "MESSAGE\nERROR\nmessage:shutdown\ncontent-type:text/plain\ncontent-length:3\n\nnow\0\n"
        );
        assert_eq!(wire.is_closed(client), closes);
    }
}

#[test]
fn a_record_of_what_was_on_the_wire() {
    let mut wire = wire(BrokerConfig::default().recording());
    let client = wire.open(Version::V1_2);
    wire.broker.receive(client, b"\n\nSEND\ndestination:/queue/a\nx:1\n\nhello\0\n", wire.now);
    wire.say(client, "UNSUBSCRIBE\nid:none\n\n");
    wire.broker.disconnected(client, wire.now);
    let frames = wire.broker.frames(client);
    let commands: Vec<_> = frames.iter().map(|frame| frame.command()).collect();
    assert_eq!(commands, [Command::Connect, Command::Send, Command::Unsubscribe]);
    assert_eq!(frames[1].header("x").unwrap(), "1");
    assert_eq!(frames[1].body(), b"hello");
    assert_eq!(wire.broker.heart_beats(client), 3);
    assert_eq!(wire.broker.received().map(|(connection, _)| connection).collect::<Vec<_>>(), [client]);
}

#[test]
fn queues_seen_from_outside() {
    let mut wire = wire(BrokerConfig::default());
    for destination in ["/queue/b", "/queue/a", "/topic/t"] {
        wire.broker.publish(destination, "x", &[("y", "z")]);
    }
    assert_eq!(wire.broker.queues(), ["/queue/a", "/queue/b"]);
    wire.broker.purge("/queue/a");
    assert_eq!(wire.broker.queues(), ["/queue/b"]);
}
