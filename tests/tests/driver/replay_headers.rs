//! Code of the application that the driver calls, and that panics: one thing fails, the session goes on.

use stomp_checks::sim::{Ending, Sim};
use stomp_session::{
    client::Client,
    proto::Command,
    rabbitmq::{Queue, StreamOffset, StreamPosition},
};

use crate::kit::{config, settings};

/// The headers of the SUBSCRIBEs that came, as `name` has them.
fn subscribed(sim: &Sim, name: &str) -> Vec<Option<String>> {
    sim.broker("broker", |broker| {
        let frames = broker.received().flat_map(|(_, frames)| frames);
        let subscribes = frames.filter(|frame| frame.command() == Command::Subscribe);
        subscribes.map(|frame| frame.headers().get(name).map(|value| value.to_string())).collect()
    })
}

/// The subscription is made again with the headers that were set, and not with half of what was to be changed.
#[test]
fn a_change_of_headers_at_a_replay_that_panics_changes_nothing() {
    let mut sim = Sim::new(1);
    let client: Client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let subscribe = client.subscribe("/queue/a").header("x-stream-offset", "first");
        let subscribe = subscribe.on_replay(|headers| {
            headers.set("x-stream-offset", "half");
            panic!("no offset is known");
        });
        let mut messages = subscribe.await.unwrap();
        world.cut("broker", Ending::Reset);
        world.broker("broker", |broker| broker.publish("/queue/a", "x", &[]));
        let message = messages.next().await.expect("the subscription lives on");
        message.ack().unwrap();
        client.disconnect().await.unwrap();
    });
    assert_eq!(subscribed(&sim, "x-stream-offset"), [Some("first".into()), Some("first".into())]);
}

/// Between two messages the connection is lost: the stream goes on after the one that was handled.
#[test]
fn a_stream_goes_on_after_the_last_message_that_was_handled() {
    let mut sim = Sim::new(1);
    let client: Client = sim.client(config(), settings());
    let world = sim.world();
    let position = StreamPosition::new(StreamOffset::First);
    sim.block_on(async {
        let subscribe = client.subscribe("/queue/log").headers(Queue::stream().headers());
        let mut log = subscribe.consumer_priority(-3).stream(&position).prefetch(1).await.unwrap();
        for number in ["41", "42", "43"] {
            let headers = [(StreamOffset::HEADER, number)];
            world.broker("broker", |broker| broker.publish("/queue/log", number, &headers));
        }
        for (number, is_handled) in [("41", true), ("42", false), ("42", true), ("43", true)] {
            let entry = log.next().await.expect("the subscription lives on");
            assert_eq!(entry.body(), number.as_bytes());
            if is_handled {
                position.handled(entry.headers());
                entry.ack_confirmed().await.unwrap();
            }
            if number != "43" {
                world.cut("broker", Ending::Reset);
                // The next connection stands.
                client.send("/queue/other", "x").at_least_once().await.unwrap();
            }
        }
        client.disconnect().await.unwrap();
    });
    assert_eq!(position.offset(), StreamOffset::Offset(44));
    let offsets = ["first", "offset=42", "offset=42", "offset=43"].map(|offset| Some(offset.to_owned()));
    assert_eq!(subscribed(&sim, StreamOffset::HEADER), offsets);
    assert_eq!(subscribed(&sim, "x-queue-type"), ["stream"; 4].map(|name| Some(name.to_owned())));
    assert_eq!(subscribed(&sim, "x-priority"), ["-3"; 4].map(|priority| Some(priority.to_owned())));
}
