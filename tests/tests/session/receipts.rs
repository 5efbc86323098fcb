//! Receipts: each frame that asked for one is resolved exactly once, by its own RECEIPT, its own ERROR, or as unknown.

use stomp_proto::Version;
use stomp_session::{Event, Lost, Outcome, ReceiptId, Unknown};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{Script, config, milliseconds, seconds, send_frame};

fn confirmed(script: &mut Script) -> ReceiptId {
    let id = script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.said();
    id
}

fn receipt(id: u64) -> String {
    format!("RECEIPT\nreceipt-id:{id}\n\n\0")
}

#[test]
fn a_receipt_confirms_its_own_frame_in_any_order_and_once() {
    let mut script = Script::connected(config(), Version::V1_2);
    let ids: Vec<_> = (0..4).map(|_| confirmed(&mut script)).collect();
    for number in [3, 1, 4, 2, 1, 3] {
        script.hear(receipt(number));
    }
    let resolved: Vec<_> = script.raw_events().iter().filter_map(outcome).collect();
    let expected = [2, 0, 3, 1].map(|at| (ids[at], Outcome::Confirmed));
    assert_eq!(resolved, expected);
    assert_eq!(script.session.awaited_receipts(), 0);
}

fn outcome(event: &Event) -> Option<(ReceiptId, Outcome)> {
    match event {
        Event::Receipt { id, outcome } => Some((*id, outcome.clone())),
        _ => None,
    }
}

/// No broker can have processed what it was not sent.
#[test]
fn nothing_is_an_answer_to_a_frame_that_has_not_left() {
    for answer in ["RECEIPT\n", "ERROR\nmessage:no\n"] {
        let mut script = Script::connected(config(), Version::V1_2);
        script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
        script.hear(format!("{answer}receipt-id:1\n\n\0"));
        assert!(script.events().iter().all(|event| !event.starts_with("ReceiptId")));
        assert_eq!((script.commands(), script.session.awaited_receipts()), (vec!["SEND".to_owned()], 1));
    }
}

#[test]
fn receipts_that_nobody_waits_for_are_harmless() {
    let mut script = Script::connected(config(), Version::V1_2);
    confirmed(&mut script);
    for header in ["receipt-id:99", "receipt-id:x", "receipt-id:", "receipt-id:+1", "x:1", "receipt-id:1 "] {
        script.hear(format!("RECEIPT\n{header}\n\n\0"));
        assert_eq!(script.events(), ["unroutable"], "{header}");
    }
    assert_eq!(script.session.awaited_receipts(), 1);
}

/// 1.0 writes a blank behind the colon in its own examples.
#[test]
fn only_1_0_pads_a_receipt_id() {
    for (version, is_confirmed) in [(Version::V1_0, true), (Version::V1_1, false), (Version::V1_2, false)] {
        let mut script = Script::connected(config(), version);
        confirmed(&mut script);
        script.hear("RECEIPT\nreceipt-id: 1\n\n\0");
        assert_eq!(script.session.awaited_receipts() == 0, is_confirmed, "{version}");
    }
}

#[test]
fn an_error_rejects_the_frame_that_it_names_and_no_other() {
    let mut script = Script::connected(config(), Version::V1_2);
    (0..3).for_each(|_| _ = confirmed(&mut script));
    script.hear("ERROR\nmessage:no\nreceipt-id:2\n\nbecause\0");
    script.hear(receipt(2));
    script.hear(receipt(1));
    let events = script.events();
    let rejected = "ReceiptId(2): Rejected(ServerError(no: because))";
    assert_eq!(events, [rejected, "unroutable", "ReceiptId(1): Confirmed"]);
    assert!(!script.closes(), "the connection goes on");
    script.hear(receipt(3));
    assert_eq!(script.events(), ["ReceiptId(3): Confirmed"]);
}

#[test]
fn the_end_of_the_connection_makes_them_unknown_before_it_is_told() {
    let mut script = Script::connected(config(), Version::V1_2);
    confirmed(&mut script);
    confirmed(&mut script);
    script.lose(Lost::Io("reset".into()));
    let events = script.raw_events();
    let resolved: Vec<_> = events.iter().filter_map(outcome).map(|(_, outcome)| outcome).collect();
    assert_eq!(resolved, vec![Outcome::Unknown(Unknown::Lost(Lost::Io("reset".into()))); 2]);
    assert!(matches!(events[2], Event::Disconnected { .. }), "{events:?}");
}

