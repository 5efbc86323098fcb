//! What an ERROR says, whom it names, and when it closes.

use stomp_proto::{Limits, Oversize, Version};
use stomp_testkit::broker::{BrokerConfig, ErrorClass, ErrorPolicy};

use crate::wire::wire;

#[test]
fn frames_that_are_refused() {
    let rows = [
        ("SEND\n\nx", "Missing header"),
        ("SUBSCRIBE\nid:1\n\n", "Missing header"),
        ("SUBSCRIBE\nid:1\ndestination:a\nack:perhaps\n\n", "Bad header"),
        ("SUBSCRIBE\nid:0\ndestination:b\n\n", "Duplicate subscription"),
        ("UNSUBSCRIBE\nid:1\n\n", "Subscription not found"),
        ("ACK\nid:1\nmessage-id:1\nsubscription:0\n\n", "Unknown message"),
        ("BOGUS\n\n", "Malformed frame"),
        ("SEND\nno colon\n\n", "Malformed frame"),
        ("MESSAGE\n\n", "Malformed frame"),
    ];
    for version in Version::ALL {
        for (frame, message) in rows {
            let mut wire = wire(BrokerConfig::default());
            let client = wire.open(version);
            wire.subscribe(client, "0", "a", "");
            wire.say(client, frame);
            assert_eq!(wire.headers(client, "message"), [message], "{frame} in {version}");
            assert!(wire.is_closed(client));
            assert_eq!(wire.broker.subscribers("a"), 0);
        }
    }
}

#[test]
fn what_each_version_alone_refuses() {
    let rows = [
        (Version::V1_0, "NACK\nmessage-id:1\n\n", "Malformed frame"),
        (Version::V1_1, "SUBSCRIBE\ndestination:a\n\n", "Missing header"),
        (Version::V1_1, "UNSUBSCRIBE\ndestination:a\n\n", "Missing header"),
        (Version::V1_1, "SEND\ndestination:a\\rb\n\n", "Malformed frame"),
        (Version::V1_2, "SEND\ndestination:a\\tb\n\n", "Malformed frame"),
        (Version::V1_0, "SUBSCRIBE\nid:é\ndestination:a\n\n", "Bad header"),
    ];
    for (version, frame, message) in rows {
        let mut wire = wire(BrokerConfig::default());
        let client = wire.open(version);
        wire.say(client, frame);
        assert_eq!(wire.headers(client, "message"), [message], "{frame} in {version}");
    }
}

#[test]
fn an_error_names_the_receipt_unless_told_not_to() {
    for version in Version::ALL {
        for (policy, line) in
            [(ErrorPolicy::close(), "receipt-id:r-1\n"), (ErrorPolicy::close().without_receipt_id(), "")]
        {
            let mut wire = wire(BrokerConfig::default().errors(policy));
            let client = wire.open(version);
            wire.say(client, "UNSUBSCRIBE\nid:1\nreceipt:r-1\n\n");
            assert_eq!(
                wire.hear(client),
                format!(
                    "ERROR\nmessage:Subscription not found\n{line}content-type:text/plain\n\
                     content-length:28\n\nThere is no subscription '1'\0\n"
                ),
                "{version}"
            );
        }
    }
}

#[test]
fn closing_is_a_matter_of_policy() {
    let unsubscribe = ErrorClass::UnknownSubscription;
    let rows = [
        (ErrorPolicy::close(), true),
        (ErrorPolicy::stay_open(), false),
        (ErrorPolicy::close().staying_open_on(unsubscribe), false),
        (ErrorPolicy::stay_open().closing_on(unsubscribe), true),
        (ErrorPolicy::stay_open().closing_on(ErrorClass::UnknownAck), false),
    ];
    for (policy, closes) in rows {
        let mut wire = wire(BrokerConfig::default().errors(policy));
        let client = wire.open(Version::V1_2);
        wire.say(client, "UNSUBSCRIBE\nid:1\n\n");
        wire.send(client, "/queue/a", &["x"]);
        assert_eq!(wire.is_closed(client), closes);
        assert_eq!(wire.broker.depth("/queue/a"), usize::from(!closes));
    }
}

#[test]
fn octets_that_are_no_stomp_always_close() {
    let mut wire = wire(BrokerConfig::default().errors(ErrorPolicy::stay_open()));
    for octets in ["GET / HTTP/1.1\r\n", "AMQP\0\0\u{9}\u{1}", "\u{16}\u{3}\u{1}\0"] {
        let client = wire.broker.connect(wire.now);
        wire.say(client, octets);
        assert_eq!(wire.headers(client, "message"), ["Malformed frame"], "{octets:?}");
        assert!(wire.is_closed(client));
    }
}

#[test]
fn bodies_over_the_limit() {
    for (oversize, closes) in [(Oversize::Fail, true), (Oversize::Drain, false)] {
        let mut limits = Limits::default();
        limits.body = 10;
        limits.oversize = oversize;
        let config = BrokerConfig::default().errors(ErrorPolicy::stay_open()).limits(limits);
        let mut wire = wire(config);
        let client = wire.open(Version::V1_2);
        wire.say(client, "SEND\ndestination:/queue/a\ncontent-length:11\nreceipt:1\n\n01234567890");
        assert!(wire.hear(client).starts_with("ERROR\n"));
        assert_eq!(wire.is_closed(client), closes);
    }
}

#[test]
fn receipts_that_1_0_cannot_repeat_are_an_error() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_0);
    wire.say(client, "SEND\ndestination:/queue/a\nreceipt:é\n\nx");
    assert_eq!(wire.headers(client, "message"), ["Bad header"]);
    let client = wire.open(Version::V1_0);
    wire.say(client, "SEND\nreceipt:é\n\nx");
    assert_eq!(wire.headers(client, "message"), ["Missing header"]);
}

#[test]
fn a_header_that_is_no_text_is_an_error() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_2);
    wire.broker.receive(client, b"SEND\ndestination:\xff\n\n\0", wire.now);
    assert_eq!(wire.headers(client, "message"), ["Bad header"]);
}

#[test]
fn no_octets_panic_it() {
    let alphabet = b"SENDACKCONNECTSUBSCRIBE\n\n\n\0\0:::\\\\nrcid0123456789-,\xff\r";
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    };
    for _ in 0..2000 {
        let mut wire = wire(BrokerConfig::default().errors(ErrorPolicy::stay_open()));
        let client = if random() % 2 == 0 { wire.open(Version::V1_2) } else { wire.broker.connect(wire.now) };
        let octets: Vec<u8> = (0..random() % 200).map(|_| alphabet[random() % alphabet.len()]).collect();
        octets.chunks(1 + random() % 50).for_each(|chunk| wire.broker.receive(client, chunk, wire.now));
        wire.is_closed(client);
    }
}
