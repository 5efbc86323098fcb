//! The broker that all threads of a server share, and who waits for it to change.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::Waker,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use crate::broker::Broker;

/// The broker, with the means to wait for it.
pub(super) struct Shared {
    broker: Mutex<Broker>,
    /// The thread that runs a user's closure with the broker.
    holder: Mutex<Option<ThreadId>>,
    /// Notified, as the wakers are woken, whenever the broker may have changed.
    changed: Condvar,
    sleepers: Mutex<Sleepers>,
}

/// Futures that wait. An entry lives as long as its future; its waker is taken when it is woken.
#[derive(Default)]
struct Sleepers {
    entries: BTreeMap<u64, Sleeper>,
    next: u64,
    is_stopped: bool,
}

struct Sleeper {
    deadline: Instant,
    waker: Option<Waker>,
}

/// Why a condition did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    Stopped,
    TimedOut,
}

impl Shared {
    pub(super) fn new(broker: Broker) -> Self {
        Self {
            broker: Mutex::new(broker),
            holder: Mutex::new(None),
            changed: Condvar::new(),
            sleepers: Mutex::new(Sleepers::default()),
        }
    }

    /// A closure that panicked leaves the broker as it is, and other users of the server continue.
    pub(super) fn lock(&self) -> MutexGuard<'_, Broker> {
        unpoisoned(&self.broker)
    }

    /// Calls a closure with the broker: a user's, or the hub's, which asks the user's matchers.
    ///
    /// # Panics
    /// Panics if the closure of another call on this thread is running: this one would wait for it for ever.
    pub(super) fn enter<R>(&self, look: impl FnOnce(&mut Broker) -> R) -> R {
        self.refuse_reentry();
        let mut broker = self.lock();
        let _held = Held::by_this_thread(self);
        look(&mut broker)
    }

    /// Calls a user's closure with the broker whenever this may have changed, until it returns `true`.
    pub(super) fn wait(
        &self,
        deadline: Instant,
        mut condition: impl FnMut(&Broker) -> bool,
    ) -> Result<(), (Unmet, String)> {
        self.refuse_reentry();
        let mut broker = self.lock();
        loop {
            let held = Held::by_this_thread(self);
            let is_met = condition(&broker);
            drop(held);
            if is_met {
                return Ok(());
            }
            if let Some(unmet) = self.unmet(deadline) {
                return Err((unmet, broker.snapshot().to_string()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = self.changed.wait_timeout(broker, left);
            (broker, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether it is too late for a condition that is not met.
    pub(super) fn unmet(&self, deadline: Instant) -> Option<Unmet> {
        if unpoisoned(&self.sleepers).is_stopped {
            return Some(Unmet::Stopped);
        }
        (Instant::now() >= deadline).then_some(Unmet::TimedOut)
    }

    pub(super) fn refuse_reentry(&self) {
        let is_ours = *unpoisoned(&self.holder) == Some(thread::current().id());
        assert!(
            !is_ours,
            "a closure that the broker of a server has called, or was given to, has called the server, which would wait \
             for the closure for ever; use the broker or the frame that the closure was given"
        );
    }

    /// Wakes everybody who waits, since the broker may have changed.
    pub(super) fn notify(&self) {
        self.changed.notify_all();
        let mut sleepers = unpoisoned(&self.sleepers);
        let wakers = sleepers.entries.values_mut().filter_map(|sleeper| sleeper.waker.take());
        let wakers: Vec<_> = wakers.collect();
        drop(sleepers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Says that the broker does not change any more.
    pub(super) fn stop(&self) {
        unpoisoned(&self.sleepers).is_stopped = true;
        // Whoever has not seen this sleeps once the broker can be had.
        drop(self.lock());
        self.notify();
    }

    /// Adds a future that waits.
    pub(super) fn add_sleeper(&self, deadline: Instant, waker: Waker) -> u64 {
        let mut sleepers = unpoisoned(&self.sleepers);
        let number = sleepers.next;
        sleepers.next += 1;
        sleepers.entries.insert(number, Sleeper { deadline, waker: Some(waker) });
        number
    }

    pub(super) fn set_waker(&self, number: u64, waker: Waker) {
        let mut sleepers = unpoisoned(&self.sleepers);
        let sleeper = sleepers.entries.get_mut(&number);
        let replaced = sleeper.and_then(|sleeper| sleeper.waker.replace(waker));
        drop(sleepers);
        // The waker's owner may do anything when it is dropped.
        drop(replaced);
    }

    pub(super) fn remove_sleeper(&self, number: u64) {
        let removed = unpoisoned(&self.sleepers).entries.remove(&number);
        drop(removed);
    }

    /// How long until the first of the futures that sleep has to be told that its time is up.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let sleepers = unpoisoned(&self.sleepers);
        let asleep = sleepers.entries.values().filter(|sleeper| sleeper.waker.is_some());
        let first = asleep.map(|sleeper| sleeper.deadline).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }
}

/// Notes which thread runs a user's closure, until it is dropped.
struct Held<'a>(&'a Shared);

impl<'a> Held<'a> {
    fn by_this_thread(shared: &'a Shared) -> Self {
        *unpoisoned(&shared.holder) = Some(thread::current().id());
        Self(shared)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *unpoisoned(&self.0.holder) = None;
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
