//! What newer versions of RabbitMQ do with messages that a client gives back: strays come late, and not all goes back at once.

use std::time::Duration;

use stomp_proto::Version;
use stomp_testkit::broker::{BrokerConfig, ConnectionId, Fact, Return};

use crate::wire::{Wire, wire};

const QUEUE: &str = "/queue/a";
const MOMENT: Duration = Duration::from_millis(1);

/// A connection with that many messages of the queue, of which there are as many.
fn taker(wire: &mut Wire, count: usize) -> ConnectionId {
    (0..count).for_each(|number| wire.broker.publish(QUEUE, number.to_string(), &[]));
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "a", QUEUE, &format!("ack:client-individual\nprefetch-count:{count}\n"));
    assert_eq!(wire.bodies(client).len(), count);
    client
}

/// Gives all of them back behind the UNSUBSCRIBE, on the connection of that number.
fn give_back(wire: &mut Wire, client: ConnectionId, session: usize, count: usize) {
    wire.say(client, "BEGIN\ntransaction:t\n\n");
    for number in 1..=count {
        wire.say(client, &format!("NACK\nid:T_a@@session-{session}@@{number}\ntransaction:t\n\n"));
    }
    wire.say(client, "UNSUBSCRIBE\nid:a\n\n");
    wire.say(client, "COMMIT\ntransaction:t\n\n");
}

/// The UNSUBSCRIBE comes when the broker has sent two more messages that the client has not read.
fn overtaken(config: BrokerConfig) -> (Wire, ConnectionId) {
    let mut wire = wire(config);
    let client = taker(&mut wire, 2);
    let nacks = "NACK\nid:T_a@@session-0@@1\n\n\0NACK\nid:T_a@@session-0@@2\n\n\0";
    wire.say(client, &format!("{nacks}UNSUBSCRIBE\nid:a\nreceipt:r\n\n"));
    (wire, client)
}

const STRAY: &str = "no current subscription with tag 'T_a'";
const RECEIPT: &str = "RECEIPT\nreceipt-id:r\n";

#[test]
fn strays_come_a_moment_after_the_receipt_of_the_unsubscribe() {
    for config in [BrokerConfig::rabbitmq_4_0(), BrokerConfig::rabbitmq_4_3()] {
        let (mut wire, client) = overtaken(config);
        let heard = wire.hear(client);
        assert!(heard.starts_with(RECEIPT) && !heard.contains(STRAY), "{heard}");
        assert_eq!(wire.broker.stranded(client), 2);
        wire.pass(MOMENT);
        assert_eq!(wire.hear(client).matches(STRAY).count(), 2);
    }
}

#[test]
fn strays_come_before_the_answer_to_what_is_read_next() {
    let (mut wire, client) = overtaken(BrokerConfig::rabbitmq_4_3());
    wire.hear(client);
    wire.say(client, "BEGIN\ntransaction:t\nreceipt:b\n\n");
    let heard = wire.hear(client);
    let receipt = heard.find("RECEIPT\nreceipt-id:b\n").expect("a RECEIPT");
    assert_eq!(heard[..receipt].matches(STRAY).count(), 2, "{heard}");
    wire.pass(MOMENT);
    assert_eq!(wire.hear(client), "", "they come once");
}

#[test]
fn strays_come_at_once_unless_told_otherwise() {
    let (mut wire, client) = overtaken(BrokerConfig::rabbitmq().stray_errors(1));
    let heard = wire.hear(client);
    assert_eq!((heard.starts_with(RECEIPT), heard.matches(STRAY).count()), (true, 1), "{heard}");
}

/// What is left of 40 messages that were given back 21 times, each time on a connection of its own.
fn left_after(then: impl Fn(&mut Wire, ConnectionId)) -> usize {
    let mut wire = wire(BrokerConfig::rabbitmq_4_3());
    let mut client = taker(&mut wire, 40);
    for round in 0..21 {
        give_back(&mut wire, client, round, 40);
        then(&mut wire, client);
        wire.say(client, "DISCONNECT\n\n");
        wire.broker.disconnected(client, wire.now);
        if round < 20 {
            client = wire.open(Version::V1_2);
            wire.subscribe(client, "a", QUEUE, "ack:client-individual\nprefetch-count:40\n");
            assert_eq!(wire.bodies(client).len(), 40);
        }
    }
    wire.broker.depth(QUEUE)
}

