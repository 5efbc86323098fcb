//! Time as an argument: a point on a clock that the caller reads.

use core::{fmt, time::Duration};

/// A point in time, counted from a start that its owner chooses.
///
/// It replaces `Instant`, which reads a clock by itself, cannot be made from nothing and panics on overflow. `now` never
/// runs back; whoever hands it in sees to that. All arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The start.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A time that never comes: what is due then is never due.
    pub const MAX: Self = Self(Duration::MAX);

    /// That long after the start.
    #[must_use]
    pub const fn from_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// That much later.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// The time from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}
