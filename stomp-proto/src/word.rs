//! Examines several octets at once, in safe Rust: sixty-four with the feature `simd`, otherwise eight.

mod swar;
#[cfg(feature = "simd")]
mod wide;

use swar::{BLOCK as EIGHT, Word};

#[cfg(not(feature = "simd"))]
pub(crate) use swar::{BLOCK, has, index, marks};
#[cfg(feature = "simd")]
pub(crate) use wide::{BLOCK, has, index, marks};

/// Octets that some version escapes or cannot write.
const SPECIAL: [u8; 5] = [0, b'\r', b'\n', b':', b'\\'];

/// Whether octets are written unchanged in every version, which holds if they are ASCII and none is special.
///
/// Header fields are short, so eight octets are examined at a time, the last eight overlapping those before.
#[inline]
pub(crate) fn is_plain(octets: &[u8]) -> bool {
    let Some(last) = octets.last_chunk::<EIGHT>() else {
        return octets.iter().all(|octet| octet.is_ascii() && !SPECIAL.contains(octet));
    };
    let special = |octets: [u8; EIGHT]| {
        let word = Word::of(octets);
        word.any_of(SPECIAL) | word.not_ascii()
    };
    let (words, _) = octets.as_chunks::<EIGHT>();
    words.iter().fold(special(*last), |marks, word| marks | special(*word)) == 0
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
