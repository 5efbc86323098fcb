//! UNSUBSCRIBE: it strands nothing, and what brokers still say about a subscription that is over harms nobody.

use stomp_proto::{AckMode, Version};
use stomp_session::{CommandError, Config, Event, Lost, Message, Profile, Subscribe, SubscriptionId};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::{
    profiles::{ACTIVEMQ, ARTEMIS, RABBITMQ, connected},
    script::{Script, config, milliseconds, seconds},
};

fn deliver(script: &mut Script, number: u64) {
    script.hear(format!(
        "MESSAGE\nsubscription:0\nmessage-id:m{number}\ndestination:/queue/a\nack:a{number}\n\nhello\0"
    ));
}

/// As RabbitMQ names it.
fn deliver_numbered(script: &mut Script, number: u64) {
    let id = format!("T_0@@session-x@@{number}");
    script
        .hear(format!("MESSAGE\nsubscription:0\nmessage-id:{id}\ndestination:/queue/a\nack:{id}\n\nhello\0"));
}

const STRAY: &str =
    "ERROR\nmessage:Subscription not found\n\nThere is no current subscription with tag 'T_0'.\n\0";

/// An UNSUBSCRIBE that gives these back.
fn given_back(numbers: &[u64]) -> String {
    let transaction = "transaction:unsubscribe-0\n\n\0";
    let nack = |number: &u64| format!("NACK\nid:T_0@@session-x@@{number}\n{transaction}");
    let nacks: String = numbers.iter().map(nack).collect();
    format!("{nacks}UNSUBSCRIBE\nid:0\n\n\0COMMIT\n{transaction}")
}

/// Subscribed at RabbitMQ, and left, with `config`.
fn left(config: Config, subscribe: Subscribe) -> Script {
    let mut script = connected(config, Version::V1_2, &format!("{RABBITMQ}\nsession:session-x"));
    let id = script.session.subscribe(subscribe).unwrap();
    script.session.unsubscribe(id).unwrap();
    assert!(script.said().ends_with("\0UNSUBSCRIBE\nid:0\n\n\0"));
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script
}

/// Subscribed, with that number of messages taken.
fn taken(
    server: &str,
    version: Version,
    ack_mode: AckMode,
    count: u64,
) -> (Script, SubscriptionId, Vec<Message>) {
    let mut script = connected(config(), version, server);
    let id = script.session.subscribe(Subscribe::new("/queue/a").ack(ack_mode)).unwrap();
    script.said();
    (1..=count).for_each(|number| deliver(&mut script, number));
    let messages = script.messages();
    assert_eq!(messages.len() as u64, count);
    (script, id, messages)
}

#[test]
fn it_leaves_when_every_taken_message_is_settled_or_given_back() {
    let (mut script, id, mut messages) = taken(ACTIVEMQ, Version::V1_2, AckMode::ClientIndividual, 3);
    script.session.unsubscribe(id).unwrap();
    assert_eq!(script.said(), "");
    script.session.ack(&mut messages[1]).unwrap();
    assert_eq!(script.said(), "ACK\nid:a2\n\n\0");
    script.session.give_back(&messages[0]);
    script.session.give_back(&messages[0]);
    assert_eq!(script.said(), "", "one of three is still taken");
    script.session.nack(&mut messages[2]).unwrap();
    assert_eq!(script.said(), "NACK\nid:a3\n\n\0UNSUBSCRIBE\nid:0\n\n\0");
    assert_eq!(script.session.ack(&mut messages[0]), Err(CommandError::Unsubscribed));
    script.pass(seconds(60));
    assert_eq!(script.said(), "", "and it leaves once");
}

#[test]
fn nothing_taken_nothing_to_wait_for() {
    for ack_mode in [AckMode::Auto, AckMode::Client, AckMode::ClientIndividual] {
        let count = if ack_mode == AckMode::Auto { 3 } else { 0 };
        let (mut script, id, _messages) = taken(RABBITMQ, Version::V1_2, ack_mode, count);
        script.session.unsubscribe(id).unwrap();
        assert_eq!(script.said(), "UNSUBSCRIBE\nid:0\n\n\0", "{ack_mode:?}");
    }
}

