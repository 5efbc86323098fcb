//! What goes back before a connection is left, so that its end costs no message a delivery.

use std::time::Duration;

use stomp_proto::{AckMode, Version};
use stomp_session::{Closed, CommandError, Config, Event, Lost, Message, Move, Profile, Subscribe};
use stomp_testkit::{
    broker::{Broker, BrokerConfig, Fact},
    pair::Pair,
};

use crate::{
    profiles::connected,
    script::{Script, config, seconds},
};

const QUEUE: &str = "/queue/a";

fn counting() -> Config {
    let mut config = config();
    config.profile = Some(Profile::RABBITMQ_4_3.into());
    config
}

fn pair(broker: &mut Broker, config: Config) -> Pair {
    let mut pair = Pair::new(config, BrokerConfig::default());
    std::mem::swap(&mut pair.broker, broker);
    pair.drive();
    pair
}

fn messages(pair: &mut Pair) -> Vec<Message> {
    pair.drive();
    let messages = pair.events().into_iter().filter_map(|event| match event {
        Event::Message(message) => Some(message),
        _ => None,
    });
    messages.collect()
}

fn filled(messages: usize) -> Broker {
    let mut broker = Broker::new(BrokerConfig::rabbitmq_4_3());
    (0..messages).for_each(|number| broker.publish(QUEUE, number.to_string(), &[]));
    broker
}

/// Connects, and subscribes to as many messages as that or as by default.
fn taker(broker: &mut Broker, prefetch: Option<u32>) -> (Pair, Vec<Message>) {
    let mut pair = pair(broker, counting());
    let subscribe = Subscribe::new(QUEUE);
    let subscribe = prefetch.into_iter().fold(subscribe, |subscribe, prefetch| subscribe.prefetch(prefetch));
    pair.session.subscribe(subscribe).unwrap();
    let came = messages(&mut pair);
    (pair, came)
}

/// Disconnects, and leaves the broker to the next.
fn leave(mut pair: Pair, broker: &mut Broker) {
    pair.session.disconnect();
    pair.drive();
    let closed = pair.events().pop();
    let confirmed = matches!(&closed, Some(Event::Closed(Closed::Disconnected { confirmed: true, .. })));
    assert!(confirmed, "{closed:?}");
    std::mem::swap(&mut pair.broker, broker);
}

const PREFETCHES: [Option<u32>; 4] = [None, Some(1), Some(10), Some(50)];

#[test]
fn a_consumer_that_is_restarted_and_takes_one_message_each_time_loses_none() {
    for prefetch in PREFETCHES {
        let mut broker = filled(150);
        for round in 0..100 {
            let (mut pair, mut came) = taker(&mut broker, prefetch);
            assert_eq!(came.len(), prefetch.unwrap_or(10) as usize, "round {round}");
            assert_eq!(came[0].body(), round.to_string().as_bytes());
            pair.session.ack(&mut came[0]).unwrap();
            leave(pair, &mut broker);
        }
        assert_eq!(broker.depth(QUEUE), 50, "{prefetch:?}");
    }
}

/// What it refuses comes again at once, and is overtaken by the UNSUBSCRIBE.
#[test]
fn a_consumer_that_refuses_everything_and_leaves_loses_nothing() {
    for prefetch in PREFETCHES {
        let mut broker = filled(60);
        for _ in 0..30 {
            let (mut pair, mut came) = taker(&mut broker, prefetch);
            came.iter_mut().for_each(|message| pair.session.nack(message).unwrap());
            leave(pair, &mut broker);
        }
        assert_eq!(broker.depth(QUEUE), 60, "{prefetch:?}");
    }
}

/// It unsubscribes first, and disconnects when that is answered, or without waiting for it.
#[test]
fn one_that_unsubscribes_before_it_leaves_loses_nothing() {
    for (prefetch, waits) in PREFETCHES.into_iter().flat_map(|prefetch| [(prefetch, true), (prefetch, false)])
    {
        let mut broker = filled(60);
        for _ in 0..30 {
            let (mut pair, mut came) = taker(&mut broker, prefetch);
            came.iter_mut().for_each(|message| pair.session.nack(message).unwrap());
            pair.session.unsubscribe_confirmed(came[0].subscription()).unwrap();
            if waits {
                pair.drive();
            }
            leave(pair, &mut broker);
        }
        assert_eq!(broker.depth(QUEUE), 60, "{prefetch:?} {waits}");
    }
}

