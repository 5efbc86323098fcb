//! Lines: where one ends, and whether one is too long or contains a stray CR.

use memchr::memchr;

use crate::Version;

/// What ends a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eol {
    /// A CR before the LF belongs to the end. Without it the CR is data (1.0 and 1.1, strict).
    pub(crate) crlf: bool,
    /// A CR anywhere else is fatal (1.2: CR must be escaped in headers).
    pub(crate) stray_cr_is_fatal: bool,
}

impl Eol {
    pub(crate) fn of(version: Option<Version>, strict: bool) -> Self {
        let is_1_2 = version == Some(Version::V1_2);
        Self { crlf: is_1_2 || version.is_none() || !strict, stray_cr_is_fatal: is_1_2 }
    }
}

/// How long a line may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Octets without the end of line.
    pub(crate) line: usize,
    /// Octets that the header block has left, the end of line included.
    pub(crate) block: usize,
}

/// Why a line cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    StrayCr,
    TooLong,
    BlockTooLarge,
}

/// The length of the content of `line`, which is what precedes its LF or, if `complete` is false, what has arrived so
/// far. The first `looked` octets were found without fault before.
///
/// Of several faults the one whose octet came first is reported, so that the result does not depend on how the stream
/// was cut.
pub(crate) fn content_length(
    line: &[u8],
    looked: usize,
    complete: bool,
    eol: Eol,
    room: Room,
) -> Result<usize, Fault> {
    let content = match line.strip_suffix(b"\r") {
        Some(content) if eol.crlf => content,
        _ => line,
    };
    // A CR that was the last octet to come may have been half an end of line.
    let sure = looked.saturating_sub(1);
    let fresh = content.get(sure..).filter(|_| eol.stray_cr_is_fatal).unwrap_or_default();
    let stray = memchr(b'\r', fresh).map(|at| at.saturating_add(sure));
    let end = line.len().saturating_add(usize::from(complete));
    let faults = [
        (stray.map(|at| at.saturating_add(1)), Fault::StrayCr),
        ((content.len() > room.line).then_some(room.line), Fault::TooLong),
        ((end > room.block).then_some(room.block), Fault::BlockTooLarge),
    ];
    match faults.into_iter().filter_map(|(at, fault)| at.map(|at| (at, fault))).min_by_key(|(at, _)| *at) {
        Some((_, fault)) => Err(fault),
        None => Ok(content.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_counts() {
        let strict = Eol::of(Some(Version::V1_2), true);
        let room = Room { line: 8, block: 12 };
        let rows: [(&[u8], bool, Result<usize, Fault>); 7] = [
            (b"abc:defg", true, Ok(8)),
            (b"abc:defg\r", true, Ok(8)),
            (b"abc:defg\r", false, Ok(8)),
            (b"abc:defgh", false, Err(Fault::TooLong)),
            (b"abc\rdefghijk", true, Err(Fault::StrayCr)),
            (b"abc:defghi\rk", true, Err(Fault::TooLong)),
            (b"a\r\r", true, Err(Fault::StrayCr)),
        ];
        for (line, complete, expected) in rows {
            for looked in 0..line.len() {
                let before = content_length(&line[..looked], 0, false, strict, room);
                let after = content_length(line, looked, complete, strict, room);
                assert_eq!(before.and(after), expected, "{line:?} after {looked}");
            }
        }
        let block = Room { line: 8, block: 4 };
        assert_eq!(content_length(b"abc", 0, true, strict, block), Ok(3));
        assert_eq!(content_length(b"abcd", 0, false, strict, block), Ok(4));
        assert_eq!(content_length(b"abcd", 0, true, strict, block), Err(Fault::BlockTooLarge));
    }
}
