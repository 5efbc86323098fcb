//! Cancelling: every future, dropped after any number of polls, leaves a session that works and loses no message.

use std::future::IntoFuture as _;

use stomp_checks::sim::{Ending, Sim, Weather, World};
use stomp_session::client::{Client, SessionState};

use crate::kit::{config, poll_once, poll_times, seconds, seeds, settings};

/// The most polls that are tried: no future here needs as many.
const POLLS: usize = 12;

/// Runs `cancelled` with each count of polls, then checks that the session works.
fn in_every_way<F: Future<Output = ()>>(cancelled: impl Fn(Client, World, usize) -> F) {
    for polls in 0..POLLS {
        for seed in seeds(8) {
            let mut sim = Sim::new(seed);
            let client = sim.client(config(), settings());
            let world = sim.world();
            sim.block_on(async {
                cancelled(client.clone(), world.clone(), polls).await;
                assert_works(&client).await;
                client.disconnect().await.unwrap();
            });
        }
    }
}

use std::future::Future;

async fn assert_works(client: &Client) {
    let mut subscription = client.subscribe("/queue/check").await.unwrap();
    client.send("/queue/check", "plain").await.unwrap();
    client.send("/queue/check", "confirmed").confirmed().await.unwrap();
    for expected in ["plain", "confirmed"] {
        let message = subscription.next().await.unwrap();
        assert_eq!(message.body(), expected.as_bytes());
        message.ack().unwrap();
    }
}

#[test]
fn sending_plain() {
    in_every_way(|client, _, polls| async move {
        poll_times(polls, client.send("/queue/a", "x").into_future()).await;
    });
}

#[test]
fn sending_confirmed() {
    in_every_way(|client, _, polls| async move {
        poll_times(polls, client.send("/queue/a", "x").confirmed().into_future()).await;
    });
}

#[test]
fn subscribing() {
    in_every_way(|client, world, polls| async move {
        poll_times(polls, client.subscribe("/queue/a").into_future()).await;
        // Whether it was made or not: it is gone now.
        client.connected().await.unwrap();
        client.send("/queue/z", "x").confirmed().await.unwrap();
        assert_eq!(world.broker("broker", |broker| broker.subscribers("/queue/a")), 0);
    });
}

#[test]
fn connected_and_closed() {
    in_every_way(|client, _, polls| async move {
        poll_times(polls, client.connected()).await;
        let mut closed = Box::pin(client.closed());
        for _ in 0..polls {
            assert!(poll_once(&mut closed).await.is_pending());
        }
    });
}

#[test]
fn next_loses_no_message() {
    in_every_way(|client, world, polls| async move {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        let feeder = world.spawn(feed(client.clone(), world.clone()));
        let mut numbers = Vec::new();
        while numbers.len() < 20 {
            let taken = poll_times(polls.max(1), subscription.next()).await;
            if let Some(message) = taken {
                let message = message.expect("the subscription lives");
                numbers.push(String::from_utf8_lossy(message.body()).into_owned());
                message.ack().unwrap();
            } else {
                world.sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        let expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(numbers, expected);
        feeder.await;
    });
}

async fn feed(client: Client, world: World) {
    for number in 0..20 {
        client.send("/queue/a", number.to_string()).await.unwrap();
        world.sleep(std::time::Duration::from_micros(number * 100)).await;
    }
}

#[test]
fn sending_buffered() {
    in_every_way(|client, _, polls| async move {
        poll_times(polls, client.send("/queue/a", "x").buffered().into_future()).await;
        poll_times(polls, client.send("/queue/a", "x").immediate().into_future()).await;
    });
}

#[test]
fn sending_in_a_transaction() {
    in_every_way(|client, world, polls| async move {
        let transaction = client.begin().await.unwrap();
        poll_times(polls, transaction.send("/queue/a", "x").into_future()).await;
        transaction.commit().await.unwrap();
        let depth = world.broker("broker", |broker| broker.depth("/queue/a"));
        assert_eq!(depth, usize::from(polls > 0), "sent with its first poll, or not at all");
    });
}

/// Who watches again sees the state as it is.
#[test]
fn watching() {
    in_every_way(|client, _, polls| async move {
        let mut states = client.watch();
        for _ in 0..polls {
            drop(poll_once(&mut Box::pin(states.next())).await);
        }
        client.connected().await.unwrap();
        let mut states = client.watch();
        let state = states.next().await;
        assert!(matches!(state, Some(SessionState::Connected(_))), "{state:?}");
        assert!(poll_times(1, states.next()).await.is_none(), "it does not change");
    });
}

/// Asking again whether a message is lost gets an answer.
#[test]
fn losing() {
    in_every_way(|client, world, polls| async move {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        client.send("/queue/a", "x").await.unwrap();
        let message = subscription.next().await.unwrap();
        for _ in 0..polls {
            let mut lost = Box::pin(message.lost());
            assert!(poll_once(&mut lost).await.is_pending());
        }
        world.cut("broker", Ending::Reset);
        message.lost().await;
        subscription.next().await.unwrap().ack().unwrap();
    });
}

/// Disconnecting goes on without who asked for it.
#[test]
fn disconnecting() {
    for polls in 1..POLLS {
        for seed in seeds(8) {
            let mut sim = Sim::new(seed);
            let (client, driver) = sim.client_and_driver(config(), settings());
            let driver = sim.spawn(driver.run());
            sim.block_on(async {
                client.connected().await.unwrap();
                client.send("/queue/a", "x").await.unwrap();
                poll_times(polls, client.disconnect()).await;
                driver.await;
            });
            assert_eq!(sim.broker("broker", |broker| broker.depth("/queue/a")), 1);
        }
    }
}

/// A receipt whose waiter has gone confirms nobody else.
#[test]
fn a_receipt_finds_its_own_waiter_or_none() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            let gone = world.spawn(client.send("/queue/a", "gone").confirmed().into_future());
            while world.broker("broker", |broker| broker.depth("/queue/a")) == 0 {
                world.sleep(std::time::Duration::from_micros(10)).await;
            }
            gone.cancel();
            world.broker("broker", |broker| broker.drop_receipts(true));
            let waiting = world.spawn(client.send("/queue/a", "waits").confirmed().into_future());
            world.sleep(seconds(1)).await;
            let finished = waiting.is_finished();
            let sent = world.broker("broker", |broker| broker.depth("/queue/a"));
            assert!(!finished && sent == 2, "seed {seed}: {finished}, {sent}");
        });
    }
}

/// A subscription that is dropped with messages in its batch gives back their share of the budget.
#[test]
fn a_dropped_subscription_gives_its_budget_back() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let settings = settings().inbound_budget(4096);
    let client = sim.client(config(), settings);
    let world = sim.world();
    sim.block_on(async {
        for _ in 0..50 {
            let mut subscription = client.subscribe("/queue/b").await.unwrap();
            for _ in 0..4 {
                world.broker("broker", |broker| broker.publish("/queue/b", "x".repeat(500), &[]));
            }
            world.sleep(seconds(10)).await;
            let _one = subscription.next().await.unwrap();
            drop(subscription);
            world.sleep(seconds(10)).await;
            world.broker("broker", |broker| broker.purge("/queue/b"));
        }
        assert_works(&client).await;
    });
}
