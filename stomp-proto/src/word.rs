//! Eight octets looked at together, without anything that is not safe Rust.

/// The octets that are left at the end, as a word; NULs fill it up.
#[inline(always)]
pub(crate) fn padded(octets: &[u8]) -> [u8; 8] {
    let mut word = [0; 8];
    for (octet, there) in word.iter_mut().zip(octets) {
        *octet = *there;
    }
    word
}

/// Eight octets, looked at together.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    low: u64,
    is_ascii: u64,
}

const HIGH: u64 = 0x8080_8080_8080_8080;

impl Word {
    #[inline(always)]
    pub(crate) const fn of(octets: [u8; 8]) -> Self {
        let word = u64::from_le_bytes(octets);
        Self { low: word & !HIGH, is_ascii: !word & HIGH }
    }

    /// The high bit of each octet that is `octet`, which is ASCII.
    ///
    /// Octets of `low` are at most 0x7f, so 0x80 less one of them borrows nothing from the next, and keeps its high bit only
    /// when nothing is taken away.
    #[inline(always)]
    pub(crate) const fn is(self, octet: u8) -> u64 {
        HIGH.wrapping_sub(self.low ^ u64::from_le_bytes([octet; 8])) & self.is_ascii
    }

    /// Not zero when an octet is not ASCII, or one that some version writes otherwise than it stands.
    #[inline(always)]
    const fn not_plain(self) -> u64 {
        let marks = self.is(0) | self.is(b'\r') | self.is(b'\n') | self.is(b':') | self.is(b'\\');
        marks | (self.is_ascii ^ HIGH)
    }
}

/// The place of the lowest octet that is.
#[inline(always)]
pub(crate) const fn index(marks: u64) -> usize {
    (marks.trailing_zeros() >> 3) as usize
}

/// Whether octets are written as they stand wherever they stand: ASCII without NUL, CR, LF, ':' and '\\'.
#[inline]
pub(crate) fn is_plain(octets: &[u8]) -> bool {
    let (words, rest) = octets.as_chunks::<8>();
    let mut special = 0;
    for word in words {
        special |= Word::of(*word).not_plain();
    }
    special == 0
        && rest.iter().all(|octet| octet.is_ascii() && !matches!(octet, 0 | b'\r' | b'\n' | b':' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_plain_at_every_place() {
        for octet in 0..=u8::MAX {
            let expected = octet.is_ascii() && !matches!(octet, 0 | b'\r' | b'\n' | b':' | b'\\');
            for place in 0..20 {
                let mut octets = [b'a'; 20];
                octets[place] = octet;
                assert_eq!(is_plain(&octets), expected, "{octet} at {place}");
            }
        }
        assert!(is_plain(b""));
    }
}
