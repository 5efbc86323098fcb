//! Wakers and bodies that panic: they are somebody's, and harm nobody else.

use std::{
    future::{Future, IntoFuture as _},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
    thread::panicking,
};

use bytes::Bytes;
use stomp_checks::sim::{Door, Ending, Sim, Weather};
use stomp_session::client::Client;

use crate::kit::{config, seconds, settings};

/// A waker that counts, and panics where it is told to.
#[derive(Default)]
struct Bell {
    rung: AtomicUsize,
    panics: Option<When>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Woken,
    Dropped,
}

impl Bell {
    fn that_panics(when: When) -> Arc<Self> {
        Arc::new(Self { rung: AtomicUsize::new(0), panics: Some(when) })
    }

    fn rung(&self) -> usize {
        self.rung.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::Relaxed);
        assert!(self.panics != Some(When::Woken), "woken");
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        assert!(self.panics != Some(When::Dropped) || panicking(), "dropped");
    }
}

fn poll<F: Future>(future: Pin<&mut F>, waker: Arc<Bell>) -> bool {
    future.poll(&mut Context::from_waker(&Waker::from(waker))).is_ready()
}

/// Waiters of one event are woken in one batch, by the driver: the others are woken, and it goes on.
#[test]
fn a_waker_that_panics_takes_no_other_along() {
    for when in [When::Woken, When::Dropped] {
        let mut sim = Sim::new(1);
        sim.set_door("broker", Door::Stuck);
        let client = sim.client(config(), settings());
        let calm = [Arc::<Bell>::default(), Arc::default()];
        let [first, last] = calm.clone();
        let bells = [first, Bell::that_panics(when), Bell::that_panics(when), last];
        let mut waits = bells.map(|bell| {
            let client = client.clone();
            let mut wait = Box::pin(async move { client.connected().await });
            assert!(!poll(wait.as_mut(), bell));
            wait
        });
        sim.set_door("broker", Door::Open);
        sim.run_for(seconds(60));
        assert_eq!(calm.each_ref().map(|bell| bell.rung()), [1, 1], "{when:?}");
        assert!(waits.iter_mut().all(|wait| poll(wait.as_mut(), Arc::default())));
        works(&mut sim, &client);
    }
}

/// Its driver stands, and nothing hangs.
fn works(sim: &mut Sim, client: &Client) {
    sim.block_on(async {
        client.send("/queue/a", "x").confirmed().await.unwrap();
        client.disconnect().await.unwrap();
    });
}

/// A waker is replaced when its future is polled by another task: the new task has nothing to do with its panic.
#[test]
fn a_replaced_waker_that_panics_harms_nobody() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let other = client.clone();
    let mut wait = Box::pin(async move { other.closed().await });
    assert!(!poll(wait.as_mut(), Bell::that_panics(When::Dropped)));
    let bell = Arc::<Bell>::default();
    assert!(!poll(wait.as_mut(), Arc::clone(&bell)));
    works(&mut sim, &client);
    sim.run_for(seconds(1));
    assert_eq!(bell.rung(), 1);
}

/// A body that panics when its last owner drops it. When a test has failed that is enough: twice would abort all.
struct Body(Vec<u8>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        assert!(panicking(), "dropped");
    }
}

/// A large body is dropped by the driver once it is written, a small one that had to wait once it is copied. A body that its
/// own sender drops may panic there.
#[test]
fn bodies_that_panic_do_not_end_the_driver() {
    for size in [1, 100_000] {
        let body = || Bytes::from_owner(Body(vec![b'x'; size]));
        let mut sim = Sim::new(1);
        sim.set_door("broker", Door::Stuck);
        let client = sim.client(config(), settings());
        sim.block_on(async {
            for _ in 0..2 {
                client.send("/queue/a", body()).buffered().await.unwrap();
            }
        });
        sim.set_door("broker", Door::Open);
        sim.run_for(seconds(60));
        assert_eq!(sim.broker("broker", |broker| broker.depth("/queue/a")), 2);
        works(&mut sim, &client);
    }
}

/// The same on a connection that ends while one is written and others wait.
#[test]
fn bodies_that_panic_when_their_connection_ends() {
    let body = || Bytes::from_owner(Body(vec![b'x'; 100_000]));
    let mut sim = Sim::in_weather(1, Weather::calm().with_buffers(1000));
    let client = sim.client(config(), settings());
    sim.block_on(client.connected()).unwrap();
    sim.set_reading("broker", false);
    for _ in 0..3 {
        sim.block_on(client.send("/queue/a", body()).into_future()).unwrap();
    }
    sim.run_for(seconds(1));
    sim.cut("broker", Ending::Reset);
    sim.run_for(seconds(60));
    sim.set_reading("broker", true);
    works(&mut sim, &client);
}
