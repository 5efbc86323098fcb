//! SEND with at-least-once delivery: kept until a broker has it, in order and within bounds.

use stomp_proto::Version;
use stomp_session::{Action, AtLeastOnce, CommandError, Config, Event, Lost, Outcome, ReceiptId, Subscribe};
use stomp_testkit::{
    broker::BrokerConfig,
    pair::{Door, Pair},
};

use crate::script::{Script, brief, config, seconds, send_frame};

const HOW: AtLeastOnce = AtLeastOnce::new();

fn keep(script: &mut Script, body: &str, how: AtLeastOnce) -> ReceiptId {
    script.session.send_at_least_once(send_frame("/queue/a", body), how).unwrap()
}

/// The bodies of the SENDs that were written since the last call.
fn bodies(script: &mut Script) -> Vec<String> {
    let said = script.said();
    let sends = said.split('\0').filter(|frame| frame.starts_with("SEND"));
    sends.filter_map(|frame| frame.split("\n\n").nth(1)).map(str::to_owned).collect()
}

fn windowed(window: usize) -> Config {
    let mut config = config();
    config.at_least_once_window = window;
    config
}

#[test]
fn it_is_sent_again_after_the_subscriptions_in_order_until_its_receipt() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    for body in ["a", "b", "c"] {
        keep(&mut script, body, HOW);
    }
    assert_eq!(script.commands(), ["SUBSCRIBE", "SEND", "SEND", "SEND"]);
    script.confirm("b");
    script.pass(seconds(6));
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    script.session.send(&send_frame("/queue/a", "later")).unwrap();
    let said = script.said();
    assert!(said.starts_with("SUBSCRIBE\n"), "{said}");
    let sent: Vec<_> = said.split('\0').filter_map(|frame| frame.split("\n\n").nth(1)).collect();
    assert_eq!(sent, ["", "a", "c", "later"]);
    script.confirm("a");
    script.confirm("c");
    let told: Vec<_> = script.events().into_iter().filter(|event| event.starts_with("ReceiptId")).collect();
    assert_eq!(told, ["ReceiptId(4): Confirmed", "ReceiptId(2): Confirmed", "ReceiptId(6): Confirmed"]);
    assert_eq!(script.session.awaited_receipts(), 1, "the SUBSCRIBE");
}

#[test]
fn every_copy_is_persistent_and_has_the_same_identity() {
    let written = "SEND\ndestination:/queue/a\npersistent:true\n\
        _AMQ_DUPL_ID:00000000000000000000000000000007-1\n";
    let mut script = Script::connected(config(), Version::V1_2);
    keep(&mut script, "x", HOW);
    for _ in 0..2 {
        let said = script.said();
        assert!(said.starts_with(written), "{said}");
        script.pass(seconds(6));
        script.lose(Lost::Eof);
        script.reconnect(Version::V1_2);
    }
}

#[test]
fn a_sender_may_say_so_himself() {
    let mut config = config();
    config.deduplication_header = Some("my-id".to_owned());
    let mut script = Script::connected(config, Version::V1_2);
    let frame = send_frame("/queue/a", "").with_header("my-id", "mine").with_header("persistent", "false");
    script.session.send_at_least_once(frame, HOW).unwrap();
    assert_eq!(script.said(), "SEND\ndestination:/queue/a\nmy-id:mine\npersistent:false\nreceipt:2\n\n\0");
}

#[test]
fn it_needs_no_connection() {
    let mut pair = Pair::new(config(), BrokerConfig::default());
    pair.set_door(Door::Refusing);
    pair.advance(seconds(30));
    pair.session.send_at_least_once(send_frame("/queue/a", "x"), HOW).unwrap();
    pair.set_door(Door::Open);
    pair.advance(seconds(60));
    assert_eq!(pair.broker.messages("/queue/a"), ["x"]);
    let confirmed = |event: &Event| matches!(event, Event::Receipt { outcome: Outcome::Confirmed, .. });
    assert_eq!(pair.events().iter().filter(|event| confirmed(event)).count(), 1);
}

