//! The key of a handshake, and the answer to it (RFC 6455, section 4.2.2).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha1::{Digest as _, Sha1};

/// Appended to the key. RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Key` for these octets, which are new each time.
pub(super) fn key(nonce: &[u8; 16]) -> String {
    BASE64_STANDARD.encode(nonce)
}

/// The value of `Sec-WebSocket-Accept` that proves that a server has understood.
pub(super) fn accept(key: &str) -> String {
    BASE64_STANDARD.encode(Sha1::digest(format!("{key}{GUID}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key(b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
    }
}
