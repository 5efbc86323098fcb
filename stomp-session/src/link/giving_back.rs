//! How far it has come that everything goes back before a connection is left, and how long that may take.

use core::time::Duration;

use crate::model::timestamp::Timestamp;

/// The most round trips that ask whether all has come.
const ROUNDS: u32 = 8;

/// How long a broker may take until it has passed on what it was given.
pub(super) const CATCHES_UP: Duration = Duration::from_secs(1);

/// Settlements that came in quick succession: the broker may not have passed all of them on.
#[derive(Debug, Default)]
pub(super) struct Burst {
    count: usize,
    last: Timestamp,
}

impl Burst {
    pub(super) fn add(&mut self, count: usize, now: Timestamp) {
        if self.is_over(now) {
            self.count = 0;
        }
        (self.count, self.last) = (self.count.saturating_add(count), now);
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now >= self.last.after(CATCHES_UP)
    }

    /// Whether it has more than that, and was just now.
    pub(super) fn exceeds(&self, most: usize, now: Timestamp) -> bool {
        self.count > most && !self.is_over(now)
    }
}

/// Everything goes back, within a time.
#[derive(Debug)]
pub(super) struct GivingBack {
    /// How long the broker may take for each of its answers, and until when for all of them.
    pub(super) timeout: Duration,
    until: Timestamp,
    /// The round trips.
    rounds: u32,
    /// The number of the newest delivery when the last one began, unless something was asked for since.
    newest: Option<u64>,
    pub(super) is_over: bool,
}

impl GivingBack {
    pub(super) fn new(left: Duration, now: Timestamp) -> Self {
        let (timeout, until) = (left.mul_f64(0.25), now.after(left.mul_f64(0.75)));
        Self { timeout, until, rounds: 0, newest: None, is_over: false }
    }

    /// The broker does not answer in time, or has nothing to answer: it is asked no more.
    pub(super) const fn stop(&mut self) {
        self.is_over = true;
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        (!self.is_over).then_some(self.until)
    }

    /// Whether a round trip is to begin, when that is the newest delivery: not if the last one has brought nothing.
    pub(super) fn begin_round(&mut self, newest: u64) -> bool {
        if self.newest == Some(newest) || self.rounds >= ROUNDS {
            return false;
        }
        (self.rounds, self.newest) = (self.rounds.saturating_add(1), Some(newest));
        true
    }

    /// More may come: the last round trip says nothing any more.
    pub(super) const fn forget_round(&mut self) {
        self.newest = None;
    }
}
