//! Which broker a client moves to by itself next, and when.

use core::time::Duration;

use crate::model::{endpoint::Endpoint, random::Random, timestamp::Timestamp};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Rebalancing {
    period: Duration,
    pub(super) random: Random,
    /// When a broker is drawn next. None before the first connection.
    pub(super) at: Option<Timestamp>,
    /// The broker that was drawn, until there is time to move.
    pub(super) to: Option<Endpoint>,
    /// Whether the owner of the session knows better than the session when there is time to move.
    #[cfg(feature = "client")]
    pub(super) waits_for_owner: bool,
}

impl Rebalancing {
    pub(super) fn new(period: Duration, seed: u64) -> Self {
        Self {
            period,
            // Another sequence than that of the delays.
            random: Random::new(seed.rotate_left(32) ^ 0x7265_6261_6c61_6e63),
            at: None,
            to: None,
            #[cfg(feature = "client")]
            waits_for_owner: false,
        }
    }

    /// A connection stands. What was due without one is drawn anew: all clients of a broker that was lost come at once.
    pub(super) fn note_connected(&mut self, now: Timestamp) {
        if self.at.is_none_or(|at| at <= now) {
            self.at = Some(now.after(self.period.mul_f64(self.random.fraction())));
        }
        self.to = None;
    }

    /// It is over for this period.
    pub(super) fn put_off(&mut self, now: Timestamp) {
        (self.at, self.to) = (Some(now.after(self.period)), None);
    }

    #[cfg(feature = "client")]
    pub(super) const fn waits_for_owner(&self) -> bool {
        self.waits_for_owner
    }

    #[cfg(not(feature = "client"))]
    #[expect(clippy::unused_self, reason = "with the client it depends on it")]
    pub(super) const fn waits_for_owner(&self) -> bool {
        false
    }
}
