//! A passcode leaves in CONNECT and nowhere else: not in what is shown, told or returned.

use proptest::prelude::*;
use stomp_checks::fuzzing::fragments;
use stomp_proto::Version;
use stomp_session::{Action, Brokers, Config, Login, Lost, Session, Timestamp};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{Script, brief, config};

/// With everything that means something in a URI.
const SECRET: &str = "canary-7f3a/K@Q:W,X#Y?Z%20B";
/// The same as it stands in a URI.
const ENCODED: &str = "canary-7f3a%2FK%40Q%3AW%2CX%23Y%3FZ%2520B";

fn configs() -> Vec<Config> {
    let mut by_uri = config();
    by_uri.brokers =
        format!("failover:(tcp://me:{ENCODED}@a)?startupMaxReconnectAttempts=-1").parse().unwrap();
    let mut by_config = config();
    by_config.login = Some(Login::new("me", SECRET));
    vec![by_uri, by_config]
}

fn assert_secret(shown: &str) {
    assert_eq!(fragments(SECRET).find(|fragment| shown.contains(fragment)), None, "{shown}");
}

#[test]
fn in_no_state_of_the_session() {
    for config in configs() {
        assert_secret(&format!("{config:?}"));
        let mut pair = Pair::new(config, BrokerConfig::default().user("me", SECRET));
        assert_secret(&format!("{:?}", pair.session));
        while pair.step() {
            assert_secret(&format!("{:?}", pair.session));
        }
        assert!(pair.session.connection().is_some());
        assert_secret(&format!("{:?} {:?}", pair.events(), pair.attempts()));
        pair.cut(Lost::Eof);
        pair.session.disconnect();
        assert_secret(&format!("{:?} {:?}", pair.events(), pair.session));
    }
}

#[test]
fn in_no_error() {
    for config in configs() {
        let mut pair = Pair::new(config.clone(), BrokerConfig::default());
        pair.drive();
        let events = pair.events();
        assert!(!events.is_empty());
        assert_secret(&format!("{events:?} {:?}", pair.session));
        // A login that cannot be written.
        let mut script = Script::new(config);
        let attempt = script.attempt();
        let login = Login::new("me", format!("{SECRET}\n"));
        assert_secret(&format!("{login:?}"));
        drop(script.session.handle_connected(attempt.id, Some(login), script.now));
        let told = script.events();
        assert!(told[0].contains("the login or virtual host cannot be sent"), "{told:?}");
        assert_secret(&format!("{told:?} {:?}", script.session));
    }
}

/// Where a passcode may stand, and where it may end up when something is forgotten.
const SHAPES: [&str; 24] = [
    "tcp://me:SECRET",
    "tcp://me:SECRET@",
    "tcp://me:SECRET@a",
    "tcp://me:SECRET@a:99999",
    "tcp://me:SECRET@a:1/x@y",
    "tcp://me:SECRET@a?x=1",
    "tcp://me:SECRET@a?profile=SECRET",
    "tcp://me:SECRET@a?SECRET=1",
    "tcp://me:SECRET%zz@a",
    "tcp://SECRET@a:x",
    "tcp://[SECRET]:1",
    "tcp://a/SECRET@b",
    "tcp:/me:SECRET@a",
    "me:SECRET@a",
    "foo://me:SECRET@a",
    "SECRET://a",
    "failover:(tcp://me:SECRET@a",
    "failover:(tcp://me:SECRET@a)?randomize=SECRET",
    "ssl://me:SECRET@a:1,ssl://b:x",
    "failover:(tcp://a:1,tcp://me:SECRET@b:x)?maxReconnectDelay=SECRET",
    "ws://me:SECRET@a/x y",
    "ws://a/ws?token=SECRET#",
    "ws://a/ws?stomp.SECRET=1",
    "ws://a/ws?stomp.vhost=SECRET%zz",
];

/// Words of an error that look like a part of some passcodes.
const SCHEMES: &str = "use tcp://, stomp://, ssl://, stomp+ssl://, stomps://, ws:// or wss://";

