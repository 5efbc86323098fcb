//! Several octets looked at together, in safe Rust: sixteen with the feature `simd`, else eight.

#[cfg(not(feature = "simd"))]
mod swar;
#[cfg(feature = "simd")]
mod wide;

#[cfg(not(feature = "simd"))]
pub(crate) use swar::{LANES, Word, index};
#[cfg(feature = "simd")]
pub(crate) use wide::{LANES, Word, index};

/// The octets that are left at the end, as a word; `fill` stands for those that are not there.
#[inline(always)]
pub(crate) fn padded(octets: &[u8], fill: u8) -> [u8; LANES] {
    let mut word = [fill; LANES];
    for (octet, there) in word.iter_mut().zip(octets) {
        *octet = *there;
    }
    word
}

/// Octets that some version writes otherwise than they stand, or not at all.
const SPECIAL: [u8; 5] = [0, b'\r', b'\n', b':', b'\\'];

/// Whether octets are written as they stand wherever they stand: ASCII, and nothing special.
#[inline]
pub(crate) fn is_plain(octets: &[u8]) -> bool {
    let (words, rest) = octets.as_chunks::<LANES>();
    let special = |word: Word| word.any_of(SPECIAL) | word.not_ascii();
    let marks = words.iter().fold(0, |marks, word| marks | special(Word::of(*word)));
    marks | special(Word::of(padded(rest, b'a'))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_plain_at_every_place() {
        for octet in 0..=u8::MAX {
            let expected = octet.is_ascii() && !matches!(octet, 0 | b'\r' | b'\n' | b':' | b'\\');
            for place in 0..40 {
                let mut octets = [b'a'; 40];
                octets[place] = octet;
                assert_eq!(is_plain(&octets), expected, "{octet} at {place}");
            }
        }
        assert!(is_plain(b""));
    }
}
