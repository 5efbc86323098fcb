//! What a broker, or a user, does in another way than most: found where it is meant, or refused with a reason.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use stomp_proto::{AckMode, Version};
use stomp_session::{
    CommandError, Config, Event, Lost, Oversized, Profile, Subscribe, SubscriptionId,
    rabbitmq::{Queue, StreamOffset, StreamPosition},
};

use crate::{
    profiles::{ACTIVEMQ, ARTEMIS, RABBITMQ, connected},
    script::{Script, config, seconds},
};

/// The subscription that a message was handed to.
fn owner(script: &mut Script) -> Option<SubscriptionId> {
    script.messages().pop().map(|message| message.subscription())
}

#[test]
fn in_version_1_0_a_message_is_routed_by_its_destination_where_its_subscription_says_nothing() {
    let rows = [
        ("subscription:0\ndestination:/queue/b\n", Some(0)),
        ("subscription: 0 \ndestination:/queue/b\n", Some(0)),
        ("subscription: mine\ndestination:/queue/a\n", Some(2)),
        ("subscription:/queue/b\ndestination:/queue/b\n", Some(1)),
        ("subscription:consumer-7\ndestination: /queue/a \n", Some(0)),
        ("subscription:consumer-7\ndestination:queue/a\n", Some(0)),
        ("destination:queue://b\n", None),
        ("destination:jms.queue.c\n", Some(2)),
        ("subscription:consumer-7\ndestination:/exchange/amq/d\n", None),
        ("subscription:gone\ndestination:/queue/a\n", None),
        ("subscription:consumer-7\ndestination:\n", None),
        ("subscription:consumer-7\n", None),
    ];
    for (headers, expected) in rows {
        let mut script = Script::connected(config(), Version::V1_0);
        let ids = [
            script.session.subscribe(Subscribe::new("/queue/a")).unwrap(),
            script.session.subscribe(Subscribe::new("/queue/b")).unwrap(),
            script.session.subscribe(Subscribe::new("c").id("mine")).unwrap(),
        ];
        let gone = script.session.subscribe(Subscribe::new("/queue/a").id("gone")).unwrap();
        script.said();
        script.session.unsubscribe(gone).unwrap();
        script.hear(format!("MESSAGE\nmessage-id:1\n{headers}\nhello\0"));
        let events = script.raw_events();
        let found = events.iter().find_map(|event| match event {
            Event::Message(message) => Some(message.subscription()),
            _ => None,
        });
        assert_eq!(found, expected.map(|at: usize| ids[at]), "{headers:?}");
        if found.is_none() && !headers.contains("gone") {
            assert!(matches!(events[..], [Event::Unroutable(_)]), "it is told: {events:?}");
        }
    }
}

#[test]
fn from_version_1_1_on_only_blanks_around_an_id_are_forgiven() {
    for (value, is_found) in [(" 0", true), ("0 ", true), ("consumer-7", false), ("00", false)] {
        let mut script = Script::connected(config(), Version::V1_2);
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.said();
        script
            .hear(format!("MESSAGE\nmessage-id:1\nack:1\nsubscription:{value}\ndestination:/queue/a\n\n\0"));
        assert_eq!(owner(&mut script).is_some(), is_found, "{value:?}");
    }
}

#[test]
fn what_is_over_the_limit_is_not_settled_by_itself_where_that_would_settle_others() {
    let mut script = Script::connected(config(), Version::V1_2);
    for oversized in [Oversized::Acknowledge, Oversized::DeadLetter] {
        let subscribe = |mode| Subscribe::new("/queue/a").ack(mode).oversized(oversized);
        assert_eq!(
            script.session.subscribe(subscribe(AckMode::Client)),
            Err(CommandError::CumulativeOversized)
        );
        assert_eq!(script.said(), "");
        script.session.subscribe(subscribe(AckMode::ClientIndividual)).unwrap();
        script.said();
    }
    script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::Client)).unwrap();
}

/// In 1.0, where `client-individual` is written as `client`, the ACK of one that is over the limit waits for those before it.
#[test]
fn in_version_1_0_what_is_over_the_limit_settles_nothing_before_it() {
    let mut config = config();
    config.limits.body = 10;
    let mut script = Script::connected(config, Version::V1_0);
    script.session.subscribe(Subscribe::new("/queue/a").oversized(Oversized::Acknowledge)).unwrap();
    script.said();
    script.hear("MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\n\nsmall\0");
    let mut small = script.messages().pop().unwrap();
    script.hear("MESSAGE\nsubscription:0\nmessage-id:2\ndestination:/queue/a\ncontent-length:20\n\n12345678901234567890\0");
    assert_eq!(script.said(), "");
    script.session.ack(&mut small).unwrap();
    assert_eq!(script.said(), "ACK\nmessage-id:2\n\n\0");
}

#[test]
fn a_header_is_computed_anew_at_each_replay() {
    let offset = Arc::new(AtomicU64::new(7));
    let next = Arc::clone(&offset);
    let stream = Subscribe::new("/queue/s").header("x-stream-offset", "first").header("x", "y");
    let stream = stream.on_replay(move |headers| {
        headers.set("x-stream-offset", format!("offset={}", next.load(Ordering::Relaxed)));
        headers.push("id", "another");
    });
    let mut script = Script::new(config());
    script.session.subscribe(stream).unwrap();
    script.reconnect(Version::V1_2);
    let said = script.said();
    assert!(said.contains("x-stream-offset:first\nx:y\n"), "the first time is no replay: {said}");
    for number in [8, 9] {
        offset.store(number, Ordering::Relaxed);
        script.lose(Lost::Eof);
        script.reconnect(Version::V1_2);
        let said = script.said();
        assert!(said.contains(&format!("x-stream-offset:offset={number}\n")), "{said}");
        assert!(said.starts_with("SUBSCRIBE\nid:0\n") && !said.contains("another"), "{said}");
    }
    script.confirm("/queue/s");
    offset.store(10, Ordering::Relaxed);
    script.hear("ERROR\nsubscription:0\nmessage:cancelled\n\n\0");
    script.pass(seconds(2));
    assert!(script.said().contains("x-stream-offset:offset=10\n"), "after a cancel too");
}

