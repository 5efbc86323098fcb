//! What a broker does where the specification leaves it open, by preset.

use std::time::Duration;

use stomp_proto::Version;
use stomp_testkit::broker::BrokerConfig;

use crate::wire::wire;

#[test]
fn headers_that_are_not_utf_8_are_relayed_as_they_came() {
    let presets = [
        BrokerConfig::default(),
        BrokerConfig::rabbitmq(),
        BrokerConfig::activemq(),
        BrokerConfig::artemis(),
    ];
    for config in presets {
        for version in Version::ALL {
            let mut wire = wire(config.clone());
            let client = wire.open(version);
            wire.subscribe(client, "0", "/queue/a", "");
            wire.broker.receive(client, b"SEND\ndestination:/queue/a\nx\xff:y\x80\xc3\n\nb\0", wire.now);
            let heard = wire.hear_octets(client);
            assert!(heard.starts_with(b"MESSAGE\n"), "{version}: {}", heard.escape_ascii());
            let line = b"\nx\xff:y\x80\xc3\n";
            assert!(heard.windows(line.len()).any(|found| found == line), "{}", heard.escape_ascii());
            assert_eq!(wire.broker.unwritable(), 0);
        }
    }
}

#[test]
fn an_empty_destination_is_refused() {
    // The preset, the command, the ERROR's message if there is one, and whether the connection ends.
    let rows = [
        (BrokerConfig::default(), "SEND", Some("Bad header"), true),
        (BrokerConfig::default(), "SUBSCRIBE", Some("Bad header"), true),
        (BrokerConfig::rabbitmq(), "SEND", Some("Invalid destination"), false),
        (BrokerConfig::rabbitmq(), "SUBSCRIBE", Some("Invalid destination"), false),
        (BrokerConfig::activemq(), "SEND", None, true),
        (BrokerConfig::activemq(), "SUBSCRIBE", Some("Invalid empty or 'null' Destination header"), false),
        (BrokerConfig::artemis(), "SEND", None, false),
        (BrokerConfig::artemis(), "SUBSCRIBE", Some("AMQ339016 Error creating subscription 1"), true),
    ];
    for (config, command, message, ends) in rows {
        let mut wire = wire(config);
        let client = wire.open(Version::V1_2);
        wire.say(client, &format!("{command}\nid:1\ndestination:\nreceipt:r\n\n"));
        assert_eq!(wire.is_closed(client), ends, "{command} {message:?}");
        assert_eq!(wire.headers(client, "message"), Vec::from_iter(message), "{command}");
        assert!(wire.broker.queues().is_empty());
    }
}

#[test]
fn how_long_a_client_may_be_silent() {
    let rows = [
        (BrokerConfig::default(), 2_000),
        (BrokerConfig::rabbitmq(), 3_000),
        (BrokerConfig::rabbitmq_4_3(), 3_000),
        (BrokerConfig::activemq(), 3_000),
        (BrokerConfig::artemis(), 2_000),
    ];
    for (config, end) in rows {
        let mut wire = wire(config);
        let client = wire.broker.connect(wire.now);
        wire.say(client, "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:1000,0\n\n");
        wire.pass(Duration::from_millis(end - 1));
        assert!(!wire.is_closed(client), "{end}");
        wire.pass(Duration::from_millis(1));
        assert!(wire.is_closed(client), "{end}");
    }
}

#[test]
fn activemq_names_a_message_once_for_everybody_and_for_good() {
    for (config, same) in
        [(BrokerConfig::activemq(), true), (BrokerConfig::activemq().numbering_deliveries(), false)]
    {
        let mut wire = wire(config);
        let client = wire.open(Version::V1_1);
        wire.subscribe(client, "a", "/topic/t", "ack:client\n");
        wire.subscribe(client, "b", "/topic/t", "ack:client\n");
        wire.send(client, "/topic/t", &["x"]);
        let ids = wire.headers(client, "message-id");
        assert_eq!(ids[0] == ids[1], same);
        wire.subscribe(client, "c", "/queue/q", "ack:client\n");
        wire.send(client, "/queue/q", &["x"]);
        let first = wire.headers(client, "message-id");
        wire.say(client, "UNSUBSCRIBE\nid:c\n\n");
        wire.subscribe(client, "c", "/queue/q", "ack:client\n");
        let again = wire.headers(client, "message-id");
        assert_eq!(first == again, same);
        // Each subscription acknowledges its own copy.
        for (id, subscription) in [(&ids[1], "b"), (&ids[0], "a"), (&again[0], "c")] {
            wire.say(client, &format!("ACK\nmessage-id:{id}\nsubscription:{subscription}\nreceipt:r\n\n"));
            assert_eq!(wire.hear(client), "RECEIPT\nreceipt-id:r\n\n\0\n");
        }
        assert_eq!((wire.broker.unacked("/topic/t"), wire.broker.unacked("/queue/q")), (0, 0));
    }
}
