//! Careful replay, after an ERROR that names nobody or a second short-lived connection: each frame alone, before anything
//! else, until it is known which one the broker does not take.

use stomp_proto::{Limits, Version};
use stomp_session::{AtLeastOnce, Event, Lost, Move, Outcome, Subscribe};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{Script, config, milliseconds, seconds, send_frame};

const ERROR: &str = "ERROR\nmessage:no\n\n\0";

fn keep(script: &mut Script, body: &str) {
    script.session.send_at_least_once(send_frame("/queue/a", body), AtLeastOnce::new()).unwrap();
}

/// What was written since the last call: a SUBSCRIBE by its destination, a SEND by its body.
fn said(script: &mut Script) -> Vec<String> {
    let said = script.said();
    let frames =
        said.split('\0').map(|frame| frame.trim_start_matches('\n')).filter(|frame| !frame.is_empty());
    frames.map(|frame| in_short(frame).to_owned()).collect()
}

fn in_short(frame: &str) -> &str {
    let (head, body) = frame.split_once("\n\n").unwrap_or((frame, ""));
    let destination = head.lines().find_map(|line| line.strip_prefix("destination:"));
    if body.is_empty() { destination.unwrap_or(head) } else { body }
}

/// The connection ends, and the next one stands.
fn reconnect(script: &mut Script) {
    script.pass(script.due_in().unwrap());
    script.reconnect(Version::V1_2);
}

/// What is told of frames and subscriptions.
fn told(script: &mut Script) -> Vec<String> {
    let told = script.events().into_iter();
    told.filter(|event| event.starts_with("ReceiptId") || event.starts_with("ended")).collect()
}

/// Two subscriptions and three SENDs that may have been what the ERROR means.
fn in_trouble() -> Script {
    let mut script = Script::connected(config(), Version::V1_2);
    for destination in ["/queue/a", "/queue/b"] {
        script.session.subscribe(Subscribe::new(destination)).unwrap();
    }
    ["one", "two", "three"].into_iter().for_each(|body| keep(&mut script, body));
    script.said();
    script.hear(ERROR);
    assert!(script.closes());
    assert_eq!(told(&mut script), [""; 0], "none of them is rejected");
    script
}

#[test]
fn each_is_alone_before_anything_else() {
    let mut script = in_trouble();
    reconnect(&mut script);
    script.session.send(&send_frame("/queue/a", "plain")).unwrap();
    keep(&mut script, "four");
    for expected in ["/queue/a", "/queue/b", "one", "two", "three"] {
        assert_eq!(said(&mut script), [expected]);
        script.confirm(expected);
    }
    assert_eq!(said(&mut script), ["plain", "four"]);
    assert_eq!(told(&mut script).len(), 3, "one, two and three are confirmed");
    script.pass(seconds(6));
    script.lose(Lost::Eof);
    script.reconnect(Version::V1_2);
    assert_eq!(said(&mut script), ["/queue/a", "/queue/b", "four"], "and then as usual");
}

#[test]
fn a_subscription_that_ends_before_its_turn_is_never_sent() {
    let mut script = Script::connected(config(), Version::V1_2);
    let mut subscribe = |destination| script.session.subscribe(Subscribe::new(destination)).unwrap();
    let [first, second] = ["/queue/a", "/queue/b"].map(&mut subscribe);
    keep(&mut script, "one");
    script.said();
    script.hear(ERROR);
    reconnect(&mut script);
    assert_eq!(said(&mut script), ["/queue/a"]);
    script.session.unsubscribe(second).unwrap();
    script.confirm("/queue/a");
    assert_eq!(said(&mut script), ["one"], "neither the SUBSCRIBE nor an UNSUBSCRIBE of the second");
    script.session.unsubscribe(first).unwrap();
    script.confirm("one");
    assert_eq!(script.commands(), ["UNSUBSCRIBE"], "the first one stands");
}