/// Stored, and the RECEIPT lost: the copy arrives again, and the sender is told once.
#[test]
fn a_lost_receipt_means_another_copy() {
    let mut pair = Pair::connected(config(), BrokerConfig::default());
    pair.broker.drop_receipts(true);
    pair.session.send_at_least_once(send_frame("/queue/a", "x"), HOW).unwrap();
    pair.advance(seconds(90));
    assert!(pair.events().is_empty(), "the broker's time for a RECEIPT does not end it");
    pair.broker.drop_receipts(false);
    pair.cut(Lost::Eof);
    pair.advance(seconds(60));
    assert_eq!(pair.broker.messages("/queue/a"), ["x", "x"]);
    let events: Vec<_> = pair.events().iter().map(brief).collect();
    assert_eq!(events.last().map(String::as_str), Some("ReceiptId(1): Confirmed"), "{events:?}");
    assert_eq!(pair.session.awaited_receipts(), 0);
}

#[test]
fn only_so_many_are_out_at_once() {
    let mut script = Script::connected(windowed(2), Version::V1_2);
    for body in ["a", "b", "c", "d"] {
        keep(&mut script, body, HOW);
    }
    assert_eq!(bodies(&mut script), ["a", "b"]);
    script.confirm("b");
    assert_eq!(bodies(&mut script), ["c"]);
    script.confirm("c");
    script.confirm("a");
    assert_eq!(bodies(&mut script), ["d"]);
}

#[test]
fn ordered_ones_are_out_one_at_a_time_for_each_destination() {
    let mut script = Script::connected(config(), Version::V1_2);
    let sends = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")];
    let ids = sends.map(|(destination, body)| {
        script.session.send_at_least_once(send_frame(destination, body), HOW.ordered()).unwrap()
    });
    keep(&mut script, "free", HOW);
    assert_eq!(bodies(&mut script), ["a1", "b1", "free"]);
    script.confirm("b1");
    assert_eq!(bodies(&mut script), ["b2"]);
    script.session.cancel(ids[1]);
    script.confirm("a1");
    assert_eq!(bodies(&mut script), ["a3"]);
}

#[test]
fn bounds_are_errors_at_once() {
    let mut config = config();
    (config.at_least_once_messages, config.at_least_once_octets) = (2, 300);
    let mut script = Script::connected(config, Version::V1_2);
    let large = "x".repeat(400);
    let too_large = script.session.send_at_least_once(send_frame("/queue/a", &large), HOW);
    assert_eq!(*too_large.unwrap_err(), CommandError::AtLeastOnceFull { messages: 0, octets: 0 });
    keep(&mut script, "a", HOW);
    keep(&mut script, "b", HOW);
    let full = script.session.send_at_least_once(send_frame("/queue/a", "c"), HOW);
    let full = full.unwrap_err();
    assert!(matches!(*full, CommandError::AtLeastOnceFull { messages: 2, .. }), "{full:?}");
    assert_eq!(full.into_frame(), send_frame("/queue/a", "c"), "it is given back as it was");
    script.said();
    script.confirm("a");
    keep(&mut script, "c", HOW);
}

#[test]
fn what_is_wrong_is_refused() {
    let mut script = Script::connected(config(), Version::V1_2);
    let frame = send_frame("/queue/a", "x").with_header("transaction", "t");
    let refused = script.session.send_at_least_once(frame, HOW);
    assert_eq!(*refused.unwrap_err(), CommandError::ReservedHeader("transaction"));
    let mut nameless = config();
    nameless.identity = None;
    let mut script = Script::connected(nameless, Version::V1_2);
    let refused = script.session.send_at_least_once(send_frame("/queue/a", "x"), HOW);
    assert_eq!(*refused.unwrap_err(), CommandError::NoIdentity);
    assert_eq!((script.said().as_str(), script.session.awaited_receipts()), ("", 0));
}

