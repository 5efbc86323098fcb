//! Lives of whole clients, drawn from a seed: senders, consumers, runners, requests and listeners, in any weather and through
//! any mishap. Whatever was confirmed is there, everything ends, nothing spins, and no wake-up is lost.
//!
//! `SIM_SEEDS=100000 cargo test --release -p stomp-testkit --test driver lives` goes through 100,000 of them.

use std::{
    collections::BTreeSet,
    future::IntoFuture as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use stomp_session::client::{Client, Forward, Message, OnFailure, Settings};
use stomp_testkit::{
    broker::BrokerConfig,
    sim::{Door, Ending, Random, Sim, World},
};

use crate::kit::{config, poll_times, seconds, seeds, settings};

const QUEUE: &str = "/queue/a";
const ERRORS: &str = "/queue/errors";

/// Bodies that were confirmed, and bodies that were handled.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<(BTreeSet<String>, BTreeSet<String>)>>);

impl Ledger {
    fn confirmed(&self, body: String) {
        self.0.lock().unwrap().0.insert(body);
    }

    fn handled(&self, message: &Message) {
        let body = String::from_utf8_lossy(message.body()).into_owned();
        self.0.lock().unwrap().1.insert(body);
    }
}

fn drawn_settings(random: &mut Random) -> Settings {
    let mut settings = settings();
    settings.inbound_budget = random.within(&(1..=20_000));
    settings.outbound_budget = random.within(&(1..=20_000));
    settings
}

fn drawn_broker(random: &mut Random) -> BrokerConfig {
    match random.below(4) {
        0 => BrokerConfig::rabbitmq(),
        1 => BrokerConfig::activemq(),
        2 => BrokerConfig::artemis(),
        _ => BrokerConfig::default(),
    }
}

async fn sender(client: Client, world: World, ledger: Ledger, name: usize, mut random: Random) {
    for number in 0..random.within(&(1..=12)) {
        let body = format!("{name}-{number}{}", "x".repeat(random.below(300)));
        let send = client.send(QUEUE, body.clone()).timeout(seconds(random.within(&(1..=30)) as u64));
        match random.below(6) {
            0 => drop(send.await),
            1 => drop(poll_times(random.below(4), send.immediate().into_future()).await),
            2 => drop(poll_times(random.below(3), send.confirmed().into_future()).await),
            _ => {
                if send.confirmed().await.is_ok() {
                    ledger.confirmed(body);
                }
            }
        }
        world.sleep(Duration::from_millis(random.below(500) as u64)).await;
    }
}

async fn stream(client: Client, ledger: Ledger) {
    while let Ok(mut messages) = client.subscribe(QUEUE).prefetch(5).await {
        while let Some(message) = messages.next().await {
            ledger.handled(&message);
            let _ = message.ack();
        }
    }
}

async fn runner(client: Client, world: World, ledger: Ledger, mut random: Random) {
    let limit = random.within(&(1..=4));
    while let Ok(messages) = client.subscribe(QUEUE).prefetch(8).await {
        let handler = |message: Arc<Message>| {
            let pause = world.sleep(Duration::from_millis(random.below(200) as u64));
            let (fails, ledger) = (random.once_in(5), ledger.clone());
            async move {
                pause.await;
                assert!(!fails || message.body().len().is_multiple_of(2), "one in ten panics");
                if fails {
                    return Err("one in ten fails");
                }
                ledger.handled(&message);
                Ok(())
            }
        };
        let policy = OnFailure::Forward(Forward::to(ERRORS));
        let stop = world.sleep(seconds(20));
        let _ = messages.handle(handler).concurrency(limit).on_failure(policy).until(stop).await;
    }
}

async fn watcher(client: Client, mut random: Random) {
    let mut listener = if random.once_in(2) { client.trace() } else { client.listen() };
    let mut left = random.below(400);
    while left > 0 && listener.next().await.is_some() {
        left -= 1;
    }
    let mut states = client.watch();
    drop(client);
    while states.next().await.is_some() {}
}

async fn requester(client: Client, mut random: Random) {
    for _ in 0..random.below(4) {
        let request = client.request("/queue/nobody", "?").timeout(seconds(3));
        drop(poll_times(random.below(12) + 1, request.into_future()).await);
    }
}

async fn mishaps(world: World, mut random: Random) {
    for _ in 0..random.below(8) {
        world.sleep(Duration::from_millis(random.below(3000) as u64)).await;
        match random.below(6) {
            0 => world.cut("broker", Ending::Reset),
            1 => world.cut("broker", Ending::Eof),
            2 => world.half_close("broker"),
            3 => world.set_reading("broker", false),
            4 => world.set_door("broker", Door::Refusing),
            _ => world.set_frozen("broker", true),
        }
        world.sleep(Duration::from_millis(random.below(9000) as u64)).await;
        world.set_reading("broker", true);
        world.set_door("broker", Door::Open);
        world.set_frozen("broker", false);
    }
}

fn live(seed: u64) {
    let mut random = Random::new(!seed);
    let mut sim = Sim::new(seed);
    sim.add_broker("broker", drawn_broker(&mut random));
    let mut config = config();
    (config.send_beat, config.receive_beat) = (seconds(4), seconds(4));
    let client = sim.client(config, drawn_settings(&mut random));
    let (world, ledger) = (sim.world(), Ledger::default());
    let mut fork = || Random::new(random.draw());
    let senders: Vec<_> = (0..3)
        .map(|name| world.spawn(sender(client.clone(), world.clone(), ledger.clone(), name, fork())))
        .collect();
    let others = [
        world.spawn(stream(client.clone(), ledger.clone())),
        world.spawn(runner(client.clone(), world.clone(), ledger.clone(), fork())),
        world.spawn(watcher(client.clone(), fork())),
        world.spawn(requester(client.clone(), fork())),
        world.spawn(mishaps(world.clone(), fork())),
    ];
    sim.block_on(async {
        for sender in senders {
            sender.await;
        }
        let _ = client.disconnect().await;
        for other in others {
            other.await;
        }
    });
    let kept = [QUEUE, ERRORS].map(|queue| sim.broker("broker", |broker| broker.messages(queue)));
    let kept: BTreeSet<_> = kept.iter().flatten().map(|body| String::from_utf8_lossy(body)).collect();
    let (confirmed, handled) = &*ledger.0.lock().unwrap();
    let lost: Vec<_> =
        confirmed.iter().filter(|body| !handled.contains(*body) && !kept.contains(&***body)).collect();
    assert!(lost.is_empty(), "seed {seed}: confirmed and lost: {lost:?}");
}

#[test]
fn lives() {
    // The handlers that panic are meant to.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&"one in ten panics") {
            usual(panic);
        }
    }));
    seeds(300).for_each(live);
}
