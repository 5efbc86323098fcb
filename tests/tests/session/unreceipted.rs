//! A broker that answers no frame but DISCONNECT with a RECEIPT, as Spring's simple broker.

use std::time::Duration;

use stomp_proto::{AckMode, Version};
use stomp_session::{
    AtLeastOnce, CommandError, Config, Ended, Event, NotSent, Outcome, Profile, Retry, Subscribe,
};

use crate::script::{Script, config, send_frame};

fn spring() -> Config {
    let mut config = config();
    config.profile = Some(Profile::SPRING.into());
    config
}

fn subscribe() -> Subscribe {
    Subscribe::new("/topic/a").ack(AckMode::Auto)
}

/// What is due is done; no time passes.
fn settle(script: &mut Script) {
    while script.due_in() == Some(Duration::ZERO) {
        script.pass(Duration::ZERO);
    }
}

#[test]
fn a_subscription_stands_when_all_of_its_frame_was_handed_over() {
    let mut script = Script::connected(spring(), Version::V1_2);
    script.session.subscribe(subscribe()).unwrap();
    settle(&mut script);
    assert!(script.events().is_empty(), "the broker does not have it yet");
    assert_eq!(script.said(), "SUBSCRIBE\nid:0\ndestination:/topic/a\nack:auto\nreceipt:1\n\n\0");
    settle(&mut script);
    assert_eq!(script.events(), ["subscribed: SubscriptionId(0)"]);
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    assert!(script.events().is_empty(), "a RECEIPT that comes all the same changes nothing");
    script.pass(Duration::from_secs(3600));
    assert!(script.events().is_empty() && !script.closes(), "nobody waits for anything");
}

#[test]
fn it_stands_again_after_a_reconnect() {
    let mut script = Script::connected(spring(), Version::V1_2);
    script.session.subscribe(subscribe()).unwrap();
    script.said();
    settle(&mut script);
    script.lose(stomp_session::Lost::Eof);
    script.reconnect(Version::V1_2);
    script.events();
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
    settle(&mut script);
    assert_eq!(script.events(), ["subscribed: SubscriptionId(0)"]);
}

#[test]
fn an_error_that_names_a_subscription_still_ends_it() {
    let mut script = Script::connected(spring(), Version::V1_2);
    let id = script.session.subscribe(subscribe().retry(Retry::Never)).unwrap();
    script.said();
    settle(&mut script);
    script.events();
    script.hear("ERROR\nmessage:Access Denied\nreceipt-id:1\n\n\0");
    let ended = script.raw_events().into_iter().find_map(|event| match event {
        Event::SubscriptionEnded { id, reason, .. } => Some((id, reason)),
        _ => None,
    });
    assert!(matches!(&ended, Some((ended, Ended::Rejected(_))) if *ended == id), "{ended:?}");
}

#[test]
fn what_is_of_no_use_without_a_receipt_is_refused() {
    let mut script = Script::connected(spring(), Version::V1_1);
    script.session.subscribe(subscribe().ack(AckMode::ClientIndividual)).unwrap();
    script.said();
    script.hear("MESSAGE\nsubscription:0\nmessage-id:m\ndestination:/topic/a\n\nhello\0");
    let mut message = script.messages().pop().expect("a message");
    let refused = CommandError::NoReceipts { broker: "Spring" };
    let frame = send_frame("/topic/a", "x");
    let session = &mut script.session;
    assert_eq!(*session.send_confirmed(frame.clone()).unwrap_err(), refused);
    let mut prepared = frame.clone().prepare(Version::V1_1).unwrap();
    assert_eq!(
        session.send_prepared_confirmed(&mut prepared, &frame.body_bytes(), Duration::MAX).unwrap_err(),
        refused
    );
    assert_eq!(session.ack_confirmed(&mut message).unwrap_err(), refused);
    assert_eq!(session.begin().unwrap_err(), refused);
    assert_eq!(script.said(), "");
    assert_eq!(
        refused.to_string(),
        "Spring sends no RECEIPT for this, without which the call cannot tell what came of it"
    );
    // What asks for none is sent.
    script.session.send(&frame).unwrap();
    script.session.ack(&mut message).unwrap();
    assert_eq!(script.commands(), ["SEND", "ACK"]);
}

#[test]
fn what_is_sent_at_least_once_is_not_sent_there() {
    let mut script = Script::dialled(spring());
    let id = script.session.send_at_least_once(send_frame("/topic/a", "x"), AtLeastOnce::default()).unwrap();
    script.said();
    script.accept(Version::V1_2);
    let told = script.raw_events().into_iter().find_map(|event| match event {
        Event::Receipt { id, outcome } => Some((id, outcome)),
        _ => None,
    });
    let expected = NotSent::Unwritable(CommandError::NoReceipts { broker: "Spring" });
    assert_eq!(told, Some((id, Outcome::NotSent(expected))));
    assert_eq!(script.said(), "");
}

#[test]
fn an_unsubscribe_is_over_when_it_was_handed_over_and_its_id_is_free() {
    let mut script = Script::connected(spring(), Version::V1_2);
    for round in 0..3 {
        let id = script.session.subscribe(subscribe().id("mine")).unwrap();
        script.said();
        settle(&mut script);
        assert_eq!(script.session.unsubscribe_confirmed(id), Ok(true));
        assert_eq!(script.commands(), ["UNSUBSCRIBE"]);
        script.events();
        settle(&mut script);
        assert_eq!(script.events(), [format!("unsubscribed: SubscriptionId({round})")]);
    }
}

#[test]
fn a_disconnect_waits_for_its_receipt() {
    let mut script = Script::connected(spring(), Version::V1_2);
    script.session.subscribe(subscribe()).unwrap();
    script.session.disconnect();
    settle(&mut script);
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
    settle(&mut script);
    assert_eq!(script.said(), "DISCONNECT\nreceipt:2\n\n\0");
    settle(&mut script);
    assert!(!script.session.is_closed());
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    assert!(script.session.is_closed());
}
