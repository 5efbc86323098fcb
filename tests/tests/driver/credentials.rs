//! The provider of credentials: asked for each attempt, told what was refused, and given up with the attempt.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use stomp_checks::sim::{Ending, Sim, Weather};
use stomp_session::{
    Attempt, Closed, Config, Login, Lost, OnRefusal,
    client::{Client, Credentials, Notice, SessionState},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, seconds, settings};

const SECRET: &str = "canary-2c1";

/// A client whose provider gives one after the other of these passcodes, and what it was asked.
fn client(
    sim: &Sim,
    config: Config,
    passcodes: &'static [&'static str],
) -> (Client, Arc<Mutex<Vec<Attempt>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    let credentials = Credentials::new(move |attempt: Attempt| {
        let mut asked = notes.lock().unwrap();
        let passcode = passcodes[asked.len()];
        asked.push(attempt);
        async move {
            if passcode.is_empty() { Err("the vault is sealed") } else { Ok(Login::new("me", passcode)) }
        }
    });
    let settings = settings().credentials(credentials);
    assert!(!format!("{settings:?}").contains(SECRET));
    (sim.client(config, settings), asked)
}

fn sim() -> Sim {
    let sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", BrokerConfig::rabbitmq().user("me", SECRET));
    sim
}

#[test]
fn it_is_asked_for_each_attempt_and_told_what_was_refused() {
    let mut sim = sim();
    let mut config = config();
    config.refused_at_start = OnRefusal::Retry;
    let (client, asked) = client(&sim, config, &["", "expired", SECRET, SECRET]);
    let mut listener = client.listen();
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.cut("broker", Ending::Reset);
        world.sleep(seconds(5)).await;
        assert!(matches!(client.state(), SessionState::Connected(_)));
        client.disconnect().await.unwrap();
        let mut failures = Vec::new();
        while let Some(notice) = listener.next().await {
            if let Notice::ConnectFailed { reason, .. } = notice {
                failures.push(reason);
            }
        }
        assert_eq!(failures[0], Lost::NoCredentials("the vault is sealed".into()));
        assert!(failures[1].to_string().contains("Access refused"), "{failures:?}");
    });
    let refused: Vec<_> = asked.lock().unwrap().iter().map(|attempt| attempt.refused.is_some()).collect();
    assert_eq!(refused, [false, false, true, false]);
}

/// One that does not answer is given up when the time for connecting is over.
#[test]
fn one_that_never_answers_is_given_up() {
    let mut sim = sim();
    let settings = settings().credentials(Credentials::new(|_| pending::<Result<Login, String>>()));
    let client = sim.client(config(), settings);
    let mut listener = client.listen();
    sim.block_on(async {
        loop {
            if let Notice::ConnectFailed { reason, .. } = listener.next().await.unwrap() {
                assert_eq!(reason, Lost::ConnectTimeout(seconds(10)));
                break;
            }
        }
        let ended = client.disconnect().await.unwrap_err();
        assert!(matches!(ended, Closed::Disconnected { confirmed: false, .. }), "nobody was told: {ended:?}");
    });
}

/// Where a provider panics: where it is called, where it is awaited, and where it is dropped by the way.
#[derive(Clone, Copy, Debug)]
enum Panics {
    Called,
    Awaited,
    AwaitedAndDropped,
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// It is a bug of the application, and one attempt fails with its text. The session goes on: the next time it may go well. What
/// is known of passcodes, by the configuration and by the provider itself, is not repeated.
#[test]
fn one_that_panics_has_no_credentials() {
    let own = "canary-own";
    for panics in [Panics::Called, Panics::Awaited, Panics::AwaitedAndDropped] {
        let mut sim = sim();
        let calls = Arc::new(Mutex::new(0_u32));
        let settings = settings().credentials(Credentials::new(move |_: Attempt| {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            let turn = *calls;
            drop(calls);
            let cry = move || panic!("{panics:?} {turn}: neither {SECRET} nor {own} was taken");
            if turn.is_multiple_of(2) && matches!(panics, Panics::Called) {
                cry();
            }
            async move {
                if turn.is_multiple_of(2) {
                    let _kept = matches!(panics, Panics::AwaitedAndDropped).then(|| PanicsInDrop);
                    std::future::ready(()).await;
                    // Two panics at once would end the process: this one is caught first.
                    if matches!(panics, Panics::Awaited) {
                        cry();
                    }
                    pending::<()>().await;
                }
                Ok::<_, String>(Login::new("me", SECRET))
            }
        }));
        let mut config = config();
        config.login = Some(Login::new("me", own));
        config.connect_timeout = seconds(2);
        let client = sim.client(config, settings);
        let mut listener = client.listen();
        let world = sim.world();
        let reason = sim.block_on(async {
            client.connected().await.unwrap();
            world.cut("broker", Ending::Reset);
            let reason = loop {
                if let Notice::ConnectFailed { reason, .. } = listener.next().await.unwrap() {
                    break reason;
                }
            };
            client.connected().await.unwrap();
            client.disconnect().await.unwrap();
            reason
        });
        let expected = match panics {
            // Given up when the time for connecting was over.
            Panics::AwaitedAndDropped => Lost::ConnectTimeout(seconds(2)),
            Panics::Called | Panics::Awaited => {
                Lost::NoCredentials(format!("panicked: {panics:?} 2: neither *** nor *** was taken"))
            }
        };
        assert_eq!(reason, expected);
    }
}
