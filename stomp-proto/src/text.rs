//! One header name or value: the octets as they were received, unescaped on access.

use alloc::{borrow::Cow, string::String};
use core::fmt;

use crate::escape::{unescape, unescaped};

/// A header name or value, borrowed from its frame.
///
/// Escapes are undone on access, which allocates only if there are any.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    octets: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    pub(crate) const fn new(octets: &'a [u8], escaped: bool) -> Self {
        Self { octets, escaped }
    }

    /// Returns the octets, with escapes undone.
    #[must_use]
    #[inline]
    pub fn octets(self) -> Cow<'a, [u8]> {
        if self.escaped { unescape(self.octets) } else { Cow::Borrowed(self.octets) }
    }

    /// Returns the text, with escapes undone.
    ///
    /// # Errors
    /// Returns [`NotUtf8`] if the octets are not UTF-8.
    ///
    /// The specification requires headers to be UTF-8 (STOMP 1.1 and 1.2, "Value Encoding"), but brokers relay whatever
    /// a publisher sent. If the parser refused such a frame, every consumer would fail, again after each reconnect. The
    /// interop profile therefore accepts the frame, and only this method fails.
    pub fn text(self) -> Result<Cow<'a, str>, NotUtf8> {
        match self.octets() {
            Cow::Borrowed(octets) => core::str::from_utf8(octets).map(Cow::Borrowed).map_err(|_| NotUtf8),
            Cow::Owned(octets) => String::from_utf8(octets).map(Cow::Owned).map_err(|_| NotUtf8),
        }
    }

    /// Returns the number that the text represents, or `None` if it is not a number.
    ///
    /// The text must consist of ASCII digits only, without a sign or white space, and the number must fit a `u64`.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        parse_number(self.octets)
    }

    /// Returns the same as [`number`](Self::number), but ignores spaces and tabs around the number. The examples in the
    /// specification of STOMP 1.0 contain some.
    #[must_use]
    pub fn padded_number(self) -> Option<u64> {
        parse_padded_number(self.octets)
    }
}

impl Text<'_> {
    /// Whether both are the same text, with escapes undone.
    #[cold]
    fn means(self, other: Self) -> bool {
        match (self.escaped, other.escaped) {
            (true, true) => unescaped(self.octets).eq(unescaped(other.octets)),
            (true, false) => unescaped(self.octets).eq(other.octets.iter().copied()),
            (false, _) => unescaped(other.octets).eq(self.octets.iter().copied()),
        }
    }
}

/// `1*DIGIT` as a number. Written out because `str::parse` takes a sign.
pub(crate) fn parse_number(octets: &[u8]) -> Option<u64> {
    if octets.is_empty() {
        return None;
    }
    octets.iter().try_fold(0_u64, |number, &octet| {
        let digit = octet.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// As [`parse_number`], ignoring spaces and tabs around the number.
pub(crate) fn parse_padded_number(octets: &[u8]) -> Option<u64> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let start = octets.iter().position(|octet| !is_blank(octet))?;
    let end = octets.iter().rposition(|octet| !is_blank(octet))?;
    parse_number(octets.get(start..=end)?)
}

/// An error returned by [`Text::text`] if a header is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header is not UTF-8")]
pub struct NotUtf8;

impl PartialEq<str> for Text<'_> {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        *self == Text::new(other.as_bytes(), false)
    }
}

impl PartialEq<&str> for Text<'_> {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

/// Compares the unescaped octets, without an allocation.
impl PartialEq for Text<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        if self.escaped || other.escaped { self.means(*other) } else { self.octets == other.octets }
    }
}

impl Eq for Text<'_> {}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Writes the text for logs. Everything that is not printable is escaped, so that a peer cannot send control characters
/// to a terminal.
impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.octets().utf8_chunks() {
            write!(f, "{}", chunk.valid().escape_debug())?;
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_they_stand_for_is_equal() {
        let plain = Text::new(b"a:b", false);
        for (octets, escaped, equal) in [
            (&b"a\\cb"[..], true, true),
            (b"a\\cb", false, false),
            (b"a:b", true, true),
            (b"a:b", false, true),
            (b"a\\cbc", true, false),
            (b"a\\c", true, false),
        ] {
            let other = Text::new(octets, escaped);
            assert_eq!((other == plain, plain == other, other == "a:b"), (equal, equal, equal), "{other:?}");
        }
        assert!(Text::new(b"a\\cb", true) == Text::new(b"a:b", true));
        assert!(Text::new(b"a\\\\cb", true) != Text::new(b"a\\cb", true));
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(parse_number(b"0042"), Some(42));
        assert_eq!(parse_number(b"18446744073709551615"), Some(u64::MAX));
        for bad in
            [&b""[..], b"+5", b"-1", b" 5", b"5 ", b"5:", b":", b"/", b"18446744073709551616", "٥".as_bytes()]
        {
            assert_eq!(parse_number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn blanks_around_a_number_are_passed_over_where_that_is_asked_for() {
        for good in [&b"5"[..], b" 5", b"5 ", b"\t 5 \t"] {
            assert_eq!(Text::new(good, false).padded_number(), Some(5), "{good:?}");
        }
        for bad in [&b""[..], b" ", b"5 5", b"\n5", b"5\r", b"+5"] {
            assert_eq!(Text::new(bad, false).padded_number(), None, "{bad:?}");
        }
    }
}
