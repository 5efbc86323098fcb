//! Eight octets in an ordinary register.

/// How many octets a word holds.
pub(crate) const BLOCK: usize = 8;

/// Eight octets, examined together. Marks have the high bit of each octet that matches.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    low: u64,
    is_ascii: u64,
}

const HIGH: u64 = 0x8080_8080_8080_8080;

impl Word {
    #[inline(always)]
    pub(crate) const fn of(octets: [u8; BLOCK]) -> Self {
        let word = u64::from_le_bytes(octets);
        Self { low: word & !HIGH, is_ascii: !word & HIGH }
    }

    /// Marks each octet that is one of `octets`, which must be ASCII.
    ///
    /// Octets of `low` are at most 0x7f, so 0x80 less one of them borrows nothing from the next, and keeps its high bit
    /// only when nothing is taken away.
    #[inline(always)]
    pub(crate) fn any_of<const N: usize>(self, octets: [u8; N]) -> u64 {
        let equal = |octet| HIGH.wrapping_sub(self.low ^ u64::from_le_bytes([octet; BLOCK]));
        octets.into_iter().fold(0, |marks, octet| marks | equal(octet)) & self.is_ascii
    }

    /// Marks each octet that is not ASCII.
    #[inline(always)]
    pub(crate) const fn not_ascii(self) -> u64 {
        self.is_ascii ^ HIGH
    }
}

/// Marks each octet of the block that is one of `wanted`.
#[cfg(not(feature = "simd"))]
#[inline(always)]
pub(crate) fn marks<const N: usize>(block: &[u8; BLOCK], wanted: [u8; N]) -> u64 {
    Word::of(*block).any_of(wanted)
}

/// Whether one of `wanted` is in the block.
#[cfg(not(feature = "simd"))]
#[inline(always)]
pub(crate) fn has<const N: usize>(block: &[u8; BLOCK], wanted: [u8; N]) -> bool {
    marks(block, wanted) != 0
}

/// The index of the lowest mark, or one beyond the block if there is none.
#[cfg(not(feature = "simd"))]
#[inline(always)]
pub(crate) const fn index(marks: u64) -> usize {
    (marks.trailing_zeros() >> 3) as usize
}
