//! What holds across a reconnect: one test for each thing, face to face with a broker. The list, with the laws of the
//! simulator that hold the same, is in `tests/PARITY.md`.

use stomp_proto::{Command, Frame};
use stomp_session::{AtLeastOnce, CommandError, Event, Lost, Message, Outcome, Subscribe, Unknown};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{config, seconds, send_frame};

fn pair() -> Pair {
    Pair::connected(config(), BrokerConfig::rabbitmq().recording())
}

/// The connection breaks after a while, and another one stands.
fn reconnect(pair: &mut Pair) {
    pair.advance(seconds(6));
    pair.cut(Lost::Eof);
    pair.advance(seconds(1));
    assert!(pair.session.connection().is_some());
}

/// The commands that were written on this connection, after CONNECT.
fn commands(pair: &Pair) -> Vec<Command> {
    pair.frames().iter().skip(1).map(Frame::command).collect()
}

fn messages(pair: &mut Pair) -> Vec<Message> {
    let message = |event| if let Event::Message(message) = event { Some(message) } else { None };
    pair.events().into_iter().filter_map(message).collect()
}

fn outcomes(pair: &mut Pair) -> Vec<Outcome> {
    let outcome = |event| if let Event::Receipt { outcome, .. } = event { Some(outcome) } else { None };
    pair.events().into_iter().filter_map(outcome).collect()
}

/// SUBSCRIBE without what is new each time.
fn subscribes(pair: &Pair) -> Vec<String> {
    let subscribes = pair.frames().iter().filter(|frame| frame.command() == Command::Subscribe);
    let without_receipt = |frame: &Frame| {
        let mut frame = frame.clone();
        frame.headers_mut().remove("receipt");
        format!("{frame:?}")
    };
    subscribes.map(without_receipt).collect()
}

#[test]
fn a_subscription_survives_in_order_and_unchanged_and_one_that_was_rejected_does_not() {
    let mut pair = Pair::connected(config(), BrokerConfig::activemq());
    for destination in ["/queue/b", "/impossible/x", "/queue/a"] {
        pair.session.subscribe(Subscribe::new(destination).header("x", destination)).unwrap();
    }
    pair.drive();
    let mut before = subscribes(&pair);
    before.remove(1);
    reconnect(&mut pair);
    assert_eq!(subscribes(&pair), before);
    assert_eq!(commands(&pair), [Command::Subscribe; 2], "and nothing else");
    let ended = |event: &Event| matches!(event, Event::SubscriptionEnded { .. });
    assert_eq!(pair.events().iter().filter(|event| ended(event)).count(), 1);
    pair.broker.publish("/queue/b", "x", &[]);
    pair.drive();
    assert_eq!(messages(&mut pair).len(), 1);
}

#[test]
fn a_message_of_an_earlier_connection_is_settled_by_nobody() {
    let mut pair = pair();
    pair.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    pair.broker.publish("/queue/a", "x", &[]);
    pair.drive();
    let mut early = messages(&mut pair);
    reconnect(&mut pair);
    let came = early[0].connection();
    assert_eq!(pair.session.ack(&mut early[0]), Err(CommandError::Stale { came }));
    assert_eq!(pair.session.nack(&mut early[0]), Err(CommandError::Stale { came }));
    pair.drive();
    assert_eq!(commands(&pair), [Command::Subscribe]);
    let mut again = messages(&mut pair);
    assert_eq!((again.len(), pair.broker.unacked("/queue/a")), (1, 1));
    pair.session.ack(&mut again[0]).unwrap();
    pair.drive();
    assert_eq!(pair.broker.unacked("/queue/a"), 0);
}

#[test]
fn a_receipt_resolves_once_and_its_id_is_not_used_again() {
    let mut pair = pair();
    pair.broker.drop_receipts(true);
    let lost = pair.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    reconnect(&mut pair);
    assert_eq!(outcomes(&mut pair), [Outcome::Unknown(Unknown::Lost(Lost::Eof))]);
    pair.broker.drop_receipts(false);
    let connection = pair.broker.connections()[0];
    let next = pair.session.send_confirmed(send_frame("/queue/a", "y")).unwrap();
    assert!(next > lost, "{next:?} {lost:?}");
    pair.broker.send_octets(connection, b"RECEIPT\nreceipt-id:1\n\n\0");
    pair.drive();
    assert_eq!(outcomes(&mut pair), [Outcome::Confirmed]);
}

#[test]
fn a_send_with_default_delivery_is_never_repeated() {
    let mut pair = pair();
    pair.broker.drop_receipts(true);
    pair.session.send(&send_frame("/queue/a", "plain")).unwrap();
    pair.session.send_confirmed(send_frame("/queue/a", "confirmed")).unwrap();
    reconnect(&mut pair);
    assert_eq!((commands(&pair).len(), pair.broker.depth("/queue/a")), (0, 2));
}

