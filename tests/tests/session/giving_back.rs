//! What goes back before a connection is left, so that its end costs no message a delivery.

use std::time::Duration;

use stomp_proto::{AckMode, Version};
use stomp_session::{Closed, CommandError, Config, Event, Lost, Message, Move, Profile, Subscribe};
use stomp_testkit::{
    broker::{Broker, BrokerConfig},
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

#[test]
fn a_consumer_that_is_restarted_and_takes_one_message_each_time_loses_none() {
    for prefetch in [10, 50] {
        let mut broker = filled(150);
        for round in 0..100 {
            let mut pair = pair(&mut broker, counting());
            pair.session.subscribe(Subscribe::new(QUEUE).prefetch(prefetch)).unwrap();
            let mut came = messages(&mut pair);
            assert_eq!(came.len(), prefetch as usize, "round {round}");
            assert_eq!(came[0].body(), round.to_string().as_bytes());
            pair.session.ack(&mut came[0]).unwrap();
            pair.session.disconnect();
            pair.drive();
            let closed = pair.events().pop();
            let confirmed =
                matches!(&closed, Some(Event::Closed(Closed::Disconnected { confirmed: true, .. })));
            assert!(confirmed, "round {round}: {closed:?}");
            std::mem::swap(&mut pair.broker, &mut broker);
        }
        assert_eq!(broker.depth(QUEUE), 50);
    }
}

#[test]
fn moves_cost_no_delivery() {
    let mut pair = pair(&mut filled(20), counting());
    pair.session.subscribe(Subscribe::new(QUEUE).id("mine").prefetch(20)).unwrap();
    for round in 0..40 {
        let mut came = messages(&mut pair);
        assert_eq!(came.len(), 20, "round {round}");
        pair.session.reconnect(Move::new("again")).unwrap();
        pair.drive();
        let late = pair.session.ack(&mut came[0]);
        assert!(matches!(late, Err(CommandError::Stale { .. })), "{late:?}");
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
    // The queue is never empty: that is enough.
    deliver(&mut script, 2);
    assert_eq!(script.said(), "");
    script.hear("RECEIPT\nreceipt-id:5\n\n\0");
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

#[test]
fn a_stray_that_it_causes_ends_nothing() {
    let mut script = subscribed(AckMode::ClientIndividual);
    script.session.disconnect();
    script.said();
    script.hear(
        "ERROR\nmessage:Subscription not found\n\nThere is no current subscription with tag 'T_0'.\n\0",
    );
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

#[test]
fn a_connection_that_ends_meanwhile_is_the_end() {
    let mut script = subscribed(AckMode::ClientIndividual);
    deliver(&mut script, 1);
    script.session.disconnect();
    script.said();
    script.report(Lost::Eof);
    assert_eq!(script.events().last().unwrap(), "closed: the session was disconnected (unconfirmed)");
}