#[test]
fn it_leaves_at_its_deadline_and_later_acks_are_a_typed_error() {
    let mut patient = config();
    patient.unsubscribe_timeout = seconds(3);
    let mut script = connected(patient, Version::V1_2, ACTIVEMQ);
    let id = script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    deliver(&mut script, 1);
    script.said();
    let mut message = script.messages().pop().unwrap();
    script.session.unsubscribe(id).unwrap();
    assert_eq!(script.due_in(), Some(milliseconds(0)), "the time of the call is wanted at once");
    script.pass(milliseconds(0));
    assert_eq!(script.due_in(), Some(seconds(3)));
    script.pass(milliseconds(2999));
    assert_eq!(script.said(), "");
    script.pass(milliseconds(1));
    assert_eq!(script.said(), "UNSUBSCRIBE\nid:0\n\n\0");
    assert_eq!(script.session.ack(&mut message), Err(CommandError::Unsubscribed));
    assert_eq!(script.said(), "");
}

#[test]
fn messages_that_come_later_are_dropped_and_counted_and_never_refused() {
    for server in [ACTIVEMQ, ARTEMIS, ""] {
        let (mut script, id, mut messages) = taken(server, Version::V1_2, AckMode::ClientIndividual, 1);
        script.session.unsubscribe(id).unwrap();
        deliver(&mut script, 2);
        script.session.ack(&mut messages[0]).unwrap();
        script.said();
        deliver(&mut script, 3);
        assert!(script.events().is_empty(), "{server}");
        assert_eq!((script.session.late_messages(), script.said().as_str()), (2, ""), "{server}");
    }
}

/// What came and was not asked for is nobody's: neither is it delivered, nor does an UNSUBSCRIBE wait for it.
#[test]
fn what_nobody_has_collected_is_not_delivered_any_more() {
    for (ack_mode, left) in [(AckMode::ClientIndividual, 1), (AckMode::Auto, 1)] {
        let (mut script, id, _) = taken(ACTIVEMQ, Version::V1_2, ack_mode, 0);
        script.session.subscribe(Subscribe::new("/queue/b")).unwrap();
        script.read("MESSAGE\nsubscription:0\nmessage-id:m1\ndestination:/queue/a\nack:a1\n\nhello\0");
        script.read("MESSAGE\nsubscription:1\nmessage-id:m2\ndestination:/queue/b\nack:a2\n\nhello\0");
        script.session.unsubscribe(id).unwrap();
        assert_eq!(script.commands(), ["SUBSCRIBE", "UNSUBSCRIBE"]);
        script.pull();
        assert_eq!(script.messages().len(), left, "{ack_mode:?}");
    }
}

/// RabbitMQ keeps what was delivered until the connection ends, and would deliver it again at once if it were refused
/// before.
#[test]
fn on_rabbitmq_untaken_messages_are_refused_in_a_transaction_around_it() {
    for ack_mode in [AckMode::Client, AckMode::ClientIndividual] {
        let server = format!("{RABBITMQ}\nsession:session-x");
        let (mut script, id, _) = taken(&server, Version::V1_2, ack_mode, 0);
        (1..=3).for_each(|number| deliver_numbered(&mut script, number));
        let mut messages = script.messages();
        deliver_numbered(&mut script, 4);
        messages.extend(script.messages());
        script.session.give_back(&messages[2]);
        script.session.give_back(&messages[3]);
        script.session.unsubscribe(id).unwrap();
        deliver_numbered(&mut script, 5);
        script.session.ack(&mut messages[0]).unwrap();
        assert_eq!(script.said(), "ACK\nid:T_0@@session-x@@1\n\n\0");
        script.session.give_back(&messages[1]);
        let begin = "BEGIN\ntransaction:unsubscribe-0\n\n\0";
        assert_eq!(script.said(), format!("{begin}{}", given_back(&[2, 3, 4, 5])));
    }
}

