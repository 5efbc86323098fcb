//! Who wakes a runner, and which handlers it polls then.

use std::{
    future::{Future, pending, poll_fn},
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use stomp_session::client::Delivery;
use stomp_testkit::broker::BrokerConfig;

use super::{QUEUE, subscribe, text, with_messages};
use crate::kit::{poll_once, seconds};

/// More messages wait than are begun in one poll, and no handler ever wakes the runner: all of them begin.
#[test]
fn it_goes_on_after_a_full_poll() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 90);
    let begun = Arc::new(AtomicUsize::new(0));
    sim.block_on(async {
        let messages = client.subscribe(QUEUE).prefetch(100).await.unwrap();
        let count = Arc::clone(&begun);
        let handler = async move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            pending::<Result<(), String>>().await
        };
        // Until all of them wait in the inbox.
        world.sleep(seconds(1)).await;
        let runner = world.spawn(messages.handle(handler).concurrency(100).run());
        world.sleep(seconds(60)).await;
        assert_eq!(begun.load(Ordering::Relaxed), 90);
        runner.cancel();
    });
}

/// The other tasks have their turn after that many messages.
#[test]
fn a_full_poll_is_not_endless() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 90);
    sim.block_on(async {
        let messages = client.subscribe(QUEUE).prefetch(100).await.unwrap();
        world.sleep(seconds(1)).await;
        let begun = AtomicUsize::new(0);
        let handler = async |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Ok::<_, String>(())
        };
        let mut runner = Box::pin(messages.handle(handler).concurrency(100).run());
        let _ = poll_once(&mut runner).await;
        assert_eq!(begun.load(Ordering::Relaxed), 64);
    });
}

/// A handler that wakes itself while it is polled, so often, the last times after it was woken by somebody else.
struct Yields {
    left: usize,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Future for Yields {
    type Output = Result<(), String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 2
            && let Some(pause) = &mut self.pause
        {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        if self.left == 0 {
            return Poll::Ready(Ok(()));
        }
        self.left -= 1;
        // While it is polled, and twice.
        cx.waker().wake_by_ref();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A wake that comes while a handler is polled counts: at the first poll, in a row, and after another wake.
#[test]
fn a_wake_during_a_poll_is_not_lost() {
    for count in [1, 3] {
        let (mut sim, client, world) = with_messages(BrokerConfig::default(), count);
        sim.block_on(async {
            let handler = {
                let world = world.clone();
                move |message: Delivery| {
                    let pause = world.sleep(seconds(text(&message).parse::<u64>().unwrap()));
                    Yields { left: 4, pause: Some(Box::pin(pause)) }
                }
            };
            let runner = subscribe(&client).await.handle_with(handler).concurrency(count).run();
            let runner = world.spawn(runner);
            world.sleep(seconds(60)).await;
            assert_eq!(world.broker("broker", |broker| broker.unacked(QUEUE)), 0);
            client.disconnect().await.unwrap();
            assert_eq!(runner.await.unwrap().handled, count as u64);
        });
    }
}

/// A handler that wakes another one while it is polled itself.
#[test]
fn one_handler_wakes_another() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 2);
    sim.block_on(async {
        let waiting = Mutex::new(None::<Waker>);
        let handler = async |message: Delivery| {
            if text(&message) == "0" {
                let mut first = true;
                poll_fn(|cx| {
                    *waiting.lock().unwrap() = Some(cx.waker().clone());
                    if mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
            } else {
                world.sleep(seconds(1)).await;
                waiting.lock().unwrap().take().unwrap().wake();
            }
            Ok::<_, String>(())
        };
        let runner = subscribe(&client).await.handle(handler).concurrency(2);
        let tally = runner.until(world.sleep(seconds(5))).run().await.unwrap();
        assert_eq!(tally.handled, 2);
    });
}
