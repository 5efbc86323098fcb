//! Handlers that are called again: when, how often, and what ends it.

use std::{
    future::{IntoFuture as _, Ready, ready},
    time::Duration,
};

use stomp_checks::sim::{Ending, Sim, Task, Weather, World};
use stomp_proto::AckMode;
use stomp_session::client::{
    Client, Delivery, Failure, Forward, OnFailure, Runtime as _, SessionState, StopReason, Stopped, Tally,
};
use stomp_testkit::broker::BrokerConfig;

use super::{Notes, QUEUE, left, milliseconds, subscribe, text, with_messages};
use crate::kit::{config, seconds, seeds, settings};

const ERRORS: &str = "/queue/errors";

fn retry(attempts: u32, backoff: Duration, then: OnFailure) -> OnFailure {
    OnFailure::Retry { attempts, backoff, then: Box::new(then) }
}

fn forward() -> OnFailure {
    OnFailure::Forward(Forward::to(ERRORS))
}

fn forwarded(world: &World) -> usize {
    world.broker("broker", |broker| broker.depth(ERRORS))
}

/// A handler that notes when it is called, in milliseconds from now on, and fails until the given attempt.
fn fails_until(
    attempt: u32,
    world: &World,
    notes: &Notes,
) -> impl FnMut(Delivery) -> Ready<Result<(), String>> + Send + use<> {
    let (world, notes, start) = (world.clone(), notes.clone(), world.now());
    move |message| {
        let at = world.now().since(start).as_millis();
        notes.add(format!("{} {} {at}", text(&message), message.attempt()));
        ready(if message.attempt() < attempt { Err("not yet".into()) } else { Ok(()) })
    }
}

/// What is noted of message 0 at the given times.
fn calls(at: &[u128]) -> Vec<String> {
    at.iter().enumerate().map(|(index, at)| format!("0 {} {at}", index + 1)).collect()
}

#[test]
fn it_is_called_again_ever_more_slowly_until_it_succeeds() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
    let notes = Notes::default();
    sim.block_on(async {
        let messages = subscribe(&client).await;
        let runner = messages.handle_with(fails_until(4, &world, &notes));
        let runner = runner.on_failure(retry(5, milliseconds(100), OnFailure::Stop));
        let tally = runner.until(world.sleep(seconds(5))).await.unwrap();
        assert_eq!((tally.handled, tally.failed, tally.retried, tally.abandoned), (1, 0, 3, 0));
    });
    assert_eq!(notes.all(), calls(&[0, 100, 300, 700]));
    assert_eq!(left(&world), (0, 0));
}

/// So many attempts beside the first one, then the next policy: once, with the last failure.
#[test]
fn then_comes_the_next_policy() {
    let nested = retry(1, milliseconds(10), retry(0, seconds(1), retry(1, seconds(40), forward())));
    let rows = [
        (retry(0, seconds(1), forward()), vec![0]),
        (retry(2, milliseconds(100), forward()), vec![0, 100, 300]),
        (retry(2, Duration::ZERO, forward()), vec![0, 0, 0]),
        // No longer than 30 s, unless that is what was asked for.
        (retry(3, seconds(20), forward()), vec![0, 20_000, 50_000, 80_000]),
        (nested, vec![0, 10, 40_010]),
    ];
    for (policy, at) in rows {
        let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
        let notes = Notes::default();
        sim.block_on(async {
            let messages = subscribe(&client).await;
            let runner = messages.handle_with(fails_until(u32::MAX, &world, &notes)).on_failure(policy);
            let tally = runner.until(world.sleep(seconds(90))).await.unwrap();
            let retried = at.len() as u64 - 1;
            assert_eq!((tally.handled, tally.failed, tally.retried), (0, 1, retried));
        });
        assert_eq!(notes.all(), calls(&at));
        assert_eq!((left(&world), forwarded(&world)), ((0, 0), 1));
    }
}

/// The policy may say something else at each failure, and a panic is a failure as any other.
#[test]
fn decided_anew_for_each_failure() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
    let stopped = sim.block_on(async {
        let handler = async |message: Delivery| {
            assert!(message.attempt() != 1, "first");
            if message.attempt() == 2 { Err("second") } else { Err("third") }
        };
        let decide = |_: &_, failure: &Failure<&str>| match failure {
            Failure::Error("third") => OnFailure::Stop,
            _ => retry(5, seconds(1), OnFailure::Acknowledge),
        };
        subscribe(&client).await.handle(handler).decide_failure(decide).run().await.unwrap_err()
    });
    assert_eq!(stopped.reason, StopReason::Failed(Failure::Error("third")));
    assert_eq!((stopped.tally.failed, stopped.tally.retried), (1, 2));
    sim.run_for(seconds(1));
    assert_eq!(left(&world), (1, 0));
}

