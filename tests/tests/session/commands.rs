//! What an owner may ask of the way to the brokers: where the session stands, to go on now, and other brokers.

use stomp_proto::Version;
use stomp_session::{Endpoint, Lost, Phase, Subscribe, Timestamp};

use crate::script::{Script, config, seconds};

fn listed(uri: &str) -> Script {
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config.brokers.reconnect.full_jitter = false;
    config.brokers.reconnect.startup_max_attempts = None;
    config.brokers.reconnect.randomize = false;
    config.brokers.reconnect.initial_delay = seconds(20);
    Script::new(config)
}

fn refused() -> Lost {
    Lost::DialFailed { reason: "connection refused".into(), permanent: false }
}

fn host(script: &Script) -> String {
    match script.session.phase() {
        Phase::Waiting { endpoint, until } => format!("waiting for {} until {until}", endpoint.host()),
        Phase::Connecting(endpoint) => format!("connecting to {}", endpoint.host()),
        Phase::Connected(connection) => format!("connected to {}", connection.endpoint.host()),
        Phase::Disconnecting(connection) => format!("disconnecting from {}", connection.endpoint.host()),
        _ => "closed".to_owned(),
    }
}

#[test]
fn it_says_where_it_stands() {
    let mut script = listed("tcp://a");
    assert_eq!(host(&script), "connecting to a");
    script.attempt();
    script.report(refused());
    assert_eq!(host(&script), "waiting for a until 20.000 s");
    script.pass(seconds(20));
    script.dial();
    assert_eq!(host(&script), "connecting to a");
    script.accept(Version::V1_2);
    assert_eq!(host(&script), "connected to a");
    script.session.disconnect();
    assert_eq!(host(&script), "disconnecting from a");
    script.report(Lost::Eof);
    assert_eq!(host(&script), "closed");
}

#[test]
fn reconnect_skips_the_delay() {
    let mut script = listed("tcp://a");
    script.attempt();
    script.report(refused());
    script.session.reconnect();
    assert_eq!(script.session.poll_timeout(), Some(Timestamp::ZERO));
    script.pass(seconds(0));
    script.reconnect(Version::V1_2);
    assert_eq!(script.now, Timestamp::ZERO);
    assert_eq!(host(&script), "connected to a");
}

#[test]
fn reconnect_leaves_a_connection_for_the_others() {
    let mut script = listed("failover:(tcp://a,tcp://b)");
    script.dial();
    script.accept(Version::V1_2);
    script.events();
    script.session.reconnect();
    let left = "disconnected: connection 1, the connection was left at the application's request, 0 unsent";
    assert_eq!(script.events(), [left, "next: b in 0ns"]);
    assert!(script.closes());
    script.pass(seconds(0));
    assert_eq!(host(&script), "connecting to b");
    script.session.reconnect();
    assert_eq!(host(&script), "connecting to b", "what is dialled goes on");
}

#[test]
fn reconnect_takes_the_subscriptions_along() {
    let mut script = listed("failover:(tcp://a,tcp://b)");
    script.dial();
    script.accept(Version::V1_2);
    script.said();
    script.session.subscribe(Subscribe::new("/queue/a").header("x", "1")).unwrap();
    let subscribe = script.said();
    assert!(subscribe.starts_with("SUBSCRIBE\n"), "{subscribe}");
    script.session.reconnect();
    script.pass(seconds(0));
    script.reconnect(Version::V1_2);
    assert_eq!(script.said(), subscribe.replace("receipt:1", "receipt:2"));
}

#[test]
fn one_broker_is_left_whatever_is_done_with_it() {
    let [a, b] = ["tcp://a", "tcp://b"].map(|uri| uri.parse::<Endpoint>().unwrap());
    let mut script = listed("failover:(tcp://a,tcp://b)");
    assert!(!script.session.leave_broker(&b), "it is not there");
    assert!(script.session.leave_broker(&a));
    assert_eq!(host(&script), "waiting for b until 0.000 s");
    assert!(script.session.leave_broker(&b));
    assert_eq!(host(&script), "waiting for a until 20.000 s");
    script.pass(seconds(20));
    script.reconnect(Version::V1_2);
    assert!(script.session.leave_broker(&a));
    assert_eq!(host(&script), "waiting for b until 20.000 s");
}

#[test]
fn brokers_come_and_go() {
    let [a, b] = ["tcp://a", "tcp://b"].map(|uri| uri.parse::<Endpoint>().unwrap());
    let mut script = listed("tcp://a");
    script.attempt();
    script.report(refused());
    script.session.add_broker(b.clone());
    script.session.add_broker(b.clone());
    assert_eq!(host(&script), "waiting for b until 0.000 s");
    script.pass(seconds(0));
    script.reconnect(Version::V1_2);
    assert!(script.session.remove_broker(&a));
    assert!(!script.session.remove_broker(&a));
    assert_eq!(host(&script), "connected to b");
    script.session.add_broker(a.clone());
    assert!(script.session.remove_broker(&b));
    assert_eq!(host(&script), "waiting for a until 0.000 s");
    assert!(script.session.remove_broker(&a));
    assert_eq!(host(&script), "closed");
    assert!(script.events().last().unwrap().starts_with("closed: no connection"));
}
