//! A node dies, and the queues that it has led elect leaders: at each SEND and SUBSCRIBE for them the connection is closed
//! without a word. That is over in seconds, or in tens of seconds, and blames nobody; what does so for longer is to blame.

use std::{cell::Cell, time::Duration};

use stomp_session::{AtLeastOnce, Config, Ended, Event, Lost, Outcome, Subscribe, Unknown};

use crate::{
    script::{Script, config, milliseconds, seconds, send_frame},
    verdict::{RABBITMQ, accept, connected_to, standing},
};

/// The broker closes at the first frame that asks for a RECEIPT until then, and answers all of them afterwards.
fn answer(script: &mut Script, until: Duration) {
    for frame in script.said().split_terminator('\0') {
        let Some((_, rest)) = frame.split_once("\nreceipt:") else { continue };
        if script.now.since_start() < until {
            return script.report(Lost::Eof);
        }
        let receipt = rest.lines().next().unwrap_or_default();
        script.hear(format!("RECEIPT\nreceipt-id:{receipt}\n\n\0"));
    }
}

/// Until something is due, or a moment longer.
fn go_on(script: &mut Script) {
    if script.dial_if_asked() {
        accept(script, RABBITMQ);
    }
    script.pass(script.due_in().unwrap_or(milliseconds(100)).min(milliseconds(100)));
}

