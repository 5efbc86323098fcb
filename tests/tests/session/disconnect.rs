//! DISCONNECT: it waits for receipts, nothing follows it, and it ends with its RECEIPT, an end, or its time.

use stomp_proto::Version;
use stomp_session::{AtLeastOnce, Closed, CommandError, Event, Lost, Subscribe};
use stomp_testkit::{
    broker::BrokerConfig,
    pair::{Door, Pair},
};

use crate::script::{Script, brief, config, milliseconds, seconds, send_frame};

#[test]
fn it_is_confirmed_by_its_receipt() {
    let mut pair = Pair::connected(config(), BrokerConfig::default());
    pair.session.send(&send_frame("/queue/a", "x")).unwrap();
    pair.session.disconnect();
    pair.session.disconnect();
    pair.drive();
    let events: Vec<_> = pair.events().iter().map(brief).collect();
    let expected = [
        "disconnected: connection 1, the session was disconnected, 0 unsent",
        "closed: the session was disconnected (confirmed by the broker)",
    ];
    assert_eq!(events, expected);
    assert!(pair.session.is_closed() && pair.broker.connections().is_empty());
    assert_eq!(pair.broker.depth("/queue/a"), 1);
    assert_eq!(pair.deadline(), None);
}

#[test]
fn it_waits_for_receipts() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.session.disconnect();
    assert_eq!(script.commands(), ["SEND", "SUBSCRIBE"]);
    script.hear("RECEIPT\nreceipt-id:2\n\n\0");
    assert_eq!(script.said(), "");
    script.hear("ERROR\nmessage:no\nreceipt-id:1\n\n\0");
    assert_eq!(script.said(), "DISCONNECT\nreceipt:3\n\n\0");
    script.hear("RECEIPT\nreceipt-id:3\n\n\0");
    let events = script.events();
    assert_eq!(events.last().unwrap(), "closed: the session was disconnected (confirmed by the broker)");
    assert!(script.closes());
}

/// Found by the fuzz target `session`.
#[test]
fn its_own_receipt_counts_until_its_own_deadline() {
    let mut config = config();
    (config.receipt_timeout, config.disconnect_timeout) = (seconds(2), seconds(5));
    let mut script = Script::connected(config, Version::V1_2);
    script.session.disconnect();
    assert_eq!(script.said(), "DISCONNECT\nreceipt:1\n\n\0");
    script.pass(seconds(3));
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    assert_eq!(
        script.events().last().unwrap(),
        "closed: the session was disconnected (confirmed by the broker)"
    );
}

#[test]
fn a_receipt_that_never_comes_does_not_hold_it_up_for_ever() {
    let mut config = config();
    (config.receipt_timeout, config.disconnect_timeout) = (seconds(2), seconds(5));
    let mut script = Script::connected(config, Version::V1_2);
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.session.disconnect();
    assert_eq!(script.commands(), ["SEND"]);
    script.pass(seconds(2));
    assert_eq!(script.commands(), ["DISCONNECT"]);
    script.pass(milliseconds(2999));
    assert!(!script.session.is_closed());
    script.pass(milliseconds(1));
    let events = script.events();
    assert_eq!(events[0], "ReceiptId(1): Unknown(Timeout(2s))");
    assert_eq!(events.last().unwrap(), "closed: the session was disconnected (unconfirmed)");
    assert!(script.closes());
}

/// How it ends, and whether it is confirmed.
#[test]
fn how_it_ends() {
    type End = fn(&mut Script);
    let closed = "the broker closed the connection instead of confirming it";
    let rows: [(End, &str); 7] = [
        (|script| script.hear("RECEIPT\nreceipt-id:1\n\n\0"), "confirmed by the broker"),
        (|script| script.report(Lost::Eof), closed),
        // Spring's relay says so of the broker behind it.
        (|script| script.hear("ERROR\nmessage:Connection to broker closed.\n\n\0"), closed),
        (|script| script.report(Lost::Io("reset".into())), "unconfirmed"),
        (|script| script.hear("ERROR\nmessage:no\n\n\0"), "unconfirmed"),
        (|script| script.hear("garbage\n"), "unconfirmed"),
        (|script| script.pass(seconds(10)), "unconfirmed"),
    ];
    for (number, (end, told)) in rows.into_iter().enumerate() {
        let mut script = Script::connected(config(), Version::V1_2);
        script.session.disconnect();
        script.said();
        end(&mut script);
        let expected = format!("closed: the session was disconnected ({told})");
        assert_eq!(script.events().last(), Some(&expected), "row {number}");
        assert!(script.session.is_closed());
        assert_eq!(script.due_in(), None, "row {number}");
    }
}

