//! Lives of whole clients, drawn from a seed: senders of every kind, transactions, consumers, runners, requests and listeners,
//! in any weather and through any mishap, some of it dropped half-way. Whatever was confirmed is there, what was not sent is
//! nowhere, everything ends, nothing spins, and no wake-up is lost.
//!
//! `SIM_SEEDS=100000 cargo test --release -p stomp-testkit --test driver lives` goes through 100,000 of them.

mod actors;
mod ledger;

use std::panic;

use stomp_checks::sim::{Random, Sim};
use stomp_session::{Profile, client::Builder};
use stomp_testkit::broker::{BrokerConfig, Fact, Return};

use crate::kit::{config, seconds, seeds, settings};
use actors::Life;
use ledger::Ledger;

fn drawn_settings(random: &mut Random) -> Builder {
    settings().inbound_budget(random.within(&(1..=20_000))).outbound_budget(random.within(&(1..=20_000)))
}

/// A broker, whether it undoes ACKs, and what the client knows of it if its name does not say so.
///
/// Two ACKs in a row are already more than RabbitMQ 4 passes on at once, so that there are such in a life.
fn drawn_broker(random: &mut Random) -> (BrokerConfig, bool, Option<Profile>) {
    let hasty = |mut profile: Profile| {
        profile.returns_at_once = Some(1);
        Some(profile)
    };
    match random.below(6) {
        0 => (BrokerConfig::rabbitmq(), true, None),
        1 => (BrokerConfig::activemq(), true, None),
        2 => (BrokerConfig::artemis(), false, None),
        3 => (BrokerConfig::rabbitmq_4_0().settles_at_once(1), true, hasty(Profile::RABBITMQ_4)),
        4 => (BrokerConfig::rabbitmq_4_3().settles_at_once(1), true, hasty(Profile::RABBITMQ_4_3)),
        _ => (BrokerConfig::default(), true, None),
    }
}

/// How many bodies were confirmed, never sent, and handled.
fn live(seed: u64) -> [u64; 3] {
    let mut random = Random::new(!seed);
    let mut sim = Sim::new(seed);
    let (broker, undoes_acks, profile) = drawn_broker(&mut random);
    sim.add_broker("broker", broker.durable_only().journaling());
    let mut config = config();
    config.profile = profile.map(Into::into);
    (config.send_beat, config.receive_beat) = (seconds(4), seconds(4));
    config.at_least_once_messages = random.within(&(1..=8));
    let client = sim.client(config.clone(), drawn_settings(&mut random));
    let other = sim.client(config, drawn_settings(&mut random));
    let (world, ledger) = (sim.world(), Ledger::default());
    let life = Life { client: client.clone(), world: world.clone(), ledger: ledger.clone(), undoes_acks };
    let mut fork = || Random::new(random.draw());
    let mut busy: Vec<_> =
        (0..3).map(|name| world.spawn(actors::sender(life.clone(), name, fork()))).collect();
    busy.extend((0..2).map(|name| world.spawn(actors::publisher(life.clone(), name, fork()))));
    busy.push(world.spawn(actors::trader(life.clone(), fork())));
    busy.push(world.spawn(actors::requester(life.clone(), fork())));
    let others = [
        world.spawn(actors::stream(life.clone(), fork())),
        world.spawn(actors::runner(life, fork())),
        world.spawn(actors::watcher(client.clone(), fork())),
        world.spawn(actors::answerer(other.clone())),
        world.spawn(actors::mishaps(world.clone(), fork())),
    ];
    sim.block_on(async {
        for task in busy {
            task.await;
        }
        let _ = client.disconnect().await;
        let _ = other.disconnect().await;
        for other in others {
            other.await;
        }
    });
    sim.broker("broker", |broker| {
        // What clients had and did not acknowledge is in its queue again, and only what is durable is there.
        broker.crash();
        ledger.balance(broker, seed);
        let facts = std::iter::from_fn(|| broker.poll_fact());
        let again = |fact: &Fact| matches!(fact, Fact::AckLost { by: Return::Disconnect, .. });
        let again: Vec<_> = facts.filter(again).collect();
        assert!(
            again.is_empty(),
            "seed {seed}: acknowledged, and there again behind a DISCONNECT: {again:?}"
        );
    });
    ledger.totals()
}

#[test]
fn lives() {
    // The handlers that panic are meant to.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&"one in ten panics") {
            usual(panic);
        }
    }));
    let mut totals = [0; 3];
    for seed in seeds(300) {
        let counts = live(seed);
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    println!("confirmed, never sent, handled: {totals:?}");
    assert!(totals.iter().all(|total| *total > 0), "{totals:?}");
}
