//! A login that is refused: final at the start, passing later, and never sent so often that its account is locked.

use std::time::Duration;

use stomp_proto::Version;
use stomp_session::{Action, Config, Endpoint, Login, Lost, OnRefusal, Timestamp};

use crate::script::{Script, config, seconds};

const REFUSED: &str = "ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'me'\n\0";

fn listed(uri: &str) -> Config {
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config.brokers.reconnect.full_jitter = false;
    config.brokers.reconnect.startup_max_attempts = None;
    config.brokers.reconnect.randomize = false;
    config.refused_at_start = OnRefusal::Retry;
    config
}

/// A list of brokers with one login for all.
fn shared(uri: &str) -> Config {
    let mut config = listed(uri);
    config.login = Some(Login::new("me", "s3cr3t"));
    config
}

/// A connection stands for long enough to be the first again, and is lost.
fn had_stood(script: &mut Script) {
    script.dial();
    script.accept(Version::V1_2);
    script.pass(seconds(6));
    script.lose(Lost::Eof);
}

/// When the next logins go out, and to whom, each of them refused.
fn refused(script: &mut Script, count: usize) -> Vec<(String, u64)> {
    let mut logins = Vec::new();
    while logins.len() < count {
        let host = script.dial().endpoint.host().to_owned();
        if script.said().contains("login:me") {
            logins.push((host, script.now.since_start().as_secs()));
        }
        script.hear(REFUSED);
        script.events();
    }
    logins
}

#[test]
fn one_login_goes_out_once_a_minute_over_all_brokers_and_less_and_less() {
    for seed in 0..50 {
        let mut config = shared("failover:(tcp://a,tcp://b,tcp://c)?randomize=true");
        (config.seed, config.brokers.reconnect.full_jitter) = (seed, true);
        let mut script = Script::new(config);
        let times: Vec<_> = refused(&mut script, 12).into_iter().map(|(_, at)| at).collect();
        assert_eq!(times[..3], [0, 0, 0], "each broker once");
        let gaps: Vec<_> = times[2..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps, [60, 120, 240, 480, 900, 900, 900, 900, 900], "seed {seed}");
    }
}

#[test]
fn a_broker_that_cannot_be_reached_does_not_make_another_one_see_the_login_again() {
    let mut script = Script::dialled(shared("failover:(tcp://a,tcp://down)"));
    script.hear(REFUSED);
    let mut tried = 0;
    loop {
        let attempt = script.attempt();
        if attempt.endpoint.host() == "a" {
            break;
        }
        tried += 1;
        script.report(Lost::DialFailed { reason: "refused".into(), permanent: false });
    }
    assert!(script.now >= Timestamp::from_start(seconds(60)), "{}", script.now);
    assert!(script.now < Timestamp::from_start(seconds(91)), "{}", script.now);
    assert!(tried > 10, "the other one is tried all the while: {tried}");
}

#[test]
fn logins_of_their_own_wait_by_themselves() {
    let mut script = Script::new(listed("failover:(tcp://ann:x@a,tcp://bob:y@b)"));
    for host in ["a", "b"] {
        assert_eq!(script.dial().endpoint.host(), host);
        script.hear(REFUSED);
        script.pass(seconds(7));
    }
    let mut times = Vec::new();
    for _ in 0..4 {
        let host = script.dial().endpoint.host().to_owned();
        times.push((host, script.now.since_start().as_secs()));
        script.hear(REFUSED);
    }
    let expected = [("a", 60), ("b", 67), ("a", 180), ("b", 187)];
    assert_eq!(times, expected.map(|(host, at)| (host.to_owned(), at)));
}

#[test]
fn only_other_credentials_shorten_it() {
    let mut script = Script::new(listed("failover:(tcp://a)"));
    let [wrong, right] = ["wrong", "right"].map(|passcode| Some(Login::new("me", passcode)));
    script.dial_as(wrong.clone());
    assert!(script.said().contains("passcode:wrong"));
    script.hear(REFUSED);
    script.events();
    let mut told = Vec::new();
    while told.len() < 5 {
        let attempt = script.attempt();
        assert!(script.now < Timestamp::from_start(seconds(60)));
        assert!(matches!(attempt.check(wrong.as_ref().unwrap()), Err(Lost::LoginHeldBack(_))));
        assert_eq!(attempt.check(right.as_ref().unwrap()), Ok(()));
        if told.len() % 2 == 0 {
            // One who does not ask whether it may be sent.
            drop(script.session.handle_connected(attempt.id, wrong.clone(), script.now));
            assert!(script.closes());
        } else {
            script.report(attempt.check(wrong.as_ref().unwrap()).unwrap_err());
        }
        assert_eq!(script.said(), "");
        told.extend(script.events().into_iter().filter(|told| told.starts_with("failed")));
    }
    assert!(
        told.len() >= 5 && told.iter().all(|told| told.contains("use another login to connect sooner")),
        "{told:?}"
    );
    script.dial_as(right);
    assert!(script.said().contains("passcode:right"));
    script.accept(Version::V1_2);
    assert!(script.session.connection().is_some());
}

