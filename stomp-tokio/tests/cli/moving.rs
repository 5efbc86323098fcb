//! `stomp move`.

use std::collections::BTreeSet;

use stomp_testkit::{
    broker::{BrokerConfig, Denial, proto::Command},
    server::Server,
};

use crate::tool::{Tool, broker, start, until};

const FROM: &str = "/queue/dead";
const TO: &str = "/queue/alive";

fn publish(server: &Server, count: usize) {
    server.with(|broker| {
        for number in 0..count {
            let colour = if number % 2 == 0 { "red" } else { "blue" };
            broker.publish(FROM, number.to_string(), &[("colour", colour), ("x-death", "often")]);
        }
    });
}

fn depths(server: &Server) -> (usize, usize) {
    server.with(|broker| (broker.depth(FROM), broker.depth(TO)))
}

#[test]
fn all_messages_move_with_the_headers_of_their_application() {
    let server = start(BrokerConfig::default().recording());
    publish(&server, 300);
    let told =
        Tool::new(&server, &["move", FROM, TO, "-n", "300", "-H", "moved:yes", "--json"]).run().ends(0);
    assert_eq!(told.json()["moved"], 300);
    assert_eq!(depths(&server), (0, 300));
    let numbers: Vec<_> = server.with(|broker| broker.messages(TO));
    assert!(numbers.iter().enumerate().all(|(at, body)| *body == at.to_string()), "in their order");
    server.with(|broker| {
        let (_, frames) = broker.received().last().unwrap();
        let copy = frames.iter().find(|frame| frame.command() == Command::Send).unwrap();
        let header = |name| copy.header_str(name);
        assert_eq!((header("colour").as_deref(), header("moved").as_deref()), (Some("red"), Some("yes")));
        assert_eq!((header("persistent").as_deref(), header("x-death")), (Some("true"), None));
    });
}

#[test]
fn only_those_that_meet_the_conditions_move() {
    let server = broker();
    publish(&server, 20);
    let arguments = ["move", FROM, TO, "-n", "10", "--where", "colour=blue", "--where", "x-death"];
    Tool::new(&server, &arguments).run().ends(0).says("10 messages moved").says("10 left");
    until(&server, "the others", |broker| broker.depth(FROM) == 10);
    assert_eq!(depths(&server), (10, 10));
    // More are left than may be out: that is said.
    let arguments = ["move", FROM, TO, "--idle", "60s", "--where", "colour=green", "--prefetch", "3"];
    Tool::new(&server, &arguments).run().ends(5).says("there may be more");
}

#[test]
fn a_dry_run_moves_nothing() {
    let server = broker();
    publish(&server, 20);
    let arguments = ["move", FROM, TO, "-n", "10", "--where", "colour=blue", "--dry-run"];
    Tool::new(&server, &arguments).run().ends(0).says("10 messages would be moved").says("10 left");
    until(&server, "all of them", |broker| broker.depth(FROM) == 20);
    assert_eq!(depths(&server), (20, 0));
}

#[test]
fn a_number_of_messages_moves() {
    let server = broker();
    publish(&server, 20);
    Tool::new(&server, &["move", FROM, TO, "-n", "7"]).run().ends(0).says("7 messages moved");
    until(&server, "the others", |broker| broker.depth(FROM) == 13);
    assert_eq!(depths(&server), (13, 7));
}

#[test]
fn what_would_lose_messages_is_refused() {
    let server = broker();
    Tool::new(&server, &["move", FROM, FROM]).run().ends(2).says("the same");
    Tool::new(&server, &["move", FROM, "/topic/a"]).run().ends(2).says("--to-topic");
    publish(&server, 5);
    let no = Denial::of(Command::Send).at(TO).saying("not here", "the queue is closed");
    server.with(|broker| broker.deny(no));
    Tool::new(&server, &["move", FROM, TO, "--idle", "60s"])
        .run()
        .ends(1)
        .says("not here")
        .says("0 messages moved");
    until(&server, "all of them", |broker| broker.depth(FROM) == 5);
}

