//! Clusters of real brokers under load, while their nodes die, freeze and lose each other.
//!
//! A [`Kind`] is a cluster, a [`Blow`] is what befalls it in a round. Each node runs in a network namespace of its own, so
//! that lines can be cut. Producers send numbers at least once, consumers acknowledge them one by one, and after every
//! round each number that was confirmed must have been received. Probes ask every node all the time whether it takes
//! messages: what a client was late for, while the cluster served, is the client's own.
//!
//! It takes Linux, root and the program `ip`. The program `clusters` runs it.

mod blow;
mod diary;
mod kind;
mod lan;
mod ledger;
mod load;
mod probe;
mod report;
mod round;
mod running;
mod timeline;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub use blow::Blow;
pub use kind::{KINDS, Kind, Shape, kinds};
pub use lan::{Lans, Line};
pub use report::{Report, Row};
pub use round::Trial;
pub use running::Cluster;

/// Ends every wait early, with an error, once it was set.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Ends all waits.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps.
    ///
    /// # Errors
    /// Returns an error of the kind [`Interrupted`](io::ErrorKind::Interrupted) once it was set.
    pub fn sleep(&self, length: Duration) -> io::Result<()> {
        let end = Instant::now() + length;
        while !self.is_set() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}
