//! Where the line feeds and colons of a block are: one bit an octet, the first octet in the lowest bit.

use wide::u8x16;

/// Octets in a block.
pub const BLOCK: usize = 64;

/// A way to find both in one pass.
pub trait Mask {
    /// The line feeds and the colons of `block`.
    fn of(block: &[u8; BLOCK]) -> (u64, u64);
}

/// 16 octets at a time: SSE2 on x86-64, NEON on ARM.
#[derive(Debug)]
pub struct Vector;

/// Eight octets at a time in an ordinary register.
#[derive(Debug)]
pub struct Register;

impl Mask for Vector {
    fn of(block: &[u8; BLOCK]) -> (u64, u64) {
        let (quarters, _) = block.as_chunks::<16>();
        let (mut line_feeds, mut colons) = (0, 0);
        for (at, quarter) in quarters.iter().enumerate() {
            let octets = u8x16::new(*quarter);
            line_feeds |= equal(octets, b'\n') << (16 * at);
            colons |= equal(octets, b':') << (16 * at);
        }
        (line_feeds, colons)
    }
}

fn equal(octets: u8x16, wanted: u8) -> u64 {
    u64::from(octets.simd_eq(u8x16::splat(wanted)).to_bitmask())
}

impl Mask for Register {
    fn of(block: &[u8; BLOCK]) -> (u64, u64) {
        let (eighths, _) = block.as_chunks::<8>();
        let (mut line_feeds, mut colons) = (0, 0);
        for (at, eighth) in eighths.iter().enumerate() {
            let octets = u64::from_le_bytes(*eighth);
            line_feeds |= equal_in_register(octets, b'\n') << (8 * at);
            colons |= equal_in_register(octets, b':') << (8 * at);
        }
        (line_feeds, colons)
    }
}

/// The top bit of each octet that is `wanted`, gathered by a multiplication.
fn equal_in_register(octets: u64, wanted: u8) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const BELOW_TOP: u64 = u64::from_ne_bytes([0x7f; 8]);
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let difference = octets ^ (LOW * u64::from(wanted));
    // Exact, unlike the shorter formula whose borrow runs into the next octet.
    let zero = !(((difference & BELOW_TOP) + BELOW_TOP) | difference | BELOW_TOP);
    (zero >> 7).wrapping_mul(GATHER) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slowly(block: &[u8; BLOCK]) -> (u64, u64) {
        let bits = |wanted| block.iter().rev().fold(0, |bits, octet| bits << 1 | u64::from(*octet == wanted));
        (bits(b'\n'), bits(b':'))
    }

    #[test]
    fn both_ways_agree_with_the_slow_one() {
        let mut block = [0_u8; BLOCK];
        let mut state = 1_u32;
        for _ in 0..10_000 {
            for octet in &mut block {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *octet = b"\n:;\x0b\x8a\xba\x00a"[(state >> 29) as usize];
            }
            assert_eq!(Vector::of(&block), slowly(&block));
            assert_eq!(Register::of(&block), slowly(&block));
        }
    }
}
