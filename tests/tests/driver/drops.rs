//! Who goes away: a driver that is dropped ends every wait, and the last handle says goodbye.

use std::future::IntoFuture as _;

use stomp_checks::sim::{Door, Sim, Weather};
use stomp_proto::Command;
use stomp_session::{
    Closed, Ended, Lost, Unknown,
    client::{Runtime as _, SendError, SubscribeError},
};

use crate::kit::{config, seconds, seeds, settings};

/// Everything that can wait, waiting without a connection; then the driver is dropped.
#[test]
fn a_driver_that_is_dropped_ends_every_wait() {
    for polled in [false, true] {
        for seed in seeds(5) {
            let mut sim = Sim::new(seed);
            sim.set_door("broker", Door::Stuck);
            let (client, driver) = sim.client_and_driver(config(), settings());
            let other = client.clone();
            let connected = sim.spawn(async move { other.connected().await });
            let other = client.clone();
            let closed = sim.spawn(async move { other.closed().await });
            let send = sim.spawn(client.send("/queue/a", "x").into_future());
            let confirmed = sim.spawn(client.send("/queue/a", "x").confirmed().into_future());
            let subscribing = sim.spawn(client.subscribe("/queue/a").into_future());
            let driver = if polled { Ok(sim.spawn(driver.run())) } else { Err(driver) };
            sim.settle();
            match driver {
                Ok(task) => task.cancel(),
                Err(driver) => drop(driver),
            }
            sim.block_on(async {
                assert_eq!(connected.await, Err(Closed::DriverDropped));
                assert_eq!(closed.await, Closed::DriverDropped);
                assert_eq!(send.await, Err(SendError::Closed(Closed::DriverDropped)));
                assert_eq!(confirmed.await, Err(SendError::Closed(Closed::DriverDropped)));
                let ended = Ended::Closed(Closed::DriverDropped);
                assert_eq!(subscribing.await.unwrap_err(), SubscribeError::Ended(ended));
                assert_eq!(client.disconnect().await, Err(Closed::DriverDropped));
            });
        }
    }
}

#[test]
fn on_a_connection_too() {
    for seed in seeds(5) {
        let mut sim = Sim::new(seed);
        let (client, driver) = sim.client_and_driver(config(), settings());
        let driver = sim.spawn(driver.run());
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            client.send("/queue/a", "x").confirmed().await.unwrap();
            let message = subscription.next().await.unwrap();
            client.send("/queue/a", "y").confirmed().await.unwrap();
            world.sleep(seconds(1)).await;
            world.broker("broker", |broker| broker.drop_receipts(true));
            let confirmed = world.spawn(client.send("/queue/b", "x").confirmed().into_future());
            world.sleep(seconds(1)).await;
            let disconnecting = world.spawn({
                let client = client.clone();
                async move { client.disconnect().await }
            });
            world.sleep(seconds(1)).await;
            driver.cancel();
            let unknown = SendError::Unknown(Unknown::Lost(Lost::DriverDropped));
            assert_eq!(confirmed.await, Err(unknown));
            assert_eq!(disconnecting.await, Err(Closed::DriverDropped));
            assert_eq!(subscription.next().await.unwrap().body(), b"y", "what has come is delivered");
            assert!(subscription.next().await.is_none());
            assert_eq!(subscription.ended(), Some(&Ended::Closed(Closed::DriverDropped)));
            message.ack().unwrap_err();
            assert_eq!(client.send("/queue/a", "x").await, Err(SendError::Closed(Closed::DriverDropped)));
        });
        assert_eq!(sim.connections("broker"), 0, "its stream is dropped");
    }
}

#[test]
fn the_last_handle_disconnects_gracefully() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let (client, driver) = sim.client_and_driver(config(), settings());
        let driver = sim.spawn(driver.run());
        sim.block_on(async {
            let subscription = client.subscribe("/queue/b").await.unwrap();
            for number in 0..20 {
                client.send("/queue/a", number.to_string()).await.unwrap();
            }
            drop(client);
            // The subscription keeps the session alive.
            assert!(!driver.is_finished());
            drop(subscription);
            driver.await;
        });
        assert_eq!(sim.broker("broker", |broker| broker.depth("/queue/a")), 20, "seed {seed}");
        let last = sim.broker("broker", |broker| {
            let (_, frames) = broker.received().last().unwrap();
            frames.iter().rev().take(2).map(|frame| frame.command()).collect::<Vec<_>>()
        });
        assert_eq!(last, [Command::Disconnect, Command::Unsubscribe]);
        assert_eq!(sim.connections("broker"), 0);
    }
}

#[test]
fn the_last_handle_ends_the_session_wherever_it_stands() {
    for door in [Door::Open, Door::Refusing, Door::Stuck] {
        for turns in 0..30 {
            let mut sim = Sim::in_weather(turns, Weather::calm());
            sim.set_door("broker", door);
            let (client, driver) = sim.client_and_driver(config(), settings());
            let driver = sim.spawn(driver.run());
            sim.run_for(std::time::Duration::from_micros(turns));
            drop(client);
            let begin = sim.now();
            sim.block_on(driver);
            assert!(sim.now().since(begin) < seconds(1), "{door:?}, {turns}: it takes until a deadline");
            sim.settle();
            assert_eq!(sim.connections("broker"), 0);
        }
    }
}

#[test]
fn messages_do_not_keep_the_session_alive() {
    let mut sim = Sim::new(1);
    let (client, driver) = sim.client_and_driver(config(), settings());
    let driver = sim.spawn(driver.run());
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        client.send("/queue/a", "x").await.unwrap();
        let message = subscription.next().await.unwrap();
        drop((client, subscription));
        driver.await;
        assert!(message.ack().is_err());
    });
}

#[test]
fn disconnects_at_once_share_one_outcome() {
    for seed in seeds(5) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        sim.block_on(client.connected()).unwrap();
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let client = client.clone();
                sim.spawn(async move { client.disconnect().await })
            })
            .collect();
        sim.block_on(async {
            for task in tasks {
                assert!(task.await.is_ok());
            }
            assert!(client.disconnect().await.is_ok(), "and later ones too");
        });
    }
}

#[test]
fn a_broker_that_does_not_confirm_the_end_has_its_time() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.set_frozen("broker", true);
        let before = world.now();
        let closed = Closed::Disconnected { confirmed: false, closed: false, receipted: 0, unreceipted: 0 };
        assert_eq!(client.disconnect().await, Err(closed));
        assert_eq!(world.now().since(before), seconds(10));
    });
}
