//! A passcode leaves in CONNECT and nowhere else: not in what is shown, told or returned.

use stomp_session::{Action, Config, Login, Lost, Session, Timestamp};
use stomp_testkit::{broker::BrokerConfig, pair::Pair};

use crate::script::{Script, config};

const SECRET: &str = "canary-7f3a";

fn configs() -> Vec<Config> {
    let mut by_uri = config();
    by_uri.brokers =
        format!("failover:(tcp://me:{SECRET}@a)?startupMaxReconnectAttempts=-1").parse().unwrap();
    let mut by_config = config();
    by_config.login = Some(Login::new("me", SECRET));
    vec![by_uri, by_config]
}

fn assert_secret(shown: &str) {
    assert!(!shown.contains("canary"), "{shown}");
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

#[test]
fn in_no_refusal_of_a_uri() {
    let uris =
        ["tcp://me:SECRET@", "tcp://me:SECRET@a:99999", "failover:(tcp://me:SECRET@a", "foo://me:SECRET@a"];
    for uri in uris {
        let error = uri.replace("SECRET", SECRET).parse::<stomp_session::Brokers>().unwrap_err();
        assert_secret(&format!("{error} {error:?}"));
    }
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
