//! A fleet that lost its broker: when it is back, they must not all come at once.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use stomp_session::{Action, AttemptId, Config, Lost, Session, Timestamp};

use crate::script::{milliseconds, seconds};

const FLEET: usize = 1000;
const GONE_AT: Duration = seconds(10);
const BACK_AT: Duration = seconds(70);

fn session(seed: u64) -> Session {
    let mut config = Config::new("failover:(tcp://broker)".parse().unwrap());
    (config.send_beat, config.receive_beat) = (Duration::ZERO, Duration::ZERO);
    config.seed = seed;
    Session::new(config, Timestamp::ZERO)
}

/// Obeys a session at a broker that accepts and answers, or refuses. Gives the connection.
fn obey(session: &mut Session, up: bool, now: Timestamp) -> Option<AttemptId> {
    session.handle_timeout(now);
    while let Some(action) = session.poll_action() {
        let Action::Connect(attempt) = action else { continue };
        if !up {
            let reason = Lost::DialFailed { reason: "connection refused".into(), permanent: false };
            session.handle_disconnected(attempt.id, reason, now);
            continue;
        }
        let mut input = session.handle_connected(attempt.id, None, now).expect("the newest attempt");
        input.feed(b"CONNECTED\nversion:1.2\n\n\0");
        while session.next_event(&mut input, now).is_some() {}
        return Some(attempt.id);
    }
    None
}

/// When each of the fleet is back, in order.
fn returns() -> Vec<Duration> {
    let mut fleet: Vec<_> = (0..FLEET as u64).map(session).collect();
    let gone = Timestamp::from_start(GONE_AT);
    let mut due = BinaryHeap::new();
    for (number, session) in fleet.iter_mut().enumerate() {
        let attempt = obey(session, true, Timestamp::ZERO).expect("a connection");
        session.handle_disconnected(attempt, Lost::Eof, gone);
        due.push(Reverse((session.poll_timeout().expect("a next attempt"), number)));
    }
    let mut back = Vec::new();
    while let Some(Reverse((now, number))) = due.pop() {
        let session = &mut fleet[number];
        if obey(session, now.since_start() >= BACK_AT, now).is_some() {
            back.push(now.since_start());
        } else {
            due.push(Reverse((session.poll_timeout().expect("a next attempt"), number)));
        }
    }
    back
}

#[test]
fn a_fleet_of_a_thousand_comes_back_three_percent_at_a_time() {
    let back = returns();
    assert_eq!(back.len(), FLEET);
    let most = FLEET * 3 / 100;
    for window in back.windows(most + 1) {
        let (first, last) = (window[0], window[most]);
        assert!(last - first >= milliseconds(100), "{} within {:?} after {first:?}", most + 1, last - first);
    }
    assert!(back.last().is_some_and(|last| *last <= BACK_AT + seconds(35)), "{:?}", back.last());
}