#[test]
fn on_rabbitmq_what_is_taken_at_its_deadline_is_refused_too() {
    let mut script = connected(config(), Version::V1_1, &format!("{RABBITMQ}\nsession:session-x"));
    let id = script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    deliver_numbered(&mut script, 1);
    let mut message = script.messages().pop().unwrap();
    script.session.unsubscribe(id).unwrap();
    script.pass(milliseconds(0));
    script.said();
    script.pass(seconds(10));
    let said = script.said();
    assert!(said.contains("NACK\nsubscription:0\nmessage-id:T_0@@session-x@@1\ntransaction:"), "{said}");
    assert_eq!(script.session.ack(&mut message), Err(CommandError::Unsubscribed));
}

/// Each is one delivery, and they are numbered without gaps over the whole connection.
#[test]
fn on_rabbitmq_what_was_on_its_way_is_given_back_by_a_subscription_of_one_message() {
    let own = Subscribe::new("/queue/a").header("prefetch-count", "7").header("x", "y");
    let mut script = left(config(), own);
    script.hear(STRAY);
    let again = "SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client-individual\nprefetch-count:1\nx:y\nreceipt:2\n\n\0";
    assert_eq!(script.said(), again);
    script.hear(STRAY);
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    assert_eq!(script.said(), "BEGIN\ntransaction:unsubscribe-0\nreceipt:3\n\n\0");
    deliver_numbered(&mut script, 3);
    script.hear("RECEIPT\nreceipt-id:3\n\n\0");
    assert_eq!(script.said(), given_back(&[1, 2, 3]));
    let told = script.events();
    assert!(told.is_empty(), "{told:?}");
    assert_eq!((script.session.stray_errors(), script.session.late_messages()), (2, 1));
    assert_eq!(script.session.awaited_receipts(), 0);
    // The queue was empty, and a message came just then.
    deliver_numbered(&mut script, 4);
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
}

/// RabbitMQ 4 ends a connection that has more than 16 transactions open.
#[test]
fn on_rabbitmq_at_most_eight_transactions_give_back_at_once() {
    let mut script = connected(config(), Version::V1_2, &format!("{RABBITMQ}\nsession:session-x"));
    let ids: Vec<_> =
        (0..20).map(|_| script.session.subscribe(Subscribe::new("/queue/a")).unwrap()).collect();
    ids.iter().for_each(|id| script.session.unsubscribe(*id).unwrap());
    confirm_all(&mut script);
    for number in 0..ids.len() {
        script.hear(STRAY.replace("T_0", &format!("T_{number}")));
    }
    let (mut begun, mut committed) = (0, 0);
    while committed < ids.len() {
        let said = confirm_all(&mut script);
        begun += said.matches("BEGIN\n").count();
        committed += said.matches("COMMIT\n").count();
        assert!(begun - committed <= 8, "{begun} were begun, {committed} committed");
        assert!(!said.is_empty(), "{committed} were given back");
    }
}

/// Receipts what was said, and gives it.
fn confirm_all(script: &mut Script) -> String {
    let said = script.said();
    for receipt in said.lines().filter_map(|line| line.strip_prefix("receipt:")) {
        script.hear(format!("RECEIPT\nreceipt-id:{receipt}\n\n\0"));
    }
    said
}

#[test]
fn without_the_receipt_of_its_second_subscription_it_leaves_at_its_deadline() {
    for receipts in 0..2 {
        let mut script = left(config(), Subscribe::new("/queue/a"));
        script.hear(STRAY);
        script.said();
        (0..receipts).for_each(|_| script.hear("RECEIPT\nreceipt-id:2\n\n\0"));
        script.pass(milliseconds(0));
        script.pass(milliseconds(9999));
        script.said();
        script.pass(milliseconds(1));
        let said = script.said();
        assert!(said.ends_with(&given_back(&[1])), "{said}");
        assert_eq!(said.starts_with("BEGIN"), receipts == 0, "{said}");
    }
}

