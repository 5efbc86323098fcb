//! stomp-tokio, and what it does where a thread must not wait.

use std::time::Duration;

use stomp_testkit::{broker::BrokerConfig, server::Server};
use stomp_tokio as adapter;
use stomp_tokio::{
    Closed, Notice,
    blocking::{self, Wait as _},
};

/// Within this time the end comes, or the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[path = "suite.rs"]
mod suite;

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    ::tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts").block_on(work)
}

#[test]
#[should_panic(expected = "Cannot start a runtime from within a runtime")]
fn to_wait_within_asynchronous_code_is_a_panic() {
    in_runtime(async { std::future::ready(()).wait() });
}

#[test]
#[should_panic(expected = "Cannot start a runtime from within a runtime")]
fn to_connect_within_asynchronous_code_is_a_panic() {
    in_runtime(async { drop(blocking::connect("tcp://127.0.0.1:1")) });
}

/// Threads of tokio's that are made for it may wait.
#[test]
fn to_wait_in_a_thread_for_slow_work_is_fine() {
    let server = Server::start(BrokerConfig::default()).expect("a loopback port");
    let uri = server.uri();
    let script = move || {
        let client = blocking::connect(&uri).expect("the broker lets us in");
        client.send("/queue/a", "x").confirmed().wait()
    };
    in_runtime(async { ::tokio::task::spawn_blocking(script).await }).expect("no panic").expect("confirmed");
    assert_eq!(server.with(|broker| broker.depth("/queue/a")), 1);
}

/// A client may be dropped where nobody may wait: neither does that panic, nor is anything lost while the process lives.
#[test]
fn to_drop_a_client_within_asynchronous_code_is_fine() {
    let server = Server::start(BrokerConfig::default()).expect("a loopback port");
    let client = blocking::connect(&server.uri()).expect("the broker lets us in");
    client.send("/queue/a", "x").wait().expect("there is a connection");
    let mut listener = client.listen();
    in_runtime(async { drop(client) });
    let end = loop {
        let notice = listener.next().wait_for(PATIENCE).expect("the end has a deadline");
        if let Notice::Closed(closed) = notice.expect("the end is told") {
            break closed;
        }
    };
    assert!(matches!(end, Closed::Disconnected { confirmed: true, .. }), "{end}");
    assert_eq!(server.with(|broker| broker.depth("/queue/a")), 1);
}
