//! Too much at once: bounds that hold, waits that end, and what is told of it.

use std::{
    future::IntoFuture as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use stomp_checks::sim::{Sim, Weather, World};
use stomp_proto::AckMode;
use stomp_session::{
    Unknown,
    client::{Builder, Client, Notice, SendError, Subscription},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, seconds, seeds, settings};

const KIB: usize = 1024;

fn small(inbound: usize) -> Builder {
    settings().inbound_budget(inbound)
}

fn publish(world: &World, count: usize, size: usize) {
    for number in 0..count {
        world.broker("broker", |broker| broker.publish("/queue/a", format!("{number:0size$}"), &[]));
    }
}

async fn subscribed(client: &Client, ack_mode: AckMode, prefetch: u32) -> Subscription {
    client.subscribe("/queue/a").ack(ack_mode).prefetch(prefetch).await.unwrap()
}

/// A receipt behind more messages than there may be: its wait ends in words, soon, and what was sent is not sent again.
#[test]
fn a_receipt_behind_too_many_messages_is_given_up() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), small(4 * KIB));
        let world = sim.world();
        sim.block_on(async {
            let mut never_read = subscribed(&client, AckMode::ClientIndividual, 10_000).await;
            publish(&world, 1000, 100);
            let error = client.send("/queue/b", "x").confirmed().await.unwrap_err();
            let SendError::Unknown(Unknown::InboxFull { octets }) = error else {
                panic!("seed {seed}: {error}")
            };
            assert!((32 * KIB..128 * KIB).contains(&octets), "seed {seed}: {octets}");
            assert!(error.to_string().contains("take them first"), "{error}");
            // Once they are taken everything is as before.
            for _ in 0..1000 {
                never_read.next().await.unwrap().ack().unwrap();
            }
            client.send("/queue/b", "y").confirmed().await.unwrap();
        });
        assert_eq!(sim.broker("broker", |broker| broker.messages("/queue/b")), ["x", "y"]);
    }
}

/// One message over the bound for a consumer that waits for it: nothing is given up.
#[test]
fn a_large_message_that_is_taken_ends_no_wait() {
    for seed in seeds(5) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), small(KIB));
        let world = sim.world();
        sim.block_on(async {
            let mut messages = subscribed(&client, AckMode::ClientIndividual, 10).await;
            let consumer = world.spawn(async move {
                for _ in 0..20 {
                    messages.next().await.unwrap().ack().unwrap();
                }
            });
            for _ in 0..20 {
                let send = client.send("/queue/b", "x").confirmed().into_future();
                let send = world.spawn(send);
                publish(&world, 1, 12 * KIB);
                assert_eq!(send.await, Ok(()), "seed {seed}");
            }
            consumer.await;
        });
    }
}

/// What was taken as a batch and not handed out counts for its subscription, and not for one that is idle.
#[test]
fn a_stall_names_the_subscription_that_has_the_octets() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), small(KIB));
    let world = sim.world();
    let mut listener = client.listen();
    sim.block_on(async {
        let mut slow = subscribed(&client, AckMode::ClientIndividual, 100).await;
        let _idle = client.subscribe("/queue/z").await.unwrap();
        publish(&world, 20, 1000);
        world.sleep(seconds(1)).await;
        // The whole batch is its own now.
        let _one = slow.next().await.unwrap();
        world.sleep(seconds(60)).await;
        assert_eq!(stalls(&mut listener).await, [Some(slow.id())]);
    });
}

/// Messages that are there all the time do not keep other tasks from running.
#[test]
fn a_stream_that_is_never_dry_lets_others_run() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let mut messages = subscribed(&client, AckMode::ClientIndividual, 1000).await;
        publish(&world, 1000, 10);
        world.sleep(seconds(1)).await;
        let mut rows = Vec::new();
        while rows.iter().sum::<usize>() < 1000 {
            let mut row = 0;
            while let Some(message) = crate::kit::poll_times(1, messages.next()).await {
                message.unwrap().ack().unwrap();
                row += 1;
            }
            rows.push(row);
        }
        assert!(rows.len() >= 1000 / 128, "{rows:?}");
        assert!(rows.iter().all(|row| *row <= 128), "{rows:?}");
    });
}