/// It keeps its place, and nobody else's.
#[test]
fn the_message_keeps_its_place_in_the_limit() {
    for (limit, order) in [(1, ["0 1", "0 2", "1 1", "2 1"]), (2, ["0 1", "1 1", "2 1", "0 2"])] {
        let (mut sim, client, world) = with_messages(BrokerConfig::default(), 3);
        let notes = Notes::default();
        sim.block_on(async {
            let handler = async |message: Delivery| {
                notes.add(format!("{} {}", text(&message), message.attempt()));
                if text(&message) == "0" && message.attempt() == 1 { Err("once") } else { Ok(()) }
            };
            let policy = retry(1, seconds(1), OnFailure::Stop);
            let runner = subscribe(&client).await.handle(handler).concurrency(limit).on_failure(policy);
            assert_eq!(runner.until(world.sleep(seconds(5))).run().await.unwrap().handled, 3);
        });
        assert_eq!(notes.all(), order);
    }
}

/// A runner over one message that has failed and will be called again in a minute; a copy is to be forwarded at last.
struct Waiting {
    client: Client,
    world: World,
    notes: Notes,
    runner: Task<Result<Tally, Stopped<String>>>,
    driver: Task<()>,
}

impl Waiting {
    /// In that mode, with a runner that is told to stop after that time.
    fn new(sim: &mut Sim, ack_mode: AckMode, stop: Duration) -> Self {
        Self::that_settles(sim, ack_mode, stop, |_| {})
    }

    fn that_settles(sim: &mut Sim, ack_mode: AckMode, stop: Duration, settle: fn(&Delivery)) -> Self {
        sim.add_broker("broker", BrokerConfig::rabbitmq());
        sim.broker("broker", |broker| broker.publish(QUEUE, "0", &[]));
        let (client, driver) = sim.client_and_driver(config(), settings());
        let (driver, world, notes) = (sim.spawn(driver.run()), sim.world(), Notes::default());
        let messages = client.subscribe(QUEUE).ack(ack_mode).into_future();
        let messages = sim.block_on(messages).unwrap();
        let mut fails = fails_until(u32::MAX, &world, &notes);
        let handler = move |message: Delivery| {
            settle(&message);
            fails(message)
        };
        let runner = messages.handle_with(handler).on_failure(retry(9, seconds(60), forward()));
        let runner = world.spawn(runner.until(world.sleep(stop)).run());
        sim.run_for(seconds(1));
        assert_eq!(notes.all().len(), 1);
        Self { client, world, notes, runner, driver }
    }

    /// What the runner has come to, and after how many seconds.
    async fn end(self) -> (Result<Tally, Stopped<String>>, u64) {
        let before = self.world.now();
        let result = self.runner.await;
        (result, self.world.now().since(before).as_secs())
    }
}

const NEVER: Duration = seconds(3000);

fn calm() -> Sim {
    Sim::in_weather(1, Weather::calm())
}

/// Told to stop it ends at once, and the broker gives the message to somebody who has all attempts before him.
#[test]
fn a_stop_ends_the_pause_and_leaves_the_message() {
    let mut sim = calm();
    let waiting = Waiting::new(&mut sim, AckMode::ClientIndividual, seconds(5));
    let world = waiting.world.clone();
    sim.block_on(async {
        let (result, took) = waiting.end().await;
        let tally = result.unwrap();
        assert_eq!((tally.failed, tally.retried, tally.abandoned, took), (0, 0, 1, 4));
        world.sleep(seconds(1)).await;
    });
    assert_eq!((left(&world), forwarded(&world)), ((1, 0), 0));
}

#[test]
fn so_does_a_disconnect() {
    let mut sim = calm();
    let waiting = Waiting::new(&mut sim, AckMode::ClientIndividual, NEVER);
    let (world, client) = (waiting.world.clone(), waiting.client.clone());
    sim.block_on(async {
        let before = world.now();
        client.disconnect().await.unwrap();
        assert_eq!(waiting.runner.await.unwrap().abandoned, 1);
        assert!(world.now().since(before) < seconds(1));
    });
    assert_eq!((left(&world), forwarded(&world)), ((1, 0), 0));
}

/// A disconnect in the moment in which the pause ends: from then on no handler is called again.
#[test]
fn nothing_is_called_again_once_the_client_disconnects() {
    for seed in seeds(20) {
        let mut sim = Sim::in_weather(seed, Weather::calm());
        sim.broker("broker", |broker| broker.publish(QUEUE, "0", &[]));
        let (client, world) = (sim.client(config(), settings()), sim.world());
        sim.block_on(async {
            let messages = subscribe(&client).await;
            let late = Notes::default();
            let handler = {
                let (client, late) = (client.clone(), late.clone());
                async move |_| {
                    if client.state() == SessionState::Disconnecting {
                        late.add("late");
                    }
                    Err::<(), _>("not yet")
                }
            };
            let runner = messages.handle(handler).on_failure(retry(9, seconds(1), OnFailure::Stop));
            let runner = world.spawn(runner.run());
            world.sleep(seconds(1)).await;
            client.disconnect().await.unwrap();
            assert!(runner.await.unwrap().retried <= 1);
            assert!(late.all().is_empty(), "seed {seed}");
        });
    }
}

