//! ACKs that ask for a RECEIPT: one answer each, however many frames they take, and none is taken back.

use std::time::Duration;

use stomp_proto::{AckMode, Version};
use stomp_session::{
    Closed, CommandError, Event, Lost, Message, NotSent, Outcome, ReceiptId, Session, Subscribe, Unknown,
};

use crate::{
    profiles::{RABBITMQ, connected},
    script::{Script, config, seconds},
};

fn subscribed(version: Version, ack_mode: AckMode) -> Script {
    let mut script = Script::connected(config(), version);
    script.session.subscribe(Subscribe::new("/queue/a").ack(ack_mode)).unwrap();
    script.said();
    script
}

fn heard(script: &mut Script, number: u64) -> Message {
    script.hear(format!(
        "MESSAGE\nsubscription:0\nmessage-id:T_0@@s@@{number}\ndestination:/queue/a\nack:a{number}\n\nhello\0"
    ));
    script.messages().pop().expect("a message")
}

fn outcomes(script: &mut Script) -> Vec<(ReceiptId, Outcome)> {
    let outcome = |event| if let Event::Receipt { id, outcome } = event { Some((id, outcome)) } else { None };
    script.raw_events().into_iter().filter_map(outcome).collect()
}

fn receipt(id: impl std::fmt::Display) -> String {
    format!("RECEIPT\nreceipt-id:{id}\n\n\0")
}

fn refusal(id: impl std::fmt::Display) -> String {
    format!("ERROR\nreceipt-id:{id}\nmessage:no\n\n\0")
}

/// The receipts that were asked for since the last look.
fn asked(said: &str) -> Vec<String> {
    said.lines().filter_map(|line| line.strip_prefix("receipt:")).map(str::to_owned).collect()
}

#[test]
fn the_receipt_of_an_ack_is_its_answer() {
    for (version, ack) in [
        (Version::V1_0, "ACK\nmessage-id:T_0@@s@@1\n"),
        (Version::V1_1, "ACK\nsubscription:0\nmessage-id:T_0@@s@@1\n"),
        (Version::V1_2, "ACK\nid:a1\n"),
    ] {
        for refused in [false, true] {
            let mut script = subscribed(version, AckMode::Client);
            let mut message = heard(&mut script, 1);
            let id = script.session.ack_confirmed(&mut message).unwrap();
            assert_eq!(script.said(), format!("{ack}receipt:{id}\n\n\0"));
            assert_eq!(script.session.ack(&mut message), Err(CommandError::AlreadySettled));
            assert!(outcomes(&mut script).is_empty());
            script.hear(if refused { refusal(id) } else { receipt(id) });
            let [(told, outcome)] = &outcomes(&mut script)[..] else { panic!("one outcome") };
            assert_eq!((*told, matches!(outcome, Outcome::Rejected(_))), (id, refused), "{outcome:?}");
            assert_eq!(script.session.awaited_receipts(), 0);
        }
    }
}

#[test]
fn many_are_on_their_way_and_each_is_answered_by_its_own() {
    let mut script = subscribed(Version::V1_2, AckMode::ClientIndividual);
    let mut messages: Vec<_> = (1..=3).map(|number| heard(&mut script, number)).collect();
    let ids: Vec<_> =
        messages.iter_mut().map(|message| script.session.ack_confirmed(message).unwrap()).collect();
    assert_eq!(script.commands(), ["ACK"; 3]);
    script.hear(receipt(ids[2]));
    script.hear(refusal(ids[0]));
    script.hear(receipt(ids[1]));
    let told: Vec<_> = outcomes(&mut script).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, [ids[2], ids[0], ids[1]]);
}

/// The broker delivers the message again, or does not: only of a frame that has not left it is known.
#[test]
fn an_end_of_the_connection_says_whether_the_ack_had_left() {
    for left in [false, true] {
        let mut script = subscribed(Version::V1_2, AckMode::ClientIndividual);
        let (mut message, mut second) = (heard(&mut script, 1), heard(&mut script, 2));
        let id = script.session.ack_confirmed(&mut message).unwrap();
        if left {
            script.said();
        }
        script.report(Lost::Eof);
        let expected = match left {
            true => Outcome::Unknown(Unknown::Lost(Lost::Eof)),
            false => Outcome::NotSent(NotSent::Lost(Lost::Eof)),
        };
        assert_eq!(outcomes(&mut script), [(id, expected)]);
        let came = second.connection();
        assert_eq!(script.session.ack_confirmed(&mut second), Err(CommandError::Stale { came }));
    }
}

/// As for every receipt, whichever of the two clocks ends first; but what has not left does so later.
#[test]
fn a_broker_that_does_not_answer_is_waited_for_that_long() {
    for (left, waited) in [(true, 60), (false, 120)] {
        let mut script = subscribed(Version::V1_2, AckMode::ClientIndividual);
        let mut message = heard(&mut script, 1);
        let id = script.session.ack_confirmed(&mut message).unwrap();
        if left {
            script.said();
        }
        script.pass(Duration::ZERO);
        script.pass(seconds(waited - 1));
        assert!(outcomes(&mut script).is_empty());
        script.pass(seconds(1));
        assert_eq!(outcomes(&mut script), [(id, Outcome::Unknown(Unknown::Timeout(seconds(waited))))]);
        assert_eq!(script.commands().len(), usize::from(!left), "it is not taken back");
        script.hear(receipt(id));
        assert!(outcomes(&mut script).is_empty(), "it was told once");
    }
}

#[test]
fn cancelling_takes_no_ack_back() {
    let mut script = subscribed(Version::V1_2, AckMode::ClientIndividual);
    let mut message = heard(&mut script, 1);
    let id = script.session.ack_confirmed(&mut message).unwrap();
    assert!(!script.session.cancel(id));
    assert_eq!(script.commands(), ["ACK"]);
}