/// Where every destination is a topic unless it is told otherwise, a copy would be confirmed and lost.
#[test]
fn on_artemis_both_are_queues() {
    let server = start(BrokerConfig::artemis().recording());
    publish(&server, 1);
    Tool::new(&server, &["move", FROM, TO, "-n", "1"]).run().ends(0).says("1 message moved");
    server.with(|broker| {
        let frames: Vec<_> = broker.received().flat_map(|(_, frames)| frames).collect();
        let told = |command, name: &str| {
            frames.iter().any(|frame| {
                frame.command() == command && frame.header_str(name).as_deref() == Some("ANYCAST")
            })
        };
        assert!(told(Command::Send, "destination-type") && told(Command::Subscribe, "subscription-type"));
    });
}

/// Each is larger than what may wait for its RECEIPT beside others.
#[test]
fn large_messages_move() {
    let server = broker();
    server.with(|broker| (0..2).for_each(|_| broker.publish(FROM, vec![b'x'; 20 << 20], &[])));
    Tool::new(&server, &["move", FROM, TO, "-n", "2"]).run().ends(0).says("2 messages moved");
    assert_eq!(depths(&server), (0, 2));
}

#[test]
fn an_empty_queue_is_moved_at_once() {
    let server = broker();
    Tool::new(&server, &["move", FROM, TO, "--idle", "50ms"]).run().ends(0).says("0 messages moved");
}

#[test]
fn it_goes_on_when_the_broker_was_restarted() {
    let server = broker();
    let address = server.address();
    publish(&server, 2000);
    let moving = Tool::new(&server, &["move", FROM, TO, "--idle", "5s"]).start();
    until(&server, "a part of them", |broker| broker.depth(TO) > 300);
    let mut stopped = server.stop();
    stopped.crash();
    let server = Server::resume(address, stopped).unwrap();
    // A copy that was not acknowledged comes twice, and that is said by the code.
    let finished = moving.finish();
    assert!(finished.stderr.matches("a second time").count() <= 1, "{}", finished.stderr);
    assert!(matches!(finished.code, Some(0 | 5)), "{finished:?}");
    let found: BTreeSet<_> = server.with(|broker| broker.messages(TO)).into_iter().collect();
    assert_eq!((found.len(), depths(&server).0), (2000, 0));
}

/// What is left comes again on the next connection, and is the same.
#[cfg(unix)]
#[test]
fn what_is_left_is_counted_once() {
    let server = broker();
    let address = server.address();
    publish(&server, 5);
    let arguments = ["move", FROM, TO, "--where", "colour=green", "--prefetch", "8", "--idle", "100s"];
    let moving = Tool::new(&server, &arguments).start();
    // What comes behind the five and moves says that they have come.
    let pass = |server: &Server, number: usize| {
        server.with(|broker| broker.publish(FROM, "last", &[("colour", "green")]));
        until(server, "the last one", |broker| broker.depth(TO) >= number && broker.unacked(FROM) == 5);
    };
    pass(&server, 1);
    let mut stopped = server.stop();
    stopped.crash();
    let server = Server::resume(address, stopped).unwrap();
    pass(&server, 2);
    moving.signal(rustix::process::Signal::TERM);
    let finished = moving.finish().ends(143).says("; 5 left");
    assert!(!finished.stderr.contains("there may be more"), "{finished:?}");
}

/// Killed ten times on its way, it loses none of 5,000 messages; what was copied and not acknowledged comes twice.
#[test]
fn ten_kills_lose_nothing() {
    const MESSAGES: usize = 5000;
    const WINDOW: usize = 100;
    let server = broker();
    publish(&server, MESSAGES);
    for kill in 1..=10 {
        let moving = Tool::new(&server, &["move", FROM, TO]).start();
        until(&server, "a part of them", |broker| broker.depth(TO) > kill * 400);
        moving.kill();
        until(&server, "the end of its connections", |broker| broker.connections().is_empty());
        let (from, to) = depths(&server);
        assert!(from + to >= MESSAGES, "kill {kill}: {from} and {to} are not all");
        println!("kill {kill}: {from} in {FROM}, {to} in {TO}, {} copies", from + to - MESSAGES);
    }
    Tool::new(&server, &["move", FROM, TO, "--idle", "5s"]).run().ends(0);
    let moved = server.with(|broker| broker.messages(TO));
    let found: BTreeSet<_> = moved.iter().collect();
    let copies = moved.len() - found.len();
    println!("{MESSAGES} messages, 10 kills: {} moved, 0 lost, {copies} copies", found.len());
    assert_eq!((depths(&server).0, found.len()), (0, MESSAGES));
    assert!(copies <= 10 * WINDOW, "what was under way, and no more, comes twice");
}