#[test]
fn a_send_with_at_least_once_delivery_is_repeated_under_its_id_until_its_receipt() {
    let mut pair = pair();
    pair.broker.drop_receipts(true);
    pair.session.subscribe(Subscribe::new("/queue/b")).unwrap();
    for body in ["1", "2"] {
        pair.session.send_at_least_once(send_frame("/queue/a", body), AtLeastOnce::new()).unwrap();
    }
    pair.drive();
    let sent = |pair: &Pair| -> Vec<_> {
        let sends = pair.frames().iter().filter(|frame| frame.command() == Command::Send);
        sends.map(|send| (send.body_bytes(), send.header("_AMQ_DUPL_ID").unwrap().to_string())).collect()
    };
    let before = sent(&pair);
    assert_eq!(outcomes(&mut pair), []);
    pair.advance(seconds(6));
    pair.cut(Lost::Eof);
    pair.broker.drop_receipts(false);
    pair.advance(seconds(1));
    assert_eq!(commands(&pair), [Command::Subscribe, Command::Send, Command::Send]);
    assert_eq!(sent(&pair), before);
    assert_eq!(outcomes(&mut pair), [Outcome::Confirmed, Outcome::Confirmed]);
    reconnect(&mut pair);
    assert_eq!(commands(&pair), [Command::Subscribe]);
}

#[test]
fn a_transaction_belongs_to_its_connection() {
    let mut pair = pair();
    let open = pair.session.begin().unwrap();
    pair.session.send_in(open, &send_frame("/queue/a", "x")).unwrap();
    pair.broker.drop_receipts(true);
    let left = pair.session.begin().unwrap();
    pair.session.commit(left, seconds(60)).unwrap();
    reconnect(&mut pair);
    assert!(matches!(outcomes(&mut pair)[..], [Outcome::Unknown(Unknown::Lost(_))]));
    for transaction in [open, left] {
        let lost = pair.session.commit(transaction, seconds(1));
        assert!(matches!(lost, Err(CommandError::TransactionLost { .. })), "{lost:?}");
    }
    pair.drive();
    assert_eq!((commands(&pair).len(), pair.broker.depth("/queue/a")), (0, 0));
}

#[test]
fn timers_receipts_and_version_belong_to_the_connection() {
    let mut beating = config();
    (beating.send_beat, beating.receive_beat) = (seconds(10), seconds(10));
    let mut pair = Pair::connected(beating, BrokerConfig::rabbitmq());
    let before = pair.session.connection().unwrap().clone();
    pair.broker.drop_receipts(true);
    pair.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    pair.advance(seconds(7));
    pair.cut(Lost::Eof);
    pair.advance(seconds(1));
    let after = pair.session.connection().unwrap().clone();
    assert!(after.id > before.id);
    assert_eq!((after.version, after.heart_beat), (before.version, before.heart_beat));
    assert_eq!(pair.session.awaited_receipts(), 0);
    let beats = |pair: &Pair| pair.written().last().unwrap().heart_beats();
    pair.advance(seconds(6));
    assert_eq!(beats(&pair), 0, "the period begins with the connection");
    pair.advance(seconds(2));
    assert_eq!(beats(&pair), 1);
}

#[test]
fn an_error_that_names_nobody_leaves_what_is_pending_unknown_and_what_is_kept_kept() {
    let mut pair = pair();
    pair.broker.drop_receipts(true);
    pair.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    pair.session.send_at_least_once(send_frame("/queue/a", "kept"), AtLeastOnce::new()).unwrap();
    pair.advance(seconds(6));
    pair.broker.drop_receipts(false);
    pair.broker.send_error(pair.broker.connections()[0], "Processing error", "scripted\n");
    pair.advance(seconds(30));
    let outcomes = outcomes(&mut pair);
    assert!(
        matches!(outcomes[..], [Outcome::Unknown(Unknown::Lost(Lost::ServerError(_))), Outcome::Confirmed]),
        "{outcomes:?}"
    );
    assert_eq!(commands(&pair), [Command::Send], "alone");
}

#[test]
fn plain_sends_at_a_cut_are_counted() {
    let mut pair = pair();
    for body in ["1", "2"] {
        pair.session.send(&send_frame("/queue/a", body)).unwrap();
    }
    pair.drive();
    pair.session.send(&send_frame("/queue/a", "3")).unwrap();
    pair.cut(Lost::Eof);
    let counted = pair.events().into_iter().find_map(|event| match event {
        Event::Disconnected { unsent, unconfirmed, .. } => Some((unsent, unconfirmed)),
        _ => None,
    });
    assert_eq!(counted, Some((1, 2)));
}
