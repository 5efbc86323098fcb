//! What may pass is not taken for final: refusals of what once stood, words about the connection, strikes of one moment.

use std::time::Duration;

use stomp_proto::Version;
use stomp_session::{AtLeastOnce, Config, Event, Lost, Outcome, Retry, Subscribe, SubscriptionId};

use crate::script::{Script, config, milliseconds, seconds, send_frame};

const HOME_NODE: &str = "ERROR\nmessage:not_found\ncontent-type:text/plain\n\nNOT_FOUND - home node 'rabbit@b' of durable \
                         queue 'a' in vhost '/' is down or inaccessible\n\0";
const NO_QUEUE: &str = "ERROR\nmessage:not_found\n\nNOT_FOUND - no queue 'a' in vhost '/'\n\0";
pub(crate) const LOCKED: &str = "ERROR\nmessage:resource_locked\n\nRESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'a'\n\0";
const NO_ACCESS: &str = "ERROR\nmessage:access_refused\n\nACCESS_REFUSED - access to queue 'a' in vhost '/' refused for user 'me'\n\0";
const INEQUIVALENT: &str = "ERROR\nmessage:precondition_failed\n\nPRECONDITION_FAILED - inequivalent arg 'durable' for queue 'a' in vhost '/'\n\0";
const ACK_TIMEOUT: &str = "ERROR\nmessage:precondition_failed\n\nPRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out\n\0";

pub(crate) fn connected_to(server: &str, config: Config) -> Script {
    let mut script = Script::dialled(config);
    accept(&mut script, server);
    script.events();
    script.said();
    script
}

pub(crate) fn accept(script: &mut Script, server: &str) {
    let server = if server.is_empty() { String::new() } else { format!("server:{server}\n") };
    script.hear(format!("CONNECTED\nversion:1.2\n{server}\n\0"));
}

pub(crate) const RABBITMQ: &str = "RabbitMQ/3.10.8";
const ACTIVEMQ: &str = "ActiveMQ/5.17.2";
const ARTEMIS: &str = "ActiveMQ-Artemis/2.44.0 ActiveMQ Artemis Messaging Engine";

/// A subscription that stands.
pub(crate) fn standing(script: &mut Script, subscribe: Subscribe) -> SubscriptionId {
    let id = script.session.subscribe(subscribe).unwrap();
    script.said();
    script.confirm("/queue/a");
    script.events();
    id
}

/// Lets time pass as the clock's owner does, and dials; the SUBSCRIBEs are answered so.
fn live(
    script: &mut Script,
    server: &str,
    until: Duration,
    answer: impl Fn(Duration) -> Answer,
) -> Vec<(u64, String)> {
    let mut told = Vec::new();
    loop {
        let now = script.now.since_start();
        if script.dial_if_asked() {
            accept(script, server);
        }
        if script.commands().iter().any(|command| command == "SUBSCRIBE") {
            match answer(now) {
                Answer::Error(text) => script.hear(text),
                Answer::Named(text) => script.answer(text, "/queue/a"),
                Answer::Receipt => script.confirm("/queue/a"),
                Answer::Eof => script.report(Lost::Eof),
            }
        }
        let what = script.raw_events().into_iter().filter_map(|event| match event {
            Event::Resubscribing { delay, .. } => Some(format!("again in {}", delay.as_secs())),
            Event::SubscriptionEnded { .. } => Some("ended".to_owned()),
            Event::Subscribed(_) => Some("stands".to_owned()),
            _ => None,
        });
        told.extend(what.map(|what| (now.as_secs(), what)));
        let Some(due) = script.due_in().filter(|due| now + *due <= until) else { return told };
        script.pass(due);
    }
}