/// The headers of a queue replace those of the same name, and the position is asked at each replay.
#[test]
fn a_stream_is_subscribed_from_where_its_consumer_is() {
    let position = StreamPosition::new(StreamOffset::Next);
    let stream = Subscribe::new("/queue/s").header("x-queue-type", "quorum").header("x", "y");
    let stream = stream.headers(Queue::stream().max_age(seconds(60)).headers()).stream(&position);
    let mut script = Script::new(config());
    script.session.subscribe(stream).unwrap();
    for offset in ["next", "offset=7", "offset=8"] {
        script.reconnect(Version::V1_2);
        let said = script.said();
        let expected = format!("x:y\nx-queue-type:stream\nx-max-age:60s\nx-stream-offset:{offset}\n");
        assert!(said.contains(&expected), "{said}");
        let next = if offset == "next" { "6" } else { "7" };
        script.hear(format!(
            "MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/s\nx-stream-offset:{next}\n\n\0"
        ));
        position.handled(script.messages()[0].headers());
        script.lose(Lost::Eof);
    }
}

#[test]
fn a_browser_ends_when_the_queue_has_been_shown() {
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        let mut script = connected(config(), version, ACTIVEMQ);
        let browse = || Subscribe::new("/queue/a").ack(AckMode::Auto).header("browser", "true");
        let id = script.session.subscribe(browse()).unwrap();
        script.said();
        script.hear("MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\n\nhello\0");
        script.hear("MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\nbrowser:end\n\n\0");
        let events = script.events();
        let last = ["message: \"hello\"", "ended: SubscriptionId(0), the queue has been browsed to its end"];
        assert!(events.ends_with(&last.map(str::to_owned)), "{events:?}");
        assert_eq!(script.commands(), ["UNSUBSCRIBE"], "{version}");
        assert_eq!(script.session.unsubscribe(id), Err(CommandError::Unsubscribed));
        script.lose(Lost::Eof);
        script.reconnect(version);
        assert_eq!(script.said(), "", "it is not browsed again");
    }
}

#[test]
fn a_header_named_browser_is_data_to_who_does_not_browse() {
    let mut script = connected(config(), Version::V1_2, ACTIVEMQ);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.said();
    script.hear("MESSAGE\nsubscription:0\nmessage-id:1\nack:1\ndestination:/queue/a\nbrowser:end\n\nhello\0");
    assert_eq!(script.messages().len(), 1);
}

fn silent(unasked: Option<Duration>) -> Config {
    let mut config = config();
    (config.send_beat, config.unasked_beats) = (seconds(10), unasked);
    config
}

#[test]
fn line_ends_are_sent_unasked_where_that_is_wanted_and_nothing_was_agreed_on() {
    let rows = [
        (None, "0,0", 30, ""),
        (Some(seconds(20)), "0,0", 19, ""),
        (Some(seconds(20)), "0,0", 20, "\n"),
        (Some(seconds(20)), "0,10000", 8, "\n"),
        (Some(Duration::ZERO), "0,0", 30, ""),
    ];
    for (unasked, theirs, after, expected) in rows {
        let mut script = Script::dialled(silent(unasked));
        script.said();
        script.hear(format!("CONNECTED\nversion:1.2\nheart-beat:{theirs}\n\n\0"));
        script.pass(seconds(after));
        assert_eq!(script.said(), expected, "{unasked:?} {theirs} after {after} s");
    }
}

#[test]
fn a_heart_beat_below_a_millisecond_is_one_of_a_millisecond() {
    let mut config = config();
    config.send_beat = Duration::from_micros(1);
    config.receive_beat = Duration::from_micros(1500);
    let mut script = Script::dialled(config);
    assert!(script.said().contains("\nheart-beat:1,2\n"));
}

#[test]
fn a_durable_subscription_that_the_broker_would_not_keep_is_refused() {
    let rows = [
        (ACTIVEMQ, "activemq.subscriptionName", Some("ActiveMQ")),
        (ARTEMIS, "durable-subscription-name", None),
        (RABBITMQ, "durable", None),
        (ACTIVEMQ, "durable", None),
    ];
    for (server, name, refused) in rows {
        let durable = || Subscribe::new("/topic/a").header(name, "mine");
        let mut script = connected(config(), Version::V1_2, server);
        let result = script.session.subscribe(durable());
        assert_eq!(result.err(), refused.map(|broker| CommandError::NeedsClientId { broker }), "{server}");
        assert_eq!(script.said().is_empty(), refused.is_some());
        // With a client-id, or where the broker is not known yet.
        let mut named = silent(None);
        named.add_connect_header("client-id", "me");
        assert!(connected(named, Version::V1_2, server).session.subscribe(durable()).is_ok());
        let mut script = Script::dialled(config());
        script.session.subscribe(durable()).unwrap();
        script.hear(format!("CONNECTED\nversion:1.2\nserver:{server}\n\n\0"));
        let ended =
            script.events().iter().any(|event| event.contains("keeps a durable subscription only for"));
        assert_eq!(ended, refused.is_some(), "{server}");
    }
    const { assert!(Profile::ACTIVEMQ.durable_needs_client_id && !Profile::UNKNOWN.durable_needs_client_id) };
}
