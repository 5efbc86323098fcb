//! Subscriptions: made at any time, sent again on every connection, in order and unchanged, until they end.

use stomp_proto::{AckMode, Version};
use stomp_session::{CommandError, Lost, Profile, Subscribe};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{Script, brief, config, milliseconds, seconds, send_frame};

const MESSAGE: &str = "MESSAGE\nsubscription:0\nmessage-id:7\ndestination:/queue/a\nack:7\n\nhello\0";

#[test]
fn before_and_after_connecting_is_the_same() {
    for early in [true, false] {
        let mut pair = Pair::new(config(), BrokerConfig::default());
        if !early {
            pair.drive();
        }
        pair.session.subscribe(Subscribe::new("/queue/a").header("selector", "x > 1")).unwrap();
        pair.drive();
        let subscribe = &pair.frames()[1];
        let headers: Vec<_> =
            subscribe.headers().iter().map(|(name, value)| format!("{name}:{value}")).collect();
        let expected = [
            "id:0",
            "destination:/queue/a",
            "ack:client-individual",
            "prefetch-count:10",
            "activemq.prefetchSize:10",
            "selector:x > 1",
        ];
        assert_eq!(headers[..6], expected, "early: {early}");
        assert!(headers[6].starts_with("receipt:"));
        pair.broker.publish("/queue/a", "hello", &[("x", "2")]);
        pair.drive();
        let events: Vec<_> = pair.events().iter().map(brief).collect();
        let last = ["subscribed: SubscriptionId(0)", "message: \"hello\""];
        assert_eq!(events[events.len() - 2..], last, "early: {early}");
    }
}

#[test]
fn each_connection_begins_with_all_of_them_in_order_and_unchanged() {
    for version in Version::ALL {
        let mut script = Script::connected(config(), version);
        let subscribes = [
            Subscribe::new("/queue/b").ack(AckMode::Auto).prefetch(7),
            Subscribe::new("/queue/a").id("mine").header("x", "1").header("x", "2"),
            Subscribe::new("/topic/c").ack(AckMode::Client).header("prefetch-count", "3"),
        ];
        subscribes.into_iter().for_each(|subscribe| _ = script.session.subscribe(subscribe).unwrap());
        let first = script.said();
        assert_eq!(first.matches("SUBSCRIBE\n").count(), 3);
        for _ in 0..3 {
            script.pass(seconds(6));
            script.lose(Lost::Eof);
            script.dial();
            script.said();
            script.accept(version);
            script.session.send(&send_frame("/queue/z", "after")).unwrap();
            let again = script.said();
            let (subscribes, send) = again.split_at(again.find("SEND").unwrap());
            assert_eq!(without_receipts(subscribes), without_receipts(&first), "{version}");
            assert!(send.starts_with("SEND\ndestination:/queue/z\n"));
        }
    }
}

fn without_receipts(frames: &str) -> Vec<&str> {
    frames.lines().filter(|line| !line.starts_with("receipt:")).collect()
}

#[test]
fn the_wire_form_depends_on_version_and_broker() {
    let rows = [
        (Version::V1_0, "", AckMode::ClientIndividual, "ack:client\n"),
        (Version::V1_1, "", AckMode::ClientIndividual, "ack:client-individual\n"),
        (Version::V1_0, "RabbitMQ/3.10.8", AckMode::ClientIndividual, "ack:client-individual\n"),
        (Version::V1_2, "RabbitMQ/3.10.8", AckMode::Client, "ack:client-individual\n"),
        (
            Version::V1_2,
            "ActiveMQ/5.17.2",
            AckMode::Client,
            "ack:client\nactivemq.prefetchSize:100\nreceipt:1\n\n",
        ),
        (
            Version::V1_2,
            "ActiveMQ/5.17.2",
            AckMode::Auto,
            "ack:auto\nactivemq.prefetchSize:100\nreceipt:1\n\n",
        ),
        (
            Version::V1_2,
            "ActiveMQ-Artemis/2.44.0",
            AckMode::Client,
            "ack:client\nconsumer-window-size:10240\nreceipt:1\n\n",
        ),
    ];
    for (version, server, ack_mode, expected) in rows {
        let mut script = Script::dialled(config());
        script.said();
        script.hear(format!("CONNECTED\nversion:{version}\nserver:{server}\n\n\0"));
        script.session.subscribe(Subscribe::new("/queue/a").ack(ack_mode)).unwrap();
        let said = script.said();
        assert!(said.contains(expected), "{version} {server}: {said}");
    }
}

