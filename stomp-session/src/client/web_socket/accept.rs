//! The key of a handshake, and the answer to it (RFC 6455, section 4.2.2).

use super::sha1::sha1;

/// Appended to the key. RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Key` for these octets, which are new each time.
pub(super) fn key(nonce: &[u8; 16]) -> String {
    base64(nonce)
}

/// The value of `Sec-WebSocket-Accept` that proves that a server has understood.
pub(super) fn accept(key: &str) -> String {
    base64(&sha1(format!("{key}{GUID}").as_bytes()))
}

/// RFC 4648, section 4.
fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let bits =
            (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or_default()));
        for digit in 0..4_usize {
            let value = bits >> (18_usize.saturating_sub(digit.saturating_mul(6))) & 63;
            let letter = DIGITS.get(value as usize).copied().unwrap_or_default();
            text.push(if digit > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key(b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
    }

    /// RFC 4648, section 10.
    #[test]
    fn base64_of_the_specification() {
        let rows = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, expected) in rows {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
