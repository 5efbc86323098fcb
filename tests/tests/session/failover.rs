//! Failover: which broker is tried when, and what a connection that stood long enough changes.

use std::time::Duration;

use stomp_proto::Version;
use stomp_session::{CommandError, Config, Lost, OnRefusal, Timestamp};
use stomp_testkit::{
    broker::BrokerConfig,
    pair::{Door, Pair},
};

use crate::script::{Script, brief, config, milliseconds, seconds, send_frame};

fn configured(uri: &str) -> Config {
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config.brokers.reconnect.full_jitter = false;
    config
}

/// Host and time of each dial.
fn dials(uri: &str, connect_timeout: Duration, door: Door, until: Duration) -> Vec<(String, u128)> {
    let mut config = configured(uri);
    config.connect_timeout = connect_timeout;
    let mut pair = Pair::new(config, BrokerConfig::default());
    pair.set_door(door);
    let mut dials = Vec::new();
    pair.drive();
    loop {
        let known = dials.len();
        let now = pair.now().since_start().as_millis();
        dials
            .extend(pair.attempts()[known..].iter().map(|attempt| (attempt.endpoint.host().to_owned(), now)));
        if pair.deadline().is_none_or(|next| next.since_start() > until) {
            return dials;
        }
        pair.advance_to_deadline();
    }
}

fn named(dials: &[(&str, u128)]) -> Vec<(String, u128)> {
    dials.iter().map(|(host, at)| ((*host).to_owned(), *at)).collect()
}

#[test]
fn refused_dials_go_through_the_list_with_growing_delays() {
    let uri = "failover:(tcp://a,tcp://b,tcp://c)?startupMaxReconnectAttempts=5&maxReconnectDelay=100&randomize=false";
    let uri = &uri.replace("=5", "=11");
    let rounds = [0, 10, 30, 70].into_iter().flat_map(|at| [("a", at), ("b", at), ("c", at)]);
    let expected: Vec<_> = rounds.collect();
    assert_eq!(dials(uri, seconds(1), Door::Refusing, seconds(60)), named(&expected));
}

#[test]
fn a_dial_that_never_ends_takes_its_time_and_no_more() {
    let uri = "failover:(tcp://a,tcp://b)?startupMaxReconnectAttempts=3&randomize=false";
    let expected = [("a", 0), ("b", 1000), ("a", 2010), ("b", 3010)];
    assert_eq!(dials(uri, seconds(1), Door::Stuck, seconds(60)), named(&expected));
}

#[test]
fn at_the_start_each_broker_is_tried_once_and_then_it_is_over() {
    let mut pair =
        Pair::new(configured("failover:(tcp://a,tcp://b)?randomize=false"), BrokerConfig::default());
    pair.set_door(Door::Refusing);
    pair.advance(seconds(60));
    let events: Vec<_> = pair.events().iter().map(brief).collect();
    let expected = [
        "failed: a, cannot connect: connection refused",
        "next: b in 0ns",
        "failed: b, cannot connect: connection refused",
        "closed: no connection after 2 attempts, at tcp://b:61613: cannot connect: connection refused",
    ];
    assert_eq!(events, expected);
    assert_eq!(pair.deadline(), None);
}

#[test]
fn attempts_are_counted_over_the_whole_session() {
    let mut pair = Pair::new(config(), BrokerConfig::default());
    pair.set_door(Door::Refusing);
    pair.advance(seconds(1));
    pair.set_door(Door::Open);
    pair.advance(seconds(2));
    pair.cut(Lost::Eof);
    pair.advance(seconds(60));
    let numbers: Vec<_> = pair.attempts().iter().map(|attempt| attempt.number).collect();
    assert!(numbers.len() > 5 && numbers.iter().enumerate().all(|(at, number)| at as u32 == *number));
}

#[test]
fn a_final_refusal_gives_up_its_broker_and_only_that() {
    let mut script = Script::dialled(configured(
        "failover:(tcp://a,tcp://b)?startupMaxReconnectAttempts=-1&useExponentialBackOff=false&randomize=false",
    ));
    script.hear("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'x'\n\0");
    for _ in 0..3 {
        script.lose(Lost::Eof);
        assert_eq!(script.dial().endpoint.host(), "b");
    }
    script.hear("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'x'\n\0");
    assert!(script.session.is_closed());
    assert!(
        script
            .events()
            .last()
            .unwrap()
            .starts_with("closed: no connection after 4 attempts, at tcp://b:61613")
    );
}

