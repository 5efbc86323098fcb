//! Back-pressure: who is slow makes the other wait; nothing is lost, nothing piles up, and nothing locks up.

use std::future::IntoFuture as _;

use stomp_checks::sim::{Ending, Sim, Weather, World};
use stomp_proto::AckMode;
use stomp_session::client::{Builder, Client, Runtime as _, SendError, Subscription};

use crate::kit::{config, seconds, seeds, settings};

const KIB: usize = 1024;

fn small(inbound: usize, outbound: usize) -> Builder {
    settings().inbound_budget(inbound).outbound_budget(outbound)
}

fn publish(world: &World, count: usize, size: usize) {
    for number in 0..count {
        let body = format!("{number:0size$}");
        world.broker("broker", |broker| broker.publish("/queue/a", body, &[]));
    }
}

/// Takes that many messages, acknowledges where it is due, and checks that they come in order.
async fn take_in_order(subscription: &mut Subscription, numbers: std::ops::Range<usize>) {
    for expected in numbers {
        let message = subscription.next().await.expect("the subscription lives");
        let number: usize = std::str::from_utf8(message.body()).unwrap().parse().unwrap();
        assert_eq!(number, expected);
        if message.needs_ack() {
            message.ack().unwrap();
        }
    }
}

async fn subscribed(client: &Client, ack_mode: AckMode) -> Subscription {
    client.subscribe("/queue/a").ack(ack_mode).prefetch(10_000).await.unwrap()
}

#[test]
fn a_sender_waits_for_a_peer_that_does_not_read_and_goes_on_when_it_does() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), small(KIB, 100 * KIB));
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.set_reading("broker", false);
        let sends: Vec<_> = (0..100)
            .map(|number| world.spawn(client.send("/queue/b", format!("{number:010240}")).into_future()))
            .collect();
        world.sleep(seconds(30)).await;
        let gone = sends.iter().filter(|send| send.is_finished()).count();
        // The pipe, what the driver writes at a time, the budget, and one that passes it.
        assert!((10..=(64 + 64 + 100) / 10 + 2).contains(&gone), "{gone} sends of 10 KiB went on");
        world.set_reading("broker", true);
        for send in sends {
            send.await.unwrap();
        }
        client.disconnect().await.unwrap();
    });
    let bodies: std::collections::BTreeSet<_> =
        sim.broker("broker", |broker| broker.messages("/queue/b")).into_iter().collect();
    assert_eq!(bodies.len(), 100, "each once");
}

#[test]
fn a_sender_gives_up_where_there_is_no_room_for_long() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let settings = small(KIB, 10 * KIB).send_timeout(seconds(7));
    let client = sim.client(config(), settings);
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.set_reading("broker", false);
        let mut went = 0;
        let error = loop {
            match client.send("/queue/b", vec![0; 10 * KIB]).await {
                Ok(()) => went += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, SendError::NoRoom(seconds(7)));
        assert!((6..=16).contains(&went), "{went} went");
        world.set_reading("broker", true);
        client.disconnect().await.unwrap();
        assert_eq!(world.broker("broker", |broker| broker.depth("/queue/b")), went);
    });
}

/// Nobody reads the messages: reading stops, the connection lives, and later nothing is missing.
#[test]
fn a_consumer_that_never_reads_stops_reading_and_nothing_else() {
    for ack_mode in [AckMode::Auto, AckMode::ClientIndividual] {
        let mut sim = Sim::in_weather(1, Weather::calm());
        let mut config = config();
        (config.send_beat, config.receive_beat) = (seconds(10), seconds(10));
        let client = sim.client(config, small(64 * KIB, 64 * KIB));
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = subscribed(&client, ack_mode).await;
            publish(&world, 4000, KIB);
            world.sleep(seconds(600)).await;
            let waiting = world.broker("broker", |broker| broker.depth("/queue/a"));
            // The budget, eight reads beyond it, a read buffer, the pipe, and the broker's own output.
            let most = (64 + 8 * 64 + 64 + 64 + 64) * KIB / KIB;
            assert!(4000 - waiting <= most, "{ack_mode:?}: {} messages left the broker", 4000 - waiting);
            let connection = world.broker("broker", |broker| broker.connections()[0]);
            assert!(world.broker("broker", |broker| broker.heart_beats(connection)) >= 59);
            take_in_order(&mut subscription, 0..4000).await;
        });
        assert_eq!(sim.dials("broker"), 1, "{ack_mode:?}");
    }
}