#[derive(Clone, Copy)]
enum Answer {
    Error(&'static str),
    Named(&'static str),
    Receipt,
    Eof,
}

/// A node of a cluster is down for twelve seconds: the subscription is there again soon after it is back.
#[test]
fn a_replayed_subscribe_that_ends_connections_is_tried_again_ever_more_rarely() {
    for error in
        [HOME_NODE, NO_QUEUE, LOCKED, NO_ACCESS, ACK_TIMEOUT, "ERROR\nmessage:what nobody knows\n\n\0"]
    {
        let mut script = connected_to(RABBITMQ, config());
        standing(&mut script, Subscribe::new("/queue/a"));
        script.report(Lost::Eof);
        let back = seconds(12);
        let told = live(&mut script, RABBITMQ, seconds(60), |now| {
            if now < back { Answer::Error(error) } else { Answer::Receipt }
        });
        let stands = told.iter().find(|(_, what)| what == "stands").expect(error);
        assert!(stands.0 <= 27, "{error}: {told:?}");
        assert!(told.iter().all(|(_, what)| what != "ended"), "{error}: {told:?}");
    }
}

#[test]
fn a_queue_that_stays_away_costs_few_connections_in_the_first_hour_and_two_in_the_next() {
    for (answer, first) in [(Answer::Error(NO_QUEUE), 10), (Answer::Eof, 15)] {
        let mut script = connected_to(RABBITMQ, config());
        standing(&mut script, Subscribe::new("/queue/a"));
        let told = live(&mut script, RABBITMQ, Duration::ZERO, |_| answer);
        assert!(told.is_empty(), "{told:?}");
        script.pass(seconds(10));
        script.report(Lost::Eof);
        let told = live(&mut script, RABBITMQ, seconds(3 * 3600), |_| answer);
        for hour in 0..3 {
            let costs =
                told.iter().filter(|(at, what)| what.starts_with("again") && at / 3600 == hour).count();
            assert!((1..=if hour == 0 { first } else { 2 }).contains(&costs), "{hour}: {told:?}");
        }
        assert!(told.iter().all(|(_, what)| what != "ended"), "{told:?}");
    }
}

/// Whoever keeps the connection harms nobody: 1 s doubling to 60 s, and a minute doubling to 15 for permission.
#[test]
fn a_replayed_subscribe_that_is_refused_by_name_backs_off_on_its_own() {
    let rows = [
        ("ERROR\nmessage:cannot create a consumer", [1_u64, 2, 4, 8, 16, 32, 60, 60]),
        (
            "ERROR\nmessage:User me is not authorized to read from: queue://a",
            [60, 120, 240, 480, 900, 900, 900, 900],
        ),
    ];
    for (error, expected) in rows {
        let mut script = connected_to(ACTIVEMQ, config());
        standing(&mut script, Subscribe::new("/queue/a"));
        script.pass(seconds(6));
        script.report(Lost::Eof);
        let told = live(&mut script, ACTIVEMQ, seconds(4000), |_| Answer::Named(error));
        for ((_, what), expected) in told.iter().zip(expected) {
            let delay: u64 = what.strip_prefix("again in ").expect(what).parse().unwrap();
            assert!(
                (expected * 7 / 8).saturating_sub(1) <= delay && delay <= expected * 9 / 8,
                "{what} {expected}"
            );
        }
        assert!(told.len() >= expected.len() - 2, "{told:?}");
        assert_eq!(
            script.session.connection().unwrap().id.to_string(),
            "connection 2",
            "the connection is kept"
        );
    }
}

/// The broker cancels a living consumer: its queue's node has gone, or its queue.
#[test]
fn a_cancelled_subscription_is_subscribed_again() {
    let mut script = connected_to(RABBITMQ, config());
    let id = standing(&mut script, Subscribe::new("/queue/a"));
    script.hear("MESSAGE\nsubscription:0\nmessage-id:T_0@@s@@1\nack:T_0@@s@@1\ndestination:/queue/a\n\nx\0");
    let mut message = script.messages().pop().unwrap();
    script.hear("ERROR\nmessage:Server cancelled subscription\nsubscription:0\n\nThe server has canceled a subscription.\n\0");
    assert_eq!(
        script.events(),
        [format!(
            "again: {id:?}, the broker ended the subscription: Server cancelled subscription: The server has canceled a subscription."
        )]
    );
    assert_eq!(script.session.ack(&mut message), Err(stomp_session::CommandError::Unsubscribed));
    assert_eq!(script.commands(), [""; 0], "no ACK for a consumer that is gone");
    script.pass(seconds(2));
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
    script.confirm("/queue/a");
    assert_eq!(script.events(), [format!("subscribed: {id:?}")]);
    assert_eq!(
        script.session.ack(&mut message),
        Err(stomp_session::CommandError::Unsubscribed),
        "of an earlier one"
    );
    script.hear("MESSAGE\nsubscription:0\nmessage-id:T_0@@s@@2\nack:T_0@@s@@2\ndestination:/queue/a\n\nx\0");
    let mut message = script.messages().pop().unwrap();
    script.session.ack(&mut message).unwrap();
    assert_eq!(script.commands(), ["ACK"]);
}

/// Whole phrases that answer that SUBSCRIBE alone.
#[test]
fn what_can_never_be_accepted_ends_the_subscription() {
    let rows = [
        (RABBITMQ, Answer::Error(INEQUIVALENT)),
        (ACTIVEMQ, Answer::Named("ERROR\nmessage:javax.jms.InvalidSelectorException: a b")),
        (ARTEMIS, Answer::Named("ERROR\nmessage:AMQ339006: Invalid filter: a b")),
        (ARTEMIS, Answer::Named("ERROR\nmessage:Invalid selector \"a b\"")),
    ];
    for (server, answer) in rows {
        let mut script = connected_to(server, config());
        standing(&mut script, Subscribe::new("/queue/a"));
        script.pass(seconds(6));
        script.report(Lost::Eof);
        let told = live(&mut script, server, seconds(60), |_| answer);
        assert_eq!(told.iter().map(|(_, what)| &**what).collect::<Vec<_>>(), ["ended"], "{server}");
    }
}

#[test]
fn a_first_subscribe_that_is_refused_is_answered() {
    for error in [NO_QUEUE, NO_ACCESS, LOCKED, INEQUIVALENT, "ERROR\nmessage:what nobody knows\n\n\0"] {
        let mut script = connected_to(RABBITMQ, config());
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        let told = live(&mut script, RABBITMQ, seconds(60), |_| Answer::Error(error));
        assert_eq!(told, [(0, "ended".to_owned())], "{error}");
    }
}

/// A RECEIPT that RabbitMQ sends behind the ERROR is no success, neither for a first one nor for a later one.
#[test]
fn a_receipt_behind_the_error_is_no_success() {
    for stood in [false, true] {
        let mut script = connected_to(ACTIVEMQ, config());
        if stood {
            standing(&mut script, Subscribe::new("/queue/a"));
            script.report(Lost::Eof);
            script.pass(seconds(1));
            script.dial();
            accept(&mut script, ACTIVEMQ);
        } else {
            script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        }
        script.said();
        script.events();
        script.hear("ERROR\nsubscription:0\nmessage:refused\n\n\0");
        script.confirm("/queue/a");
        let told = script.events();
        assert!(told.iter().all(|event| !event.starts_with("subscribed")), "{told:?}");
        script.pass(seconds(2));
        assert_eq!(script.commands().len(), usize::from(stood), "one that stood is sent again all the same");
    }
}

#[test]
fn its_owner_may_not_want_it_again_or_only_for_a_while() {
    let rows = [(Retry::Never, 0), (Retry::Within(seconds(5)), 7), (Retry::Within(seconds(100)), 140)];
    for (retry, at_most) in rows {
        let mut script = connected_to(ACTIVEMQ, config());
        standing(&mut script, Subscribe::new("/queue/a").retry(retry));
        script.report(Lost::Eof);
        let told = live(&mut script, ACTIVEMQ, seconds(4000), |_| Answer::Named("ERROR\nmessage:no"));
        let (at, what) = told.last().unwrap();
        assert_eq!(what, "ended", "{retry:?}: {told:?}");
        assert!(*at <= at_most && *at >= at_most / 2, "{retry:?}: {told:?}");
    }
}

/// A connection that flaps three times within a moment: no strike but one.
#[test]
fn a_flap_of_a_moment_ends_no_subscription() {
    let mut script = connected_to(RABBITMQ, config());
    standing(&mut script, Subscribe::new("/queue/a"));
    script.report(Lost::Eof);
    let told = live(&mut script, RABBITMQ, seconds(60), |now| {
        if now < milliseconds(300) { Answer::Eof } else { Answer::Receipt }
    });
    assert_eq!(told.last().unwrap().1, "stands", "{told:?}");
    assert!(told.last().unwrap().0 <= 4, "{told:?}");
}

pub(crate) fn keep(script: &mut Script, timeout: Duration) {
    let how = AtLeastOnce::new().timeout(timeout);
    script.session.send_at_least_once(send_frame("/queue/a", "one"), how).unwrap();
    script.said();
}

pub(crate) fn outcome(script: &mut Script) -> Option<Outcome> {
    let outcome = |event| if let Event::Receipt { outcome, .. } = event { Some(outcome) } else { None };
    script.raw_events().into_iter().filter_map(outcome).next()
}

/// An ERROR about the connection blames neither the one SEND nor the one SUBSCRIBE that waits.
#[test]
fn words_about_the_connection_blame_nobody() {
    let words = [
        "message:connection_forced\n\nCONNECTION_FORCED - broker forced connection closure with reason 'shutdown'\n",
        "message:Broker is stopping\n\n",
        "message:memory limit reached\n\n",
        "message:not_found\n\nNOT_FOUND - home node 'rabbit@b' of durable queue 'a' in vhost '/' is down or inaccessible\n",
        "message:The node is going down for maintenance\n\n",
    ];
    for words in words {
        let mut script = connected_to(RABBITMQ, config());
        keep(&mut script, seconds(600));
        for _ in 0..6 {
            script.hear(format!("ERROR\n{words}\0"));
            assert_eq!(outcome(&mut script), None, "{words}");
            while !script.said().contains("SEND") {
                script.pass(script.due_in().expect(words));
                if script.dial_if_asked() {
                    accept(&mut script, RABBITMQ);
                }
            }
        }
        script.confirm("one");
        assert_eq!(outcome(&mut script), Some(Outcome::Confirmed), "{words}");
        let mut script = connected_to(RABBITMQ, config());
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.said();
        script.hear(format!("ERROR\n{words}\0"));
        script.pass(seconds(1));
        script.dial();
        accept(&mut script, RABBITMQ);
        assert!(script.said().contains("SUBSCRIBE"), "{words}");
        script.confirm("/queue/a");
        assert!(script.events().contains(&"subscribed: SubscriptionId(0)".to_owned()), "{words}");
    }
}

/// Refusals by name that pass: the SEND stays until its own time is over, and then says what it was told.
#[test]
fn a_passing_refusal_leaves_a_kept_send_where_it_is() {
    let refusal = "ERROR\nmessage:AMQ229102: Address \"a\" is full.";
    let mut script = connected_to(ARTEMIS, config());
    keep(&mut script, seconds(20));
    script.answer(refusal, "one");
    assert_eq!(outcome(&mut script), None);
    script.pass(seconds(2));
    assert_eq!(script.commands(), ["SEND"]);
    script.confirm("one");
    assert_eq!(outcome(&mut script), Some(Outcome::Confirmed));
    keep(&mut script, seconds(20));
    script.answer(refusal, "one");
    script.pass(seconds(20));
    let told = format!("{:?}", outcome(&mut script));
    assert!(told.contains("TimeoutAfter") && told.contains("is full"), "{told}");
}

#[test]
fn any_other_refusal_by_name_rejects_it() {
    let mut script = connected_to(ACTIVEMQ, config());
    keep(&mut script, seconds(600));
    script.answer("ERROR\nmessage:no such destination", "one");
    assert!(matches!(outcome(&mut script), Some(Outcome::Rejected(_))));
}

/// RabbitMQ's reader ends without a word while a quorum queue elects its leader.
#[test]
fn an_election_of_some_seconds_loses_no_kept_send() {
    let mut script = connected_to(RABBITMQ, config());
    keep(&mut script, seconds(600));
    script.report(Lost::Eof);
    loop {
        script.pass(script.due_in().unwrap());
        if script.dial_if_asked() {
            accept(&mut script, RABBITMQ);
        }
        if script.said().contains("SEND") {
            if script.now.since_start() >= seconds(20) {
                break;
            }
            script.report(Lost::Eof);
            assert_eq!(outcome(&mut script), None);
        }
    }
    script.confirm("one");
    assert_eq!(outcome(&mut script), Some(Outcome::Confirmed));
}

/// ActiveMQ keeps the connection: what waits goes on waiting, and what was delivered is acknowledged on it.
#[test]
fn an_error_that_names_nobody_touches_nothing_where_the_connection_is_kept() {
    let mut script = connected_to(ACTIVEMQ, config());
    standing(&mut script, Subscribe::new("/queue/a"));
    script.hear("MESSAGE\nsubscription:0\nmessage-id:1\nack:1\ndestination:/queue/a\n\nx\0");
    let mut message = script.messages().pop().unwrap();
    keep(&mut script, seconds(600));
    script.session.send(&send_frame("/remote-temp-queue/gone", "reply")).unwrap();
    script.said();
    script.hear("ERROR\nmessage:Cannot publish to a deleted Destination\n\n\0");
    assert_eq!(script.events(), ["error: Cannot publish to a deleted Destination"]);
    assert!(!script.closes());
    script.session.ack(&mut message).unwrap();
    assert_eq!(script.commands(), ["ACK"]);
    script.confirm("one");
    assert_eq!(outcome(&mut script), Some(Outcome::Confirmed));
}

/// Between its strikes the others go first, and acknowledgements at all times.
#[test]
fn a_suspect_holds_up_nobody() {
    let mut script = connected_to(RABBITMQ, config());
    standing(&mut script, Subscribe::new("/queue/a"));
    keep(&mut script, seconds(600));
    for _ in 0..3 {
        script.report(Lost::Eof);
        script.pass(seconds(1));
        script.dial();
        accept(&mut script, RABBITMQ);
        if script.said().contains("SUBSCRIBE") {
            script.confirm("/queue/a");
        }
        script.said();
    }
    script.events();
    let mut said = String::new();
    while !said.contains("SEND") {
        script.pass(script.due_in().unwrap());
        said = script.said();
    }
    script.hear("MESSAGE\nsubscription:0\nmessage-id:T_0@@s@@1\nack:T_0@@s@@1\ndestination:/queue/a\n\nx\0");
    let mut message = script.messages().pop().unwrap();
    script.session.send(&send_frame("/queue/b", "another")).unwrap();
    script.session.ack(&mut message).unwrap();
    assert_eq!(script.commands(), ["ACK"], "a SEND is alone: what is no acknowledgement waits");
}

/// What is sent all the time to a queue whose node is away: each of it would end a connection, and the next ones count
/// against the subscription too.
#[test]
fn a_queue_that_is_away_costs_few_connections_however_much_is_sent_to_it() {
    let mut script = connected_to(RABBITMQ, config());
    standing(&mut script, Subscribe::new("/queue/a"));
    script.report(Lost::Eof);
    let back = seconds(30);
    let (mut sent, mut confirmed, mut lost, mut elsewhere, mut stands) = (0, 0, 0, 0, None);
    while script.now.since_start() < seconds(60) {
        if script.dial_if_asked() {
            accept(&mut script, RABBITMQ);
        }
        if script.now.since_start() < back {
            for destination in ["/queue/a", "/queue/b"] {
                let how = AtLeastOnce::new().timeout(seconds(600));
                script.session.send_at_least_once(send_frame(destination, "x"), how).unwrap();
                sent += 1;
            }
        }
        let away = script.now.since_start() < back;
        answer_frames(&mut script, |frame| away && frame.contains("destination:/queue/a"));
        for event in script.raw_events() {
            match event {
                Event::Receipt { outcome, .. } => {
                    assert_eq!(outcome, Outcome::Confirmed);
                    confirmed += 1;
                    elsewhere += u32::from(away);
                }
                Event::Disconnected { .. } => lost += 1,
                Event::Subscribed(_) => stands = Some(script.now.since_start()),
                Event::SubscriptionEnded { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        script.pass(script.due_in().unwrap_or(milliseconds(100)).min(milliseconds(100)));
    }
    assert!(lost <= 8, "{lost} connections were lost");
    assert!(stands.is_some_and(|at| at >= back && at <= back + seconds(15)), "{stands:?}");
    assert_eq!(confirmed, sent, "all in the end");
    assert!(elsewhere >= 200, "what goes to another queue waits for nobody: {elsewhere}");
}

/// The broker reads what was written: it refuses the first of such frames and closes, and confirms all before it.
fn answer_frames(script: &mut Script, refuses: impl Fn(&str) -> bool) {
    for frame in script.said().split_terminator('\0') {
        let Some((_, rest)) = frame.split_once("\nreceipt:") else { continue };
        if refuses(frame) {
            return script.hear(HOME_NODE);
        }
        let receipt = rest.lines().next().unwrap_or_default();
        script.hear(format!("RECEIPT\nreceipt-id:{receipt}\n\n\0"));
    }
}

/// What was refused and has been sent again is judged by the answer to that: one more connection is lost, not two.
#[test]
fn a_cancelled_subscription_that_ends_the_connection_waits_from_then_on() {
    let mut script = connected_to(RABBITMQ, config());
    standing(&mut script, Subscribe::new("/queue/a"));
    script.hear("ERROR\nmessage:Server cancelled subscription\nsubscription:0\n\n\0");
    script.pass(milliseconds(1200));
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
    script.hear(HOME_NODE);
    script.pass(seconds(1));
    script.dial();
    accept(&mut script, RABBITMQ);
    assert!(!script.commands().contains(&"SUBSCRIBE".to_owned()), "not before ten seconds are over");
    script.pass(seconds(10));
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
}

#[test]
fn a_subscription_whose_version_changes_keeps_its_place() {
    let mut script = connected_to(RABBITMQ, config());
    standing(&mut script, Subscribe::new("/queue/a"));
    script.report(Lost::Eof);
    script.pass(seconds(1));
    script.reconnect(Version::V1_1);
    assert_eq!(script.commands(), ["SUBSCRIBE"]);
}
