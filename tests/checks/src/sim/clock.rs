//! The virtual clock: who sleeps until when.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use stomp_session::Timestamp;

use super::World;

/// Names a sleeper.
type Bed = (Timestamp, u64);

/// Those who sleep, the first to wake first.
#[derive(Debug, Default)]
pub(super) struct Clock {
    sleepers: BTreeMap<Bed, Waker>,
    next: u64,
}

impl Clock {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the wakers of those whose time has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(first) = self.sleepers.first_entry().filter(|first| first.key().0 <= now) {
            due.push(first.remove());
        }
        due
    }

    /// Lies down, or turns over; gives back the waker that it replaces.
    fn lie_down(&mut self, bed: &mut Option<Bed>, at: Timestamp, waker: Waker) -> Option<Waker> {
        let bed = *bed.get_or_insert_with(|| {
            self.next += 1;
            (at, self.next)
        });
        self.sleepers.insert(bed, waker)
    }
}

/// Ends at its time.
#[derive(Debug)]
pub(super) struct Sleep {
    world: World,
    at: Timestamp,
    bed: Option<Bed>,
}

impl Sleep {
    pub(super) const fn new(world: World, at: Timestamp) -> Self {
        Self { world, at, bed: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { world, at, bed } = &mut *self;
        world.with(|state| {
            if *at <= state.now {
                return Poll::Ready(());
            }
            let replaced = state.clock.lie_down(bed, *at, cx.waker().clone());
            state.discard(replaced);
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(bed) = self.bed else { return };
        self.world.with(|state| {
            let waker = state.clock.sleepers.remove(&bed);
            state.discard(waker);
        });
    }
}