#[test]
fn without_a_connection_it_ends_at_once() {
    for dialled in [false, true] {
        let mut script = if dialled { Script::dialled(config()) } else { Script::new(config()) };
        script.session.disconnect();
        assert_eq!(script.events(), ["closed: the session was disconnected (unconfirmed)"]);
        assert!(script.closes(), "the dial, or the handshake, is given up");
        assert_eq!(script.due_in(), None);
    }
    let mut pair = Pair::new(config(), BrokerConfig::default());
    pair.set_door(Door::Refusing);
    pair.advance(seconds(1));
    pair.session.disconnect();
    let dials = pair.attempts().len();
    pair.advance(seconds(60));
    assert_eq!(pair.attempts().len(), dials);
}

/// With what is to be sent at least once it connects on, a loss on the way included, until that is confirmed.
#[test]
fn it_goes_on_connecting_for_what_is_sent_at_least_once() {
    let mut pair = Pair::new(config(), BrokerConfig::default());
    pair.session.subscribe(Subscribe::new("/queue/z")).unwrap();
    pair.set_door(Door::Refusing);
    pair.advance(seconds(1));
    for body in ["a", "b"] {
        pair.session.send_at_least_once(send_frame("/queue/a", body), AtLeastOnce::new()).unwrap();
    }
    pair.session.disconnect_within(seconds(60));
    pair.advance(seconds(10));
    assert!(!pair.session.is_closed());
    pair.set_door(Door::Open);
    pair.broker.drop_receipts(true);
    while pair.session.connection().is_none() {
        pair.advance_to_deadline();
    }
    pair.cut(Lost::Eof);
    pair.broker.drop_receipts(false);
    pair.advance(seconds(60));
    let events: Vec<_> = pair.events().into_iter().collect();
    let closed = Closed::Disconnected { confirmed: true, closed: false, receipted: 2, unreceipted: 0 };
    assert!(matches!(&events[events.len() - 1], Event::Closed(told) if *told == closed), "{events:?}");
    assert_eq!(pair.broker.messages("/queue/a"), ["a", "b", "a", "b"]);
    let commands: Vec<_> = pair.frames().iter().map(|frame| frame.command().as_str()).collect();
    assert_eq!(commands, ["CONNECT", "SEND", "SEND", "DISCONNECT"], "nobody is there for messages any more");
}

#[test]
fn its_time_ends_that_too() {
    for connected in [false, true] {
        let mut pair = Pair::new(config(), BrokerConfig::default());
        pair.broker.drop_receipts(true);
        pair.set_door(if connected { Door::Open } else { Door::Refusing });
        pair.drive();
        pair.session.send_at_least_once(send_frame("/queue/a", "a"), AtLeastOnce::new()).unwrap();
        pair.session.disconnect_within(seconds(5));
        pair.drive();
        pair.advance(milliseconds(4999));
        assert!(!pair.session.is_closed());
        pair.advance(milliseconds(1));
        let events: Vec<_> = pair.events().iter().map(brief).collect();
        let outcome = if connected { "Unknown" } else { "NotSent" };
        let told = format!("ReceiptId(1): {outcome}(Lost(Disconnected))");
        assert_eq!(
            events[events.len() - 2..],
            [&*told, "closed: the session was disconnected (unconfirmed)"]
        );
    }
}

#[test]
fn its_result_counts_what_was_confirmed_and_what_was_not() {
    let mut script = Script::connected(config(), Version::V1_2);
    for _ in 0..4 {
        script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    }
    script.said();
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script.session.disconnect();
    script.said();
    script.hear("RECEIPT\nreceipt-id:2\n\n\0ERROR\nmessage:no\nreceipt-id:3\n\n\0");
    script.pass(seconds(10));
    let closed = script.raw_events().pop();
    let expected = Closed::Disconnected { confirmed: false, closed: false, receipted: 1, unreceipted: 2 };
    assert!(matches!(&closed, Some(Event::Closed(closed)) if *closed == expected), "{closed:?}");
}

#[test]
fn an_error_that_answers_it_ends_the_session_unconfirmed() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.disconnect();
    script.said();
    script.hear("ERROR\nmessage:no\nreceipt-id:1\n\n\0");
    assert_eq!(script.events().pop().unwrap(), "closed: the session was disconnected (unconfirmed)");
}

#[test]
fn after_it_nothing_is_commanded_and_messages_are_dropped() {
    let mut script = Script::connected(config(), Version::V1_2);
    let id = script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script.session.disconnect();
    assert_eq!(script.commands(), ["DISCONNECT"]);
    script.events();
    assert_eq!(script.session.send(&send_frame("/queue/a", "x")), Err(CommandError::Closed));
    let refused = script.session.send_confirmed(send_frame("/queue/a", "x"));
    assert_eq!(*refused.unwrap_err(), CommandError::Closed);
    assert_eq!(script.session.subscribe(Subscribe::new("/queue/b")), Err(CommandError::Closed));
    assert_eq!(script.session.begin(), Err(CommandError::Closed));
    assert_eq!(script.session.unsubscribe(id), Ok(()));
    script.hear("MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\nack:1\n\n\0");
    assert_eq!((script.said().as_str(), script.events().len()), ("", 0));
}

