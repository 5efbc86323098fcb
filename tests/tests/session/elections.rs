//! A node dies, and the queues that it has led elect leaders: at each SUBSCRIBE for them the connection is closed without a word.
//! That is over in seconds, however many queues there are.

use std::time::Duration;

use stomp_session::{Event, Lost, Subscribe};

use crate::{
    script::{Script, config, milliseconds, seconds},
    verdict::{RABBITMQ, accept, connected_to},
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
