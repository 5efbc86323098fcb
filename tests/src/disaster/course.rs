//! When a session may dial.

use std::{collections::BTreeSet, time::Duration};

use stomp_session::{Config, Timestamp};

use super::law::{Checked, Law, demand};

/// The delays between attempts, as far as they can be told from outside.
#[derive(Debug)]
pub(super) struct Course {
    max_delay: Duration,
    stable_after: Duration,
    /// Not before that.
    due: Timestamp,
    connected_at: Option<Timestamp>,
    /// The delay of the attempt before, of the same row of failures.
    last: Option<Duration>,
    announced: bool,
    /// Brokers that have refused the client for good.
    pub(super) barred: BTreeSet<usize>,
}

impl Course {
    pub(super) const fn new(config: &Config) -> Self {
        Self {
            max_delay: config.brokers.reconnect.max_delay,
            stable_after: config.stable_after,
            due: Timestamp::ZERO,
            connected_at: None,
            last: None,
            announced: true,
            barred: BTreeSet::new(),
        }
    }

    pub(super) const fn connected(&mut self, now: Timestamp) {
        self.connected_at = Some(now);
    }

    /// The session says when it dials next.
    pub(super) fn announce(&mut self, delay: Duration, now: Timestamp) -> Checked {
        let lived = self.connected_at.take().map(|since| now.since(since));
        let was_stable = lived.is_some_and(|lived| lived >= self.stable_after);
        if was_stable {
            self.last = None;
        }
        demand(delay <= self.max_delay, Law::Schedule, || {
            format!("{delay:?} is more than {:?}", self.max_delay)
        })?;
        demand(was_stable || delay > Duration::ZERO, Law::Schedule, || {
            format!("it dials again at once, after a connection that lived {lived:?}")
        })?;
        let least = self.last.unwrap_or_default();
        demand(delay >= least, Law::Schedule, || format!("the delay shrinks from {least:?} to {delay:?}"))?;
        (self.last, self.due, self.announced) = (Some(delay), now.after(delay), true);
        Ok(())
    }

    /// The session dials.
    pub(super) fn dial(&mut self, broker: usize, now: Timestamp) -> Checked {
        demand(!self.barred.contains(&broker), Law::Schedule, || {
            format!("broker {broker} has refused it for good")
        })?;
        demand(now >= self.due, Law::Schedule, || format!("it dials at {now} and announced {}", self.due))?;
        demand(std::mem::take(&mut self.announced), Law::Schedule, || {
            format!("it dials unannounced at {now}")
        })
    }
}
