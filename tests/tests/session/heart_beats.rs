//! Heart-beats: ours in time and only when silent, theirs missed only when they are missing.

use std::time::Duration;

use stomp_proto::{HeartBeat, Version};
use stomp_session::{Config, Lost};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{Script, brief, config, milliseconds, seconds, send_frame};

fn beating(send: u64, receive: u64) -> Config {
    let mut config = config();
    (config.send_beat, config.receive_beat) = (milliseconds(send), milliseconds(receive));
    config
}

fn connected(send: u64, receive: u64, answer: &str) -> Script {
    let mut script = Script::dialled(beating(send, receive));
    script.hear(format!("CONNECTED\nversion:1.2\nheart-beat:{answer}\n\n\0"));
    script.said();
    script.events();
    script
}

#[test]
fn both_sides_are_content_for_a_day() {
    for version in [Version::V1_1, Version::V1_2] {
        let mut pair = Pair::connected(beating(10_000, 10_000), BrokerConfig::default().versions(&[version]));
        pair.advance(Duration::from_secs(86_400));
        assert!(pair.events().is_empty(), "{version}");
        assert_eq!(pair.written()[0].heart_beats(), 86_400 / 8);
    }
}

/// The wire knows no fraction of a millisecond: what is promised is never nothing, and nothing is wanted for more often than
/// was asked for.
#[test]
fn a_period_between_two_milliseconds_is_the_longer_one() {
    let rows = [(0, "0"), (1, "1"), (999_999, "1"), (1_000_000, "1"), (1_000_001, "2"), (2_500_000, "3")];
    for (nanoseconds, told) in rows {
        let mut config = config();
        let period = Duration::from_nanos(nanoseconds);
        (config.send_beat, config.receive_beat) = (period, period);
        let mut script = Script::dialled(config);
        let said = script.said();
        assert!(said.contains(&format!("\nheart-beat:{told},{told}\n")), "{nanoseconds}: {said}");
        script.hear("CONNECTED\nversion:1.2\nheart-beat:1,1\n\n\0");
        let agreed = script.session.connection().unwrap().heart_beat;
        assert_eq!(agreed.outgoing > 0 && agreed.incoming > 0, nanoseconds > 0, "{nanoseconds}: {agreed}");
    }
}

#[test]
fn ours_are_sent_before_the_promised_period_and_only_when_silent() {
    let mut script = connected(1000, 0, "0,1000");
    assert_eq!(script.due_in(), Some(milliseconds(800)));
    script.pass(milliseconds(500));
    script.session.send(&send_frame("/queue/a", "x")).unwrap();
    assert_eq!(script.commands(), ["SEND"]);
    assert_eq!(script.due_in(), Some(milliseconds(800)));
    script.pass(milliseconds(800));
    assert_eq!(script.said(), "\n");
    script.pass(milliseconds(799));
    assert_eq!(script.said(), "");
}

#[test]
fn a_transport_that_takes_nothing_gets_one_and_not_a_pile() {
    let mut script = connected(1000, 0, "0,1000");
    for _ in 0..100 {
        script.pass(milliseconds(800));
    }
    assert_eq!(script.said(), "\n");
    script.session.send(&send_frame("/queue/a", "x")).unwrap();
    for _ in 0..100 {
        script.pass(milliseconds(800));
    }
    assert_eq!(script.commands(), ["SEND"]);
}

#[test]
fn a_silent_peer_is_dead_after_two_periods_and_a_margin_and_not_before() {
    let mut pair = Pair::connected(beating(0, 1000), BrokerConfig::default());
    pair.advance(milliseconds(1000));
    pair.broker.silence(pair.broker.connections()[0]);
    pair.advance(milliseconds(2499));
    assert!(pair.events().is_empty());
    pair.advance(milliseconds(1));
    let events: Vec<_> = pair.events().iter().map(brief).collect();
    let told = "disconnected: connection 1, nothing was heard from the broker for 2.5 s, 0 unsent";
    assert_eq!(events[..2], [told, "next: broker in 10ms"]);
    pair.advance(milliseconds(10));
    assert!(pair.session.connection().is_some(), "and the session connects again");
}

#[test]
fn any_octet_is_a_sign_of_life() {
    let mut script = connected(0, 1000, "1000,0");
    let message = "MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\n\nhello\0\n";
    for octet in message.as_bytes() {
        script.pass(milliseconds(2400));
        script.hear([*octet]);
    }
    assert_eq!(script.events(), ["unroutable"]);
    script.pass(milliseconds(2500));
    assert!(script.events()[0].contains("nothing was heard"));
}

#[test]
fn our_own_sending_proves_nothing_about_the_peer() {
    let mut script = connected(0, 1000, "1000,0");
    for _ in 0..5 {
        script.pass(milliseconds(500));
        // Too early for the last one: the connection is gone then.
        let _ = script.session.send(&send_frame("/queue/a", "x"));
        script.said();
    }
    assert!(script.events()[0].contains("nothing was heard"));
}

