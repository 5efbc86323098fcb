//! A message that cannot be read comes again after each reconnect: who meets it for the third time stops.

use std::time::Duration;

use stomp_proto::{AckMode, Excess, Version};
use stomp_session::{Closed, Config, Event, Oversized, Subscribe};

use crate::{
    profiles::{ACTIVEMQ, ARTEMIS, RABBITMQ, connected},
    script::{Script, config, seconds, send_frame},
};

const BAD_A: &str = "MESSAGE\ndestination:/queue/a\nmessage-id:1\nx\\ty:1\n\n\0";
const BAD_B: &str = "MESSAGE\ndestination:/queue/b\nmessage-id:1\nx\\ty:1\n\n\0";
const SHORT_A: &str = "MESSAGE\ndestination:/queue/a\ncontent-length:1\n\nhello\0";

/// Meets that, then connects again, if the session still lives.
fn meet(script: &mut Script, octets: &str) {
    script.hear(octets);
    if !script.session.is_closed() {
        let due = script.due_in().expect("a next attempt");
        script.pass(due);
        script.reconnect(Version::V1_2);
    }
}

fn met(config: Config, stream: &[&str], between: Duration) -> Script {
    let mut script = Script::connected(config, Version::V1_2);
    for octets in stream {
        meet(&mut script, octets);
        script.pass(between);
    }
    script
}

#[test]
fn the_same_error_on_three_connections_ends_the_session() {
    let rows: [(&[&str], bool); 7] = [
        (&[BAD_A, BAD_A], false),
        (&[BAD_A, BAD_A, BAD_A], true),
        (&[BAD_A, BAD_B, BAD_A], false),
        (&[BAD_A, SHORT_A, BAD_A], false),
        (&[BAD_A, BAD_B, BAD_A, BAD_B, BAD_A], true),
        (&[BAD_A, SHORT_A, BAD_A, SHORT_A, BAD_A], true),
        (&["garbage\n", "garbage\n", "garbage\n"], true),
    ];
    for (stream, ends) in rows {
        let script = met(config(), stream, Duration::ZERO);
        assert_eq!(script.session.is_closed(), ends, "{stream:?}");
    }
}

#[test]
fn what_was_settled_in_between_does_not_count() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::ClientIndividual)).unwrap();
    for _ in 0..3 {
        script.hear("MESSAGE\nsubscription:0\nmessage-id:7\ndestination:/queue/a\nack:7\n\nhello\0");
        let mut message = script.messages().pop().unwrap();
        script.session.ack(&mut message).unwrap();
        meet(&mut script, BAD_A);
    }
    let last = script.raw_events().pop();
    let Some(Event::Closed(Closed::ProtocolErrorLoop(error))) = last else { panic!("{last:?}") };
    assert_eq!(error.destination.as_deref(), Some("/queue/a"));
}

#[test]
fn ten_minutes_later_it_is_another_loop() {
    for (between, ends) in [(seconds(299), true), (seconds(300), false)] {
        let script = met(config(), &[BAD_A, BAD_A, BAD_A], between);
        assert_eq!(script.session.is_closed(), ends, "{between:?}");
    }
}

#[test]
fn a_broker_that_speaks_another_protocol_leaves_the_others_to_be_tried() {
    let mut config = config();
    config.brokers =
        "failover:(tcp://web,tcp://broker)?startupMaxReconnectAttempts=-1&randomize=false".parse().unwrap();
    let mut script = Script::new(config);
    for _ in 0..5 {
        assert_eq!(script.dial().endpoint.host(), "web");
        script.hear("HTTP/1.1 400 Bad Request\r\n");
        script.pass(seconds(30));
        assert_eq!(script.attempt().endpoint.host(), "broker");
        script.lose(stomp_session::Lost::Eof);
    }
}