/// Up to the hard bound, that is eight times the budget: beyond it the wait ends by its deadline.
#[test]
fn a_full_inbox_does_not_hold_up_a_receipt() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), small(KIB, KIB));
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = subscribed(&client, AckMode::ClientIndividual).await;
            publish(&world, 8, 100);
            world.sleep(seconds(5)).await;
            let before = world.now();
            client.send("/queue/b", "behind my own inbox").confirmed().await.unwrap();
            let waited = world.now().since(before);
            assert!(waited < seconds(2), "seed {seed}: {waited:?}");
            take_in_order(&mut subscription, 0..8).await;
        });
    }
}

/// A receipt that never comes is no reason to hold any number of messages.
#[test]
fn while_a_receipt_is_awaited_there_is_a_hard_bound() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), small(8 * KIB, KIB));
    let world = sim.world();
    sim.block_on(async {
        let mut subscription = subscribed(&client, AckMode::ClientIndividual).await;
        world.broker("broker", |broker| broker.drop_receipts(true));
        let sending = world.spawn(client.send("/queue/b", "x").confirmed().into_future());
        publish(&world, 2000, KIB);
        world.sleep(seconds(30)).await;
        let left = world.broker("broker", |broker| 2000 - broker.depth("/queue/a"));
        // The bound, eight reads beyond it, a read buffer, the pipe, and the broker's own output.
        assert!((64..=64 + 8 * 64 + 64 + 64 + 64).contains(&left), "{left} messages left the broker");
        assert!(sending.is_finished(), "its wait has ended");
        take_in_order(&mut subscription, 0..2000).await;
    });
}

#[test]
fn a_full_inbox_does_not_hold_up_the_end() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let mut config = config();
        // In bad weather what is on its way takes long.
        config.disconnect_timeout = seconds(600);
        let client = sim.client(config, small(KIB, KIB));
        let world = sim.world();
        sim.block_on(async {
            let _subscription = subscribed(&client, AckMode::Auto).await;
            publish(&world, 300, 100);
            world.sleep(seconds(5)).await;
            client.disconnect().await.unwrap_or_else(|closed| panic!("seed {seed}: {closed}"));
        });
    }
}

/// The connection ends while reading is paused: that is noticed as soon as something is to be written, and nobody spins.
#[test]
fn a_loss_while_reading_is_paused() {
    for seed in seeds(20) {
        for ack_mode in [AckMode::Auto, AckMode::ClientIndividual] {
            let mut sim = Sim::new(seed);
            let client = sim.client(config(), small(KIB, KIB));
            let world = sim.world();
            sim.block_on(async {
                let mut subscription = subscribed(&client, ack_mode).await;
                publish(&world, 30, 100);
                world.sleep(seconds(5)).await;
                world.cut("broker", if seed % 2 == 0 { Ending::Eof } else { Ending::Reset });
                world.sleep(seconds(1)).await;
                let _ = client.send("/queue/b", "x").await;
                world.sleep(seconds(5)).await;
                assert_eq!(world.dials("broker"), 2, "seed {seed}, {ack_mode:?}");
                assert!(client.connection().is_some(), "seed {seed}, {ack_mode:?}");
                if ack_mode == AckMode::ClientIndividual {
                    take_in_order(&mut subscription, 0..30).await;
                }
            });
        }
    }
}

/// What a consumer has not taken must not stop the next handshake from being read.
#[test]
fn a_full_inbox_does_not_hold_up_a_reconnect() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), small(2 * KIB, KIB));
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = subscribed(&client, AckMode::Auto).await;
            publish(&world, 4, KIB);
            world.sleep(seconds(5)).await;
            world.cut("broker", Ending::Reset);
            // Noticed by writing.
            let _ = client.send("/queue/b", "x").await;
            world.sleep(seconds(1)).await;
            assert!(client.connection().is_some(), "seed {seed}");
            assert_eq!(world.dials("broker"), 2, "seed {seed}");
            let taken = world.broker("broker", |broker| 4 - broker.depth("/queue/a"));
            take_in_order(&mut subscription, 0..1).await;
            assert!(taken >= 1);
        });
    }
}

