//! SHA-1 (RFC 3174), by which a server proves that it has understood the handshake. It protects nothing here.

/// The digest of a text that is shorter than 2^61 octets.
pub(super) fn sha1(text: &[u8]) -> [u8; 20] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let bits = (text.len() as u64).wrapping_mul(8);
    let mut padded = text.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&bits.to_be_bytes());
    padded.chunks_exact(64).for_each(|block| add(&mut state, block));
    let mut digest = [0; 20];
    for (octets, word) in digest.chunks_exact_mut(4).zip(state) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// RFC 3174, section 6.1.
fn add(state: &mut [u32; 5], block: &[u8]) {
    let words = block
        .chunks_exact(4)
        .map(|octets| octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet)));
    let mut window = [0_u32; 16];
    window.iter_mut().zip(words).for_each(|(slot, word)| *slot = word);
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for round in 0..80 {
        let word = window[0];
        // W(t) = S^1(W(t-3) XOR W(t-8) XOR W(t-14) XOR W(t-16)), sixteen rounds ahead.
        let next = (window[13] ^ window[8] ^ window[2] ^ window[0]).rotate_left(1);
        window.rotate_left(1);
        window[15] = next;
        let (mixed, constant) = match round {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999_u32),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let sum =
            a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(word).wrapping_add(constant);
        (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
    }
    for (word, added) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(added);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3174, section 7.3, and the lengths at which the padding changes.
    #[test]
    fn digests_of_the_specification() {
        let rows: [(&[u8], &str); 4] = [
            (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (&[b'a'; 1_000_000], "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ];
        for (text, expected) in rows {
            let digest: String = sha1(text).iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(digest, expected);
        }
    }
}
