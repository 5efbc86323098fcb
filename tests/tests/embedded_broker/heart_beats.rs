//! Heart-beats both ways, in virtual time.

use std::time::Duration;

use stomp_proto::{HeartBeat, Version};
use stomp_testkit::broker::{BrokerConfig, ConnectionId};

use crate::wire::{Wire, wire};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A connection of a client that asks for that; the broker offers 1000 and wants 2000.
fn asking(version: Version, heart_beat: &str) -> (Wire, ConnectionId) {
    let mut wire = wire(BrokerConfig::default().heart_beat(HeartBeat { outgoing: 1000, incoming: 2000 }));
    let client = wire.broker.connect(wire.now);
    wire.say(client, &format!("CONNECT\naccept-version:{version}\nhost:h\nheart-beat:{heart_beat}\n\n"));
    let offered = if version > Version::V1_0 { ["1000,2000"].as_slice() } else { &[] };
    assert_eq!(wire.headers(client, "heart-beat"), offered);
    (wire, client)
}

#[test]
fn beats_come_as_promised_and_silence_ends_it() {
    // What the client asks for; the beats heard in 10 s; when it is dropped for its silence.
    let rows = [
        (Version::V1_0, "500,500", 0, None),
        (Version::V1_1, "0,0", 0, None),
        (Version::V1_1, "0,500", 20, None),
        (Version::V1_2, "0,4000", 5, None),
        (Version::V1_2, "500,0", 0, Some(4000)),
        (Version::V1_2, "3000,0", 0, Some(6000)),
    ];
    for (version, heart_beat, beats, end) in rows {
        let (mut wire, client) = asking(version, heart_beat);
        let before = end.unwrap_or(10_000);
        wire.pass(ms(before - 1));
        assert!(!wire.is_closed(client), "{heart_beat}");
        wire.pass(ms(1));
        assert_eq!(wire.hear(client), "\n".repeat(beats), "{version} {heart_beat}");
        assert_eq!(wire.is_closed(client), end.is_some(), "{heart_beat}");
    }
}

#[test]
fn without_an_offer_the_client_gets_what_it_asks_for() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.broker.connect(wire.now);
    wire.say(client, "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:30,40\n\n");
    assert_eq!(wire.headers(client, "heart-beat"), ["40,30"]);
    wire.pass(ms(59));
    assert_eq!(wire.hear(client), "\n\n");
    wire.pass(ms(1));
    assert!(wire.is_closed(client));
}

#[test]
fn any_octet_counts_as_a_beat() {
    let (mut wire, client) = asking(Version::V1_2, "2000,0");
    for octet in b"\nSEND\ndesti" {
        wire.pass(ms(3999));
        wire.broker.receive(client, &[*octet], wire.now);
    }
    assert!(!wire.is_closed(client));
    wire.pass(ms(4000));
    assert!(wire.is_closed(client));
}

#[test]
fn what_is_sent_counts_as_a_beat() {
    let (mut wire, client) = asking(Version::V1_2, "0,1000");
    for _ in 0..10 {
        wire.pass(ms(499));
        wire.say(client, "SEND\ndestination:/queue/a\nreceipt:1\n\n");
        assert_eq!(wire.hear(client), "RECEIPT\nreceipt-id:1\n\n\0\n");
    }
}

#[test]
fn a_silent_consumer_gives_its_messages_back() {
    let (mut wire, client) = asking(Version::V1_2, "2000,0");
    wire.subscribe(client, "0", "/queue/a", "ack:client\n");
    wire.broker.publish("/queue/a", "x", &[]);
    assert_eq!(wire.broker.unacked("/queue/a"), 1);
    wire.pass(ms(4000));
    assert_eq!((wire.broker.unacked("/queue/a"), wire.broker.depth("/queue/a")), (0, 1));
}

#[test]
fn no_beats_pile_up_behind_output_that_waits() {
    let config = BrokerConfig::default().output_window(1000);
    let mut wire = wire(config);
    let client = wire.broker.connect(wire.now);
    wire.say(client, "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:0,100\n\n");
    let connected = wire.hear(client).len();
    wire.pass(ms(1000));
    assert_eq!(wire.hear(client), "");
    wire.broker.sent(client, connected);
    wire.pass(ms(50));
    assert_eq!(wire.hear(client), "\n");
}

#[test]
fn bad_values_are_refused() {
    for value in ["", "1", "1,", "-1,0", "1, 2", "a,b", "1,2,3"] {
        let mut wire = wire(BrokerConfig::default());
        let client = wire.broker.connect(wire.now);
        wire.say(client, &format!("CONNECT\naccept-version:1.1\nhost:h\nheart-beat:{value}\n\n"));
        assert_eq!(wire.headers(client, "message"), ["Bad header"], "{value}");
    }
}

#[test]
fn a_jump_of_the_clock_is_harmless() {
    let (mut wire, client) = asking(Version::V1_2, "0,1000");
    wire.now += Duration::from_secs(1_000_000);
    wire.broker.handle_timeout(wire.now);
    assert!(wire.broker.poll_timeout().is_some_and(|next| next > wire.now));
    assert_eq!(wire.hear(client), "\n");
    wire.broker.handle_timeout(Duration::MAX);
}
