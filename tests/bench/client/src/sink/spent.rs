//! The time of threads that others measure.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cpu_time::ThreadTime;

/// Nanoseconds of CPU time, of all threads that have a [`Meter`] of it.
#[derive(Debug, Default)]
pub struct Spent(AtomicU64);

impl Spent {
    /// What they have noted.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// What the thread that has made it adds. It is told before each wait, so that nothing of it is missing while all threads wait.
#[derive(Debug)]
pub struct Meter {
    spent: Arc<Spent>,
    noted: ThreadTime,
}

impl Meter {
    /// Begins now.
    #[must_use]
    pub fn new(spent: Arc<Spent>) -> Self {
        Self { spent, noted: ThreadTime::now() }
    }

    /// Adds what it has spent since.
    pub fn note(&mut self) {
        let now = ThreadTime::now();
        let nanoseconds = now.duration_since(self.noted).as_nanos();
        self.spent.0.fetch_add(u64::try_from(nanoseconds).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.noted = now;
    }
}