/// Where a cumulative ACK would touch other subscriptions it is one frame a message, and one answer.
#[test]
fn one_that_is_spelled_out_is_answered_when_all_its_frames_are() {
    for refused in [None, Some(0), Some(1)] {
        let mut script = connected(config(), Version::V1_2, RABBITMQ);
        script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::Client)).unwrap();
        script.said();
        let mut messages: Vec<_> = (1..=3).map(|number| heard(&mut script, number)).collect();
        let id = script.session.ack_confirmed(&mut messages[2]).unwrap();
        let parts = asked(&script.said());
        assert_eq!(parts.len(), 3);
        for (nth, part) in parts.iter().enumerate() {
            assert!(outcomes(&mut script).is_empty(), "{nth} of 3 were answered");
            if refused == Some(nth) {
                script.hear(refusal(part));
                break;
            }
            script.hear(receipt(part));
        }
        let told = outcomes(&mut script);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].0, told[0].1 == Outcome::Confirmed), (id, refused.is_none()));
        assert_eq!(script.session.awaited_receipts(), 0, "and nothing else is waited for");
    }
}

#[test]
fn one_that_is_spelled_out_ends_with_its_connection_and_with_its_time() {
    for left in [false, true] {
        for by_time in [false, true] {
            let mut script = connected(config(), Version::V1_2, RABBITMQ);
            script.session.subscribe(Subscribe::new("/queue/a").ack(AckMode::Client)).unwrap();
            script.said();
            let mut messages: Vec<_> = (1..=3).map(|number| heard(&mut script, number)).collect();
            let id = script.session.ack_confirmed(&mut messages[2]).unwrap();
            if left {
                script.said();
            }
            script.pass(Duration::ZERO);
            if by_time {
                script.pass(seconds(if left { 60 } else { 120 }));
            } else {
                script.report(Lost::Eof);
            }
            let told = outcomes(&mut script);
            assert_eq!(told.len(), 1, "{told:?}");
            let is_unsent = matches!(told[0].1, Outcome::NotSent(_));
            assert_eq!((told[0].0, is_unsent), (id, !left && !by_time), "{told:?}");
            assert_eq!(script.session.awaited_receipts(), 0);
        }
    }
}

/// In 1.0 every ACK means all before it: one waits for those before it, and is answered by its own.
#[test]
fn in_1_0_it_waits_for_those_before_it() {
    let mut script = subscribed(Version::V1_0, AckMode::ClientIndividual);
    let mut messages: Vec<_> = (1..=3).map(|number| heard(&mut script, number)).collect();
    let second = script.session.ack_confirmed(&mut messages[1]).unwrap();
    assert_eq!(script.said(), "", "the first is not settled");
    script.hear(receipt(second));
    assert!(outcomes(&mut script).is_empty(), "nothing answers what has not left");
    script.session.ack(&mut messages[0]).unwrap();
    assert_eq!(script.said(), format!("ACK\nmessage-id:T_0@@s@@2\nreceipt:{second}\n\n\0"));
    let third = script.session.ack_confirmed(&mut messages[2]).unwrap();
    assert_eq!(script.commands(), ["ACK"]);
    script.hear(receipt(third));
    script.hear(receipt(second));
    assert_eq!(outcomes(&mut script), [(third, Outcome::Confirmed), (second, Outcome::Confirmed)]);
}

#[test]
fn in_1_0_one_whose_time_is_over_leaves_all_the_same() {
    let mut script = subscribed(Version::V1_0, AckMode::ClientIndividual);
    let mut messages: Vec<_> = (1..=2).map(|number| heard(&mut script, number)).collect();
    let second = script.session.ack_confirmed(&mut messages[1]).unwrap();
    script.pass(Duration::ZERO);
    script.pass(seconds(120));
    assert_eq!(outcomes(&mut script), [(second, Outcome::Unknown(Unknown::Timeout(seconds(120))))]);
    script.session.ack(&mut messages[0]).unwrap();
    assert_eq!(script.said(), "ACK\nmessage-id:T_0@@s@@2\n\n\0");
}

/// What is on its way when the end begins counts among what was confirmed.
#[test]
fn a_graceful_end_awaits_it() {
    let mut script = subscribed(Version::V1_2, AckMode::ClientIndividual);
    let mut message = heard(&mut script, 1);
    let id = script.session.ack_confirmed(&mut message).unwrap();
    script.session.disconnect();
    assert_eq!(script.commands(), ["ACK"], "DISCONNECT does not overtake it");
    script.hear(receipt(id));
    let goodbye = asked(&script.said());
    script.hear(receipt(&goodbye[0]));
    let closed = script.raw_events().into_iter().find_map(|event| match event {
        Event::Closed(closed) => Some(closed),
        _ => None,
    });
    assert_eq!(
        closed,
        Some(Closed::Disconnected { confirmed: true, closed: false, receipted: 1, unreceipted: 0 })
    );
}

#[test]
fn what_cannot_be_acknowledged_is_an_error_and_writes_nothing() {
    let mut script = subscribed(Version::V1_2, AckMode::Auto);
    let mut message = heard(&mut script, 1);
    let refused = |session: &mut Session, message: &mut Message| session.ack_confirmed(message).unwrap_err();
    assert_eq!(refused(&mut script.session, &mut message), CommandError::NotAcknowledged);
    let mut other = subscribed(Version::V1_2, AckMode::Client);
    let mut message = heard(&mut other, 1);
    assert_eq!(refused(&mut script.session, &mut message), CommandError::OtherSession);
    assert_eq!((script.said(), script.session.awaited_receipts()), (String::new(), 0));
}
