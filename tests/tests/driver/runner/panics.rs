//! Handlers that panic where one does not expect it: when they are dropped.

use std::{
    future::{Future, pending},
    pin::Pin,
    task::{Context, Poll},
    thread::panicking,
};

use stomp_session::client::{Delivery, Failure, Message, OnFailure, StopReason};
use stomp_testkit::broker::BrokerConfig;

use super::{Notes, left, subscribe, text, with_messages};
use crate::kit::seconds;

type Work = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Panics when it is dropped. When a test has failed that is enough: twice would abort all.
struct Grudge(Work);

impl Future for Grudge {
    type Output = Result<(), String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl Drop for Grudge {
    fn drop(&mut self) {
        assert!(panicking(), "dropped");
    }
}

/// What handler number 0 does, and 1; the others are well.
fn handler(first: fn() -> Work, second: fn() -> Work) -> impl FnMut(Delivery) -> Work + Send + 'static {
    move |message| match &*text(&message) {
        "0" => Box::pin(Grudge(first())),
        "1" => Box::pin(Grudge(second())),
        _ => well(),
    }
}

fn well() -> Work {
    Box::pin(async { Ok(()) })
}

fn ill() -> Work {
    Box::pin(async { Err("ill".into()) })
}

fn never() -> Work {
    Box::pin(pending())
}

/// It counts as its failure, whatever it had returned, and the others go on.
#[test]
fn a_handler_that_panics_when_it_is_dropped_has_failed() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 4);
    let notes = Notes::default();
    sim.block_on(async {
        let runner = subscribe(&client).await.handle_with(handler(well, ill)).concurrency(2);
        let told = notes.clone();
        let decide = move |_: &Message, failure: &Failure<String>| {
            told.add(failure.to_string());
            OnFailure::Acknowledge
        };
        let tally = runner.decide_failure(decide).until(world.sleep(seconds(5))).run().await.unwrap();
        assert_eq!((tally.handled, tally.failed, tally.abandoned), (2, 2, 0));
    });
    // What it returned says more.
    assert_eq!(notes.all(), ["the handler panicked: dropped", "ill"]);
    assert_eq!(left(&world), (0, 0));
}

#[test]
fn by_default_it_stops_the_runner_as_every_failure_does() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
    let stopped =
        sim.block_on(async { subscribe(&client).await.handle_with(handler(well, well)).await.unwrap_err() });
    assert_eq!(stopped.reason, StopReason::Failed(Failure::Panicked("dropped".into())));
    sim.run_for(seconds(1));
    assert_eq!(left(&world), (1, 0));
}

/// At the end of the grace they are dropped, several at once.
#[test]
fn handlers_that_panic_when_their_time_is_over() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 3);
    sim.block_on(async {
        let runner = subscribe(&client).await.handle_with(handler(never, never)).concurrency(3);
        let tally = runner.until(world.sleep(seconds(1))).grace(seconds(1)).await.unwrap();
        assert_eq!((tally.handled, tally.failed, tally.abandoned), (1, 2, 0));
        client.disconnect().await.unwrap();
    });
    assert_eq!(left(&world), (2, 0));
}

/// And with their runner: two panics at once would abort the program.
#[test]
fn handlers_that_panic_with_their_runner() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 3);
    sim.block_on(async {
        let runner = subscribe(&client).await.handle_with(handler(never, never)).concurrency(3);
        let runner = world.spawn(runner.run());
        world.sleep(seconds(1)).await;
        runner.cancel();
        client.disconnect().await.unwrap();
    });
    assert_eq!(left(&world), (2, 0));
}

/// A payload of a panic that panics itself.
#[test]
fn a_panic_with_a_panic_in_it() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(panicking(), "again");
        }
    }
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 2);
    sim.block_on(async {
        let handler = async |message: Delivery| {
            if text(&message) == "0" {
                std::panic::panic_any(Bomb);
            }
            Ok::<_, String>(())
        };
        let runner = subscribe(&client).await.handle(handler).on_failure(OnFailure::Acknowledge);
        let tally = runner.until(world.sleep(seconds(5))).run().await.unwrap();
        assert_eq!((tally.handled, tally.failed), (1, 1));
    });
}

/// An error whose text cannot be had is forwarded all the same.
#[test]
fn an_error_that_panics_when_it_is_shown() {
    #[derive(Debug)]
    struct Shy;
    impl std::fmt::Display for Shy {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("not me")
        }
    }
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 2);
    sim.block_on(async {
        let forward = OnFailure::Forward(stomp_session::client::Forward::to("/queue/errors"));
        let runner = subscribe(&client).await.handle(async |_| Err::<(), _>(Shy)).on_failure(forward);
        let tally = runner.until(world.sleep(seconds(5))).run().await.unwrap();
        assert_eq!((tally.failed, left(&world)), (2, (0, 0)));
    });
    assert_eq!(world.broker("broker", |broker| broker.depth("/queue/errors")), 2);
}

/// What tells the runner to stop is not its own either: its panic stops it, with the reason, after what is under way.
#[test]
fn a_stop_that_panics() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
    sim.block_on(async {
        let pause = world.clone();
        let handler = move |_| {
            let pause = pause.sleep(seconds(2));
            async move {
                pause.await;
                Ok::<_, String>(())
            }
        };
        let sleep = world.sleep(seconds(1));
        let until = async move {
            sleep.await;
            panic!("no more");
        };
        let stopped = subscribe(&client).await.handle_with(handler).until(until).await.unwrap_err();
        assert_eq!(stopped.reason, StopReason::Panicked("no more".into()));
        assert_eq!(stopped.to_string(), "the future that stops the runner panicked: no more");
        assert_eq!(stopped.tally.handled, 1);
    });
}
