//! What every connection of a simulation goes through: sizes, delays, and polls that are Pending for no reason.

use std::{ops::RangeInclusive, time::Duration};

use super::Random;

/// The conditions of new connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Weather {
    /// Octets that each direction of a connection holds, drawn for each.
    pub buffer: RangeInclusive<usize>,
    /// Octets that one read hands out at most.
    pub reads: RangeInclusive<usize>,
    /// Octets that one write takes in at most.
    pub writes: RangeInclusive<usize>,
    /// How long octets, and dials, are on their way. At least a microsecond, so that each turn of a conversation takes
    /// time.
    pub latency: RangeInclusive<Duration>,
    /// One poll in this many is pending for no reason, and its task woken at once. 0 for none.
    pub spurious: usize,
}

const KIB: usize = 1024;

impl Weather {
    /// As on a loopback: large buffers, whole pieces, a microsecond.
    #[must_use]
    pub const fn calm() -> Self {
        let (tick, whole) = (Duration::from_micros(1), 64 * KIB..=64 * KIB);
        Self {
            buffer: 64 * KIB..=64 * KIB,
            reads: 64 * KIB..=64 * KIB,
            writes: whole,
            latency: tick..=tick,
            spurious: 0,
        }
    }

    /// Buffers of one octet to a few, handed out in sevens and taken in fives.
    #[must_use]
    pub const fn tiny() -> Self {
        Self { buffer: 1..=16, reads: 1..=7, writes: 1..=5, spurious: 8, ..Self::calm() }
    }

    /// The same with buffers of that size.
    #[must_use]
    pub fn with_buffers(self, octets: usize) -> Self {
        Self { buffer: octets..=octets, ..self }
    }

    /// Conditions drawn from a seed.
    #[must_use]
    pub fn drawn(random: &mut Random) -> Self {
        let largest = [16, 256, 4 * KIB, 64 * KIB];
        let mut size = || 1..=largest.get(random.below(largest.len())).copied().unwrap_or(KIB);
        let (buffer, reads, writes) = (size(), size(), size());
        let slowest = Duration::from_micros(1 << random.below(12));
        let latency = Duration::from_micros(1)..=slowest;
        Self {
            buffer,
            reads,
            writes,
            latency,
            spurious: [0, 3, 8].get(random.below(3)).copied().unwrap_or(0),
        }
    }
}
