//! Header escaping: the escapes of each version, checked once when a frame is read and undone on access.

use alloc::{borrow::Cow, vec::Vec};

use bytes::BytesMut;
use memchr::{memchr, memchr3};

use crate::Version;

/// What the octet after a backslash stands for, in any version. 1.1 defines `\\ \c \n`, and 1.2 adds `\r`.
const fn meaning(escape: u8) -> Option<u8> {
    match escape {
        b'\\' => Some(b'\\'),
        b'c' => Some(b':'),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        _ => None,
    }
}

/// The escape that stands for an octet, where the octet needs one.
const fn escape_of(octet: u8) -> Option<u8> {
    match octet {
        b'\\' => Some(b'\\'),
        b':' => Some(b'c'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

/// Whether the version defines the escape of a backslash and this octet.
pub(crate) const fn is_defined(escape: u8, version: Version) -> bool {
    match escape {
        b'r' => matches!(version, Version::V1_2),
        _ => meaning(escape).is_some(),
    }
}

/// Whether each backslash in `octets` begins an escape that the version defines. Undefined ones are fatal (STOMP 1.1
/// and 1.2: "Undefined escape sequences such as \t MUST be treated as a fatal protocol error").
pub(crate) fn is_well_escaped(octets: &[u8], version: Version) -> bool {
    let mut rest = octets;
    while let Some((_, after)) =
        memchr(b'\\', rest).and_then(|at| rest.split_at_checked(at.saturating_add(1)))
    {
        match after.split_first() {
            Some((&escape, tail)) if is_defined(escape, version) => rest = tail,
            _ => return false,
        }
    }
    true
}

/// Undoes the escapes, once and from left to right. An undefined escape stays as it is: the parser refuses it where the
/// version is known, and an ERROR that comes before CONNECTED must stay readable.
pub(crate) fn unescape(octets: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', octets).is_none() {
        return Cow::Borrowed(octets);
    }
    let mut plain = Vec::with_capacity(octets.len());
    plain.extend(unescaped(octets));
    Cow::Owned(plain)
}

/// As [`unescape`], octet by octet and without an allocation.
pub(crate) fn unescaped(octets: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = octets;
    core::iter::from_fn(move || {
        let (&octet, tail) = rest.split_first()?;
        let meant = tail.first().and_then(|&next| meaning(next)).filter(|_| octet == b'\\');
        rest = tail.get(usize::from(meant.is_some())..).unwrap_or_default();
        Some(meant.unwrap_or(octet))
    })
}

/// Appends `octets`, escaped for 1.1 and 1.2.
pub(crate) fn escape_into(octets: &[u8], out: &mut BytesMut) {
    let mut rest = octets;
    while let Some(at) = next_to_escape(rest) {
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((&octet, tail)) = tail.split_first() else { return };
        out.extend_from_slice(&[b'\\', escape_of(octet).unwrap_or(octet)]);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

fn next_to_escape(octets: &[u8]) -> Option<usize> {
    let found = memchr3(b'\\', b':', b'\n', octets);
    let before = found.map_or(octets, |at| octets.get(..at).unwrap_or(octets));
    memchr(b'\r', before).or(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_by_version() {
        let rows: [(&[u8], bool, bool); 7] = [
            (br"plain", true, true),
            (br"a\\b\cd\ne", true, true),
            (br"a\rb", false, true),
            (br"a\tb", false, false),
            (br"a\", false, false),
            (br"a\\\", false, false),
            (br"\\n", true, true),
        ];
        for (octets, in_1_1, in_1_2) in rows {
            assert_eq!(is_well_escaped(octets, Version::V1_1), in_1_1, "{octets:?}");
            assert_eq!(is_well_escaped(octets, Version::V1_2), in_1_2, "{octets:?}");
        }
    }

    #[test]
    fn unescape_is_one_pass() {
        assert_eq!(&*unescape(br"a\\nb"), br"a\nb");
        assert_eq!(&*unescape(br"\c\n\r\\"), b":\n\r\\");
        assert_eq!(&*unescape(br"a\tb\"), br"a\tb\", "an undefined escape is kept");
    }

    #[test]
    fn escape_is_the_inverse_of_unescape() {
        for plain in [&b"a:b\r\n\\c"[..], b"\r", b"", b"::", b"plain"] {
            let mut out = BytesMut::new();
            escape_into(plain, &mut out);
            assert!(is_well_escaped(&out, Version::V1_2));
            assert_eq!(&*unescape(&out), plain);
        }
    }
}