#[test]
fn many_subscriptions_of_one_queue_lose_nothing() {
    let mut broker = filled(120);
    for _ in 0..30 {
        let mut pair = pair(&mut broker, counting());
        for prefetch in [10, 20, 30, 50] {
            pair.session.subscribe(Subscribe::new(QUEUE).prefetch(prefetch)).unwrap();
        }
        assert_eq!(messages(&mut pair).len(), 110);
        leave(pair, &mut broker);
    }
    assert_eq!(broker.depth(QUEUE), 120);
}

#[test]
fn moves_cost_no_delivery() {
    for prefetch in [20, 50] {
        let mut pair = pair(&mut filled(50), counting());
        pair.session.subscribe(Subscribe::new(QUEUE).id("mine").prefetch(prefetch)).unwrap();
        for round in 0..40 {
            let mut came = messages(&mut pair);
            assert_eq!(came.len(), prefetch as usize, "round {round}");
            pair.session.reconnect(Move::new("again")).unwrap();
            pair.drive();
            let late = pair.session.ack(&mut came[0]);
            assert!(matches!(late, Err(CommandError::Stale { .. })), "{late:?}");
        }
    }
}

/// The broker passes on a limited number of ACKs at once. What it has not passed on when the connection ends comes again, though
/// each ACK had its RECEIPT.
#[test]
fn acks_in_a_row_are_passed_on_before_a_connection_is_left() {
    let editions = [
        (BrokerConfig::rabbitmq_4_0(), Profile::RABBITMQ_4),
        (BrokerConfig::rabbitmq_4_3(), Profile::RABBITMQ_4_3),
    ];
    for (edition, profile) in editions {
        for count in [1, 16, 17, 32, 33, 100] {
            let mut broker = Broker::new(edition.clone().journaling());
            (0..count).for_each(|number| broker.publish(QUEUE, number.to_string(), &[]));
            let mut config = config();
            config.profile = Some(profile.clone().into());
            let mut pair = pair(&mut broker, config);
            pair.session.subscribe(Subscribe::new(QUEUE).prefetch(count)).unwrap();
            let mut came = messages(&mut pair);
            assert_eq!(came.len(), count as usize);
            came.iter_mut().for_each(|message| pair.session.ack(message).unwrap());
            leave(pair, &mut broker);
            let facts: Vec<_> = std::iter::from_fn(|| broker.poll_fact()).collect();
            let acknowledged = |fact: &&Fact| matches!(fact, Fact::Acknowledged { .. });
            assert_eq!(facts.iter().filter(acknowledged).count(), count as usize, "{facts:?}");
            assert_eq!(broker.depth(QUEUE), 0, "{count} acknowledged");
        }
    }
}

const SERVER: &str = "RabbitMQ/4.3.6\nsession:x";

fn subscribed(ack_mode: AckMode) -> Script {
    let mut script = connected(counting(), Version::V1_2, SERVER);
    script.session.subscribe(Subscribe::new(QUEUE).ack(ack_mode)).unwrap();
    script.said();
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script
}

fn deliver(script: &mut Script, number: u64) {
    script.hear(format!(
        "MESSAGE\nsubscription:0\nmessage-id:T_0@@x@@{number}\ndestination:{QUEUE}\nack:T_0@@x@@{number}\n\nhello\0"
    ));
}

/// A round trip that asks whether all has come.
fn round(receipt: u64) -> String {
    format!("BEGIN\ntransaction:leaving\n\n\0ABORT\ntransaction:leaving\nreceipt:{receipt}\n\n\0")
}

const STRAY: &str =
    "ERROR\nmessage:Subscription not found\n\nThere is no current subscription with tag 'T_0'.\n\0";

const COMMIT: &str = "COMMIT\ntransaction:unsubscribe-0\n\n\0";