#[test]
fn a_provider_is_asked_soon_and_its_login_that_was_refused_waits_a_minute() {
    let mut script = Script::new(listed("failover:(tcp://a)"));
    let login = Some(Login::new("me", "wrong"));
    let mut sent = Vec::new();
    while sent.len() < 4 {
        script.dial_as(login.clone());
        if !script.said().is_empty() {
            sent.push(script.now.since_start());
            script.hear(REFUSED);
        }
    }
    let gaps: Vec<_> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, least) in gaps.iter().zip([60, 120, 240]) {
        assert!((seconds(least)..seconds(least + 31)).contains(gap), "{gaps:?}");
    }
}

#[test]
fn a_login_that_was_accepted_is_trusted_again() {
    let mut script = Script::new(shared("failover:(tcp://a)"));
    for _ in 0..3 {
        assert_eq!(refused(&mut script, 2).len(), 2);
        script.dial();
        script.accept(Version::V1_2);
        script.pass(seconds(1000));
        script.lose(Lost::Eof);
        let before = script.now;
        refused(&mut script, 1);
        assert_eq!(script.now, before);
        refused(&mut script, 1);
        assert_eq!(script.now.since(before), seconds(60));
        script.dial();
        script.accept(Version::V1_2);
        script.pass(seconds(1000));
        script.lose(Lost::Eof);
    }
}

/// A directory that is away for a second, and a certificate that is wrong for a while.
#[test]
fn what_is_final_at_the_start_passes_once_a_connection_stood() {
    let certificate = || Lost::DialFailed { reason: "certificate: unknown issuer".into(), permanent: true };
    for stood in [false, true] {
        for refuses in [true, false] {
            let mut config = shared("failover:(tcp://a)");
            config.refused_at_start = OnRefusal::End;
            let mut script = Script::new(config);
            if stood {
                had_stood(&mut script);
            }
            for round in 0..5 {
                script.events();
                if refuses {
                    script.dial();
                    script.hear(REFUSED);
                } else {
                    script.attempt();
                    script.report(certificate());
                }
                let told = script.events();
                assert!(told[0].starts_with("failed: a, "), "told each time: {told:?}");
                assert_eq!(script.session.is_closed(), !stood, "{round}: {told:?}");
                if !stood {
                    break;
                }
            }
            if stood {
                script.dial();
                script.accept(Version::V1_2);
                assert!(script.session.connection().is_some());
            }
        }
    }
}

#[test]
fn it_is_tried_until_its_time_is_over() {
    for (stood, patience) in [(false, 200), (true, 200), (true, 0)] {
        let mut config = shared("failover:(tcp://a)");
        let until = OnRefusal::Until(seconds(patience));
        (config.refused_at_start, config.refused_later) =
            if stood { (OnRefusal::End, until) } else { (until, OnRefusal::End) };
        let mut script = Script::new(config);
        if stood {
            had_stood(&mut script);
        }
        let begin = script.now;
        while !script.session.is_closed() {
            script.dial();
            script.hear(REFUSED);
        }
        // Minutes 0, 1, 3 and 7.
        let expected = if patience == 0 { 0 } else { 420 };
        assert_eq!(script.now.since(begin), seconds(expected));
    }
}

/// Of three addresses: which are tried before the next delay.
#[test]
fn the_other_addresses_of_a_broker_are_tried_but_for_a_refused_login() {
    type End = fn(&mut Script);
    let rows: [(End, usize); 6] = [
        (|script| script.report(Lost::Eof), 3),
        (|script| script.hear("ERROR\nmessage:not now\n\n\0"), 3),
        (|script| script.hear("HTTP/1.1 400 Bad Request\r\n"), 3),
        (|script| script.pass(seconds(10)), 3),
        (|script| script.hear("CONNECTED\nversion:1.2\n\n\0ERROR\nmessage:no\n\n\0"), 3),
        (|script| script.hear(REFUSED), 1),
    ];
    for (number, (end, expected)) in rows.into_iter().enumerate() {
        let mut script = Script::new(shared("failover:(tcp://a,tcp://b)"));
        let mut dials = Vec::new();
        let next = loop {
            let attempt = script.attempt();
            dials.push((attempt.endpoint.host().to_owned(), attempt.number));
            if attempt.endpoint.host() == "a" {
                script.session.handle_addresses(attempt.id, 3);
                script.connect(&attempt);
                end(&mut script);
            } else {
                script.report(Lost::DialFailed { reason: "refused".into(), permanent: false });
            }
            let told = script.events().pop().unwrap();
            if !told.ends_with("in 0ns") {
                break told;
            }
        };
        let tried = |host| dials.iter().filter(|(dialled, _)| dialled == host).count();
        assert_eq!((tried("a"), tried("b")), (expected, 1), "row {number}: {dials:?}");
        let numbers: Vec<_> =
            dials.iter().filter(|(host, _)| host == "a").map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..expected as u32).collect::<Vec<_>>(), "counted for each broker");
        assert!(next.starts_with("next: ") && !next.contains("ns"), "row {number}: {next}");
    }
}

