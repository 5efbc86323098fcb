//! Handlers that succeed, side by side.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use stomp_checks::sim::{Ending, Sim, World};
use stomp_proto::{AckMode, Version};
use stomp_session::{
    CommandError, Config,
    client::{Delivery, Notice, OnFailure, StopReason, futures::Running},
};
use stomp_testkit::broker::BrokerConfig;

use super::{Notes, QUEUE, left, milliseconds, subscribe, text, with_messages};
use crate::kit::{config, poll_times, seconds, seeds, settings};

/// The most handlers that ran at once.
#[derive(Clone, Default)]
struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

impl Gauge {
    async fn run(self, world: World) -> Result<(), String> {
        let (now, most) = &*self.0;
        most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        world.sleep(seconds(1)).await;
        now.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

/// The most handlers that run at once, of `count` messages.
fn most_at_once(config: Config, ack_mode: AckMode, limit: usize) -> usize {
    let sim = Sim::new(3);
    for number in 0..20 {
        sim.broker("broker", |broker| broker.publish(QUEUE, number.to_string(), &[]));
    }
    let (client, world, gauge) = (sim.client(config, settings()), sim.world(), Gauge::default());
    let mut sim = sim;
    let tally = sim.block_on(async {
        let messages = client.subscribe(QUEUE).ack(ack_mode).await.unwrap();
        let gauge = gauge.clone();
        let handler = {
            let world = world.clone();
            move |_| gauge.clone().run(world.clone())
        };
        let stop = world.sleep(seconds(30));
        messages.handle_with(handler).concurrency(limit).until(stop).await.unwrap()
    });
    assert_eq!(tally.handled, 20);
    assert_eq!(sim.broker("broker", |broker| (broker.depth(QUEUE), broker.unacked(QUEUE))), (0, 0));
    gauge.0.1.load(Ordering::Relaxed)
}

#[test]
fn so_many_run_at_once_and_no_more() {
    for limit in [1, 3, 7] {
        assert_eq!(most_at_once(config(), AckMode::ClientIndividual, limit), limit);
        assert_eq!(most_at_once(config(), AckMode::Auto, limit), limit);
    }
}

/// In 1.0 an ACK covers all messages before it.
#[test]
fn in_1_0_one_runs_after_the_other() {
    let mut config = config();
    config.versions = vec![Version::V1_0];
    assert_eq!(most_at_once(config, AckMode::ClientIndividual, 7), 1);
}

#[test]
fn a_cumulative_subscription_is_refused() {
    let (mut sim, client, _) = with_messages(BrokerConfig::default(), 1);
    let stopped = sim.block_on(async {
        let messages = client.subscribe(QUEUE).ack(AckMode::Client).await.unwrap();
        messages.handle(async |_| Ok::<_, String>(())).run().await.unwrap_err()
    });
    assert_eq!(stopped.reason, StopReason::Command(CommandError::CumulativeAck));
    assert_eq!(
        stopped.to_string(),
        "a message could not be settled: ack mode client would acknowledge messages that other handlers still have: \
         use client-individual"
    );
}

/// Each handler has its own waker: waking one polls no other.
#[test]
fn only_woken_handlers_are_polled() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 50);
    let polls = Arc::new(AtomicUsize::new(0));
    sim.block_on(async {
        let handler = |message: Delivery| {
            let mut sleep = Box::pin(world.sleep(milliseconds(10 * number(&message))));
            let polls = Arc::clone(&polls);
            poll_fn(move |cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                sleep.as_mut().poll(cx).map(Ok::<_, String>)
            })
        };
        let runner = subscribe(&client).await.handle_with(handler).concurrency(50);
        assert_eq!(runner.until(world.sleep(seconds(60))).await.unwrap().handled, 50);
    });
    // Once when it begins, and once when it has slept.
    assert!(polls.load(Ordering::Relaxed) <= 100, "{polls:?}");
}

fn number(message: &stomp_session::client::Message) -> u64 {
    text(message).parse().unwrap()
}

/// The connection goes while handlers run: they see it, their success counts as lost, and the messages come again.
#[test]
fn a_lost_connection_is_seen_by_handlers_and_counted() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 3);
    let notes = Notes::default();
    let mut listener = client.listen();
    sim.block_on(async {
        let handler = async |message: Delivery| {
            if message.header("redelivered").is_none_or(|redelivered| redelivered != "true") {
                message.lost().await;
                notes.add(format!("lost {}", text(&message)));
            } else {
                assert!(!message.is_lost());
                notes.add(format!("again {}", text(&message)));
            }
            Ok::<_, String>(())
        };
        let cut = {
            let world = world.clone();
            async move {
                world.sleep(seconds(1)).await;
                world.cut("broker", Ending::Reset);
                world.sleep(seconds(10)).await;
            }
        };
        let tally = subscribe(&client).await.handle(handler).concurrency(3).until(cut).run().await.unwrap();
        assert_eq!((tally.handled, tally.ack_lost, tally.failed), (6, 3, 0));
        client.disconnect().await.unwrap();
        let mut told = 0;
        while let Some(notice) = listener.next().await {
            told += usize::from(matches!(notice, Notice::AckLost { .. }));
        }
        assert_eq!(told, 3);
    });
    let again = ["again 0", "again 1", "again 2", "lost 0", "lost 1", "lost 2"];
    assert_eq!(notes.counted().into_keys().collect::<Vec<_>>(), again);
    assert_eq!(left(&world), (0, 0));
}

