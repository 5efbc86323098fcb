//! The handler runner: what it acknowledges, how it fails, how it stops.

mod panics;
mod policies;
mod retry;
mod running;
mod settling;
mod spawned;
mod stopping;
mod woken;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::Duration,
};

use stomp_checks::sim::{Sim, Weather, World};
use stomp_session::client::{Client, Message, Subscription};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, settings};

const QUEUE: &str = "/queue/a";

/// A calm network with that broker, a client, and that number of numbered messages in the queue.
fn with_messages(broker: BrokerConfig, count: usize) -> (Sim, Client, World) {
    let sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", broker.recording());
    for number in 0..count {
        sim.broker("broker", |broker| broker.publish(QUEUE, number.to_string(), &[]));
    }
    let (client, world) = (sim.client(config(), settings()), sim.world());
    (sim, client, world)
}

async fn subscribe(client: &Client) -> Subscription {
    client.subscribe(QUEUE).prefetch(100).await.unwrap()
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

/// What handlers note, and tests read.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn counted(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        self.all().into_iter().for_each(|note| *counts.entry(note).or_default() += 1);
        counts
    }
}

/// Messages that wait, and messages that are out unacknowledged.
fn left(world: &World) -> (usize, usize) {
    world.broker("broker", |broker| (broker.depth(QUEUE), broker.unacked(QUEUE)))
}

const fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