/// Seen: RabbitMQ 4.3.6, by the `x-delivery-count` of what is left.
#[test]
fn what_goes_back_beyond_32_at_a_time_counts_when_the_connection_ends() {
    assert_eq!(left_after(|_, _| ()), 32);
    assert_eq!(left_after(|wire, _| wire.pass(MOMENT)), 40, "they have gone on");
    let other = |wire: &mut Wire, client| wire.subscribe(client, "a", "/queue/b", "ack:client\n");
    assert_eq!(left_after(other), 32, "another queue is none of its business");
    let subscribe = |wire: &mut Wire, client| {
        wire.subscribe(client, "b", QUEUE, "ack:client-individual\nprefetch-count:1\n");
        wire.say(client, "UNSUBSCRIBE\nid:b\n\n");
    };
    assert_eq!(left_after(subscribe), 39, "all but the one that it took itself");
}

/// Seen: RabbitMQ 4.3.6. The RECEIPT of each ACK says nothing about the queue.
#[test]
fn acks_beyond_32_at_a_time_are_lost_when_the_connection_ends() {
    let left = |then: &dyn Fn(&mut Wire, ConnectionId)| {
        let mut wire = wire(BrokerConfig::rabbitmq_4_3().journaling());
        let client = taker(&mut wire, 40);
        for number in 1..=40 {
            wire.say(client, &format!("ACK\nid:T_a@@session-0@@{number}\nreceipt:{number}\n\n"));
        }
        assert_eq!(wire.hear(client).matches("RECEIPT\n").count(), 40);
        assert_eq!(wire.broker.unacked(QUEUE), 8, "they are held up");
        then(&mut wire, client);
        wire.say(client, "DISCONNECT\n\n");
        let facts = std::iter::from_fn(|| wire.broker.poll_fact());
        let lost = facts.filter(|fact| matches!(fact, Fact::AckLost { by: Return::Disconnect, .. })).count();
        assert_eq!(wire.broker.depth(QUEUE), lost);
        lost
    };
    assert_eq!(left(&|_, _| ()), 8);
    assert_eq!(left(&|wire, _| wire.pass(MOMENT)), 0, "they have gone on");
    assert_eq!(
        left(&|wire, client| wire.say(client, "UNSUBSCRIBE\nid:a\n\n")),
        0,
        "the queue was heard from"
    );
}

/// It is one command for the queue.
#[test]
fn a_cumulative_ack_goes_on_as_a_whole() {
    let mut wire = wire(BrokerConfig::rabbitmq().settles_at_once(1));
    (0..5).for_each(|number| wire.broker.publish(QUEUE, number.to_string(), &[]));
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "a", QUEUE, "ack:client\nprefetch-count:5\n");
    wire.say(client, "ACK\nid:T_a@@session-0@@3\n\n");
    assert_eq!(wire.broker.unacked(QUEUE), 2);
    wire.say(client, "ACK\nid:T_a@@session-0@@5\n\n");
    assert_eq!(wire.broker.unacked(QUEUE), 2, "the second is held up");
    wire.say(client, "DISCONNECT\n\n");
    assert_eq!(wire.broker.messages(QUEUE), ["3", "4"]);
}

#[test]
fn what_is_held_up_is_unacknowledged_and_goes_on_by_itself() {
    let mut wire = wire(BrokerConfig::rabbitmq().settles_at_once(2));
    let client = taker(&mut wire, 5);
    give_back(&mut wire, client, 0, 5);
    let left = |wire: &Wire| (wire.broker.depth(QUEUE), wire.broker.unacked(QUEUE));
    assert_eq!(left(&wire), (2, 3));
    assert_eq!(wire.broker.poll_timeout(), Some(wire.now + MOMENT));
    wire.pass(MOMENT);
    assert_eq!((left(&wire), wire.broker.poll_timeout()), ((5, 0), None));
    assert_eq!(wire.broker.messages(QUEUE), ["0", "1", "2", "3", "4"]);
}