/// A handler may send with confirmation, although its own inbox is full.
#[test]
fn handlers_await_receipts_behind_a_full_inbox() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let settings = settings().inbound_budget(2048);
        let (client, world) = (sim.client(config(), settings), sim.world());
        for _ in 0..100 {
            world.broker("broker", |broker| broker.publish(QUEUE, "x".repeat(500), &[]));
        }
        sim.block_on(async {
            let handler = |message: Delivery| {
                let copy = client.send("/queue/b", message.body_bytes()).confirmed().into_future();
                async move { copy.await.map_err(|error| error.to_string()) }
            };
            let messages = client.subscribe(QUEUE).prefetch(15).await.unwrap();
            let runner = messages.handle_with(handler).concurrency(4);
            let done = every_copy(world.clone());
            let tally = runner.on_failure(OnFailure::Stop).until(done).await.unwrap();
            assert_eq!(tally.handled, 100, "seed {seed}");
        });
    }
}

async fn every_copy(world: World) {
    while world.broker("broker", |broker| broker.depth("/queue/b")) < 100 {
        world.sleep(milliseconds(50)).await;
    }
    world.sleep(seconds(1)).await;
}

/// Dropped after any number of polls it leaves a session that works, and its messages to others.
#[test]
fn dropped_it_leaves_its_messages_to_others() {
    for polls in 0..12 {
        for seed in seeds(4) {
            let mut sim = Sim::new(seed);
            let (client, world) = (sim.client(config(), settings()), sim.world());
            for number in 0..10 {
                sim.broker("broker", |broker| broker.publish(QUEUE, number.to_string(), &[]));
            }
            sim.block_on(async {
                let slow = |_| {
                    let sleep = world.sleep(milliseconds(3));
                    async move {
                        sleep.await;
                        Ok::<_, String>(())
                    }
                };
                let runner = subscribe(&client).await.handle_with(slow).concurrency(3);
                poll_times(polls, runner.until(world.sleep(seconds(10))).run()).await;
                let rest = subscribe(&client).await.handle(async |_| Ok::<_, String>(()));
                rest.until(world.sleep(seconds(60))).run().await.unwrap();
                assert_eq!(left(&world), (0, 0), "seed {seed}, {polls} polls");
            });
        }
    }
}

/// A runner that nobody polls any more holds up a disconnect no longer than handlers may.
#[test]
fn a_runner_that_is_not_polled_does_not_hold_up_a_disconnect_for_ever() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 3);
    sim.block_on(async {
        let runner =
            subscribe(&client).await.handle(async |_| std::future::pending::<Result<(), String>>().await);
        let mut runner = pin!(runner.run());
        poll_fn(|cx| {
            assert!(runner.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        world.sleep(seconds(1)).await;
        let before = stomp_session::client::Runtime::now(&world);
        client.disconnect().await.unwrap();
        let took = stomp_session::client::Runtime::now(&world).since(before);
        assert!(milliseconds(7_500) <= took && took < seconds(8), "{took:?}");
    });
}

/// Polling it once it has ended does no harm.
#[test]
fn a_poll_after_the_end_is_pending() {
    let (mut sim, client, _) = with_messages(BrokerConfig::default(), 0);
    sim.block_on(async {
        let handler = async |_| Ok::<_, String>(());
        let mut runner: Running<_, _, _> =
            subscribe(&client).await.handle_with(handler).until(async {}).run();
        poll_fn(|cx| Pin::new(&mut runner).poll(cx)).await.unwrap();
        assert!(Pin::new(&mut runner).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    });
}

/// A log of what a program holds says which subscription it is, and how far it has come.
#[test]
fn what_is_shown_of_a_runner() {
    let (mut sim, client, _) = with_messages(BrokerConfig::default(), 3);
    sim.block_on(async {
        let orders = subscribe(&client).await;
        let shown = format!("{orders:?}");
        let runner =
            orders.handle_with(async |_| std::future::pending::<Result<(), String>>().await).concurrency(2);
        let before = format!("{runner:?}");
        assert!(before.contains(&shown) && before.contains("concurrency: 2"), "{before}");
        let mut running = runner.run();
        assert!(poll_times(1, poll_fn(|cx| Pin::new(&mut running).poll(cx))).await.is_none());
        let during = format!("{running:?}");
        assert!(during.contains("Tally { handled: 0"), "{during}");
    });
}