#[track_caller]
fn assert_hides(uri: &str, secret: &str) {
    let Err(error) = uri.parse::<Brokers>() else { return };
    let shown = format!("{error} {error:?}").replace(SCHEMES, "");
    assert_eq!(fragments(secret).find(|fragment| shown.contains(fragment)), None, "{uri}: {shown}");
}

#[test]
fn in_no_refusal_of_a_uri() {
    for shape in SHAPES {
        for secret in [SECRET, ":// ", "://,"] {
            assert_hides(&shape.replace("SECRET", secret), secret);
        }
    }
    for (uri, secret) in [
        ("tcp://u:s3cr3t/x@h", "s3cr3t/x"),
        ("tcp://svc:61613/x@broker:61613", "61613/x"),
        ("ssl://u:geheim,w@a:1,ssl://b:x", "geheim,w"),
        ("tcp://u:12345678", "12345678"),
    ] {
        let error = uri.parse::<Brokers>().unwrap_err();
        assert_eq!(stomp_checks::fuzzing::repeated(secret, &format!("{error} {error:?}")), None, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// The letters are such that no error has four of them in its own words, but for the schemes that it lists.
    #[test]
    fn whatever_a_uri_looks_like(secret in "[BCDFGHJKLNQVWXYZ4579/@:,#?%()= ]{4,20}", shape in 0..SHAPES.len()) {
        assert_hides(&SHAPES[shape].replace("SECRET", &secret), &secret);
    }

    #[test]
    fn whatever_it_looks_like_it_is_no_part_of_an_error(text in "(failover:)?\\(?(tcp|ssl|foo)://[a-z0-9:/@,#?%()=. ]{0,40}") {
        stomp_checks::fuzzing::uri(text.as_bytes());
    }
}

/// A broker that repeats what it was sent, when it refuses us and later, in an ERROR and in what is no STOMP.
#[test]
fn in_nothing_that_a_broker_repeats() {
    let errors = [
        format!("ERROR\nmessage:no login me with {SECRET}\n\nI got passcode '{SECRET}'\n\0"),
        format!("ERROR\nmessage:Access refused\n\n'{}' and no more\n\0", &SECRET[3..12]),
        format!("ERROR\nmessage:half of {}\n\n\0", &SECRET[10..]),
    ];
    let others = [
        format!("CONNECTED\nversion:{SECRET}\n\n\0"),
        format!("CONNECTED\nversion:1.2\nheart-beat:{SECRET}\n\n\0"),
        format!("CONNECTED\nversion:1.2\nserver:{SECRET}\nsession:{SECRET}\n\n\0"),
        format!("{SECRET}\n"),
        format!("CONNECTED\n{SECRET}\n\n\0"),
    ];
    for config in configs() {
        for answer in errors.iter().chain(&others) {
            for connected in [false, true] {
                let mut script = Script::dialled(config.clone());
                if connected {
                    script.accept(Version::V1_2);
                }
                script.hear(answer);
                let events = script.raw_events();
                assert_secret(&format!("{events:?} {:?}", script.session));
                let told = events.iter().map(brief).collect::<Vec<_>>();
                assert_secret(&told.join(" "));
                let shows_who =
                    !answer.contains("login me") || told.iter().any(|told| told.contains("login me"));
                assert!(shows_who, "the login is no secret: {told:?}");
            }
        }
    }
}

#[test]
fn a_login_without_a_passcode_sends_none() {
    let said = |uri: &str| {
        let mut config = config();
        config.brokers = uri.parse().unwrap();
        Script::dialled(config).said()
    };
    assert!(said("tcp://me@a").contains("login:me\n") && !said("tcp://me@a").contains("passcode"));
    assert!(said("tcp://me:@a").contains("login:me\npasscode:\n"));
}

#[test]
fn the_handshake_outbox_does_not_show_its_octets() {
    for config in configs() {
        let mut session = Session::new(config, Timestamp::ZERO);
        session.handle_timeout(Timestamp::ZERO);
        let Some(Action::Connect(attempt)) = session.poll_action() else { panic!("a dial") };
        let _input = session.handle_connected(attempt.id, None, Timestamp::ZERO);
        assert_secret(&format!("{session:?}"));
        assert_secret(&format!("{session:#?}"));
    }
}
