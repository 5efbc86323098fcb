//! Frames that are larger than what the broker reads: they are refused before they leave, and cost no connection.

use std::time::Duration;

use stomp_proto::{Frame, Version};
use stomp_session::{
    AtLeastOnce, CommandError, Event, FrameLimit, FrameUnit, NotSent, Outcome, Profile, Subscribe,
};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::{
    profiles::connected,
    script::{Script, config, send_frame},
};

/// A SEND that has that many octets on the wire, with the `content-length` of a body of seven digits.
fn sized(octets: usize) -> Frame {
    let head = "SEND\ndestination:/queue/a\ncontent-length:4194000\n\n\0".len();
    send_frame("/queue/a", "").with_body(vec![b'x'; octets - head])
}

fn with_headers(count: usize) -> Frame {
    (0..count).fold(send_frame("/queue/a", "x"), |frame, at| frame.with_header(format!("h{at}"), "x"))
}

fn newest() -> Script {
    let mut script = connected(config(), Version::V1_2, "RabbitMQ/4.3.6\nsession:x");
    script.said();
    script
}

#[test]
fn a_send_of_the_largest_size_passes_and_a_larger_one_is_refused_in_all_ways() {
    const MOST: usize = 4 << 20;
    let mut script = newest();
    script.session.send(&sized(MOST)).unwrap();
    assert_eq!(script.said().len(), MOST);
    let large = sized(MOST + 1);
    let expected = CommandError::FrameTooLarge {
        broker: "RabbitMQ",
        limit: FrameLimit::octets(MOST).of("stomp.max_frame_size"),
        size: MOST + 1,
    };
    assert_eq!(
        expected.to_string(),
        "RabbitMQ reads no frame of more than 4194304 octets, its setting stomp.max_frame_size: this one has 4194305"
    );
    let session = &mut script.session;
    assert_eq!(session.send(&large).unwrap_err(), expected);
    let refused =
        |error: CommandError| matches!(error, CommandError::FrameTooLarge { size, .. } if size > MOST);
    assert!(refused(session.send_confirmed(large.clone()).unwrap_err().into()));
    let mut prepared = send_frame("/queue/a", "").prepare(Version::V1_2).unwrap();
    assert!(refused(session.send_prepared(&mut prepared, &large.body_bytes()).unwrap_err()));
    let transaction = session.begin().unwrap();
    assert!(refused(session.send_in(transaction, &large).unwrap_err()));
    session.abort(transaction).unwrap();
    let subscribe = Subscribe::new("/queue/a").header("selector", vec![b'x'; MOST]);
    assert!(refused(session.subscribe(subscribe).unwrap_err()));
    assert_eq!(script.commands(), ["BEGIN", "ABORT"]);
    assert_eq!(script.session.unsent(), 0);
}

#[test]
fn headers_count_with_those_that_are_added() {
    let mut script = newest();
    // With destination and content-length, and a receipt.
    script.session.send(&with_headers(98)).unwrap();
    script.session.send_confirmed(with_headers(97)).unwrap();
    let said = script.said();
    let frames = said.split_terminator('\0');
    let heads: Vec<_> =
        frames.map(|frame| frame.lines().skip(1).take_while(|line| !line.is_empty()).count()).collect();
    assert_eq!(heads, [100, 100]);
    let refused = script.session.send(&with_headers(99)).unwrap_err();
    let CommandError::FrameTooLarge { limit, size: 101, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((limit.unit, limit.most, limit.setting), (FrameUnit::Headers, 100, None));
    assert!(script.session.send_confirmed(with_headers(98)).is_err());
    assert_eq!(script.said(), "");
}

#[test]
fn what_is_sent_at_least_once_is_not_sent_to_a_broker_that_does_not_read_it() {
    let mut pair = Pair::new(config(), BrokerConfig::rabbitmq_4_3());
    let id = pair.session.send_at_least_once(sized(5 << 20), AtLeastOnce::default()).unwrap();
    let small = pair.session.send_at_least_once(send_frame("/queue/a", "x"), AtLeastOnce::default()).unwrap();
    pair.drive();
    pair.advance(Duration::from_secs(1));
    let outcomes: Vec<_> = pair
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Receipt { id, outcome } => Some((id, outcome)),
            _ => None,
        })
        .collect();
    assert!(
        matches!(&outcomes[0], (told, Outcome::NotSent(NotSent::Unwritable(CommandError::FrameTooLarge { .. }))) if *told == id),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1], (small, Outcome::Confirmed), "it holds up nobody");
    assert_eq!(pair.attempts().len(), 1, "and costs no connection");
}

#[test]
fn the_version_in_the_server_header_tells() {
    let rows = [
        ("RabbitMQ/3.10.8", Profile::RABBITMQ),
        ("RabbitMQ/3.13.7", Profile::RABBITMQ),
        ("RabbitMQ/4.0.5", Profile::RABBITMQ_4),
        ("RabbitMQ/4.2.0-beta.1", Profile::RABBITMQ_4),
        ("RabbitMQ/4.3.6", Profile::RABBITMQ_4_3),
        ("RabbitMQ/4.12.0+1", Profile::RABBITMQ_4_3),
        ("RabbitMQ/5.0.0", Profile::RABBITMQ_4_3),
        ("RabbitMQ/main", Profile::RABBITMQ_4),
        ("ActiveMQ/6.3.1", Profile::ACTIVEMQ),
        ("ActiveMQ-Artemis/2.57.0 ActiveMQ Artemis Messaging Engine", Profile::ARTEMIS),
        ("vertx-stomp/5.0.7", Profile::UNKNOWN),
    ];
    for (server, profile) in rows {
        assert_eq!(Profile::of_server(server), profile, "{server}");
    }
}
