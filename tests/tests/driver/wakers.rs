//! Wakers that do what wakers may do: run their task in place, or drop it, and with it a client.
//!
//! What would be wrong is a lock that is held meanwhile: the thread would wait for itself. So each test runs in a thread of
//! its own and has its time.

use std::{
    future::{Future, IntoFuture as _},
    pin::Pin,
    sync::{Arc, Mutex, TryLockError, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use bytes::Bytes;
use stomp_checks::sim::{Ending, Sim};
use stomp_session::client::{Client, Subscription};

use crate::kit::{config, seconds, seeds, settings};

/// Runs a test in a thread; fails when it takes too long.
fn in_time(test: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let running = thread::spawn(move || {
        test();
        done.send(()).expect("somebody waits");
    });
    match finished.recv_timeout(Duration::from_secs(60)) {
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => running.join().expect("the test passes"),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a lock was held while a waker ran, or was dropped"),
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that runs in the call of `wake`, wherever that is.
struct InPlace(Mutex<Option<Work>>);

impl InPlace {
    fn start(work: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        let task = Arc::new(Self(Mutex::new(Some(Box::pin(work)))));
        Arc::clone(&task).wake();
        task
    }

    fn is_finished(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }
}

impl Wake for InPlace {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut work = match self.0.try_lock() {
            Ok(work) => work,
            // It wakes itself while it runs: these tests have no such task.
            Err(TryLockError::WouldBlock) => panic!("the task was woken while it runs"),
            Err(TryLockError::Poisoned(_)) => return,
        };
        if let Some(future) = work.as_mut()
            && future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
        {
            *work = None;
        }
    }
}

async fn echo(client: Client, mut subscription: Subscription, count: usize) {
    for _ in 0..count {
        let Some(message) = subscription.next().await else { return };
        let _ = client.send("/queue/echo", message.body_bytes()).await;
        let _ = message.ack();
    }
}

#[test]
fn a_consumer_that_runs_in_the_waker() {
    in_time(|| {
        for seed in seeds(10) {
            let mut sim = Sim::new(seed);
            let client = sim.client(config(), settings());
            let world = sim.world();
            let subscription = sim.block_on(client.subscribe("/queue/a").into_future()).unwrap();
            let task = InPlace::start(echo(client.clone(), subscription, 50));
            sim.block_on(async {
                for number in 0..50 {
                    client.send("/queue/a", number.to_string()).await.unwrap();
                    world.sleep(Duration::from_millis(number)).await;
                }
                // In bad weather what is on its way takes long.
                world.sleep(seconds(600)).await;
                assert!(task.is_finished(), "seed {seed}");
                client.disconnect().await.unwrap();
            });
            assert_eq!(sim.broker("broker", |broker| broker.depth("/queue/echo")), 50);
        }
    });
}

/// All kinds of waits, each in a task that runs in its waker, through a reconnect and the end.
#[test]
fn every_wait_in_a_task_that_runs_in_the_waker() {
    in_time(|| {
        for seed in seeds(10) {
            let mut sim = Sim::new(seed);
            let client = sim.client(config(), settings());
            let world = sim.world();
            let tasks = every_wait(&client);
            sim.block_on(async {
                client.connected().await.unwrap();
                world.cut("broker", Ending::Reset);
                world.sleep(seconds(1)).await;
                client.disconnect().await.unwrap();
                world.sleep(seconds(1)).await;
            });
            assert!(tasks.iter().all(|task| task.is_finished()), "seed {seed}");
        }
    });
}

fn every_wait(client: &Client) -> Vec<Arc<InPlace>> {
    let [a, b, c, d, e, f] = std::array::from_fn(|_| client.clone());
    vec![
        InPlace::start(async move { drop(a.connected().await) }),
        InPlace::start(async move { drop(b.closed().await) }),
        InPlace::start(async move { drop(c.send("/queue/a", "x").await) }),
        InPlace::start(async move { drop(d.send("/queue/a", "x").confirmed().await) }),
        InPlace::start(async move { while e.send("/queue/a", "y").confirmed().await.is_ok() {} }),
        InPlace::start(async move {
            let Ok(mut subscription) = f.subscribe("/queue/a").await else { return };
            while let Some(message) = subscription.next().await {
                let _ = message.ack();
            }
        }),
    ]
}

/// A waker that owns what its task owns: the last one that is dropped drops a client.
struct Owner {
    _client: Client,
    wakes: Mutex<usize>,
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {
        *self.wakes.lock().unwrap() += 1;
    }
}

fn owner(client: &Client) -> Waker {
    Arc::new(Owner { _client: client.clone(), wakes: Mutex::new(0) }).into()
}

/// Polls a future with a waker of its own, twice, so that one replaces the other; each owns a client.
fn poll_with_owners<F: Future + Unpin>(client: &Client, future: &mut F) -> Poll<F::Output> {
    for _ in 0..2 {
        let waker = owner(client);
        if let ready @ Poll::Ready(_) = Pin::new(&mut *future).poll(&mut Context::from_waker(&waker)) {
            return ready;
        }
    }
    Poll::Pending
}

#[test]
fn wakers_that_own_a_client() {
    in_time(|| {
        for end in 0..4 {
            let mut sim = Sim::new(end);
            let (client, driver) = sim.client_and_driver(config(), settings());
            let driver = sim.spawn(driver.run());
            let mut subscription = sim.block_on(client.subscribe("/queue/a").into_future()).unwrap();
            sim.broker("broker", |broker| broker.drop_receipts(true));
            let mut sending = client.send("/queue/b", "x").confirmed().into_future();
            let mut subscribing = client.subscribe("/queue/c").into_future();
            let mut closed = Box::pin({
                let client = client.clone();
                async move { client.closed().await }
            });
            assert!(poll_with_owners(&client, &mut sending).is_pending());
            assert!(poll_with_owners(&client, &mut subscribing).is_pending());
            assert!(poll_with_owners(&client, &mut closed).is_pending());
            assert!(poll_with_owners(&client, &mut Box::pin(subscription.next())).is_pending());
            sim.run_for(seconds(1));
            drop(client);
            if end == 1 {
                driver.cancel();
                sim.run_for(seconds(30));
                continue;
            }
            match end {
                0 => sim.cut("broker", Ending::Reset),
                2 => drop((sending, subscribing, closed, subscription)),
                _ => sim.broker("broker", |broker| broker.publish("/queue/a", "x", &[])),
            }
            sim.run_for(seconds(30));
            assert_eq!(driver.is_finished(), end == 2, "no waker is kept that nobody waits with");
        }
    });
}

/// A body whose last owner drops a client.
struct Body {
    _client: Client,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        b"hello"
    }
}

#[test]
fn bodies_that_own_a_client() {
    in_time(|| {
        for (confirmed, destination) in [(false, "/queue/a"), (true, "/queue/a"), (false, ""), (true, "")] {
            let mut sim = Sim::new(1);
            let client = sim.client(config(), settings());
            sim.block_on(client.connected()).unwrap();
            let _trace = client.trace();
            let send = client.send(destination, Bytes::from_owner(Body { _client: client.clone() }));
            let send = if confirmed { send.confirmed() } else { send };
            let sent = sim.block_on(send.into_future());
            assert_eq!(sent.is_ok(), !destination.is_empty());
        }
    });
}

/// The waker of the driver itself is replaced at every poll, and may own anything as well.
#[test]
fn a_driver_whose_wakers_own_a_client() {
    in_time(|| {
        let sim = Sim::new(1);
        let (client, driver) = sim.client_and_driver(config(), settings());
        let mut run = Box::pin(driver.run());
        assert!(poll_with_owners(&client, &mut run).is_pending());
        assert!(poll_with_owners(&client, &mut run).is_pending());
        drop(client);
        drop(run);
    });
}
