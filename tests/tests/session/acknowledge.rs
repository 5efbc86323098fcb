//! ACK and NACK: their form by version, and all that makes them an error instead of a frame.

use stomp_proto::{AckMode, Version};
use stomp_session::{CommandError, Event, Lost, Message, Subscribe, SubscriptionId};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{Script, config};

fn message(number: u64) -> String {
    format!(
        "MESSAGE\nsubscription:0\nmessage-id:id{number}\ndestination:/queue/a\nack:ack{number}\n\nhello\0"
    )
}

fn subscribed(version: Version, ack_mode: AckMode) -> (Script, SubscriptionId) {
    let mut script = Script::connected(config(), version);
    let id = script.session.subscribe(Subscribe::new("/queue/a").ack(ack_mode)).unwrap();
    script.said();
    (script, id)
}

fn heard(script: &mut Script, number: u64) -> Message {
    script.hear(message(number));
    script.messages().pop().expect("a message")
}

#[test]
fn the_form_is_that_of_the_version() {
    let rows = [
        (Version::V1_0, "ACK\nmessage-id:id1\n\n\0", None),
        (
            Version::V1_1,
            "ACK\nsubscription:0\nmessage-id:id1\n\n\0",
            Some("NACK\nsubscription:0\nmessage-id:id2\n\n\0"),
        ),
        (Version::V1_2, "ACK\nid:ack1\n\n\0", Some("NACK\nid:ack2\n\n\0")),
    ];
    for (version, ack, nack) in rows {
        let (mut script, _) = subscribed(version, AckMode::ClientIndividual);
        let (mut first, mut second) = (heard(&mut script, 1), heard(&mut script, 2));
        script.session.ack(&mut first).unwrap();
        assert_eq!(script.said(), ack);
        let refused = script.session.nack(&mut second);
        assert_eq!(refused.is_ok(), nack.is_some(), "{version}: {refused:?}");
        assert_eq!(script.said(), nack.unwrap_or_default());
    }
}

#[test]
fn a_nack_that_the_version_does_not_have_leaves_the_message_to_be_acknowledged() {
    let (mut script, _) = subscribed(Version::V1_0, AckMode::Client);
    let mut message = heard(&mut script, 1);
    assert!(matches!(script.session.nack(&mut message), Err(CommandError::Encode(_))));
    script.session.ack(&mut message).unwrap();
}

/// What was done with the message before, and the error that an acknowledgement then is.
#[test]
fn whatever_cannot_be_acknowledged_is_an_error_and_writes_nothing() {
    type Before = fn(&mut Script, &mut Message);
    let stale = |script: &mut Script, _: &mut Message| {
        script.lose(Lost::Eof);
        script.reconnect(Version::V1_2);
    };
    let rows: [(AckMode, Before, &str); 5] = [
        (AckMode::Client, |script, message| script.session.ack(message).unwrap(), "already been settled"),
        (AckMode::Auto, |_, _| {}, "ack mode auto are not acknowledged"),
        (AckMode::Client, stale, "came on connection 1, which has ended"),
        (AckMode::Client, |script, _| script.lose(Lost::Eof), "came on connection 1, which has ended"),
        (AckMode::Client, |script, _| script.session.disconnect(), "takes no more commands"),
    ];
    for (ack_mode, before, told) in rows {
        for nack in [false, true] {
            let (mut script, _) = subscribed(Version::V1_2, ack_mode);
            let mut message = heard(&mut script, 1);
            before(&mut script, &mut message);
            script.said();
            let session = &mut script.session;
            let refused = if nack { session.nack(&mut message) } else { session.ack(&mut message) };
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(told), "nack {nack}: {text}");
            assert_eq!(script.said(), "", "{told}");
        }
    }
}

#[test]
fn acknowledgements_that_wait_die_with_their_connection() {
    let (mut script, _) = subscribed(Version::V1_2, AckMode::Client);
    let mut message = heard(&mut script, 1);
    script.session.ack(&mut message).unwrap();
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
}

/// What had come before the end is taken out of the input before the end is reported; what was not is nobody's any more.
#[test]
fn a_message_not_yet_taken_when_its_connection_ends() {
    for taken in [false, true] {
        let mut script = Script::connected(config(), Version::V1_2);
        script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::Auto)).unwrap();
        script.said();
        script.read(message(1));
        if taken {
            script.pull();
        }
        script.report(Lost::Eof);
        script.pull();
        let events = script.raw_events();
        let messages = events.iter().filter(|event| matches!(event, Event::Message(_))).count();
        assert_eq!(messages, usize::from(taken));
    }
}

#[test]
fn a_message_without_the_header_that_an_acknowledgement_names() {
    let rows = [(Version::V1_2, "ack"), (Version::V1_1, "message-id"), (Version::V1_0, "message-id")];
    for (version, name) in rows {
        let (mut script, _) = subscribed(version, AckMode::Client);
        script.hear("MESSAGE\nsubscription:0\ndestination:/queue/a\n\nhello\0");
        let mut message = script.messages().pop().unwrap();
        assert_eq!(script.session.ack(&mut message), Err(CommandError::NoAckHeader(name)));
        assert_eq!(script.said(), "");
    }
}

#[test]
fn a_nack_that_would_destroy_the_message_is_refused() {
    let mut pair = Pair::connected(config(), BrokerConfig::artemis());
    pair.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    pair.broker.publish("/queue/a", "x", &[]);
    pair.drive();
    let mut messages: Vec<_> = pair.events().into_iter().filter_map(message_of).collect();
    let refused = pair.session.nack(&mut messages[0]);
    assert_eq!(refused, Err(CommandError::NackDiscards { broker: "Artemis" }));
    pair.session.ack(&mut messages[0]).unwrap();
    pair.drive();
    assert_eq!(
        (pair.broker.depth("/queue/a"), pair.broker.unacked("/queue/a"), pair.broker.discarded()),
        (0, 0, 0)
    );
}

fn message_of(event: Event) -> Option<Message> {
    if let Event::Message(message) = event { Some(message) } else { None }
}

#[test]
fn the_broker_takes_each_form() {
    for version in Version::ALL {
        let mut pair = Pair::connected(config(), BrokerConfig::default().versions(&[version]));
        pair.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        (0..3).for_each(|_| pair.broker.publish("/queue/a", "x", &[]));
        pair.drive();
        for mut message in pair.events().into_iter().filter_map(message_of) {
            pair.session.ack(&mut message).unwrap();
            pair.drive();
        }
        assert_eq!((pair.broker.depth("/queue/a"), pair.broker.unacked("/queue/a")), (0, 0), "{version}");
        assert!(pair.events().is_empty(), "{version}: no ERROR");
    }
}