#[test]
fn a_profile_of_the_user_wins() {
    let mut config = config();
    config.profile = Some(Profile::ARTEMIS.into());
    let mut script = Script::dialled(config);
    script.hear("CONNECTED\nversion:1.2\nserver:RabbitMQ/3.10.8\n\n\0");
    assert_eq!(*script.session.connection().unwrap().profile, Profile::ARTEMIS);
}

#[test]
fn one_that_was_rejected_is_told_and_not_sent_again() {
    let rows = ["ERROR\nmessage:no\nreceipt-id:2\n\n\0", "ERROR\nmessage:no\nsubscription:1\n\n\0"];
    for error in rows {
        let mut script = Script::connected(config(), Version::V1_2);
        for destination in ["/queue/a", "/queue/b", "/queue/c"] {
            script.session.subscribe(Subscribe::new(destination)).unwrap();
        }
        script.said();
        script.hear(error);
        let told = "ended: SubscriptionId(1), the broker ended the subscription: no";
        assert_eq!(script.events(), [told]);
        script.lose(Lost::Eof);
        script.reconnect(Version::V1_2);
        let said = script.said();
        let replayed = |name: &str| said.contains(&format!("destination:/queue/{name}"));
        assert_eq!((replayed("a"), replayed("b"), replayed("c")), (true, false, true), "{error}");
    }
}

#[test]
fn an_error_that_names_nobody_means_the_only_subscribe_that_waits() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.said();
    script.hear("ERROR\nmessage:not_found\n\nNOT_FOUND - no queue 'a'\n\0");
    let told =
        "ended: SubscriptionId(0), the broker ended the subscription: not_found: NOT_FOUND - no queue 'a'";
    assert_eq!(script.events()[0], told);
    assert!(script.closes(), "what it says next would be taken for an answer to the next frame");
    script.pass(milliseconds(10));
    script.reconnect(Version::V1_2);
    assert_eq!(script.said(), "");
}

#[test]
fn an_error_that_may_mean_an_earlier_send_does_not_end_a_subscription() {
    type Before = fn(&mut Script);
    let rows: [Before; 3] = [
        |script| script.session.send(&send_frame("/queue/a", "x")).unwrap(),
        |script| _ = script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap(),
        |script| {
            let id = script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
            script.said();
            script.session.cancel(id);
        },
    ];
    for (number, before) in rows.into_iter().enumerate() {
        let mut script = Script::connected(config(), Version::V1_2);
        before(&mut script);
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.said();
        script.hear("ERROR\nmessage:no\n\n\0");
        let events = script.events();
        assert!(events.iter().all(|event| !event.starts_with("ended")), "row {number}: {events:?}");
    }
}

/// Another frame may be meant: one that it names, or one that has left while the SUBSCRIBE has not.
#[test]
fn an_error_that_may_mean_another_does_not_mean_the_only_subscribe_that_waits() {
    let rows = [
        ("receipt-id:99\n", "error: no"),
        ("subscription:0\n", "again: SubscriptionId(0), the broker ended the subscription: no"),
        ("", "disconnected: connection 1, the broker sent an ERROR: no, 0 unsent"),
    ];
    for (header, told) in rows {
        let mut script = Script::connected(config(), Version::V1_2);
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.said();
        script.hear("RECEIPT\nreceipt-id:1\n\n\0");
        script.events();
        script.session.subscribe(Subscribe::new("/queue/b")).unwrap();
        script.hear(format!("ERROR\nmessage:no\n{header}\n\0"));
        assert_eq!(script.events()[0], told, "{header:?}");
    }
}

#[test]
fn one_that_was_unsubscribed_is_not_sent_again() {
    let rows = [
        (Version::V1_0, "UNSUBSCRIBE\nid:0\ndestination:/queue/a\n\n\0"),
        (Version::V1_1, "UNSUBSCRIBE\nid:0\n\n\0"),
        (Version::V1_2, "UNSUBSCRIBE\nid:0\n\n\0"),
    ];
    for (version, frame) in rows {
        let mut script = Script::connected(config(), version);
        let id = script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.said();
        script.session.unsubscribe(id).unwrap();
        assert_eq!(script.said(), frame);
        assert_eq!(script.session.unsubscribe(id), Err(CommandError::Unsubscribed));
        script.hear(MESSAGE);
        script.hear("ERROR\nmessage:Subscription not found\nsubscription:0\n\n\0");
        assert_eq!(script.events(), ["error: Subscription not found"], "its messages are dropped");
        script.lose(Lost::Eof);
        script.reconnect(version);
        assert_eq!(script.said(), "");
    }
}