/// How far it had come when its time was over, and what is told.
#[test]
fn its_own_time_ends_it() {
    type Until = fn(&mut Script);
    let rows: [(Until, &str); 4] = [
        (|script| script.pass(seconds(0)), "ReceiptId(1): NotSent(Timeout(20s))"),
        (|script| _ = script.said(), "ReceiptId(1): Unknown(Timeout(20s))"),
        (|script| script.lose(Lost::Eof), "ReceiptId(1): NotSent(Timeout(20s))"),
        (
            |script| {
                script.said();
                script.lose(Lost::Eof);
            },
            "ReceiptId(1): Unknown(Timeout(20s))",
        ),
    ];
    for (number, (until, told)) in rows.into_iter().enumerate() {
        let mut script = Script::connected(config(), Version::V1_2);
        keep(&mut script, "x", HOW.timeout(seconds(20)));
        until(&mut script);
        script.pass(seconds(20));
        assert!(script.events().iter().any(|event| event == told), "row {number}");
        assert_eq!(script.session.awaited_receipts(), 0, "row {number}");
        if script.session.connection().is_none() {
            script.dial();
            script.said();
            script.accept(Version::V1_2);
        }
        assert_eq!(script.said(), "", "row {number}: never sent after that");
    }
}

#[test]
fn one_that_is_cancelled_is_not_sent_again() {
    let mut script = Script::connected(windowed(1), Version::V1_2);
    let out = keep(&mut script, "out", HOW);
    script.said();
    let waiting = keep(&mut script, "waiting", HOW);
    assert!(!script.session.cancel(out), "a broker may have it");
    assert!(script.session.cancel(waiting), "nothing of it has left: it is taken back out of the outbox");
    assert_eq!((script.said().as_str(), script.session.awaited_receipts()), ("", 0));
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(script.said(), "");
    assert!(script.events().iter().all(|event| !event.starts_with("ReceiptId")));
}

#[test]
fn a_rejection_ends_it() {
    let mut script = Script::connected(windowed(1), Version::V1_2);
    keep(&mut script, "bad", HOW);
    keep(&mut script, "good", HOW);
    script.said();
    script.answer("ERROR\nmessage:no", "bad");
    script.confirm("bad");
    assert_eq!(script.events(), ["ReceiptId(1): Rejected(ServerError(no))", "unroutable"]);
    assert_eq!(bodies(&mut script), ["good"]);
}

#[test]
fn what_the_next_version_cannot_say_is_told() {
    for (first, told) in [(Version::V1_0, "NotSent(Unwritable("), (Version::V1_2, "Unknown(Unwritable(")] {
        let mut script = Script::dialled(config());
        let frame = send_frame("/queue/a", "x").with_header("x", "1\n2");
        script.session.send_at_least_once(frame, HOW).unwrap();
        script.said();
        script.accept(first);
        script.said();
        if first != Version::V1_0 {
            script.lose(Lost::Eof);
            script.reconnect(Version::V1_0);
        }
        assert!(script.events().iter().any(|event| event.contains(told)), "{first}");
        assert_eq!(script.said(), "");
    }
}

#[test]
fn the_end_of_the_session_tells_what_became_of_each() {
    let mut config = config();
    config.brokers = "failover:(tcp://broker)?maxReconnectAttempts=0".parse().unwrap();
    let mut script = Script::connected(config, Version::V1_2);
    script.session.send_at_least_once(send_frame("/queue/a", "x"), HOW).unwrap();
    script.said();
    script.session.send_at_least_once(send_frame("/queue/a", "x"), HOW).unwrap();
    script.report(Lost::Eof);
    script.pass(seconds(1));
    while let Some(Action::Connect(attempt)) = script.session.poll_action() {
        script.session.handle_disconnected(attempt.id, Lost::Eof, script.now);
    }
    let events = script.events();
    let expected = ["ReceiptId(1): Unknown(Lost(Eof))", "ReceiptId(3): NotSent(Lost(Eof))"];
    assert_eq!(events[events.len() - 3..events.len() - 1], expected, "{events:?}");
    assert!(events[events.len() - 1].starts_with("closed: no connection"), "{events:?}");
}

#[test]
fn one_that_is_taken_back_at_once_leaves_no_timer() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.lose(Lost::Eof);
    let before = script.session.poll_timeout();
    let id = keep(&mut script, "a", HOW);
    script.session.cancel(id);
    assert_eq!(script.session.poll_timeout(), before);
}