#[test]
fn attempts_are_counted_for_each_broker() {
    let mut script = Script::new(listed("failover:(tcp://a,tcp://b)"));
    let mut seen = Vec::new();
    for _ in 0..6 {
        let attempt = script.attempt();
        seen.push((attempt.endpoint.host().to_owned(), attempt.number));
        script.report(Lost::DialFailed { reason: "refused".into(), permanent: false });
    }
    for host in ["a", "b"] {
        let numbers: Vec<_> = seen.iter().filter(|(of, _)| of == host).map(|(_, number)| *number).collect();
        assert_eq!(numbers, [0, 1, 2], "{seen:?}");
    }
    let added: Endpoint = "tcp://c".parse().unwrap();
    script.session.add_broker(added.clone());
    script.pass(Duration::ZERO);
    let Some(Action::Connect(attempt)) = script.session.poll_action() else { panic!("a dial") };
    assert_eq!((attempt.endpoint, attempt.number), (added, 0));
}

/// The handshake of a WebSocket is refused, as with 401.
fn refuse_handshake(script: &mut Script, login: Option<Login>) -> u64 {
    let attempt = script.attempt();
    let at = script.now.since_start().as_secs();
    script.session.handle_login_refused(attempt.id, login, "HTTP 401".into(), script.now);
    at
}

#[test]
fn a_login_that_a_handshake_refuses_goes_out_as_seldom() {
    let mut script = Script::new(shared("failover:(ws://a,ws://b)"));
    let times: Vec<_> = (0..6).map(|_| refuse_handshake(&mut script, None)).collect();
    assert_eq!(times[..2], [0, 0], "each broker once");
    let gaps: Vec<_> = times[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps, [60, 120, 240, 480]);
    let told: Vec<_> = script.events().into_iter().filter(|event| event.starts_with("failed")).collect();
    assert!(told.len() == 6 && told.iter().all(|told| told.contains("HTTP 401")), "{told:?}");
}

#[test]
fn a_token_that_a_handshake_refuses_waits_and_another_one_does_not() {
    let mut script = Script::new(listed("failover:(ws://a)"));
    let [stale, fresh] =
        ["stale", "fresh"].map(|it| Login::unnamed().with_handshake_header("authorization", it));
    refuse_handshake(&mut script, Some(stale.clone()));
    let attempt = script.attempt();
    assert!(script.now < Timestamp::from_start(seconds(60)));
    assert!(matches!(attempt.check(&stale), Err(Lost::LoginHeldBack(_))));
    assert_eq!(attempt.check(&fresh), Ok(()));
    let input = script.session.handle_connected(attempt.id, Some(fresh), script.now);
    assert!(input.is_some());
    let said = script.said();
    assert!(said.starts_with("CONNECT\n") && !said.contains("login") && !said.contains("fresh"), "{said}");
}

#[test]
fn a_handshake_that_is_refused_is_final_at_the_start_and_passes_later() {
    let mut config = shared("failover:(ws://a)");
    config.refused_at_start = OnRefusal::End;
    let mut script = Script::new(config.clone());
    refuse_handshake(&mut script, None);
    let events = script.events();
    assert!(events.iter().any(|event| event.starts_with("closed")), "{events:?}");
    let mut script = Script::new(config);
    had_stood(&mut script);
    script.events();
    let attempt = script.attempt();
    // By the way of every other end.
    script.report(Lost::LoginRefused("HTTP 403".into()));
    assert!(script.events().iter().all(|event| !event.starts_with("closed")));
    let next = script.attempt();
    assert!(next.id != attempt.id && script.now >= Timestamp::from_start(seconds(60)));
    // A report of an attempt that is over counts for nothing.
    script.session.handle_login_refused(attempt.id, None, "late".into(), script.now);
    assert!(script.events().is_empty());
}
