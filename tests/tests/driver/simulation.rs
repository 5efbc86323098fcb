//! The simulation itself: a seed is a run, and what spins or waits for ever is caught.

use std::{future::poll_fn, task::Poll};

use stomp_checks::sim::{Ending, Sim, Weather};

use crate::kit::{config, seconds, seeds, settings};

fn run(seed: u64) -> u64 {
    let mut sim = Sim::new(seed);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        for number in 0..20 {
            if number % 7 == 3 {
                world.cut("broker", Ending::Reset);
            }
            while client.send("/queue/a", number.to_string()).confirmed().await.is_err() {}
            let _ = subscription.next().await.unwrap().ack();
        }
        let _ = client.disconnect().await;
    });
    sim.trace_hash()
}

#[test]
fn a_seed_is_a_run() {
    let hashes: Vec<_> = seeds(30).map(run).collect();
    assert_eq!(hashes, seeds(30).map(run).collect::<Vec<_>>());
    let different: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(different.len(), hashes.len());
}

#[test]
#[should_panic(expected = "seed 7: TaskId(1) was polled more than 1000 times at 0.000 s: it spins")]
fn a_task_that_spins_is_caught() {
    let mut sim = Sim::in_weather(7, Weather::calm());
    let task = sim.spawn(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    sim.block_on(task);
}

#[test]
#[should_panic(expected = "seed 7: a lost wake-up")]
fn a_wait_without_end_is_caught() {
    Sim::in_weather(7, Weather::calm()).block_on(std::future::pending::<()>());
}

#[test]
#[should_panic(expected = "seed 7: it took more than 60s of virtual time")]
fn a_test_that_takes_too_long_is_caught() {
    let mut sim = Sim::in_weather(7, Weather::calm());
    sim.set_patience(seconds(60));
    sim.run_for(seconds(61));
}
