//! Code of the application that the driver calls, and that panics: one thing fails, the session goes on.

use stomp_session::{client::Client, proto::Command};
use stomp_testkit::sim::{Ending, Sim};

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