/// With an announced length the body is read past: the message surfaces without it and can be settled.
#[test]
fn a_body_over_the_limit_is_no_error_and_can_be_settled() {
    let mut config = config();
    config.limits.body = 4;
    let mut script = Script::connected(config, Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script.events();
    script.said();
    script.hear(
        "MESSAGE\nsubscription:0\nmessage-id:7\ndestination:/queue/a\nack:7\ncontent-length:5\n\nhello\0",
    );
    let event = script.raw_events().pop();
    let Some(Event::TooLarge { mut message, excess: Excess::Body { length: 5 } }) = event else {
        panic!("{event:?}")
    };
    assert_eq!((message.body(), message.header("message-id").unwrap().to_string()), (&b""[..], "7".into()));
    script.session.ack(&mut message).unwrap();
    assert_eq!(script.said(), "ACK\nid:7\n\n\0");
}

/// RabbitMQ relays stack traces of any length: such a message harms neither those behind it nor the connection.
#[test]
fn headers_over_the_limit_are_no_error_and_can_be_settled() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.said();
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script.events();
    let trace = "x".repeat(70 * 1024);
    let block = format!("subscription:0\nx-exception:{trace}\nmessage-id:7\ndestination:/queue/a\nack:7\n");
    let next = "MESSAGE\nsubscription:0\nmessage-id:8\ndestination:/queue/a\nack:8\n\nhello\0";
    for octets in format!("MESSAGE\n{block}content-length:2\n\n\0\0\0{next}").as_bytes().chunks(1000) {
        script.hear(octets);
    }
    let mut events = script.raw_events().into_iter();
    let Some(Event::TooLarge { mut message, excess }) = events.next() else { panic!("{events:?}") };
    assert_eq!(excess, Excess::Headers { length: block.len() as u64 + 17 });
    assert_eq!((message.body(), message.header("message-id").unwrap().number()), (&b""[..], Some(7)));
    script.session.ack(&mut message).unwrap();
    let Some(Event::Message(mut message)) = events.next() else { panic!("{events:?}") };
    script.session.ack(&mut message).unwrap();
    assert_eq!(script.said(), "ACK\nid:7\n\n\0ACK\nid:8\n\n\0");
    assert!(events.next().is_none() && !script.closes());
}

/// Other frames have their meaning all the same.
#[test]
fn headers_over_the_limit_of_other_frames() {
    let mut script = Script::dialled(config());
    let many = "x:y\n".repeat(1001);
    script.hear(format!("CONNECTED\n{many}version:1.1\nserver:{RABBITMQ}\n\n\0"));
    let connection = script.session.connection().expect("a connection");
    assert_eq!((connection.version, connection.profile.name), (Version::V1_1, "RabbitMQ"));
    for (answer, told) in [("RECEIPT", "Confirmed"), ("ERROR\nmessage:no", "Rejected(ServerError(no))")] {
        script.events();
        let id = script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
        let receipt =
            script.said().lines().find_map(|line| Some(line.strip_prefix("receipt:")?.to_owned())).unwrap();
        script.hear(format!("{answer}\n{many}receipt-id:{receipt}\n\n\0"));
        assert_eq!(script.events(), [format!("{id:?}: {told}")]);
    }
}

/// What its subscription wants, what is said for it, and whether it is settled then.
#[test]
fn what_is_over_the_limit_is_settled_as_its_subscription_wants() {
    let rows = [
        (Oversized::Leave, RABBITMQ, "", false),
        (Oversized::Acknowledge, RABBITMQ, "ACK\nid:7\n\n\0", true),
        (Oversized::DeadLetter, RABBITMQ, "NACK\nid:7\nrequeue:false\n\n\0", true),
        (Oversized::DeadLetter, ACTIVEMQ, "NACK\nid:7\n\n\0", true),
        (Oversized::DeadLetter, ARTEMIS, "", false),
    ];
    let headers = format!("x:{}\n\n", "x".repeat(70_000));
    let messages = ["content-length:5\n\nhello", &headers];
    for ((oversized, server, said, is_settled), message) in
        rows.into_iter().flat_map(|row| messages.map(|message| (row, message)))
    {
        let mut config = config();
        config.limits.body = 4;
        let mut script = connected(config, Version::V1_2, server);
        script.session.subscribe(Subscribe::new("/queue/a").oversized(oversized)).unwrap();
        script.said();
        script
            .hear(format!("MESSAGE\nsubscription:0\nmessage-id:7\ndestination:/queue/a\nack:7\n{message}\0"));
        let event = script.raw_events().pop();
        let Some(Event::TooLarge { message, .. }) = event else { panic!("{event:?}") };
        assert_eq!(
            (script.said().as_str(), message.is_settled()),
            (said, is_settled),
            "{oversized:?} {server}"
        );
    }
}