/// While we do not read, silence proves nothing; once we read again, it does.
#[test]
fn a_peer_that_dies_after_a_pause_is_noticed() {
    for seed in seeds(5) {
        let mut sim = Sim::new(seed);
        let mut config = config();
        (config.send_beat, config.receive_beat) = (seconds(10), seconds(10));
        let client = sim.client(config, small(KIB, KIB));
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = subscribed(&client, AckMode::Auto).await;
            publish(&world, 20, KIB);
            world.sleep(seconds(600)).await;
            assert_eq!(world.dials("broker"), 1, "seed {seed}");
            take_in_order(&mut subscription, 0..20).await;
            world.set_frozen("broker", true);
            world.sleep(seconds(22)).await;
            assert_eq!(world.dials("broker"), 2, "seed {seed}");
        });
    }
}

/// Copies that nobody will ever take are given up with their connection, and weigh no more on the budget.
#[test]
fn what_was_not_taken_before_a_loss_does_not_starve_others_after_it() {
    for seed in seeds(5) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), small(16 * KIB, KIB));
        let world = sim.world();
        publish(&world, 8, KIB);
        sim.block_on(async {
            let _never_read = subscribed(&client, AckMode::ClientIndividual).await;
            let mut other = client.subscribe("/queue/b").await.unwrap();
            for number in 0..20 {
                world.cut("broker", Ending::Reset);
                world.sleep(seconds(20)).await;
                world.broker("broker", |broker| broker.publish("/queue/b", number.to_string(), &[]));
                other.next().await.unwrap().ack().unwrap();
                world.sleep(seconds(20)).await;
            }
        });
    }
}

/// Octet by octet, every buffer full, both ways at once.
#[test]
fn tiny_buffers_full_both_ways_do_not_lock_up() {
    for seed in seeds(10) {
        for budget in [1, 200] {
            let mut sim = Sim::in_weather(seed, Weather::tiny());
            let client = sim.client(config(), small(budget, budget));
            sim.block_on(async {
                let mut subscription = subscribed(&client, AckMode::ClientIndividual).await;
                let sender = client.clone();
                let sends = async {
                    for number in 0..100 {
                        sender.send("/queue/a", format!("{number:0100}")).await.unwrap();
                    }
                };
                let takes = take_in_order(&mut subscription, 0..100);
                futures_lite::future::zip(sends, takes).await;
                client.disconnect().await.unwrap();
            });
            let left = sim.broker("broker", |broker| (broker.depth("/queue/a"), broker.unacked("/queue/a")));
            assert_eq!(left, (0, 0), "seed {seed}");
        }
    }
}

/// A consumer that is slower than its broker, in every weather.
#[test]
fn a_slow_consumer_gets_all() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), small(512, 512));
        let world = sim.world();
        publish(&world, 100, 50);
        sim.block_on(async {
            let mut subscription = subscribed(&client, AckMode::Auto).await;
            for number in 0..100 {
                world.sleep(std::time::Duration::from_millis(10)).await;
                take_in_order(&mut subscription, number..number + 1).await;
            }
        });
        assert_eq!(sim.dials("broker"), 1);
    }
}

/// How many octets wait is known to the octet, and reading stops where they are more than the budget, not where they fill it.
#[test]
fn what_is_not_taken_may_fill_the_budget_and_is_counted() {
    let waiting = |budget: usize, count: usize| {
        let mut sim = Sim::in_weather(1, Weather::calm());
        let client = sim.client(config(), small(budget, KIB));
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = subscribed(&client, AckMode::ClientIndividual).await;
            assert_eq!(client.undelivered(), 0);
            for _ in 0..count {
                publish(&world, 1, 100);
                world.sleep(seconds(1)).await;
            }
            let waiting = client.undelivered();
            for _ in 0..count {
                subscription.next().await.unwrap().ack().unwrap();
            }
            assert_eq!(client.undelivered(), 0);
            waiting
        })
    };
    let one = waiting(KIB * KIB, 1);
    assert!((100..KIB).contains(&one), "{one} octets of a small message");
    assert_eq!(waiting(KIB * KIB, 3), 3 * one);
    assert_eq!(waiting(2 * one, 4), 3 * one, "the third goes over it, and the fourth is not read");
    assert_eq!(waiting(2 * one - 1, 4), 2 * one);
}
