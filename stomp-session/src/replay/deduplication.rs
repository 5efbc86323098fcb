//! The ids by which a broker recognises the copies of a SEND.

use crate::model::ids::ReceiptId;

/// What the ids of a client begin with: its identity in hexadecimal digits, and a hyphen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deduplication([u8; PREFIX]);

const PREFIX: usize = 33;

/// The digits of the largest number.
const DIGITS: usize = 20;

/// An id.
pub(crate) struct DeduplicationId {
    text: [u8; PREFIX + DIGITS],
    length: usize,
}

impl Deduplication {
    pub(crate) fn new(identity: u128) -> Self {
        let (mut prefix, mut rest) = ([b'-'; PREFIX], identity);
        for digit in prefix.iter_mut().take(PREFIX - 1).rev() {
            *digit = b"0123456789abcdef".get((rest % 16) as usize).copied().unwrap_or_default();
            rest >>= 4;
        }
        Self(prefix)
    }

    /// The id of that SEND: its number follows.
    pub(crate) fn of(&self, id: ReceiptId) -> DeduplicationId {
        let mut rest = id.number();
        let length =
            PREFIX.saturating_add(1).saturating_add(rest.checked_ilog10().unwrap_or_default() as usize);
        let mut text = [0; PREFIX + DIGITS];
        text.iter_mut().zip(self.0).for_each(|(octet, prefix)| *octet = prefix);
        for digit in text.get_mut(PREFIX..length).unwrap_or_default().iter_mut().rev() {
            *digit = b'0' | (rest % 10) as u8;
            rest /= 10;
        }
        DeduplicationId { text, length }
    }
}

impl DeduplicationId {
    pub(crate) fn text(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
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
                let found = Deduplication::new(identity).of(connection.receipt(number));
                assert_eq!(found.text(), alloc::format!("{identity:032x}-{number}").as_bytes());
            }
        }
    }
}