#[test]
fn who_is_given_up_in_the_middle_of_a_round_ends_no_round() {
    let mut script = Script::new(configured(
        "failover:(tcp://a,tcp://b,tcp://c)?startupMaxReconnectAttempts=-1&randomize=false",
    ));
    assert_eq!(script.dial().endpoint.host(), "a");
    script.lose(Lost::Eof);
    assert_eq!(script.dial().endpoint.host(), "b");
    script.hear("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'x'\n\0");
    script.lose(Lost::Eof);
    for host in ["c", "a", "c"] {
        assert_eq!(script.dial().endpoint.host(), host);
        script.lose(Lost::Eof);
    }
}

#[test]
fn a_transport_that_fails_for_good_gives_up_its_broker() {
    let mut script = Script::new(configured("failover:(tcp://a)?startupMaxReconnectAttempts=-1"));
    script.attempt();
    let reason = Lost::DialFailed { reason: "certificate".into(), permanent: true };
    script.report(reason);
    assert!(script.session.is_closed());
}

#[test]
fn a_loss_after_a_stable_connection_is_the_first_again() {
    // Stood for so long, then the delay before the next dial.
    let rows = [(4999, 10), (5000, 0)];
    for (stood, delay) in rows {
        let mut pair = Pair::connected(config(), BrokerConfig::default());
        pair.advance(milliseconds(stood));
        pair.cut(Lost::Eof);
        let events: Vec<_> = pair.events().iter().map(brief).collect();
        let next = format!("next: broker in {:?}", milliseconds(delay));
        assert_eq!(events[1], next, "{stood} ms");
    }
}

#[test]
fn a_broker_that_accepts_and_dies_at_once_is_not_hammered() {
    let mut pair = Pair::new(config(), BrokerConfig::default());
    let mut delays = Vec::new();
    for _ in 0..12 {
        pair.drive();
        let before = pair.now();
        pair.cut(Lost::Eof);
        pair.advance_to_deadline();
        delays.push(pair.now().since(before).as_millis());
    }
    assert_eq!(delays, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480]);
}

#[test]
fn after_a_stable_connection_the_list_begins_anew() {
    let uri = "failover:(tcp://a,tcp://b,tcp://c)?startupMaxReconnectAttempts=-1&randomize=false";
    let mut pair = Pair::new(configured(uri), BrokerConfig::default());
    pair.set_door(Door::Refusing);
    pair.advance(milliseconds(1));
    pair.set_door(Door::Open);
    pair.advance(seconds(60));
    assert_eq!(pair.session.connection().unwrap().endpoint.host(), "a");
    pair.cut(Lost::Eof);
    pair.drive();
    assert_eq!(pair.session.connection().unwrap().endpoint.host(), "b", "who failed last comes last");
    pair.cut(Lost::Eof);
    pair.advance(seconds(1));
    assert_eq!(pair.session.connection().unwrap().endpoint.host(), "c", "it did not prove stable");
}

#[test]
fn the_limit_of_the_start_and_that_of_later() {
    let uri = "failover:(tcp://a)?startupMaxReconnectAttempts=9&maxReconnectAttempts=2";
    let mut pair = Pair::connected(configured(uri), BrokerConfig::default());
    pair.advance(seconds(6));
    pair.set_door(Door::Refusing);
    pair.cut(Lost::Eof);
    pair.advance(seconds(60));
    assert_eq!(pair.attempts().len(), 1 + 2);
    assert!(pair.session.is_closed());
}

#[test]
fn the_tries_of_the_start_do_not_count_later() {
    let uri = "failover:(tcp://a)?startupMaxReconnectAttempts=9&maxReconnectAttempts=2";
    let mut pair = Pair::new(configured(uri), BrokerConfig::default());
    pair.set_door(Door::Refusing);
    pair.advance(milliseconds(200));
    assert!(pair.attempts().len() > 3);
    pair.set_door(Door::Open);
    pair.advance(seconds(1));
    pair.cut(Lost::Eof);
    pair.advance(seconds(60));
    assert!(pair.session.connection().is_some(), "{:?}", pair.events());
}

#[test]
fn a_session_without_brokers_ends_at_once() {
    let mut config = config();
    config.brokers.endpoints.clear();
    let mut script = Script::new(config);
    assert_eq!(script.events(), ["closed: no connection: cannot connect: no broker is configured"]);
    assert_eq!(script.due_in(), None);
    let send = script.session.send(&send_frame("/queue/a", "x"));
    assert_eq!(send, Err(CommandError::Closed), "and not that there is no connection at the moment");
}

