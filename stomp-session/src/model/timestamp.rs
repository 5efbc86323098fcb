//! A point in time, on a clock that the caller reads.

use core::{fmt, time::Duration};

/// A point in time, measured from a start that the caller chooses.
///
/// It replaces `Instant`, which reads a clock itself, cannot be created without one, and panics on overflow. All
/// arithmetic on timestamps saturates. The timestamps that are passed to a session must never go backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The start.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A time that never comes. Whatever is due then is never due.
    pub const MAX: Self = Self(Duration::MAX);

    /// Creates the timestamp that is this long after the start.
    #[must_use]
    pub const fn from_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Returns the time since the start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Returns the timestamp that is this much later.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// Returns the time from `earlier` to this timestamp, or zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The first of several deadlines.
    #[inline]
    pub(crate) fn first<const N: usize>(deadlines: [Option<Self>; N]) -> Option<Self> {
        // At each message: with iterators the compiler goes through all the cases.
        let mut first = None;
        for at in deadlines {
            first = match (first, at) {
                (Some(one), Some(other)) if one <= other => Some(one),
                (one, None) => one,
                (_, other) => other,
            };
        }
        first
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}