#[test]
fn a_subscription_that_a_move_has_passed_over_is_not_unsubscribed() {
    let mut script = Script::connected(config(), Version::V1_2);
    let mut subscribe = |destination| script.session.subscribe(Subscribe::new(destination)).unwrap();
    let [_, second, third] = ["/queue/a", "/queue/b", "/queue/c"].map(&mut subscribe);
    script.said();
    script.hear(ERROR);
    reconnect(&mut script);
    assert_eq!(said(&mut script), ["/queue/a"]);
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.session.reconnect(Move::new("away")).unwrap();
    script.session.unsubscribe(third).unwrap();
    script.confirm("/queue/a");
    assert_eq!(said(&mut script), ["x"], "the others are for the next connection");
    script.session.unsubscribe(second).unwrap();
    script.confirm("x");
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

#[test]
fn what_is_alone_when_an_error_comes_is_rejected() {
    let mut script = in_trouble();
    reconnect(&mut script);
    for expected in ["/queue/a", "/queue/b", "one"] {
        assert_eq!(said(&mut script), [expected]);
        script.confirm(expected);
    }
    assert_eq!(said(&mut script), ["two"]);
    script.events();
    script.hear(ERROR);
    assert_eq!(told(&mut script), [""; 0], "what is said once may mean anything");
    assert!(script.closes(), "another ERROR about it could be taken for one about the next");
    reconnect(&mut script);
    for expected in ["/queue/a", "/queue/b", "three"] {
        assert_eq!(said(&mut script), [expected]);
        script.confirm(expected);
    }
    script.pass(seconds(4));
    assert_eq!(said(&mut script), [""; 0]);
    script.pass(seconds(1));
    assert_eq!(said(&mut script), ["two"]);
    script.events();
    script.hear(ERROR);
    assert_eq!(
        told(&mut script),
        ["ReceiptId(5): Rejected(ServerError(no))"],
        "said twice, it means this one"
    );
    reconnect(&mut script);
    assert_eq!(said(&mut script), ["/queue/a", "/queue/b"]);
}

#[test]
fn a_subscribe_too() {
    let mut script = in_trouble();
    reconnect(&mut script);
    assert_eq!(said(&mut script), ["/queue/a"]);
    script.hear(ERROR);
    assert_eq!(told(&mut script), ["ended: SubscriptionId(0), the broker ended the subscription: no"]);
    reconnect(&mut script);
    assert_eq!(said(&mut script), ["/queue/b"]);
}

/// Six of these closes are apart by 2 s doubling to 32 s: a broker that elects a leader closes so too.
#[test]
fn what_ends_connections_without_a_word_for_more_than_a_minute_is_given_up() {
    let kills = "the broker silently closed the connection";
    for subscribes in [false, true] {
        let mut script = Script::connected(config(), Version::V1_2);
        match subscribes {
            true => _ = script.session.subscribe(Subscribe::new("/queue/a")).unwrap(),
            false => keep(&mut script, "bad"),
        }
        let mut ends = Vec::new();
        let mut results = Vec::new();
        while results.is_empty() {
            if said(&mut script).len() == 1 {
                ends.push(script.now.since_start().as_secs());
                script.report(Lost::Io("reset".into()));
            }
            results = told(&mut script);
            script.pass(script.due_in().unwrap_or(seconds(1)));
            if script.session.connection().is_none() {
                script.reconnect(Version::V1_2);
            }
        }
        let expected = [0, 0, 0, 2, 6, 14, 24, 34, 44, 54, 64, 74];
        assert_eq!(ends, expected, "the first two were not known to be its doing");
        let expected = if subscribes { kills } else { "Unknown(KillsConnection(Io(\"reset\")))" };
        assert!(results.len() == 1 && results[0].contains(expected), "{results:?}");
        assert_eq!(script.said(), "");
    }
}

#[test]
fn a_second_connection_that_did_not_last_is_enough() {
    let rows = [([1, 1], true), ([6, 1], false), ([1, 6], false)];
    for (lasted, careful) in rows {
        let mut script = Script::connected(config(), Version::V1_2);
        for destination in ["/queue/a", "/queue/b"] {
            script.session.subscribe(Subscribe::new(destination)).unwrap();
        }
        for lasted in lasted {
            script.said();
            script.pass(seconds(lasted));
            script.report(Lost::Eof);
            reconnect(&mut script);
        }
        assert_eq!(said(&mut script).len(), if careful { 1 } else { 2 }, "{lasted:?}");
    }
}

/// Without an answer nothing is known of the next one either.
#[test]
fn one_that_is_not_answered_does_not_hold_up_the_others_for_ever() {
    for sends in [false, true] {
        let mut script = in_trouble();
        reconnect(&mut script);
        for destination in ["/queue/a", "/queue/b"].into_iter().filter(|_| sends) {
            script.said();
            script.confirm(destination);
        }
        assert_eq!(said(&mut script).len(), 1);
        script.session.send(&send_frame("/queue/a", "plain")).unwrap();
        script.pass(seconds(10));
        let expected: &[_] = if sends { &["two", "three", "plain"] } else { &["/queue/b"] };
        assert_eq!(said(&mut script), expected);
        if !sends {
            // A broker that refuses a SUBSCRIBE says so at once: the next ones need not wait as long.
            for expected in [&["one"][..], &["two", "three", "plain"]] {
                script.pass(seconds(1));
                assert_eq!(said(&mut script), expected);
            }
        }
        script.hear(ERROR);
        assert_eq!(told(&mut script), [""; 0], "none is rejected");
    }
}

#[test]
fn what_ends_meanwhile_is_not_sent() {
    let mut script = Script::connected(config(), Version::V1_2);
    let ids = ["/queue/a", "/queue/b"].map(|name| script.session.subscribe(Subscribe::new(name)).unwrap());
    let one = script.session.send_at_least_once(send_frame("/queue/a", "one"), AtLeastOnce::new()).unwrap();
    keep(&mut script, "two");
    script.said();
    script.hear(ERROR);
    reconnect(&mut script);
    assert_eq!(said(&mut script), ["/queue/a"]);
    script.session.unsubscribe(ids[1]).unwrap();
    assert!(!script.session.cancel(one));
    script.confirm("/queue/a");
    assert_eq!(said(&mut script), ["two"], "no UNSUBSCRIBE for what was not subscribed");
}

#[test]
fn heart_beats_go_out_meanwhile() {
    let mut config = config();
    config.send_beat = seconds(1);
    let mut script = Script::dialled(config);
    let connected = "CONNECTED\nversion:1.2\nheart-beat:0,1000\n\n\0";
    script.hear(connected);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    keep(&mut script, "one");
    script.said();
    script.hear(ERROR);
    script.pass(milliseconds(10));
    script.dial();
    script.said();
    script.hear(connected);
    assert_eq!(said(&mut script), ["/queue/a"]);
    script.session.send(&send_frame("/queue/a", "plain")).unwrap();
    script.pass(milliseconds(800));
    assert_eq!(script.said(), "\n");
}

#[test]
fn the_end_waits_for_it() {
    let mut script = in_trouble();
    reconnect(&mut script);
    script.said();
    script.session.disconnect();
    script.confirm("/queue/a");
    for expected in ["one", "two", "three"] {
        assert_eq!(said(&mut script), [expected], "the other subscription is not wanted any more");
        script.confirm(expected);
    }
    assert_eq!(script.commands(), ["DISCONNECT"]);
}

/// RabbitMQ's ERROR names nobody, and what stands behind an impossible SEND must arrive.
#[test]
fn one_impossible_send_is_found_out_and_the_others_arrive() {
    let mut limits = Limits::default();
    limits.body = 1000;
    let mut pair = Pair::connected(config(), BrokerConfig::rabbitmq().limits(limits));
    for number in 0..20 {
        let length = if number == 10 { 2000 } else { number + 1 };
        let frame = send_frame("/queue/a", &"x".repeat(length));
        pair.session.send_at_least_once(frame, AtLeastOnce::new()).unwrap();
    }
    pair.advance(seconds(60));
    let outcomes: Vec<_> = pair.events().into_iter().filter_map(outcome).collect();
    let confirmed = outcomes.iter().filter(|outcome| **outcome == Outcome::Confirmed).count();
    let rejected = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Rejected(_))).count();
    assert_eq!((confirmed, rejected, outcomes.len()), (19, 1, 20));
    for number in (0..20).filter(|number| *number != 10) {
        let body = bytes::Bytes::from("x".repeat(number + 1));
        assert!(pair.broker.messages("/queue/a").contains(&body), "{number}");
    }
    assert!(pair.session.connection().is_some());
}

fn outcome(event: Event) -> Option<Outcome> {
    if let Event::Receipt { outcome, .. } = event { Some(outcome) } else { None }
}
