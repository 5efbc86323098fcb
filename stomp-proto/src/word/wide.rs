//! Sixteen octets in a vector register.

use wide::u8x16;

/// How many octets a word holds.
pub(crate) const LANES: usize = 16;

/// Sixteen octets, looked at together. Marks have one bit for each octet that is meant.
#[derive(Clone, Copy)]
pub(crate) struct Word(u8x16);

impl Word {
    #[inline(always)]
    pub(crate) fn of(octets: [u8; LANES]) -> Self {
        Self(u8x16::new(octets))
    }

    /// Marks each octet that is one of those.
    #[inline(always)]
    pub(crate) fn any_of<const N: usize>(self, octets: [u8; N]) -> u64 {
        let equal = |octet| self.0.cmp_eq(u8x16::splat(octet));
        marks(octets.into_iter().fold(u8x16::splat(0), |found, octet| found | equal(octet)))
    }
}

/// The high bits, of which there are sixteen.
#[inline(always)]
fn marks(vector: u8x16) -> u64 {
    u64::from(vector.move_mask() as u16)
}

/// The place of the lowest mark.
#[inline(always)]
pub(crate) const fn index(marks: u64) -> usize {
    marks.trailing_zeros() as usize
}
