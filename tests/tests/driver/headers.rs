//! Headers of what is sent: one of a name replaces those before it, and what the client sets itself stays.

use stomp_checks::sim::{Sim, World};
use stomp_proto::{Command, EncodeError, Frame, Headers};
use stomp_session::{
    CommandError,
    client::{RequestError, SendError, SubscribeError},
};

use crate::kit::{config, seconds, settings};

/// The values of the headers of that name in the last frame of that command that the broker has received.
fn received(world: &World, command: Command, name: &str) -> Vec<String> {
    world.broker("broker", |broker| {
        let frames = broker.received().flat_map(|(_, frames)| frames);
        let last: Option<&Frame> = frames.filter(|frame| frame.command() == command).last();
        let headers = last.expect("it has come").headers();
        headers.iter().filter(|(found, _)| *found == *name).map(|(_, value)| value.to_string()).collect()
    })
}

#[test]
fn a_header_replaces_those_of_its_name_and_an_appended_one_does_not() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    let mut set = Headers::new();
    for (name, value) in [("a", "5"), ("a", "6"), ("b", "7")] {
        set.push(name, value);
    }
    sim.block_on(async {
        let send = client.send("/queue/a", "").header("a", "1").header("b", "1").header("a", "2");
        send.clone().confirmed().await.unwrap();
        assert_eq!(received(&world, Command::Send, "a"), ["2"]);
        send.clone().append_header("a", "3").confirmed().await.unwrap();
        assert_eq!(received(&world, Command::Send, "a"), ["2", "3"]);
        let prepared = send.clone().append_header("a", "3").header("a", "4").confirmed().prepare().unwrap();
        prepared.send("").await.unwrap();
        assert_eq!(received(&world, Command::Send, "a"), ["4"]);
        send.headers(&set).confirmed().await.unwrap();
        assert_eq!(received(&world, Command::Send, "a"), ["5", "6"]);
        assert_eq!(received(&world, Command::Send, "b"), ["7"]);

        let subscribe =
            client.subscribe("/queue/b").selector("x = 1").append_header("a", "1").append_header("a", "2");
        let _subscription = subscribe.selector("x = 2").await.unwrap();
        assert_eq!(received(&world, Command::Subscribe, "selector"), ["x = 2"]);
        assert_eq!(received(&world, Command::Subscribe, "a"), ["1", "2"]);
    });
}

/// STOMP 1.2, "Repeated Header Entries": the first counts, so that a second destination would be ignored in silence.
#[test]
fn what_the_client_sets_itself_stays() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let mut other = Headers::new();
    other.push("destination", "/queue/other");
    sim.block_on(async {
        client.connected().await.unwrap();
        let send = || client.send("/queue/a", "");
        let twice = CommandError::Encode(EncodeError::DuplicateHeader { name: "destination" });
        for (send, expected) in [
            (send().header("destination", "/queue/other"), twice.clone()),
            (send().append_header("destination", "/queue/other"), twice.clone()),
            (send().headers(&other), twice),
            (send().header("receipt", "1"), CommandError::ReservedHeader("receipt")),
            (send().header("transaction", "1"), CommandError::ReservedHeader("transaction")),
        ] {
            assert_eq!(send.await, Err(SendError::Command(expected)));
        }
        for name in ["id", "destination", "ack", "receipt"] {
            let refused = client.subscribe("/queue/a").header(name, "1").await.map(|_| ()).unwrap_err();
            assert_eq!(refused, SubscribeError::Command(CommandError::ReservedHeader(name)));
        }
    });
}

#[test]
fn a_request_takes_what_a_send_takes() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let request =
            client.request("/queue/a", "first").header("a", "1").header("a", "2").append_header("a", "3");
        let request = request.persistent().to_queue().body("second").timeout(seconds(1));
        let unanswered = request.header("reply-to", "/queue/wrong").header("correlation-id", "wrong").await;
        assert_eq!(unanswered.unwrap_err(), RequestError::Timeout(seconds(1)));
        assert_eq!(received(&world, Command::Send, "a"), ["2", "3"]);
        for (name, value) in
            [("persistent", "true"), ("destination-type", "ANYCAST"), ("content-length", "6")]
        {
            assert_eq!(received(&world, Command::Send, name), [value]);
        }
        for name in ["reply-to", "correlation-id"] {
            let values = received(&world, Command::Send, name);
            assert!(values.len() == 1 && !values[0].contains("wrong"), "{values:?}");
        }
    });
}

#[test]
fn an_immediate_request_waits_for_no_connection() {
    let mut sim = Sim::new(1);
    let (client, driver) = sim.client_and_driver(config(), settings());
    let refused = sim.block_on(async { client.request("/queue/a", "").immediate().await.unwrap_err() });
    assert_eq!(refused, RequestError::Send(SendError::Command(CommandError::NotConnected)));
    drop(driver);
}
