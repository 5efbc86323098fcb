//! The end of a runner: its own, its client's, its subscription's.

use std::{
    future::{Future, pending},
    pin::Pin,
};

use stomp_checks::sim::{Door, Ending, Sim, World};
use stomp_session::{
    Closed, Ended,
    client::{Delivery, Notice, Runtime as _, StopReason},
};
use stomp_testkit::broker::BrokerConfig;

use super::{QUEUE, left, milliseconds, subscribe, text, with_messages};
use crate::kit::{config, poll_times, seconds, seeds, settings};

/// A handler that takes a second.
fn slow(world: &World) -> impl FnMut(Delivery) -> Sleeping + Send + 'static {
    let world = world.clone();
    move |_| {
        let sleep = world.sleep(seconds(1));
        Box::pin(async move {
            sleep.await;
            Ok(())
        })
    }
}

type Sleeping = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Stopped, it lets the running handlers end and acknowledges; the rest stays with the broker.
#[test]
fn until_it_is_told_to_stop() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 10);
    sim.block_on(async {
        let runner = subscribe(&client).await.handle_with(slow(&world)).concurrency(3);
        let tally = runner.until(world.sleep(milliseconds(1500))).await.unwrap();
        assert_eq!((tally.handled, tally.abandoned), (6, 0));
        world.sleep(seconds(1)).await;
        assert_eq!(left(&world), (4, 0));
        assert_eq!(world.broker("broker", |broker| broker.subscribers(QUEUE)), 0);
    });
}

#[test]
fn a_handler_that_never_ends_has_its_grace() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 2);
    sim.block_on(async {
        let handler = async |message: Delivery| {
            if text(&message) == "0" { pending().await } else { Ok::<_, String>(()) }
        };
        let runner = subscribe(&client).await.handle(handler).concurrency(2).grace(seconds(3));
        let before = world.now();
        let tally = runner.until(world.sleep(seconds(1))).run().await.unwrap();
        assert_eq!(world.now().since(before), seconds(4));
        assert_eq!((tally.handled, tally.abandoned), (1, 1));
        client.disconnect().await.unwrap();
        assert_eq!(left(&world), (1, 0));
    });
}

/// stompest's test of a graceful disconnect: four handlers take a second, the fifth disconnects; all are acknowledged.
#[test]
fn a_handler_that_disconnects_is_acknowledged_with_the_others() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        (0..8).for_each(|n| sim.broker("broker", |broker| broker.publish(QUEUE, n.to_string(), &[])));
        let (client, world) = (sim.client(config(), settings()), sim.world());
        let tally = sim.block_on(async {
            let handler = async |message: Delivery| {
                if text(&message) == "4" {
                    drop(client.disconnect());
                } else {
                    world.sleep(seconds(1)).await;
                }
                Ok::<_, String>(())
            };
            let tally = subscribe(&client).await.handle(handler).concurrency(5).run().await.unwrap();
            client.disconnect().await.unwrap();
            tally
        });
        assert_eq!((tally.handled, tally.ack_lost), (5, 0), "seed {seed}");
        assert_eq!(left(&world), (3, 0), "seed {seed}");
    }
}

/// A handler that awaits the end it has asked for would wait for itself: it is not waited for.
#[test]
fn a_handler_that_awaits_the_disconnect_does_not_wait_for_itself() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        (0..2).for_each(|n| sim.broker("broker", |broker| broker.publish(QUEUE, n.to_string(), &[])));
        let (client, world) = (sim.client(config(), settings()), sim.world());
        let (tally, took) = sim.block_on(async {
            let handler = async |message: Delivery| {
                if text(&message) == "1" {
                    client.disconnect().await.map_err(|closed| closed.to_string())?;
                }
                Ok::<_, String>(())
            };
            let runner = subscribe(&client).await.handle(handler).concurrency(2);
            let before = world.now();
            (runner.run().await.unwrap(), world.now().since(before))
        });
        assert!(took < seconds(5), "seed {seed}: {took:?}");
        assert_eq!((tally.handled, tally.ack_lost), (2, 1), "seed {seed}");
        assert_eq!(left(&world), (1, 0), "seed {seed}");
    }
}

/// One that hangs costs its share of the time, and the rest is confirmed all the same.
#[test]
fn a_handler_that_hangs_does_not_cost_the_confirmation() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 3);
    sim.block_on(async {
        let handler = async |message: Delivery| {
            if text(&message) == "0" { pending().await } else { Ok::<_, String>(()) }
        };
        let runner = world.spawn(subscribe(&client).await.handle(handler).concurrency(3).run());
        world.sleep(seconds(1)).await;
        let before = world.now();
        assert_eq!(client.disconnect().await.unwrap().unhandled, 1);
        let took = world.now().since(before);
        assert!(milliseconds(7_500) <= took && took < milliseconds(7_600), "{took:?}");
        let tally = runner.await.unwrap();
        assert_eq!((tally.handled, tally.abandoned), (2, 1));
        assert_eq!(left(&world), (1, 0));
    });
}