/// Each of them has cost a connection, within a moment.
#[test]
fn all_subscriptions_stand_again_seconds_later() {
    const QUEUES: usize = 12;
    let mut script = connected_to(RABBITMQ, config());
    for number in 0..QUEUES {
        script.session.subscribe(Subscribe::new(format!("/queue/{number}"))).unwrap();
    }
    answer(&mut script, Duration::ZERO);
    script.pass(seconds(100));
    script.events();
    let died = script.now.since_start();
    script.report(Lost::Eof);
    let (mut lost, mut standing) = (0, 0);
    while script.now.since_start() < died + seconds(15) {
        go_on(&mut script);
        answer(&mut script, died + seconds(1));
        for event in script.raw_events() {
            match event {
                Event::Disconnected { .. } => (lost, standing) = (lost + 1, 0),
                Event::Subscribed(_) => standing += 1,
                Event::SubscriptionEnded { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
    }
    assert!(lost > 5, "only {lost} connections were lost");
    assert_eq!(standing, QUEUES, "{lost} connections were lost");
}

/// The settings for a cluster of three.
fn cluster() -> Config {
    let uri = "failover:(tcp://a,tcp://b,tcp://c)?startupMaxReconnectAttempts=-1&reconnectDelayJitter=0";
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config
}

/// A frame that asks for a RECEIPT meets the end of its connection, or is answered.
fn answer_each(script: &mut Script, closes: impl Fn(&str) -> bool) {
    for frame in script.said().split_terminator('\0') {
        let Some((_, rest)) = frame.split_once("\nreceipt:") else { continue };
        if closes(frame) {
            return script.report(Lost::Eof);
        }
        let receipt = rest.lines().next().unwrap_or_default();
        script.hear(format!("RECEIPT\nreceipt-id:{receipt}\n\n\0"));
    }
}

/// What became of a life with elections.
#[derive(Debug, Default)]
struct Life {
    /// What a SEND came to, and when.
    sent: Vec<(u64, Outcome)>,
    subscribed: Option<u64>,
    ended: Option<(u64, Ended)>,
    lost: usize,
}

/// Lives until then; the broker elects when `elects` says so, and closes at each frame that is for a queue.
fn live(script: &mut Script, until: Duration, closes: impl Fn(u64, &str) -> bool) -> Life {
    let mut life = Life::default();
    while script.now.since_start() < until {
        let second = script.now.since_start().as_secs();
        go_on(script);
        answer_each(script, |frame| closes(second, frame));
        for event in script.raw_events() {
            match event {
                Event::Receipt { outcome, .. } => life.sent.push((second, outcome)),
                Event::Subscribed(_) => life.subscribed = Some(second),
                Event::SubscriptionEnded { reason, .. } => life.ended = Some((second, reason)),
                Event::Disconnected { .. } => life.lost += 1,
                _ => {}
            }
        }
    }
    life
}

fn keep(script: &mut Script, destination: &str) {
    let how = AtLeastOnce::new().timeout(seconds(600));
    script.session.send_at_least_once(send_frame(destination, "x"), how).unwrap();
}

/// Elections that begin then and last so long, in seconds.
fn elects(elections: &'static [(u64, u64)]) -> impl Fn(u64, &str) -> bool {
    move |second, _| elections.iter().any(|(begin, long)| (*begin..begin + long).contains(&second))
}

/// When they have been over for some seconds for the first time.
fn over(elections: &[(u64, u64)]) -> u64 {
    let mut ends = elections.iter().map(|(begin, long)| begin + long);
    ends.find(|end| elections.iter().all(|(begin, _)| begin < end || *begin > end + 11)).unwrap() + 11
}

/// One of tens of seconds, and those of a rolling restart, one after another.
const ELECTIONS: [&[(u64, u64)]; 4] =
    [&[(0, 30)], &[(0, 55)], &[(0, 15), (20, 15), (40, 15)], &[(0, 20), (90, 20), (180, 20)]];

/// In a cluster that is restarted node by node, one election comes soon after another. A SEND that was accepted says that the
/// earlier one is over, also where others were in question with it.
#[test]
fn an_election_is_not_met_with_what_the_one_before_has_cost() {
    let mut script = connected_to(RABBITMQ, cluster());
    for closes in [2_u32, 2, 2, 3, 2, 3] {
        keep(&mut script, "/queue/a");
        script.said();
        script.report(Lost::Eof);
        let (began, left) = (script.now.since_start(), Cell::new(closes));
        let closes = |_: u64, _: &str| left.replace(left.get().saturating_sub(1)) > 0;
        let life = live(&mut script, began + seconds(20), closes);
        let [(at, Outcome::Confirmed)] = &life.sent[..] else { panic!("{life:?}") };
        assert!(*at <= began.as_secs() + 3, "{at} s, {life:?}");
    }
}

/// A program sends again what was given up because it ends connections. What else is accepted between does not make that cheap.
#[test]
fn what_is_to_blame_and_comes_again_costs_few_connections() {
    let mut script = connected_to(RABBITMQ, config());
    keep(&mut script, "/queue/poison");
    let mut lost = 0;
    for slice in 1..=360 {
        keep(&mut script, "/queue/a");
        let closes = |_: u64, frame: &str| frame.contains("/queue/poison");
        let life = live(&mut script, seconds(10 * slice), closes);
        lost += life.lost;
        let given_up = |outcome: &Outcome| matches!(outcome, Outcome::Unknown(Unknown::KillsConnection(_)));
        if life.sent.iter().any(|(_, outcome)| given_up(outcome)) {
            keep(&mut script, "/queue/poison");
        }
    }
    assert!(lost <= 20, "{lost} connections in an hour");
}

#[test]
fn a_kept_send_outlives_them() {
    for elections in ELECTIONS {
        for config in [config(), cluster()] {
            let mut script = connected_to(RABBITMQ, config);
            keep(&mut script, "/queue/a");
            let life = live(&mut script, seconds(300), elects(elections));
            let [(at, Outcome::Confirmed)] = &life.sent[..] else { panic!("{elections:?}: {life:?}") };
            assert!(*at <= over(elections), "{elections:?}: {life:?}");
        }
    }
}

#[test]
fn a_subscription_outlives_them_whether_it_stood_or_not() {
    for elections in ELECTIONS {
        for (stood, config) in [(true, config()), (false, config()), (true, cluster()), (false, cluster())] {
            let mut script = connected_to(RABBITMQ, config);
            match stood {
                true => {
                    standing(&mut script, Subscribe::new("/queue/a"));
                    script.report(Lost::Eof);
                }
                false => _ = script.session.subscribe(Subscribe::new("/queue/a")).unwrap(),
            }
            let life = live(&mut script, seconds(300), elects(elections));
            assert_eq!(life.ended, None, "{elections:?}");
            assert!(life.subscribed.is_some_and(|at| at <= over(elections)), "{elections:?}: {life:?}");
        }
    }
}

/// All brokers are away between them, so that it cannot be tried.
#[test]
fn elections_that_are_a_minute_apart_add_up_to_nothing() {
    let mut config = cluster();
    config.brokers.reconnect.max_delay = seconds(1);
    let mut script = connected_to(RABBITMQ, config);
    keep(&mut script, "/queue/a");
    let is_down = |second| (15..100).contains(&second) || (115..200).contains(&second);
    let mut sent = Vec::new();
    while script.now.since_start() < seconds(300) {
        let second = script.now.since_start().as_secs();
        if is_down(second) && script.session.connection().is_some() {
            script.report(Lost::Eof);
        }
        if script.dial_if_asked() {
            match is_down(second) {
                true => script.report(Lost::Eof),
                false => accept(&mut script, RABBITMQ),
            }
        }
        answer_each(&mut script, |_| second < 215);
        sent.extend(script.raw_events().into_iter().filter_map(|event| match event {
            Event::Receipt { outcome, .. } => Some(outcome),
            _ => None,
        }));
        script.pass(script.due_in().unwrap_or(milliseconds(100)).min(milliseconds(100)));
    }
    assert_eq!(sent, [Outcome::Confirmed]);
}

/// At each broker of the list, for ever: it is found out long before its time is over, and the others never wait for it.
#[test]
fn a_send_that_ends_each_connection_is_given_up_and_others_are_confirmed_meanwhile() {
    for config in [config(), cluster()] {
        let mut script = connected_to(RABBITMQ, config);
        keep(&mut script, "/queue/killer");
        let (mut given_up, mut lost) = (None, 0);
        for second in 0..300 {
            keep(&mut script, "/queue/a");
            let life = live(&mut script, seconds(second + 1), |_, frame| frame.contains("/queue/killer"));
            lost += life.lost;
            for (at, outcome) in life.sent {
                match outcome {
                    Outcome::Unknown(Unknown::KillsConnection(_)) => given_up = Some(at),
                    outcome => assert_eq!(outcome, Outcome::Confirmed),
                }
            }
        }
        assert!(given_up.is_some_and(|at| (62..=85).contains(&at)), "{given_up:?}");
        assert!(lost <= 13, "{lost} connections were lost");
    }
}

/// A first SUBSCRIBE is answered with that; one that stood is not ended by it.
#[test]
fn a_subscribe_that_ends_each_connection_is_over_if_it_never_stood() {
    let mut script = connected_to(RABBITMQ, cluster());
    script.session.subscribe(Subscribe::new("/queue/killer")).unwrap();
    let life = live(&mut script, seconds(300), |_, frame| frame.contains("/queue/killer"));
    assert!(matches!(life.ended, Some((62..=85, Ended::KillsConnection(_)))), "{life:?}");
    let mut script = connected_to(RABBITMQ, cluster());
    standing(&mut script, Subscribe::new("/queue/a"));
    script.report(Lost::Eof);
    let life = live(&mut script, seconds(3 * 3600), |_, frame| frame.contains("/queue/a"));
    assert_eq!(life.ended, None);
}

/// The other brokers of the list are there, and end before anything is asked of them: what one of them does is not enough, until
/// none of the others has been there for a minute.
#[test]
fn one_broker_alone_blames_nobody_while_others_stand() {
    let mut script = connected_to(RABBITMQ, cluster());
    keep(&mut script, "/queue/a");
    let (mut closes, mut seen, mut given_up) = (0, 0, None);
    while given_up.is_none() {
        let second = script.now.since_start().as_secs();
        assert!(second < 400, "{closes} connections were lost");
        go_on(&mut script);
        let at_first = script.session.connection().map(|standing| standing.endpoint.host() == "a");
        match at_first {
            Some(true) => answer_each(&mut script, |_| true),
            Some(false) => {
                seen = second;
                script.report(Lost::Eof);
            }
            None => {}
        }
        for event in script.raw_events() {
            match event {
                Event::Receipt { .. } => given_up = Some(second),
                Event::Disconnected { .. } => closes += 1,
                _ => {}
            }
        }
    }
    assert!(given_up.is_some_and(|at| at > seen + 60), "{given_up:?}, {seen}");
}

/// A queue that is gone for good is tried twice an hour. What an election has met does not wait for that.
#[test]
fn an_election_does_not_wait_for_a_queue_that_is_refused_for_hours() {
    const NO_QUEUE: &str = "ERROR\nmessage:not_found\n\nNOT_FOUND - no queue 'gone' in vhost '/'\n\0";
    let mut script = connected_to(RABBITMQ, cluster());
    for name in ["/queue/a", "/queue/gone"] {
        script.session.subscribe(Subscribe::new(name)).unwrap();
    }
    answer_each(&mut script, |_| false);
    script.events();
    script.pass(seconds(10));
    script.report(Lost::Eof);
    let (hour, mut subscribed) = (3600, None);
    while script.now.since_start() < seconds(hour + 60) {
        let second = script.now.since_start().as_secs();
        if second == hour && subscribed.is_none() {
            subscribed = Some(u64::MAX);
            script.report(Lost::Eof);
        }
        go_on(&mut script);
        for frame in script.said().split_terminator('\0') {
            let Some((_, rest)) = frame.split_once("\nreceipt:") else { continue };
            if (hour..hour + 8).contains(&second) {
                script.report(Lost::Eof);
                break;
            }
            if frame.contains("/queue/gone") {
                script.hear(NO_QUEUE);
                break;
            }
            if frame.contains("/queue/a") && second >= hour {
                subscribed = Some(second);
            }
            let receipt = rest.lines().next().unwrap_or_default();
            script.hear(format!("RECEIPT\nreceipt-id:{receipt}\n\n\0"));
        }
        script.events();
    }
    assert!(subscribed.is_some_and(|at| at <= hour + 8 + 11), "{subscribed:?}");
}
