//! What newer versions of the brokers do: limits on deliveries and frames, elections, and nodes that are upgraded.

use stomp_proto::Version;
use stomp_testkit::broker::{BrokerConfig, ConnectionId, Denial, Fact, Return};

use crate::wire::{Wire, wire};

const QUEUE: &str = "/queue/a";

/// A connection that has the only message of the queue.
fn taker(wire: &mut Wire) -> ConnectionId {
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "a", QUEUE, "ack:client-individual\nprefetch-count:1\n");
    client
}

/// Refuses the message and gets it again, as often as that.
fn refuse(wire: &mut Wire, client: ConnectionId, times: usize) {
    for _ in 0..times {
        let Some(ack) = wire.headers(client, "ack").pop() else { return };
        wire.say(client, &format!("NACK\nid:{}\n\n", ack.replace("\\c", ":")));
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Disconnect,
    Loss,
    Nack,
    Unsubscribe,
}

/// What is left of a message that came back that often in one way.
fn left(config: BrokerConfig, way: Way, times: usize) -> usize {
    let mut wire = wire(config);
    wire.broker.publish(QUEUE, "1", &[]);
    for _ in 0..times {
        let client = taker(&mut wire);
        match way {
            Way::Disconnect => wire.say(client, "DISCONNECT\n\n"),
            Way::Loss => {}
            Way::Nack => refuse(&mut wire, client, 1),
            Way::Unsubscribe => wire.say(client, "UNSUBSCRIBE\nid:a\n\n"),
        }
        wire.broker.disconnected(client, wire.now);
    }
    wire.broker.depth(QUEUE)
}

/// Seen: RabbitMQ 3.10, 4.0.5 and 4.3.6, Artemis; ActiveMQ counts what is refused, and dead-letters it at once.
#[test]
fn what_counts_as_a_delivery() {
    let rows = [
        (BrokerConfig::rabbitmq(), Way::Loss, 60, 1),
        (BrokerConfig::rabbitmq_4_0(), Way::Loss, 20, 1),
        (BrokerConfig::rabbitmq_4_0(), Way::Loss, 21, 0),
        (BrokerConfig::rabbitmq_4_0(), Way::Disconnect, 21, 0),
        (BrokerConfig::rabbitmq_4_3(), Way::Disconnect, 20, 1),
        (BrokerConfig::rabbitmq_4_3(), Way::Disconnect, 21, 0),
        (BrokerConfig::rabbitmq_4_3(), Way::Unsubscribe, 21, 0),
        (BrokerConfig::artemis_2_57(), Way::Loss, 10, 1),
        (BrokerConfig::artemis_2_57(), Way::Loss, 11, 0),
        (BrokerConfig::artemis_2_57(), Way::Unsubscribe, 60, 1),
        (BrokerConfig::activemq_6(), Way::Loss, 60, 1),
        (BrokerConfig::activemq_6(), Way::Nack, 1, 0),
    ];
    for (config, way, times, expected) in rows {
        assert_eq!(left(config.clone(), way, times), expected, "{config:?} {way:?} {times}");
    }
}

/// On one connection: its end counts too.
#[test]
fn whether_a_nack_counts_differs_by_version() {
    for (config, times, expected) in [
        (BrokerConfig::rabbitmq(), 60, 1),
        (BrokerConfig::rabbitmq_4_0(), 20, 1),
        (BrokerConfig::rabbitmq_4_0(), 21, 0),
        (BrokerConfig::rabbitmq_4_3(), 60, 1),
    ] {
        let mut wire = wire(config.clone());
        wire.broker.publish(QUEUE, "1", &[]);
        let client = taker(&mut wire);
        refuse(&mut wire, client, times);
        assert_eq!(wire.broker.unacked(QUEUE), expected, "{config:?} {times}");
    }
}

/// Without a dead letter exchange nobody hears of it; the journal does.
#[test]
fn what_is_destroyed_is_recorded_with_its_reason() {
    let mut wire = wire(BrokerConfig::rabbitmq_4_3().journaling());
    wire.broker.publish(QUEUE, "1", &[]);
    for round in 0..21 {
        let client = taker(&mut wire);
        if round % 2 == 0 {
            wire.say(client, "DISCONNECT\n\n");
        }
        wire.broker.disconnected(client, wire.now);
    }
    let facts: Vec<_> = std::iter::from_fn(|| wire.broker.poll_fact()).collect();
    let expected = Fact::Destroyed { body: "1".into(), by: Return::Disconnect, orderly: 11 };
    assert_eq!(facts.last(), Some(&expected));
    assert_eq!(wire.broker.queues(), [""; 0]);
}

#[test]
fn a_frame_over_the_limit_ends_the_connection_without_an_error() {
    let header = |count: usize| (0..count).map(|number| format!("h{number}:x\n")).collect::<String>();
    let send = |headers: usize, body: usize| {
        format!("SEND\ndestination:/queue/a\n{}\n{}", header(headers), "x".repeat(body))
    };
    let most = 4 * 1024 * 1024 - send(0, 0).len() - 1;
    let rows = [
        (BrokerConfig::rabbitmq(), send(150, most + 1000), false),
        (BrokerConfig::rabbitmq_4_0(), send(0, most), false),
        (BrokerConfig::rabbitmq_4_0(), send(0, most + 1), true),
        (BrokerConfig::rabbitmq_4_0(), send(0, most + 1_000_000), true),
        (BrokerConfig::rabbitmq_4_0(), send(150, 0), false),
        (BrokerConfig::rabbitmq_4_3(), send(99, 0), false),
        (BrokerConfig::rabbitmq_4_3(), send(100, 0), true),
        (BrokerConfig::rabbitmq_4_3(), send(150, 0), true),
    ];
    for (number, (config, frame, closes)) in rows.into_iter().enumerate() {
        let mut wire = wire(config);
        let client = wire.open(Version::V1_2);
        wire.say(client, &frame);
        let depth = usize::from(!closes);
        assert_eq!((wire.is_closed(client), wire.broker.depth(QUEUE)), (closes, depth), "row {number}");
        assert_eq!(wire.hear(client), "", "row {number}");
    }
}

/// A quorum queue elects its leader: the reader crashes at what is for it, and at nothing else.
#[test]
fn an_election_ends_connections_with_the_message_stored_or_not() {
    for (stores, reads_on) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut wire = wire(BrokerConfig::rabbitmq());
        let election = Denial::election(QUEUE);
        let election = if stores { election.storing() } else { election };
        wire.broker.deny(if reads_on { election.reading_on() } else { election });
        let client = wire.open(Version::V1_2);
        wire.say(client, "SEND\ndestination:/queue/b\nreceipt:0\n\n0");
        assert_eq!(wire.hear(client), "RECEIPT\nreceipt-id:0\n\n\0\n");
        let both = "SEND\ndestination:/queue/a\nreceipt:1\n\n1\0SEND\ndestination:/queue/b\nreceipt:2\n\n2";
        wire.say(client, both);
        let heard = if reads_on { "RECEIPT\nreceipt-id:2\n\n\0\n" } else { "" };
        assert_eq!((&*wire.hear(client), wire.is_closed(client)), (heard, true));
        assert_eq!(wire.broker.depth(QUEUE), usize::from(stores));
        assert_eq!(wire.broker.depth("/queue/b"), 1 + usize::from(reads_on));
        let other = taker(&mut wire);
        assert_eq!((&*wire.hear(other), wire.is_closed(other)), ("", true));
    }
}

#[test]
fn a_node_that_is_upgraded_says_so() {
    let mut wire = wire(BrokerConfig::rabbitmq());
    let newer = wire.broker.connect(wire.now);
    wire.broker.name_server(newer, "RabbitMQ/4.3.6");
    let older = wire.broker.connect(wire.now);
    for (connection, name) in [(newer, "RabbitMQ/4.3.6"), (older, "RabbitMQ/3.10.8")] {
        wire.say(connection, "CONNECT\naccept-version:1.2\nhost:h\n\n");
        assert_eq!(wire.headers(connection, "server"), [name]);
    }
    let servers = [
        (BrokerConfig::activemq_6(), "ActiveMQ/6.3.1"),
        (BrokerConfig::artemis_2_57(), "ActiveMQ-Artemis/2.57.0 ActiveMQ Artemis Messaging Engine"),
        (BrokerConfig::rabbitmq_4_0(), "RabbitMQ/4.0.5"),
    ];
    for (config, name) in servers {
        let mut wire = crate::wire::wire(config);
        let connection = wire.broker.connect(wire.now);
        wire.say(connection, "CONNECT\naccept-version:1.2\nhost:h\n\n");
        assert_eq!(wire.headers(connection, "server"), [name]);
    }
}