#[test]
fn without_a_connection_unsubscribing_writes_nothing() {
    let mut script = Script::dialled(config());
    script.said();
    let id = script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.session.unsubscribe(id).unwrap();
    script.accept(Version::V1_2);
    assert_eq!(script.said(), "");
}

#[test]
fn a_wrong_subscribe_is_refused_and_leaves_nothing_behind() {
    let mut script = Script::connected(config(), Version::V1_0);
    script.session.subscribe(Subscribe::new("/queue/a").id("mine")).unwrap();
    let rows = [
        (Subscribe::new(""), CommandError::NoDestination),
        (Subscribe::new("/queue/a").header("receipt", "1"), CommandError::ReservedHeader("receipt")),
        (Subscribe::new("/queue/a").header("ack", "auto"), CommandError::ReservedHeader("ack")),
        (Subscribe::new("/queue/a").id("mine"), CommandError::SubscriptionIdInUse("mine".into())),
    ];
    script.said();
    for (subscribe, error) in rows {
        assert_eq!(script.session.subscribe(subscribe), Err(error));
    }
    assert!(matches!(script.session.subscribe(Subscribe::new("/queue/\n")), Err(CommandError::Encode(_))));
    assert_eq!((script.said().as_str(), script.session.awaited_receipts()), ("", 1));
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(script.said().matches("SUBSCRIBE").count(), 1, "1.2 could say what 1.0 could not");
}

#[test]
fn one_that_the_next_version_cannot_say_ends_by_itself() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a").header("x", "1\n2")).unwrap();
    script.session.subscribe(Subscribe::new("/queue/b")).unwrap();
    script.lose(Lost::Eof);
    script.events();
    script.reconnect(Version::V1_0);
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
    let events = script.events();
    assert!(
        events[1].starts_with("ended: SubscriptionId(0), the subscription cannot be written"),
        "{events:?}"
    );
}

#[test]
fn messages_find_their_subscription() {
    let rows = [
        (Version::V1_2, "subscription:0\n", Some(0)),
        (Version::V1_2, "subscription:mine\n", Some(1)),
        (Version::V1_2, "subscription:00\n", None),
        (Version::V1_2, "subscription:5\n", None),
        (Version::V1_2, "subscription:other\n", None),
        (Version::V1_0, "", Some(0)),
    ];
    for (version, header, expected) in rows {
        let mut script = Script::connected(config(), version);
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.session.subscribe(Subscribe::new("/queue/b").id("mine")).unwrap();
        script.said();
        script.hear(format!("MESSAGE\nmessage-id:1\ndestination:/queue/a\n{header}\nhello\0"));
        let events = script.raw_events();
        let found = match &events[..] {
            [stomp_session::Event::Subscribed(_), stomp_session::Event::Message(message)] => {
                Some(format!("{:?}", message.subscription()))
            }
            [stomp_session::Event::Unroutable(_)] => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected.map(|id| format!("SubscriptionId({id})")), "{header:?}");
    }
}

#[test]
fn an_id_of_ones_own_is_taken_until_its_unsubscribe_is_answered_or_the_connection_ends() {
    let mut script = Script::connected(config(), Version::V1_2);
    let mine = || Subscribe::new("/queue/a").id("mine");
    let id = script.session.subscribe(mine()).unwrap();
    script.session.unsubscribe(id).unwrap();
    script.hear("MESSAGE\nsubscription:mine\nmessage-id:1\nack:1\ndestination:/queue/a\n\nlate\0");
    script.hear("ERROR\nsubscription:mine\nmessage:late as well\n\n\0");
    let events = script.raw_events();
    assert!(
        matches!(events[..], [stomp_session::Event::Error(_)]),
        "the message is dropped quietly: {events:?}"
    );
    assert_eq!(script.session.subscribe(mine()), Err(CommandError::SubscriptionIdInUse("mine".into())));
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert!(script.session.subscribe(mine()).is_ok(), "another connection knows nothing of it");
}

#[test]
fn what_comes_together_with_connected_is_of_its_version() {
    for (version, expected) in [(Version::V1_0, r"a\\cb"), (Version::V1_1, "a:b"), (Version::V1_2, "a:b")] {
        let mut script = Script::dialled(config());
        script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::Auto)).unwrap();
        script.hear(format!(
            "CONNECTED\nversion:{version}\n\n\0MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\nx:a\\cb\n\n\0"
        ));
        let message = script.messages().pop().expect("a message");
        assert_eq!(message.header("x").unwrap().to_string(), expected, "{version}");
    }
}
