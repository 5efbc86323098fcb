//! Who we are: asked for at each attempt, sent to one broker and no other, and what a refusal says.

use stomp_proto::Version;
use stomp_session::{Config, Login, Lost, OnRefusal, Profile};

use crate::script::{Script, config};

const REFUSED: &str = "ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'me'\n\0";

fn listed(uri: &str) -> Config {
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config
}

#[test]
fn the_providers_login_is_for_one_attempt() {
    let mut script = Script::new(listed("failover:(tcp://own:x@a)?startupMaxReconnectAttempts=-1"));
    let rows = [
        (Some(Login::new("fresh", "1")), "login:fresh\npasscode:1\n"),
        (Some(Login::new("fresh", "2")), "login:fresh\npasscode:2\n"),
        (None, "login:own\npasscode:x\n"),
    ];
    for (login, expected) in rows {
        script.dial_as(login);
        let said = script.said();
        assert!(said.contains(expected), "{said}");
        script.lose(Lost::Eof);
    }
}

/// INV-16: whichever broker is dialled, and whatever happened before, it sees its own credentials alone.
#[test]
fn credentials_of_one_endpoint_never_go_to_another() {
    let uri = "failover:(tcp://ann:secret-a@a,tcp://bob:secret-b@b,tcp://c)?startupMaxReconnectAttempts=-1";
    for seed in 0..20 {
        let mut config = listed(uri);
        config.seed = seed;
        let mut script = Script::new(config);
        for round in 0..9 {
            let host = script.dial().endpoint.host().to_owned();
            let said = script.said();
            for (owner, secret) in [("a", "secret-a"), ("b", "secret-b")] {
                assert_eq!(said.contains(secret), host == owner, "{host}: {said}");
            }
            match round % 3 {
                0 => script.hear("ERROR\nmessage:not now\n\n\0"),
                1 => script.accept(Version::V1_2),
                _ => {}
            }
            script.lose(Lost::Eof);
        }
    }
}

#[test]
fn an_attempt_says_what_the_broker_answered_last_time() {
    let mut config = listed("failover:(tcp://a,tcp://b)?startupMaxReconnectAttempts=-1&randomize=false");
    config.refused_at_start = OnRefusal::Retry;
    let mut script = Script::new(config);
    let attempt = |script: &mut Script| {
        let attempt = script.dial();
        (attempt.endpoint.host().to_owned(), attempt.refused.map(|error| error.to_string()))
    };
    let answer = "Bad CONNECT: Access refused for user 'me'".to_owned();
    let rows = [
        ("a", None, REFUSED),
        ("b", None, REFUSED),
        ("a", Some(answer.clone()), "CONNECTED\nversion:1.2\n\n\0"),
        ("b", Some(answer), "CONNECTED\nversion:1.2\n\n\0"),
        ("a", None, "CONNECTED\nversion:1.2\n\n\0"),
    ];
    for (host, refused, then) in rows {
        assert_eq!(attempt(&mut script), (host.to_owned(), refused));
        script.hear(then);
        script.lose(Lost::Eof);
    }
}

#[test]
fn no_credentials_is_a_reason_that_may_pass() {
    let mut script = Script::new(listed("failover:(tcp://a,tcp://b)?randomize=false"));
    script.attempt();
    script.report(Lost::NoCredentials("the vault is sealed".into()));
    let told = "failed: a, there are no credentials for the broker: the vault is sealed";
    assert_eq!(script.events(), [told, "next: b in 0ns"]);
}

/// A refused login with a backslash, and how it was written: what the error says to try.
#[test]
fn a_refused_backslash_says_which_switch_to_try() {
    let backslash = Some(Login::new("me", r"p\ss"));
    let plain = Some(Login::new("me", "p4ss"));
    let doubled = "set Profile::ARTEMIS (?profile=artemis)";
    let literal = "set ConnectEscaping::Backslash";
    let rows = [
        (&backslash, None, doubled, true),
        (&backslash, Some(Profile::ARTEMIS), literal, true),
        (&plain, None, doubled, false),
        (&plain, Some(Profile::ARTEMIS), literal, false),
    ];
    for (login, profile, hint, hints) in rows {
        for answer in [None, Some("ERROR\nmessage:User name [me] or password is invalid.\n\n\0")] {
            let mut config = config();
            config.profile = profile.clone().map(Into::into);
            let mut script = Script::new(config);
            script.dial_as(login.clone());
            match answer {
                Some(answer) => script.hear(answer),
                None => script.report(Lost::Eof),
            }
            let told = script.events().remove(0);
            assert_eq!(told.contains(hint), hints, "{told}");
            assert_eq!(told.contains("password is invalid"), answer.is_some(), "{told}");
            assert!(!told.contains("ss\"") && !told.contains("p4ss\""), "{told}");
            assert_eq!(script.session.is_closed(), answer.is_some(), "a refused login is final");
        }
    }
}