#[test]
fn each_broker_gets_its_own_login_and_no_other() {
    let mut config =
        configured("failover:(tcp://ann:x@a,tcp://b)?startupMaxReconnectAttempts=-1&randomize=false");
    for (fallback, second) in [(None, None), (Some(("eve", "y")), Some("login:eve\npasscode:y\n"))] {
        config.login = fallback.map(|(login, passcode)| stomp_session::Login::new(login, passcode));
        let mut script = Script::dialled(config.clone());
        assert!(script.said().contains("login:ann\npasscode:x\n"));
        script.lose(Lost::Eof);
        assert_eq!(script.dial().endpoint.host(), "b");
        let said = script.said();
        assert_eq!(said.contains("login:"), second.is_some(), "{said}");
        assert!(second.is_none_or(|login| said.contains(login)), "{said}");
    }
}

#[test]
fn the_version_is_agreed_on_anew() {
    let mut script = Script::connected(config(), Version::V1_2);
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        script.lose(Lost::Eof);
        script.reconnect(version);
        assert_eq!(script.session.connection().unwrap().version, version);
    }
}

#[test]
fn after_a_refusal_that_may_pass_the_others_come_first_and_it_waits_longer() {
    let uri = "failover:(tcp://a,tcp://b)?startupMaxReconnectAttempts=-1&randomize=false&useExponentialBackOff=false";
    for answer in [Some("ERROR\nmessage:Broker: b - Client: c already connected\n\n\0"), None] {
        let mut script = Script::dialled(configured(uri));
        match answer {
            Some(answer) => script.hear(answer),
            None => script.report(Lost::Eof),
        }
        let next = |script: &mut Script| script.events().pop().unwrap();
        let refused = || Lost::DialFailed { reason: "refused".into(), permanent: false };
        assert_eq!(next(&mut script), "next: b in 0ns");
        script.lose(Lost::Eof);
        for _ in 0..100 {
            script.attempt();
            script.lose(refused());
            if script.now < Timestamp::from_start(seconds(1)) {
                assert_eq!(next(&mut script), "next: b in 10ms");
            }
        }
        assert_eq!(script.attempt().endpoint.host(), "a", "{answer:?}");
    }
}

#[test]
fn a_permanent_failure_is_tried_again_where_that_is_wanted() {
    let mut config = configured("failover:(tcp://a)?startupMaxReconnectAttempts=-1");
    config.refused_at_start = OnRefusal::Retry;
    let rows = [
        ("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'x'\n\0", "next: a in 60s"),
        ("CONNECTED\nversion:9\n\n\0", "next: a in 1s"),
    ];
    for (answer, next) in rows {
        let mut script = Script::dialled(config.clone());
        script.hear(answer);
        assert_eq!(script.events().pop().unwrap(), next);
        script.lose(Lost::Eof);
        script.reconnect(Version::V1_2);
        assert!(script.session.connection().is_some());
    }
}

#[test]
fn a_connection_that_came_after_a_long_delay_must_stand_as_long() {
    let uri = "failover:(tcp://a)?startupMaxReconnectAttempts=-1&initialReconnectDelay=20000";
    for (stood, next) in [(milliseconds(19_999), "next: a in 30s"), (seconds(20), "next: a in 0ns")] {
        let mut pair = Pair::new(configured(uri), BrokerConfig::default());
        pair.set_door(Door::Refusing);
        pair.drive();
        pair.set_door(Door::Open);
        pair.advance(seconds(20));
        pair.events();
        pair.advance(stood);
        pair.cut(Lost::Eof);
        let events: Vec<_> = pair.events().iter().map(brief).collect();
        assert_eq!(events[1], next, "stood for {stood:?}");
    }
}

#[test]
fn where_every_connection_counts_as_stable_nobody_dials_in_circles() {
    let mut config = configured("failover:(tcp://a)?initialReconnectDelay=0&maxReconnectDelay=0");
    config.stable_after = Duration::ZERO;
    let mut pair = Pair::new(config, BrokerConfig::default());
    for _ in 0..100 {
        pair.drive();
        pair.cut(Lost::Eof);
        pair.advance_to_deadline();
    }
    assert_eq!(pair.now().since_start(), seconds(1), "10 ms each");
}

#[test]
fn who_is_given_up_tells_what_a_broker_has_said() {
    let mut script = Script::dialled(configured(
        "failover:(tcp://a,tcp://b)?randomize=false&startupMaxReconnectAttempts=0",
    ));
    script.hear("ERROR\nmessage:the licence has expired\n\n\0");
    script.attempt();
    script.report(Lost::DialFailed { reason: "refused".into(), permanent: false });
    let told = "closed: no connection after 2 attempts, at tcp://a:61613: the broker refused the connection: the licence has expired";
    assert_eq!(script.events().pop().unwrap(), told);
}