#[test]
fn a_pause_of_5_seconds_is_told_once() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), small(KIB));
    let world = sim.world();
    let mut listener = client.listen();
    sim.block_on(async {
        let mut slow = subscribed(&client, AckMode::ClientIndividual, 100).await;
        let id = slow.id();
        for _ in 0..2 {
            publish(&world, 20, 100);
            world.sleep(milliseconds(4900)).await;
            assert_eq!(stalls(&mut listener).await, []);
            world.sleep(seconds(60)).await;
            assert_eq!(stalls(&mut listener).await, [Some(id)]);
            for _ in 0..20 {
                slow.next().await.unwrap().ack().unwrap();
            }
            world.sleep(seconds(60)).await;
            assert_eq!(stalls(&mut listener).await, []);
        }
    });
}

const fn milliseconds(milliseconds: u64) -> std::time::Duration {
    std::time::Duration::from_millis(milliseconds)
}

/// The stalls among the notices that are there.
async fn stalls(
    listener: &mut stomp_session::client::Listener,
) -> Vec<Option<stomp_session::SubscriptionId>> {
    let mut stalls = Vec::new();
    while let Some(Some(notice)) = crate::kit::poll_times(1, listener.next()).await {
        if let Notice::Stalled { subscription } = notice {
            stalls.push(subscription);
        }
    }
    stalls
}

/// A broker that does not read our ACKs gets no more of them than there is room for, 64 KiB however small the budget is: then
/// its messages are not read either.
#[test]
fn acknowledgements_that_nobody_reads_are_bounded() {
    let mut sim = Sim::in_weather(1, Weather::calm().with_buffers(KIB));
    let mut config = config();
    config.prefetch_budget = 1_000_000;
    let client = sim.client(config, small(KIB));
    let world = sim.world();
    sim.block_on(async {
        let mut messages = subscribed(&client, AckMode::ClientIndividual, 100_000).await;
        world.set_reading("broker", false);
        publish(&world, 5000, 1);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let eager = world.spawn({
            let acknowledged = Arc::clone(&acknowledged);
            async move {
                for _ in 0..5000 {
                    messages.next().await.unwrap().ack().unwrap();
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                messages
            }
        });
        world.sleep(seconds(60)).await;
        let acknowledged = acknowledged.load(Ordering::Relaxed);
        assert!((1000..4000).contains(&acknowledged), "{acknowledged}");
        world.set_reading("broker", true);
        drop(eager.await);
        client.disconnect().await.unwrap();
    });
    let left = sim.broker("broker", |broker| (broker.depth("/queue/a"), broker.unacked("/queue/a")));
    assert_eq!(left, (0, 0));
}

/// 20,000 messages for a consumer that is slower than its broker: none is lost, and what is held stays within the budget.
#[test]
fn a_burst_of_20_000_keeps_within_the_budget() {
    for ack_mode in [AckMode::ClientIndividual, AckMode::Auto] {
        let mut sim = Sim::in_weather(1, Weather::calm());
        let client = sim.client(config(), small(256 * KIB));
        let world = sim.world();
        publish(&world, 20_000, 1000);
        sim.block_on(async {
            let mut messages = subscribed(&client, ack_mode, 100_000).await;
            let mut most = 0;
            for number in 0..20_000 {
                if number % 1000 == 0 {
                    world.sleep(seconds(1)).await;
                }
                most = most.max(client.undelivered());
                let message = messages.next().await.unwrap();
                assert_eq!(message.body(), format!("{number:01000}").as_bytes());
                if message.needs_ack() {
                    message.ack().unwrap();
                }
            }
            // What one read brings comes on top.
            assert!((256 * KIB..400 * KIB).contains(&most), "{most}");
            client.send("/queue/b", "x").confirmed().into_future().await.unwrap();
            assert_eq!(client.undelivered(), 0);
        });
        let left = sim.broker("broker", |broker| (broker.depth("/queue/a"), broker.unacked("/queue/a")));
        assert_eq!(left, (0, 0));
    }
}

/// A message that was read past is in nobody's hands: an UNSUBSCRIBE does not wait until somebody settles it.
#[test]
fn a_message_that_was_read_past_holds_up_no_unsubscribe() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", BrokerConfig::default().recording());
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let subscription = client.subscribe("/queue/a").id("mine").await.unwrap();
        let long = "x".repeat(70_000);
        let message =
            format!("MESSAGE\nx:{long}\nsubscription:mine\nmessage-id:1\ndestination:a\nack:1\n\n\0");
        world.broker("broker", |broker| broker.send_octets(broker.connections()[0], message.as_bytes()));
        world.sleep(seconds(1)).await;
        assert_eq!(client.statistics().too_large, 1);
        drop(subscription.unsubscribe());
        world.sleep(seconds(1)).await;
        assert_eq!(world.broker("broker", |broker| broker.subscribers("/queue/a")), 0);
    });
}