#[test]
fn nothing_is_given_back_that_goes_with_the_subscription_or_with_the_connection() {
    let mut script = left(config(), Subscribe::new("/queue/a").ack(AckMode::Auto));
    script.hear(STRAY);
    assert_eq!(script.said(), "", "the broker has forgotten it");
    let mut script = left(config(), Subscribe::new("/queue/a").header("auto-delete", "true"));
    script.hear(STRAY);
    assert_eq!(script.said(), "", "the queue is gone");
    let mut script = left(config(), Subscribe::new("/queue/a"));
    script.session.disconnect();
    script.hear(STRAY);
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

#[test]
fn a_second_subscription_that_is_refused_is_not_left() {
    let mut script = left(config(), Subscribe::new("/queue/a"));
    script.hear(STRAY);
    script.said();
    script.hear("ERROR\nreceipt-id:2\nmessage:no\n\n\0");
    script.pass(seconds(60));
    assert_eq!(script.said(), "");
}

#[test]
fn where_it_returns_messages_by_itself_nothing_is_refused() {
    for (server, version) in
        [(ACTIVEMQ, Version::V1_2), (ARTEMIS, Version::V1_2), ("", Version::V1_2), (RABBITMQ, Version::V1_0)]
    {
        let (mut script, id, messages) = taken(server, version, AckMode::ClientIndividual, 3);
        messages.iter().for_each(|message| script.session.give_back(message));
        script.session.unsubscribe(id).unwrap();
        assert_eq!(script.commands(), ["UNSUBSCRIBE"], "{server} {version}");
    }
}

#[test]
fn the_broker_has_all_back_at_once() {
    let brokers = [BrokerConfig::rabbitmq(), BrokerConfig::activemq(), BrokerConfig::artemis()];
    for broker in brokers {
        let shown = format!("{broker:?}");
        let mut pair = Pair::connected(config(), broker);
        let id = pair.session.subscribe(Subscribe::new("/queue/a").prefetch(10)).unwrap();
        (0..10).for_each(|_| pair.broker.publish("/queue/a", "x", &[]));
        pair.drive();
        assert_eq!(pair.broker.unacked("/queue/a"), 10);
        for event in pair.events() {
            if let Event::Message(message) = event {
                pair.session.give_back(&message);
            }
        }
        pair.session.unsubscribe(id).unwrap();
        pair.drive();
        let left = (pair.broker.depth("/queue/a"), pair.broker.unacked("/queue/a"), pair.broker.discarded());
        assert_eq!(left, (10, 0, 0), "{shown}");
    }
}

/// The ACKs make room for messages that the UNSUBSCRIBE overtakes.
#[test]
fn on_rabbitmq_the_broker_has_all_back_that_was_on_its_way() {
    for ack_mode in [AckMode::Client, AckMode::ClientIndividual] {
        let mut pair = Pair::connected(config(), BrokerConfig::rabbitmq().stray_errors(3));
        let other = Subscribe::new("/queue/b").ack(AckMode::Client);
        pair.session.subscribe(other).unwrap();
        let id = pair.session.subscribe(Subscribe::new("/queue/a").ack(ack_mode).prefetch(4)).unwrap();
        pair.broker.publish("/queue/b", "untouched", &[]);
        (0..20).for_each(|_| pair.broker.publish("/queue/a", "x", &[]));
        pair.drive();
        let message = |event| if let Event::Message(message) = event { Some(message) } else { None };
        let messages: Vec<_> = pair.events().into_iter().filter_map(message).collect();
        let of_a =
            messages.into_iter().filter(|message| message.header("destination").unwrap() == "/queue/a");
        pair.session.unsubscribe(id).unwrap();
        for mut message in of_a {
            pair.session.ack(&mut message).unwrap();
        }
        pair.drive();
        assert_eq!(pair.session.stray_errors(), 3);
        assert!(pair.events().is_empty());
        let left =
            ["/queue/a", "/queue/b"].map(|queue| (pair.broker.depth(queue), pair.broker.unacked(queue)));
        assert_eq!(left, [(16, 0), (0, 1)], "{ack_mode:?}: and nothing of others");
    }
}

#[test]
fn a_connection_that_ends_first_takes_it_along() {
    let (mut script, id, mut messages) = taken(RABBITMQ, Version::V1_2, AckMode::ClientIndividual, 1);
    script.session.unsubscribe(id).unwrap();
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(script.said(), "", "neither replayed nor unsubscribed");
    let came = messages[0].connection();
    assert_eq!(script.session.ack(&mut messages[0]), Err(CommandError::Stale { came }));
}

#[test]
fn disconnecting_does_not_wait_for_it() {
    let (mut script, id, _messages) = taken(RABBITMQ, Version::V1_2, AckMode::ClientIndividual, 1);
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script.session.unsubscribe(id).unwrap();
    script.session.disconnect();
    assert_eq!(script.commands(), ["UNSUBSCRIBE", "DISCONNECT"]);
}

/// RabbitMQ answers an UNSUBSCRIBE on a busy queue with up to 200 ERRORs that name nobody but a tag.
#[test]
fn stray_errors_of_a_subscription_that_is_over_fail_nothing() {
    let stray = |id: &str| {
        format!(
            "ERROR\nmessage:Subscription not found\nversion:1.0,1.1,1.2\n\nThere is no current subscription with tag 'T_{id}'.\n\0"
        )
    };
    let missing = "ERROR\nmessage:Subscription not found\n\nMessage with id \"T_0@@session-x@@1\" has no subscription\n\0";
    let named = || Subscribe::new("/queue/b").id("it's mine");
    let rows = [
        (RABBITMQ, stray("0"), true, true),
        (RABBITMQ, stray("it's mine"), true, true),
        (RABBITMQ, stray("2"), false, false),
        (RABBITMQ, stray("never"), false, false),
        (RABBITMQ, missing.to_owned(), false, false),
        (ACTIVEMQ, stray("0"), false, true),
        ("", stray("0"), false, false),
    ];
    for (server, error, is_stray, stays) in rows {
        let mut script = connected(config(), Version::V1_2, server);
        let over = [Subscribe::new("/queue/a"), named()].map(|it| script.session.subscribe(it).unwrap());
        script.session.subscribe(Subscribe::new("/queue/c")).unwrap();
        over.into_iter().for_each(|id| script.session.unsubscribe(id).unwrap());
        script.session.send_confirmed(crate::script::send_frame("/queue/a", "x")).unwrap();
        script.said();
        (0..200).for_each(|_| script.hear_while_connected(&error));
        assert_eq!(script.session.connection().is_some(), stays, "{server} {error}");
        assert_eq!(script.session.stray_errors(), if is_stray { 200 } else { 0 }, "{server} {error}");
        assert_eq!(script.events().is_empty(), is_stray, "{server} {error}");
    }
}

/// ActiveMQ keeps a durable subscription for a client-id alone, which needs heart-beats.
fn durable_config() -> Config {
    let mut config = config();
    config.send_beat = seconds(10);
    config.add_connect_header("client-id", "me");
    config
}

/// The header that makes it durable, on SUBSCRIBE and on the UNSUBSCRIBE that deletes it.
#[test]
fn only_an_explicit_call_deletes_a_durable_subscription() {
    let rows = [
        (RABBITMQ, "durable", "true"),
        (ACTIVEMQ, "activemq.subscriptionName", "mine"),
        (ARTEMIS, "durable-subscription-name", "mine"),
        ("", "durable-subscription-name", "mine"),
    ];
    for (server, name, value) in rows {
        let subscribe = || Subscribe::new("/topic/a").id("mine").header(name, value).header("x", "y");
        let mut script = connected(durable_config(), Version::V1_2, server);
        let id = script.session.subscribe(subscribe()).unwrap();
        script.said();
        script.session.unsubscribe(id).unwrap();
        assert_eq!(script.said(), "UNSUBSCRIBE\nid:mine\nreceipt:2\n\n\0", "{server}");
        let mut script = connected(durable_config(), Version::V1_2, server);
        let id = script.session.subscribe(subscribe()).unwrap();
        script.said();
        script.session.delete_durable(id).unwrap();
        // ActiveMQ deletes none that has a consumer.
        let before = if server == ACTIVEMQ { "UNSUBSCRIBE\nid:mine\n\n\0" } else { "" };
        let expected = format!("{before}UNSUBSCRIBE\nid:mine\n{name}:{value}\nreceipt:2\n\n\0");
        assert_eq!(script.said(), expected, "{server}");
        assert_eq!(script.session.delete_durable(id), Err(CommandError::Unsubscribed));
    }
}

#[test]
fn what_is_not_durable_or_not_reachable_is_not_deleted() {
    let mut script = connected(durable_config(), Version::V1_2, ACTIVEMQ);
    let plain = script.session.subscribe(Subscribe::new("/topic/a").header("durable", "true")).unwrap();
    assert_eq!(script.session.delete_durable(plain), Err(CommandError::NotDurable));
    script.session.unsubscribe(plain).expect("it still stands");
    let durable = Subscribe::new("/topic/a").header("activemq.subscriptionName", "mine");
    let id = script.session.subscribe(durable).unwrap();
    script.lose(Lost::Eof);
    assert_eq!(script.session.delete_durable(id), Err(CommandError::NotConnected));
}

/// On RabbitMQ a cumulative ACK destroys what others have not handled.
#[test]
fn where_an_ack_touches_others_cumulative_ones_are_spelled_out() {
    let each = "ack:client-individual\n";
    let rows = [
        (
            RABBITMQ,
            Version::V1_2,
            each,
            "ACK\nid:a2\n\n\0ACK\nid:a1\n\n\0",
            "NACK\nid:a4\n\n\0NACK\nid:a3\n\n\0",
        ),
        ("", Version::V1_2, each, "ACK\nid:a2\n\n\0ACK\nid:a1\n\n\0", "NACK\nid:a4\n\n\0NACK\nid:a3\n\n\0"),
        (ACTIVEMQ, Version::V1_2, "ack:client\n", "ACK\nid:a2\n\n\0", "NACK\nid:a4\n\n\0"),
    ];
    for (server, version, mode, ack, nack) in rows {
        let mut script = connected(config(), version, server);
        let id = script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::Client)).unwrap();
        let said = script.said();
        assert!(said.contains(mode), "{server}: {said}");
        (1..=5).for_each(|number| deliver(&mut script, number));
        let mut messages = script.messages();
        script.session.give_back(&messages[0]);
        script.session.ack(&mut messages[1]).unwrap();
        assert_eq!(script.said(), ack, "{server}");
        script.session.nack(&mut messages[3]).unwrap();
        assert_eq!(script.said(), nack, "{server}");
        assert_eq!(script.session.ack(&mut messages[2]), Err(CommandError::AlreadySettled), "{server}");
        script.session.unsubscribe(id).unwrap();
        script.session.ack(&mut messages[4]).unwrap();
        assert_eq!(script.commands(), ["ACK", "UNSUBSCRIBE"], "{server}: nothing is left");
    }
}

