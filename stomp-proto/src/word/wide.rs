//! Sixty-four octets in four vector registers.

use wide::u8x16;

/// How many octets a block holds.
pub(crate) const BLOCK: usize = 64;

const LANES: usize = 16;

/// Marks each octet of the block that is one of `wanted`, with one bit for each octet, the first in the lowest.
#[inline(always)]
pub(crate) fn marks<const N: usize>(block: &[u8; BLOCK], wanted: [u8; N]) -> u64 {
    let (quarters, _) = block.as_chunks::<LANES>();
    quarters.iter().rev().fold(0, |found, quarter| found << LANES | few_marks(quarter, wanted))
}

/// Whether one of `wanted` is in the block, which is faster to find out than where.
#[inline(always)]
pub(crate) fn has<const N: usize>(block: &[u8; BLOCK], wanted: [u8; N]) -> bool {
    let (quarters, _) = block.as_chunks::<LANES>();
    let found = quarters.iter().fold(u8x16::splat(0), |found, quarter| found | equal(quarter, wanted));
    found.move_mask() != 0
}

#[inline(always)]
fn few_marks<const N: usize>(octets: &[u8; LANES], wanted: [u8; N]) -> u64 {
    // The high bits, of which there are sixteen.
    u64::from(equal(octets, wanted).move_mask() as u16)
}

#[inline(always)]
fn equal<const N: usize>(octets: &[u8; LANES], wanted: [u8; N]) -> u8x16 {
    let octets = u8x16::new(*octets);
    let equal = wanted.map(|octet| octets.cmp_eq(u8x16::splat(octet)));
    equal.into_iter().fold(u8x16::splat(0), |found, equal| found | equal)
}

/// The index of the lowest mark, or one beyond the block if there is none.
#[inline(always)]
pub(crate) const fn index(marks: u64) -> usize {
    marks.trailing_zeros() as usize
}
