//! Counts octets without a lock, and reports when few are left.

use super::sync::atomic::{AtomicUsize, Ordering};

/// No number of octets.
const NOBODY: usize = usize::MAX;

/// A number of octets that one thread adds to and many take from. The one thread can wait until few are left.
#[derive(Debug)]
pub(super) struct Gauge {
    level: AtomicUsize,
    /// The number down to which the one waits; [`NOBODY`] if it does not wait.
    awaited: AtomicUsize,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { level: AtomicUsize::new(0), awaited: AtomicUsize::new(NOBODY) }
    }
}

impl Gauge {
    pub(super) fn level(&self) -> usize {
        self.level.load(Ordering::SeqCst)
    }

    pub(super) fn add(&self, octets: usize) {
        self.level.fetch_add(octets, Ordering::SeqCst);
    }

    /// Subtracts octets. Returns whether so few are left that the waiting thread is to be woken.
    pub(super) fn take(&self, octets: usize) -> bool {
        let left = self.level.fetch_sub(octets, Ordering::SeqCst).saturating_sub(octets);
        let awaited = self.awaited.load(Ordering::SeqCst);
        left <= awaited && awaited != NOBODY
    }

    /// Waits until no more than `few` are left, or waits on. It begins to wait where there are more than `many`. Returns
    /// whether it has to wait.
    pub(super) fn wait(&self, many: usize, few: usize) -> bool {
        let waited = self.awaited.load(Ordering::SeqCst) != NOBODY;
        if !waited && self.level() <= many {
            return false;
        }
        self.awaited.store(few, Ordering::SeqCst);
        // Asked after it was said how few are few enough: whoever takes the last of them now wakes the waiter.
        self.level() > if waited { few } else { many }
    }

    /// Stops waiting.
    pub(super) fn go_on(&self) {
        // Only the one thread sets it. Mostly there is nothing to take back.
        if self.awaited.load(Ordering::Relaxed) != NOBODY {
            self.awaited.store(NOBODY, Ordering::SeqCst);
        }
    }
}
