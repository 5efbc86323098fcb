//! The masks of what a client sends (RFC 6455, section 10.3): nobody on the way can tell the next one.

use sha1::{Digest as _, Sha1};

/// A sequence of masks from octets of the operating system.
#[derive(Clone)]
pub(super) struct Masks {
    seed: [u8; 16],
    drawn: u64,
    ready: Vec<[u8; 4]>,
}

impl Masks {
    pub(super) const fn new(seed: [u8; 16]) -> Self {
        Self { seed, drawn: 0, ready: Vec::new() }
    }

    pub(super) fn draw(&mut self) -> [u8; 4] {
        if self.ready.is_empty() {
            self.drawn = self.drawn.wrapping_add(1);
            let digest =
                Sha1::new().chain_update(self.seed).chain_update(self.drawn.to_be_bytes()).finalize();
            self.ready.extend(digest.chunks_exact(4).filter_map(|octets| <[u8; 4]>::try_from(octets).ok()));
        }
        self.ready.pop().unwrap_or_default()
    }
}

/// Masks octets, or takes the mask off again, if the first of them is the first of a frame.
pub(super) fn apply(mask: [u8; 4], octets: &mut [u8]) {
    let mut words = octets.chunks_exact_mut(8);
    let [a, b, c, d] = mask;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    for word in &mut words {
        if let Ok(octets) = <[u8; 8]>::try_from(&*word) {
            word.copy_from_slice(&(u64::from_ne_bytes(octets) ^ twice).to_ne_bytes());
        }
    }
    words.into_remainder().iter_mut().zip(mask.iter().cycle()).for_each(|(octet, mask)| *octet ^= mask);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_masked_in_turn() {
        let text: Vec<u8> = (0..37).collect();
        for length in 0..text.len() {
            let mut octets = text[..length].to_vec();
            apply([1, 2, 3, 4], &mut octets);
            let expected: Vec<u8> =
                text[..length].iter().zip([1, 2, 3, 4].iter().cycle()).map(|(a, b)| a ^ b).collect();
            assert_eq!(octets, expected);
        }
    }

    #[test]
    fn no_two_masks_are_alike() {
        let draw = |seed| {
            let mut masks = Masks::new([seed; 16]);
            std::array::from_fn::<_, 12, _>(|_| masks.draw())
        };
        let drawn: std::collections::BTreeSet<_> = draw(1).into_iter().chain(draw(2)).collect();
        assert_eq!(drawn.len(), 24);
    }
}
