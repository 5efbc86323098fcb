//! The id by which a broker recognises the copies of a SEND.

use crate::model::ids::ReceiptId;

/// The identity of the client in hexadecimal digits, a hyphen, and the number of the SEND.
pub(crate) struct Deduplication {
    text: [u8; LENGTH],
    start: usize,
}

/// With 20 digits of the number.
const LENGTH: usize = DIGITS + 1 + 20;

/// Those of an identity.
const DIGITS: usize = 32;

impl Deduplication {
    pub(crate) fn of(identity: u128, id: ReceiptId) -> Self {
        let mut text = [0; LENGTH];
        let (mut rest, mut start) = (id.number(), LENGTH);
        for digit in text.iter_mut().rev() {
            (*digit, rest, start) = (b'0' | (rest % 10) as u8, rest / 10, start.saturating_sub(1));
            if rest == 0 {
                break;
            }
        }
        start = start.saturating_sub(1);
        text.iter_mut().skip(start).take(1).for_each(|hyphen| *hyphen = b'-');
        let mut rest = identity;
        for digit in text.iter_mut().take(start).rev().take(DIGITS) {
            *digit = b"0123456789abcdef".get((rest % 16) as usize).copied().unwrap_or_default();
            rest >>= 4;
        }
        Self { text, start: start.saturating_sub(DIGITS) }
    }

    pub(crate) fn text(&self) -> &[u8] {
        self.text.get(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{ConnectionId, Number};

    #[test]
    fn it_is_what_formatting_says() {
        let connection = ConnectionId(Number::default());
        for number in [0, 1, 9, 10, 12_345, u64::MAX] {
            for identity in [0, 1, 0xfeed_beef, u128::MAX, u128::MAX << 64] {
                let found = Deduplication::of(identity, connection.receipt(number));
                assert_eq!(found.text(), alloc::format!("{identity:032x}-{number}").as_bytes());
            }
        }
    }
}