#[test]
fn a_late_receipt_on_the_next_connection_confirms_nothing() {
    let mut script = Script::connected(config(), Version::V1_2);
    confirmed(&mut script);
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    let id = confirmed(&mut script);
    script.events();
    script.hear(receipt(1));
    assert_eq!(script.events(), ["unroutable"], "numbers never begin anew");
    script.hear(receipt(2));
    assert_eq!(script.events(), [format!("{id:?}: Confirmed")]);
}

#[test]
fn each_has_its_time_from_the_moment_it_has_left() {
    let mut config = config();
    config.receipt_timeout = seconds(5);
    let mut script = Script::connected(config, Version::V1_2);
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.pass(seconds(4));
    script.said();
    script.pass(seconds(2));
    confirmed(&mut script);
    script.pass(milliseconds(2999));
    assert_eq!((script.events().len(), script.due_in()), (0, Some(milliseconds(1))));
    script.pass(milliseconds(1));
    assert_eq!(script.events(), ["ReceiptId(1): Unknown(Timeout(5s))"]);
    assert_eq!(script.due_in(), Some(seconds(2)));
    script.hear(receipt(1));
    script.pass(seconds(60));
    assert_eq!(script.events(), ["unroutable", "ReceiptId(2): Unknown(Timeout(5s))"]);
    assert_eq!((script.session.awaited_receipts(), script.due_in()), (0, None));
}

/// A transport that takes nothing must not make the wait endless.
#[test]
fn what_could_not_leave_in_its_time_is_withdrawn_and_not_sent() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.send_confirmed_within(send_frame("/queue/a", "late"), seconds(5)).unwrap();
    script.session.send(&send_frame("/queue/a", "kept")).unwrap();
    assert!(script.due_in().is_some(), "the session wants to be told the time");
    script.pass(script.due_in().unwrap());
    assert_eq!(script.due_in(), Some(seconds(5)));
    script.pass(seconds(5));
    assert_eq!(script.events(), ["ReceiptId(1): NotSent(Timeout(5s))"]);
    assert_eq!(script.said(), "SEND\ndestination:/queue/a\ncontent-length:4\n\nkept\0");
}

/// The time from the call goes on when the frame has left, and ends the wait if it is over first.
#[test]
fn the_earlier_of_both_times_ends_the_wait() {
    let rows = [
        (seconds(3), "ReceiptId(1): Unknown(Timeout(3s))"),
        (seconds(9), "ReceiptId(1): Unknown(Timeout(5s))"),
    ];
    for (timeout, told) in rows {
        let mut config = config();
        config.receipt_timeout = seconds(5);
        let mut script = Script::connected(config, Version::V1_2);
        script.session.send_confirmed_within(send_frame("/queue/a", "x"), timeout).unwrap();
        script.said();
        script.pass(timeout.min(seconds(5)));
        assert_eq!(script.events(), [told]);
    }
}

#[test]
fn what_was_queued_when_the_connection_ended_was_not_sent() {
    let mut script = Script::connected(config(), Version::V1_2);
    confirmed(&mut script);
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.lose(Lost::Eof);
    assert_eq!(
        script.events()[..2],
        ["ReceiptId(1): Unknown(Lost(Eof))", "ReceiptId(2): NotSent(Lost(Eof))"]
    );
}

#[test]
fn a_wait_that_is_cancelled_is_told_nothing() {
    let mut script = Script::connected(config(), Version::V1_2);
    let left = confirmed(&mut script);
    let queued = script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    assert!(!script.session.cancel(left), "the broker may have it");
    assert!(script.session.cancel(queued), "nothing of it has left");
    assert!(!script.session.cancel(queued), "once");
    assert_eq!((script.said().as_str(), script.session.awaited_receipts()), ("", 0));
    script.hear(receipt(1));
    assert_eq!(script.events(), ["unroutable"]);
}

#[test]
fn a_subscription_without_a_receipt_stands() {
    let mut config = config();
    config.receipt_timeout = seconds(5);
    let mut pair = Pair::connected(config, BrokerConfig::default());
    pair.broker.drop_receipts(true);
    pair.session.subscribe(stomp_session::Subscribe::new("/queue/a")).unwrap();
    pair.advance(seconds(6));
    pair.broker.publish("/queue/a", "x", &[]);
    pair.drive();
    assert!(matches!(&pair.events()[..], [Event::Subscribed(_), Event::Message(_)]), "a message confirms it");
}