#[test]
fn while_reading_is_paused_silence_is_ours_and_beats_go_out() {
    let mut script = connected(1000, 1000, "1000,1000");
    script.session.pause_input();
    for _ in 0..10 {
        script.pass(milliseconds(800));
        assert_eq!(script.said(), "\n");
    }
    script.pass(seconds(600));
    assert_eq!(script.events(), ["stall: 599.2s"], "only our own beat");
    script.session.resume_input(script.now);
    script.pass(milliseconds(2499));
    assert_eq!(script.events(), ["stall: 1.699s"], "our own beat again");
    script.pass(milliseconds(1));
    assert!(script.events()[0].contains("nothing was heard"));
}

#[test]
fn a_pause_does_not_outlive_its_connection() {
    let mut script = connected(0, 1000, "1000,0");
    script.session.pause_input();
    script.lose(Lost::Eof);
    script.dial();
    script.hear("CONNECTED\nversion:1.2\nheart-beat:1000,0\n\n\0");
    script.events();
    script.pass(milliseconds(2500));
    assert!(script.events()[0].contains("nothing was heard"));
}

#[test]
fn a_jump_of_the_clock_is_harmless() {
    let mut script = connected(1000, 0, "0,1000");
    script.pass(Duration::from_secs(1 << 40));
    assert_eq!(script.said(), "\n");
    assert_eq!(script.due_in(), Some(milliseconds(800)));
}

/// A program that stood still has not read either: the peer gets as long again, once.
#[test]
fn a_late_tick_is_a_local_stall_and_no_dead_peer() {
    let mut script = connected(1000, 1000, "1000,1000");
    script.pass(seconds(3600));
    assert_eq!(script.events(), ["stall: 3599.2s"]);
    assert_eq!(script.said(), "\n", "what we owe goes out first");
    script.hear("\n");
    script.pass(milliseconds(2499));
    assert_eq!(script.events(), ["stall: 1.699s"], "our own beat was late once more");
    assert!(script.session.connection().is_some());
}

#[test]
fn a_peer_that_stays_silent_after_a_stall_is_dead() {
    let mut script = connected(0, 1000, "1000,0");
    script.pass(seconds(3600));
    assert_eq!(script.events(), ["stall: 3597.5s"]);
    script.pass(milliseconds(2500));
    let told = "nothing was heard from the broker: it promised a heart-beat every 1.0 s and sent none";
    assert!(script.events()[0].contains(told));
}

#[test]
fn stall_after_stall_in_silence_ends_the_connection_by_a_reason_of_its_own() {
    let mut script = connected(0, 1000, "1000,0");
    script.pass(seconds(3600));
    script.pass(seconds(3600));
    let events = script.events();
    assert!(events[1].contains("time was reported 3597.5 s too late, again"), "{events:?}");
    assert!(script.closes());
}

#[test]
fn the_largest_periods_do_not_overflow() {
    let most = u64::MAX.to_string();
    let script = connected(1, 1, &format!("{most},{most}"));
    let agreed = script.session.connection().unwrap().heart_beat;
    assert_eq!(agreed, HeartBeat { outgoing: u64::MAX, incoming: u64::MAX });
    assert!(script.due_in().is_some_and(|due| due > Duration::from_secs(1 << 40)));
}

#[test]
fn in_version_1_0_nothing_is_expected() {
    let mut script = Script::dialled(beating(1000, 1000));
    script.hear("CONNECTED\nversion:1.0\nheart-beat:1000,1000\n\n\0");
    script.events();
    script.pass(seconds(600));
    assert_eq!(script.events(), ["stall: 599.2s"], "only our own beat");
}

/// Beats that are promised and never come: each connection dies of silence, however long that takes.
#[test]
fn a_broker_that_promises_beats_and_sends_none_counts_as_not_stable() {
    let mut config = beating(0, 10_000);
    config.brokers.reconnect.full_jitter = false;
    let mut script = Script::dialled(config);
    let mut delays = Vec::new();
    for _ in 0..6 {
        script.hear("CONNECTED\nversion:1.2\nheart-beat:10000,0\n\n\0");
        script.pass(seconds(1));
        script.hear("RECEIPT\nreceipt-id:99\n\n\0");
        script.events();
        script.pass(milliseconds(20_500));
        let told = script.events();
        assert!(told[0].contains("it promised a heart-beat every 10.0 s and sent none"), "{told:?}");
        delays.push(script.due_in().unwrap().as_millis());
        script.dial();
    }
    assert_eq!(delays, [10, 20, 40, 80, 160, 320]);
    script.hear("CONNECTED\nversion:1.2\nheart-beat:10000,0\n\n\0");
    script.pass(seconds(1));
    script.hear("\n");
    script.events();
    script.pass(milliseconds(20_500));
    let told = script.events();
    assert!(!told[0].contains("promised") && told[1].ends_with("in 0ns"), "{told:?}");
}
