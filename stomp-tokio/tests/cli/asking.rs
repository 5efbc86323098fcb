//! `stomp request`, `stomp reply`, `stomp bench` and `stomp trace`.

use serde_json::Value;
use stomp_testkit::server::Server;

use crate::tool::{PASSCODE, Running, Tool, broker, until};

fn replier(server: &Server, options: &[&str]) -> Running {
    let running = Tool::new(server, &[&["reply", "/queue/rpc"], options].concat()).start();
    until(server, "the subscription", |broker| broker.subscribers("/queue/rpc") == 1);
    running
}

#[cfg(unix)]
#[test]
fn a_command_answers_requests() {
    let server = broker();
    let answering = replier(&server, &["--exec", "tr a-z A-Z; echo \"$STOMP_HEADERS\""]);
    let found = Tool::new(&server, &["request", "/queue/rpc", "hello", "-H", "colour:red"]).run().ends(0);
    assert!(
        found.text().starts_with("HELLO{") && found.text().contains(r#""colour":"red""#),
        "{}",
        found.text()
    );
    answering.signal(rustix::process::Signal::TERM);
    answering.finish().ends(0).says("1 request answered");
}

/// The command has no use for our login.
#[cfg(unix)]
#[test]
fn a_command_does_not_see_the_passcode() {
    let server = broker();
    let answering = replier(&server, &["--exec", "env"]);
    let found = Tool::new(&server, &["request", "/queue/rpc", "hello"]).run().ends(0);
    assert!(found.text().contains("STOMP_HEADERS=") && !found.text().contains(PASSCODE));
    answering.signal(rustix::process::Signal::TERM);
    answering.finish().ends(0);
}

#[cfg(unix)]
#[test]
fn a_command_that_fails_leaves_the_request() {
    let server = broker();
    server.with(|broker| broker.publish("/queue/rpc", "x", &[]));
    let arguments = ["reply", "/queue/rpc", "--exec", "exit 3"];
    Tool::new(&server, &arguments).run().ends(1).says("ended with 3");
    until(&server, "the request", |broker| broker.depth("/queue/rpc") == 1);
    let late = [&arguments[..3], &["sleep 1000", "--exec-timeout", "100ms"]].concat();
    Tool::new(&server, &late).run().ends(4).says("longer than 0.1 s");
    server.with(|broker| broker.purge("/queue/rpc"));
    let answering = replier(&server, &["--exec", "exit 3", "--keep-going"]);
    let found = Tool::new(&server, &["request", "/queue/rpc", "x", "--json"]).run().ends(0);
    assert_eq!(found.json()["headers"]["exit-code"], "3");
    answering.signal(rustix::process::Signal::INT);
    answering.finish().ends(0);
}

/// The first signal asks the command to end, and the second does not.
#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    let server = broker();
    server.with(|broker| broker.publish("/queue/rpc", "x", &[]));
    let answering = Tool::new(&server, &["reply", "/queue/rpc", "--exec", "sleep 1000"]).start();
    until(&server, "the request", |broker| broker.unacked("/queue/rpc") == 1);
    // Two of the same kind could be taken for one.
    answering.signal(rustix::process::Signal::INT);
    answering.signal(rustix::process::Signal::TERM);
    // The command is killed as well, or its stderr would be open still.
    let code = answering.finish().code;
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    until(&server, "the request", |broker| broker.depth("/queue/rpc") == 1);
}

#[test]
fn nobody_answers() {
    let server = broker();
    Tool::new(&server, &["request", "/queue/none", "x", "-t", "1s"]).run().ends(4);
}

#[test]
fn a_broker_is_measured() {
    let server = broker();
    for (mode, queue) in [("send", "/queue/a"), ("receive", "/queue/a"), ("round-trip", "/queue/b")] {
        let arguments = ["bench", mode, queue, "-n", "300", "--size", "100", "--json"];
        let told = Tool::new(&server, &arguments).run().ends(0).json();
        assert_eq!((&told["messages"], &told["octets"]), (&300.into(), &30_000.into()), "{mode}");
        assert_eq!(told["latency_ms"]["p50"].is_f64(), mode != "receive");
    }
    let drawn = Tool::new(&server, &["bench", "round-trip", "-n", "50"]).run().ends(0).text();
    assert!(drawn.contains("latency in ms") && drawn.contains(" ms |#"), "{drawn}");
    let left = server.with(|broker| broker.queues().iter().map(|queue| broker.depth(queue)).sum::<usize>());
    assert_eq!(left, 0);
}

/// ActiveMQ takes nothing but text over a WebSocket.
#[test]
fn what_measures_is_text() {
    let server = broker();
    let uri = format!("ws://{}/?stomp.text=true", server.address());
    for mode in ["send", "round-trip"] {
        let told = Tool::at(&uri, &["bench", mode, "/queue/text", "-n", "50", "--json"]).run().ends(0).json();
        assert_eq!(told["messages"], 50, "{mode}");
    }
}

/// What it shows until it has shown that, and then to its end.
#[cfg(unix)]
fn traced(server: &Server, options: &[&str], wanted: &str) -> String {
    let mut tracing = Tool::new(server, &[&["trace", "/queue/a"], options].concat()).start();
    let mut shown = String::new();
    while !shown.contains(wanted) {
        let line = tracing.read_line();
        assert!(!line.is_empty(), "{wanted} is missing: {shown}");
        shown += &line;
    }
    tracing.signal(rustix::process::Signal::TERM);
    shown + &tracing.finish().ends(0).text()
}

#[cfg(unix)]
#[test]
fn frames_are_shown_both_ways_without_secrets() {
    let server = broker();
    server.with(|broker| broker.publish("/queue/a", "hello", &[("x-token", PASSCODE)]));
    let shown = traced(&server, &[], "<<< MESSAGE\n");
    for line in [">>> CONNECT\n", "<<< CONNECTED\n", ">>> SUBSCRIBE\n", "x-token: ***", ">>> DISCONNECT\n"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let shown = traced(&server, &["--json"], "\"MESSAGE\"");
    let told = |line| serde_json::from_str::<Value>(line).unwrap()["command"].clone();
    let commands: Vec<_> = shown.lines().map(told).filter(|command| !command.is_null()).collect();
    assert_eq!(commands[..3], ["CONNECT", "CONNECTED", "SUBSCRIBE"], "{shown}");
    until(&server, "the message", |broker| broker.depth("/queue/a") == 1);
}

#[test]
fn every_command_can_show_its_frames() {
    let server = broker();
    let sent = Tool::new(&server, &["send", "/queue/a", "x", "--frames"]).run().ends(0);
    sent.says(">>> SEND").says("<<< RECEIPT");
    Tool::new(&server, &["trace", "--for", "10ms"]).run().ends(0);
}