/// The messages that a broker with `auto` has forgotten are handled before the end.
#[test]
fn with_auto_the_inbox_is_handled_before_the_end() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 5);
    sim.block_on(async {
        let messages = client.subscribe(QUEUE).ack(stomp_proto::AckMode::Auto).await.unwrap();
        let runner = world.spawn(messages.handle_with(slow(&world)).run());
        world.sleep(milliseconds(500)).await;
        client.disconnect().await.unwrap();
        assert_eq!(runner.await.unwrap().handled, 5);
    });
}

/// All who disconnect share one outcome; giving up the wait changes nothing.
#[test]
fn disconnects_share_one_outcome() {
    for seed in seeds(10) {
        for polls in 0..6 {
            let mut sim = Sim::new(seed);
            (0..3).for_each(|n| sim.broker("broker", |broker| broker.publish(QUEUE, n.to_string(), &[])));
            let (client, world) = (sim.client(config(), settings()), sim.world());
            let mut listener = client.listen();
            sim.block_on(async {
                let runner =
                    world.spawn(subscribe(&client).await.handle_with(slow(&world)).concurrency(3).run());
                world.sleep(milliseconds(900)).await;
                poll_times(polls, client.disconnect()).await;
                let others: Vec<_> = (0..3).map(|_| world.spawn(client.disconnect())).collect();
                for other in others {
                    other.await.unwrap();
                }
                assert!(runner.await.unwrap().handled > 0, "seed {seed}");
                let mut disconnecting = 0;
                while let Some(notice) = listener.next().await {
                    disconnecting += usize::from(matches!(notice, Notice::Disconnecting));
                }
                assert_eq!(disconnecting, 1);
            });
        }
    }
}

/// The end that nobody wanted is an error; its handlers may still end.
#[test]
fn a_session_that_ends_by_itself_ends_it_with_the_reason() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
    let (dropped, driver) = sim.client_and_driver(config(), settings());
    let driver = sim.spawn(driver.run());
    drop(client);
    sim.block_on(async {
        let runner = world.spawn(subscribe(&dropped).await.handle_with(slow(&world)).run());
        world.sleep(milliseconds(500)).await;
        driver.cancel();
        let stopped = runner.await.unwrap_err();
        assert_eq!(stopped.reason, StopReason::Ended(Ended::Closed(Closed::DriverDropped)));
        assert_eq!((stopped.tally.handled, stopped.tally.ack_lost), (1, 1));
    });
}

/// A session that gives up ends its runner, in bounded time even where a handler never ends, and with the reason.
#[test]
fn a_session_that_gives_up_ends_it_whatever_its_handlers_do() {
    for hangs in [false, true] {
        let (mut sim, other, world) = with_messages(BrokerConfig::default(), 2);
        let mut config = config();
        config.brokers = "failover:(tcp://broker)?maxReconnectAttempts=1".parse().unwrap();
        let (client, driver) = sim.client_and_driver(config, settings());
        let driver = sim.spawn(driver.run());
        drop(other);
        sim.block_on(async {
            let handler_world = world.clone();
            let handler = move |message: Delivery| {
                let pause = handler_world.sleep(seconds(3));
                async move {
                    pause.await;
                    if hangs && message.body() == b"0" {
                        pending::<()>().await;
                    }
                    Ok::<_, String>(())
                }
            };
            let runner =
                world.spawn(subscribe(&client).await.handle(handler).concurrency(2).grace(seconds(60)).run());
            world.sleep(seconds(1)).await;
            world.set_door("broker", Door::Refusing);
            world.cut("broker", Ending::Reset);
            let closed = client.closed().await;
            assert!(matches!(closed, Closed::GaveUp { .. }), "{closed:?}");
            let gave_up = world.now();
            let stopped = runner.await.unwrap_err();
            assert_eq!(stopped.reason, StopReason::Ended(Ended::Closed(closed)));
            assert_eq!((stopped.tally.handled, stopped.tally.abandoned), if hangs { (1, 1) } else { (2, 0) });
            assert_eq!(world.now().since(gave_up) >= seconds(10), hangs);
            assert!(world.now().since(gave_up) <= seconds(10));
            driver.await;
        });
    }
}