#[test]
fn no_heart_beat_follows_it() {
    let mut config = config();
    config.send_beat = seconds(1);
    let mut pair = Pair::connected(config, BrokerConfig::default());
    pair.broker.silence(pair.broker.connections()[0]);
    pair.session.disconnect();
    // The transcript of the pair panics at anything that follows DISCONNECT.
    pair.advance(seconds(20));
    assert!(pair.session.is_closed());
}

#[test]
fn a_broker_that_closes_without_a_word_is_no_reason_to_connect_again() {
    let mut pair = Pair::connected(config(), BrokerConfig::default());
    pair.broker.silence(pair.broker.connections()[0]);
    pair.session.disconnect();
    pair.drive();
    pair.cut(Lost::Eof);
    pair.advance(seconds(60));
    assert_eq!(pair.attempts().len(), 1);
    assert!(pair.session.is_closed());
}

/// What was done before, and what is told when it is closed at once: no DISCONNECT, and nothing that waits is forgotten.
#[test]
fn close_ends_at_once_and_tells_what_waits() {
    let how = AtLeastOnce::new();
    type Before = fn(&mut Script);
    let rows: [(Before, &[&str], bool); 5] = [
        (|_| {}, &["closed"], true),
        (
            |script| {
                script.accept(Version::V1_2);
                script.session.send_confirmed(send_frame("/queue/a", "out")).unwrap();
                script.said();
                script.session.send_confirmed(send_frame("/queue/a", "queued")).unwrap();
            },
            &["ReceiptId(1): Unknown(Lost(Disconnected))", "ReceiptId(2): NotSent(Lost(Disconnected))"],
            true,
        ),
        (|script| script.report(Lost::Eof), &["closed"], false),
        (
            |script| {
                script.accept(Version::V1_2);
                script.session.send_confirmed(send_frame("/queue/a", "out")).unwrap();
                script.said();
                script.session.disconnect();
            },
            &["ReceiptId(1): Unknown(Lost(Disconnected))"],
            true,
        ),
        (
            |script| {
                script.accept(Version::V1_2);
                script.session.disconnect();
                script.said();
            },
            &["closed"],
            true,
        ),
    ];
    for (at, (before, told, closes)) in rows.into_iter().enumerate() {
        let mut script = Script::dialled(config());
        script.said();
        before(&mut script);
        script.events();
        script.closes();
        let kept = script.session.send_at_least_once(send_frame("/queue/a", "kept"), how).ok();
        script.session.close();
        assert!(script.session.is_closed(), "row {at}");
        assert_eq!(script.closes(), closes, "row {at}");
        let events = script.events();
        for line in told.iter().filter(|line| !line.starts_with("closed")) {
            assert!(events.iter().any(|event| event == line), "row {at}: {line} in {events:?}");
        }
        let outcomes = events.iter().filter(|event| event.starts_with("ReceiptId")).count();
        let waited = told.iter().filter(|line| line.starts_with("ReceiptId")).count();
        assert_eq!(outcomes, waited + usize::from(kept.is_some()), "row {at}: {events:?}");
        assert!(events.last().unwrap().starts_with("closed"), "row {at}: {events:?}");
        assert_eq!((script.said().as_str(), script.due_in()), ("", None), "row {at}");
        script.session.close();
        assert_eq!(script.events(), [""; 0], "row {at}: once");
    }
}

#[test]
fn a_broker_that_closes_instead_of_confirming_leaves_unknown_what_asked_for_no_receipt() {
    // The answer to an earlier frame, or its silence; whether the DISCONNECT was taken; what is told.
    let rows = [
        (true, true, (true, 1, 2)),
        (false, true, (true, 0, 3)),
        // Nobody was told: it may have closed for another reason.
        (true, false, (false, 1, 0)),
    ];
    for (answers, is_said, (closed, receipted, unreceipted)) in rows {
        let mut config = config();
        config.receipt_timeout = seconds(2);
        let mut script = Script::connected(config, Version::V1_2);
        script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
        script.session.send(&send_frame("/queue/a", "y")).unwrap();
        script.session.send(&send_frame("/queue/a", "z")).unwrap();
        script.said();
        script.session.disconnect();
        if answers {
            script.hear("RECEIPT\nreceipt-id:1\n\n\0");
        } else {
            script.pass(seconds(2));
        }
        if is_said {
            assert_eq!(script.commands(), ["DISCONNECT"]);
        }
        script.report(Lost::Eof);
        let expected = Closed::Disconnected { confirmed: false, closed, receipted, unreceipted };
        let told = script.raw_events().pop();
        assert!(matches!(&told, Some(Event::Closed(told)) if *told == expected), "{told:?} {expected:?}");
    }
}