#[test]
fn it_goes_back_in_a_transaction_and_then_the_connection_is_left() {
    let mut script = subscribed(AckMode::ClientIndividual);
    deliver(&mut script, 1);
    deliver(&mut script, 2);
    let mut first = script.messages().remove(0);
    script.session.disconnect();
    let nacks = "NACK\nid:T_0@@x@@1\ntransaction:unsubscribe-0\n\n\0NACK\nid:T_0@@x@@2\ntransaction:unsubscribe-0\n\n\0";
    let expected =
        format!("BEGIN\ntransaction:unsubscribe-0\n\n\0{nacks}UNSUBSCRIBE\nid:0\nreceipt:2\n\n\0{COMMIT}");
    assert_eq!(script.said(), expected);
    assert!(matches!(script.session.ack(&mut first), Err(CommandError::Stale { .. } | CommandError::Closed)));
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    assert_eq!(script.said(), round(3));
    script.hear("RECEIPT\nreceipt-id:3\n\n\0");
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

#[test]
fn what_comes_meanwhile_goes_back_too() {
    let mut script = subscribed(AckMode::ClientIndividual);
    script.session.disconnect();
    assert_eq!(script.commands(), ["UNSUBSCRIBE"]);
    deliver(&mut script, 1);
    assert_eq!(
        script.said(),
        format!(
            "SUBSCRIBE\nid:0\ndestination:{QUEUE}\nack:client-individual\nprefetch-count:1\nreceipt:3\n\n\0"
        )
    );
    script.hear("RECEIPT\nreceipt-id:2\n\n\0RECEIPT\nreceipt-id:3\n\n\0");
    assert_eq!(script.said(), "BEGIN\ntransaction:unsubscribe-0\nreceipt:4\n\n\0");
    script.hear("RECEIPT\nreceipt-id:4\n\n\0");
    let nack = "NACK\nid:T_0@@x@@1\ntransaction:unsubscribe-0\n\n\0";
    assert_eq!(script.said(), format!("{nack}UNSUBSCRIBE\nid:0\nreceipt:5\n\n\0{COMMIT}"));
    script.hear("RECEIPT\nreceipt-id:5\n\n\0");
    assert_eq!(script.said(), round(6));
    script.hear("RECEIPT\nreceipt-id:6\n\n\0");
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

/// Answers everything, and sends another message or ERROR first each time. Returns the commands.
fn answer_all(script: &mut Script, mut first: impl FnMut(&mut Script)) -> Vec<String> {
    let mut commands = Vec::new();
    for _ in 0..100 {
        let said = script.said();
        let words = said.split('\0').filter_map(|frame| frame.split('\n').next());
        commands.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        if said.contains("DISCONNECT") {
            return commands;
        }
        first(script);
        for receipt in said.lines().filter_map(|line| line.strip_prefix("receipt:")) {
            script.hear(format!("RECEIPT\nreceipt-id:{receipt}\n\n\0"));
        }
    }
    panic!("it does not end: {commands:?}");
}

#[test]
fn a_broker_that_never_stops_sending_does_not_keep_the_connection() {
    let mut script = subscribed(AckMode::ClientIndividual);
    script.session.disconnect();
    let mut number = 0;
    let commands = answer_all(&mut script, |script| {
        number += 1;
        deliver(script, number);
    });
    let count = |name| commands.iter().filter(|command| *command == name).count();
    assert_eq!((count("SUBSCRIBE"), count("UNSUBSCRIBE"), count("ABORT")), (3, 4, 8), "{commands:?}");
}

#[test]
fn strays_that_come_behind_the_receipt_are_waited_for_and_go_back() {
    let mut script = subscribed(AckMode::ClientIndividual);
    script.session.disconnect();
    assert_eq!(script.commands(), ["UNSUBSCRIBE"]);
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    assert_eq!(script.said(), round(3));
    script.hear(format!("{STRAY}{STRAY}"));
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
    script.hear("RECEIPT\nreceipt-id:3\n\n\0RECEIPT\nreceipt-id:4\n\n\0");
    assert_eq!(script.commands(), ["BEGIN"]);
    script.hear("RECEIPT\nreceipt-id:5\n\n\0");
    assert_eq!(script.commands(), ["NACK", "NACK", "UNSUBSCRIBE", "COMMIT"]);
    script.hear("RECEIPT\nreceipt-id:6\n\n\0");
    assert_eq!(script.said(), round(7));
    script.hear("RECEIPT\nreceipt-id:7\n\n\0");
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

/// Up to 16 go on by themselves. Behind more, the queue is asked once more.
#[test]
fn after_many_at_a_time_the_broker_catches_up() {
    for (messages, again) in [(16, 0), (17, 1), (100, 1)] {
        let mut script = subscribed(AckMode::ClientIndividual);
        (1..=messages).for_each(|number| deliver(&mut script, number));
        script.session.disconnect();
        let commands = answer_all(&mut script, |_| ());
        let count = |name| commands.iter().filter(|command| *command == name).count();
        assert_eq!(count("NACK") as u64, messages);
        assert_eq!((count("SUBSCRIBE"), count("UNSUBSCRIBE")), (again, again + 1), "{commands:?}");
    }
}

/// An UNSUBSCRIBE of a while ago has long been passed on.
#[test]
fn what_went_back_long_ago_needs_no_catching_up() {
    for (pause, again) in [(0, 1), (999, 1), (1000, 0)] {
        let mut script = subscribed(AckMode::ClientIndividual);
        (1..=20).for_each(|number| deliver(&mut script, number));
        let messages = script.messages();
        script.session.unsubscribe(messages[0].subscription()).unwrap();
        messages.iter().for_each(|message| script.session.give_back(message));
        script.said();
        script.pass(Duration::from_millis(pause));
        script.session.disconnect();
        let commands = answer_all(&mut script, |_| ());
        let count = |name| commands.iter().filter(|command| *command == name).count();
        assert_eq!((count("SUBSCRIBE"), count("ABORT")), (again, 1), "{pause}: {commands:?}");
    }
}

#[test]
fn a_stray_that_it_causes_ends_nothing() {
    let mut script = subscribed(AckMode::ClientIndividual);
    script.session.disconnect();
    script.said();
    script.hear(STRAY);
    assert_eq!(script.commands(), ["SUBSCRIBE"], "it stands for a message");
    assert!(!script.session.is_closed());
}

#[test]
fn nothing_goes_back_where_nothing_is_gained() {
    for (profile, ack_mode) in [
        (Profile::RABBITMQ_4, AckMode::ClientIndividual),
        (Profile::RABBITMQ, AckMode::ClientIndividual),
        (Profile::ACTIVEMQ, AckMode::ClientIndividual),
        (Profile::RABBITMQ_4_3, AckMode::Auto),
    ] {
        let mut config = counting();
        config.profile = Some(profile.into());
        let mut script = connected(config, Version::V1_2, SERVER);
        script.session.subscribe(Subscribe::new(QUEUE).ack(ack_mode)).unwrap();
        script.said();
        script.hear("RECEIPT\nreceipt-id:1\n\n\0");
        script.session.disconnect();
        assert_eq!(script.commands(), ["DISCONNECT"]);
    }
}

#[test]
fn a_broker_that_does_not_answer_costs_no_more_than_three_quarters_of_the_time() {
    let mut script = subscribed(AckMode::ClientIndividual);
    deliver(&mut script, 1);
    script.session.disconnect_within(seconds(8));
    assert_eq!(script.commands(), ["BEGIN", "NACK", "UNSUBSCRIBE", "COMMIT"]);
    script.pass(Duration::from_millis(1999));
    assert_eq!(script.commands(), [""; 0]);
    script.pass(Duration::from_millis(1));
    assert_eq!(script.commands(), ["DISCONNECT"]);
    script.pass(seconds(6));
    assert!(script.session.is_closed());
}

/// It answers each time just before its time is over.
#[test]
fn a_slow_broker_costs_no_more_than_three_quarters_of_the_time() {
    let mut script = subscribed(AckMode::ClientIndividual);
    script.session.disconnect_within(seconds(8));
    let mut receipts = 2..;
    for _ in 0..3 {
        assert!(!script.commands().is_empty());
        script.pass(Duration::from_millis(1900));
        script.hear(STRAY);
        script.hear(format!("RECEIPT\nreceipt-id:{}\n\n\0", receipts.next().unwrap()));
    }
    let nacks = ["NACK", "NACK", "NACK", "UNSUBSCRIBE", "COMMIT"];
    assert_eq!(script.commands(), nacks);
    script.pass(Duration::from_millis(299));
    assert_eq!(script.commands(), [""; 0]);
    script.pass(Duration::from_millis(1));
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

/// A connection that has subscribed to nothing is left as before.
#[test]
fn who_only_sends_is_asked_for_nothing() {
    let mut script = connected(counting(), Version::V1_2, SERVER);
    script.session.disconnect();
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

#[test]
fn a_connection_that_ends_meanwhile_is_the_end() {
    let mut script = subscribed(AckMode::ClientIndividual);
    deliver(&mut script, 1);
    script.session.disconnect();
    script.said();
    script.report(Lost::Eof);
    assert_eq!(script.events().last().unwrap(), "closed: the session was disconnected (unconfirmed)");
}

/// RabbitMQ passes on 32 at a time to a quorum queue. The rest is lost with the connection, RECEIPT or not, unless it is
/// unsubscribed before.
#[test]
fn many_acknowledgements_are_passed_on_before_the_connection_is_left() {
    for (profile, count, pause, expected) in [
        (Profile::RABBITMQ_4, 17, 0, true),
        (Profile::RABBITMQ_4, 16, 0, false),
        (Profile::RABBITMQ_4, 17, 999, true),
        (Profile::RABBITMQ_4, 17, 1000, false),
        (Profile::RABBITMQ, 200, 0, true),
        (Profile::ACTIVEMQ, 200, 0, false),
    ] {
        let mut config = counting();
        config.profile = Some(profile.clone().into());
        let mut script = connected(config, Version::V1_2, SERVER);
        script.session.subscribe(Subscribe::new(QUEUE).prefetch(300)).unwrap();
        script.said();
        script.hear("RECEIPT\nreceipt-id:1\n\n\0");
        (1..=count + 5).for_each(|number| deliver(&mut script, number));
        let mut messages = script.messages();
        messages.truncate(usize::try_from(count).unwrap());
        messages.iter_mut().for_each(|message| script.session.ack(message).unwrap());
        script.said();
        script.pass(Duration::from_millis(pause));
        script.session.disconnect();
        let case = format!("{} {count} {pause}", profile.name);
        if expected {
            assert_eq!(script.said(), "UNSUBSCRIBE\nid:0\nreceipt:2\n\n\0", "{case}");
            // What it does not give back comes again by itself, and so does what was on its way.
            script.hear(format!("RECEIPT\nreceipt-id:2\n\n\0{STRAY}"));
        }
        assert_eq!(script.commands(), ["DISCONNECT"], "{case}");
    }
}

#[test]
fn a_move_passes_on_acknowledgements_too_and_unsubscribes_once() {
    let mut config = counting();
    config.profile = Some(Profile::RABBITMQ_4.into());
    let mut script = connected(config, Version::V1_2, SERVER);
    script.session.subscribe(Subscribe::new(QUEUE).prefetch(300)).unwrap();
    script.said();
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    (1..=20).for_each(|number| deliver(&mut script, number));
    let mut messages = script.messages();
    messages[..17].iter_mut().for_each(|message| script.session.ack(message).unwrap());
    script.said();
    script.session.reconnect(Move::new("again")).unwrap();
    assert_eq!(script.commands(), ["UNSUBSCRIBE"]);
    messages[17..].iter().for_each(|message| script.session.give_back(message));
    script.hear(STRAY);
    deliver(&mut script, 22);
    assert_eq!((script.said().as_str(), script.messages().len()), ("", 0));
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    assert_eq!(script.commands(), ["DISCONNECT"]);
    script.hear(STRAY);
    script.hear("RECEIPT\nreceipt-id:3\n\n\0");
    script.reconnect(Version::V1_2);
    assert_eq!(script.commands(), ["SUBSCRIBE"], "it goes on");
}