/// Where nobody delivers it again the next policy has its turn, at once.
#[test]
fn what_the_broker_has_forgotten_goes_on_to_the_next_policy() {
    let acknowledge = |message: &Delivery| message.ack().unwrap();
    let rows = [(AckMode::Auto, (|_| {}) as fn(&_)), (AckMode::ClientIndividual, acknowledge)];
    for (ack_mode, settle) in rows {
        for disconnects in [false, true] {
            let mut sim = calm();
            let stop = if disconnects { NEVER } else { seconds(5) };
            let waiting = Waiting::that_settles(&mut sim, ack_mode, stop, settle);
            let (world, client) = (waiting.world.clone(), waiting.client.clone());
            sim.block_on(async {
                let disconnecting = disconnects.then(|| client.disconnect());
                let (result, took) = waiting.end().await;
                let tally = result.unwrap();
                assert_eq!((tally.failed, tally.abandoned, tally.ack_lost), (1, 0, 0));
                assert_eq!(took, if disconnects { 0 } else { 4 });
                drop(disconnecting);
                world.sleep(seconds(1)).await;
            });
            assert_eq!((left(&world), forwarded(&world)), ((0, 0), 1), "{ack_mode:?} {disconnects}");
        }
    }
}

/// One whose handler fails while the runner stops is not called again either.
#[test]
fn a_failure_during_a_stop_is_the_last() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
    sim.block_on(async {
        let handler = async |_| {
            world.sleep(seconds(3)).await;
            Err::<(), _>("not yet")
        };
        let runner = subscribe(&client).await.handle(handler).on_failure(retry(9, seconds(1), forward()));
        let before = world.now();
        let tally = runner.until(world.sleep(seconds(1))).run().await.unwrap();
        assert_eq!((tally.failed, tally.abandoned, world.now().since(before)), (0, 1, seconds(3)));
        world.sleep(seconds(1)).await;
    });
    assert_eq!((left(&world), forwarded(&world)), ((1, 0), 0));
}

/// The session has ended by itself: nobody keeps the time, and nothing is called again.
#[test]
fn the_end_of_the_session_ends_it() {
    for ack_mode in [AckMode::ClientIndividual, AckMode::Auto] {
        let mut sim = calm();
        let waiting = Waiting::new(&mut sim, ack_mode, NEVER);
        let notes = waiting.notes.clone();
        sim.block_on(async {
            let Waiting { driver, runner, world, client, .. } = waiting;
            let before = world.now();
            driver.cancel();
            let stopped = runner.await.unwrap_err();
            assert!(world.now().since(before) < seconds(1));
            assert_eq!(stopped.tally.retried, 0, "{ack_mode:?}");
            drop(client);
        });
        assert_eq!(notes.all().len(), 1);
    }
}

/// Its connection has ended: the broker delivers the message again, which begins anew and has the place at once.
#[test]
fn a_lost_connection_ends_it() {
    let mut sim = calm();
    let waiting = Waiting::new(&mut sim, AckMode::ClientIndividual, seconds(30));
    let (world, notes) = (waiting.world.clone(), waiting.notes.clone());
    world.cut("broker", Ending::Reset);
    sim.run_for(seconds(5));
    let first: Vec<_> = notes.all().iter().map(|note| note[..3].to_owned()).collect();
    assert_eq!(first, ["0 1", "0 1"]);
    sim.block_on(async {
        let tally = waiting.end().await.0.unwrap();
        assert_eq!((tally.failed, tally.ack_lost, tally.retried, tally.abandoned), (1, 1, 0, 1));
    });
}

/// One that its broker has forgotten is called again whatever becomes of the connection.
#[test]
fn a_lost_connection_is_nothing_to_a_message_that_is_settled() {
    let mut sim = calm();
    let waiting = Waiting::new(&mut sim, AckMode::Auto, seconds(90));
    let (world, notes) = (waiting.world.clone(), waiting.notes.clone());
    world.cut("broker", Ending::Reset);
    sim.run_for(seconds(80));
    let calls: Vec<_> = notes.all().iter().map(|note| note[..3].to_owned()).collect();
    assert_eq!(calls, ["0 1", "0 2"]);
    sim.block_on(async { assert_eq!(waiting.end().await.0.unwrap().retried, 1) });
    assert_eq!(forwarded(&world), 1);
}

/// Dropped in the pause it leaves the message to others, and nothing behind.
#[test]
fn dropped_it_leaves_the_message_to_others() {
    let mut sim = calm();
    let waiting = Waiting::new(&mut sim, AckMode::ClientIndividual, NEVER);
    let Waiting { client, world, notes, runner, .. } = waiting;
    runner.cancel();
    sim.block_on(async {
        let rest = subscribe(&client).await.handle(async |_| Ok::<_, String>(()));
        assert_eq!(rest.until(world.sleep(seconds(100))).run().await.unwrap().handled, 1);
        client.disconnect().await.unwrap();
    });
    assert_eq!((left(&world), notes.all().len()), ((0, 0), 1));
}