/// In 1.0 the broker takes each ACK for all messages before it: those that nobody has handled among them.
#[test]
fn in_version_1_0_an_ack_waits_for_those_before_it() {
    let (mut script, id, mut messages) = taken("", Version::V1_0, AckMode::ClientIndividual, 4);
    script.session.ack(&mut messages[2]).unwrap();
    script.session.ack(&mut messages[1]).unwrap();
    assert_eq!(script.said(), "");
    script.session.ack(&mut messages[0]).unwrap();
    assert_eq!(script.said(), "ACK\nmessage-id:m3\n\n\0");
    script.session.unsubscribe(id).unwrap();
    script.session.ack(&mut messages[3]).unwrap();
    assert_eq!(script.said(), "ACK\nmessage-id:m4\n\n\0UNSUBSCRIBE\nid:0\ndestination:/queue/a\n\n\0");
}

#[test]
fn rabbitmq_has_individual_acks_in_version_1_0() {
    let (mut script, _, mut messages) = taken(RABBITMQ, Version::V1_0, AckMode::ClientIndividual, 2);
    script.session.ack(&mut messages[1]).unwrap();
    assert_eq!(script.said(), "ACK\nmessage-id:m2\n\n\0");
    assert_eq!(script.session.connection().unwrap().profile.name, Profile::RABBITMQ.name);
}
