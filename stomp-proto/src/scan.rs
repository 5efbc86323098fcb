//! Finds lines: many octets at a time, each examined once, wherever the stream is cut.

use core::ops::ControlFlow;

use crate::{
    Version, escape,
    word::{BLOCK, has, index, marks},
};

/// A line in the buffer, without its LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Where its first ':' is, or somewhere from `end` on.
    pub(crate) colon: usize,
    /// Where its first backslash or CR is, or somewhere from `end` on.
    pub(crate) special: usize,
}

impl Line {
    pub(crate) const fn has_colon(&self) -> bool {
        self.colon < self.end
    }

    /// Whether it holds a backslash or a CR, so that it must be looked at more closely.
    pub(crate) const fn is_special(&self) -> bool {
        self.special < self.end
    }

    /// Whether each of its backslashes begins an escape that the version defines, and there is no CR.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_well_escaped(&self, data: &[u8], version: Version) -> bool {
        let mut at = self.special;
        while at < self.end {
            match data.get(at..self.end) {
                Some([b'\\', escape, ..]) if escape::is_defined(*escape, version) => {
                    at = next_special(data, at.wrapping_add(2), self.end);
                }
                _ => return false,
            }
        }
        true
    }
}

/// Where the first backslash or CR from `at` on is, or somewhere from `end` on.
fn next_special(data: &[u8], mut at: usize, end: usize) -> usize {
    while at < end {
        let fresh = data.get(at..).unwrap_or_default();
        let (specials, count) = match fresh.first_chunk::<BLOCK>() {
            Some(block) => (marks(block, SPECIAL), BLOCK),
            None => (few_marks(fresh).specials, fresh.len()),
        };
        if specials != 0 {
            return at.wrapping_add(index(specials));
        }
        at = at.wrapping_add(count);
    }
    end
}

/// Looks for the end of the line that is coming in, and remembers how far it looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    /// Where the unfinished line begins.
    pub(crate) start: usize,
    looked: usize,
    colon: usize,
    special: usize,
}

/// Beyond every line.
const NOWHERE: usize = usize::MAX;

impl Lines {
    /// Begins with the line that starts at `start`.
    pub(crate) const fn from(start: usize) -> Self {
        Self { start, looked: start, colon: NOWHERE, special: NOWHERE }
    }

    /// Calls `each` with every line whose end has arrived, until it breaks off.
    ///
    /// The inner loop keeps its whole state in registers, since a small frame spends most of its time here.
    #[inline]
    pub(crate) fn for_each<B>(
        &mut self,
        data: &[u8],
        mut each: impl FnMut(Line) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut state = *self;
        let flow = state.look(data, &mut each);
        *self = if flow.is_break() { Self::from(state.start) } else { state };
        flow
    }

    #[inline(always)]
    fn look<B>(&mut self, data: &[u8], each: &mut impl FnMut(Line) -> ControlFlow<B>) -> ControlFlow<B> {
        while let Some(fresh) = data.get(self.looked..).filter(|fresh| !fresh.is_empty()) {
            let (marks, count) = match fresh.first_chunk::<BLOCK>() {
                Some(block) => (Marks::of(block), BLOCK),
                None => (few_marks(fresh), fresh.len()),
            };
            // Nearly every block is like this, and the compiler then omits half of the work.
            if marks.specials == 0 && self.special == NOWHERE {
                self.look_at::<true, _>(marks, each)?;
            } else {
                self.look_at::<false, _>(marks, each)?;
            }
            self.looked = self.looked.wrapping_add(count);
        }
        ControlFlow::Continue(())
    }

    /// `PLAIN`: there is nothing special in the line so far, nor in the block.
    #[inline(always)]
    fn look_at<const PLAIN: bool, B>(
        &mut self,
        marks: Marks,
        each: &mut impl FnMut(Line) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let Marks { mut ends, mut colons, specials } = marks;
        if !PLAIN {
            self.special = self.special.min(self.place(specials));
        }
        while ends != 0 {
            let end = self.looked.wrapping_add(index(ends));
            // Without a colon the place is behind the block, and so behind the line.
            let colon = self.colon.min(self.looked.wrapping_add(index(colons)));
            let special = if PLAIN { NOWHERE } else { self.special };
            let line = Line { start: self.start, end, colon, special };
            let beyond = !(ends ^ ends.wrapping_sub(1));
            ends &= beyond;
            colons &= beyond;
            if special < end {
                self.special = self.place(specials & beyond);
            }
            self.start = end.wrapping_add(1);
            self.colon = NOWHERE;
            each(line)?;
        }
        self.colon = self.colon.min(self.place(colons));
        ControlFlow::Continue(())
    }

    /// Where the first mark is.
    #[inline(always)]
    const fn place(&self, marks: u64) -> usize {
        if marks == 0 { NOWHERE } else { self.looked.wrapping_add(index(marks)) }
    }

    /// The part of the line that has arrived so far.
    pub(crate) const fn unfinished(&self, data: &[u8]) -> Line {
        Line { start: self.start, end: data.len(), colon: self.colon, special: self.special }
    }

    /// How far it has looked.
    pub(crate) const fn looked(&self) -> usize {
        self.looked
    }
}

const END: [u8; 1] = [b'\n'];
const COLON: [u8; 1] = [b':'];
const SPECIAL: [u8; 2] = [b'\\', b'\r'];

/// The octets of a block that mean something.
#[derive(Clone, Copy, Default)]
struct Marks {
    ends: u64,
    colons: u64,
    specials: u64,
}

impl Marks {
    #[inline(always)]
    fn of(block: &[u8; BLOCK]) -> Self {
        let specials = if has(block, SPECIAL) { marks(block, SPECIAL) } else { 0 };
        Self { ends: marks(block, END), colons: marks(block, COLON), specials }
    }

    /// The marks of what follows an octet, with that octet.
    const fn after(self, octet: u8) -> Self {
        Self {
            ends: self.ends << BITS | (octet == b'\n') as u64,
            colons: self.colons << BITS | (octet == b':') as u64,
            specials: self.specials << BITS | matches!(octet, b'\\' | b'\r') as u64,
        }
    }
}

/// How many bits of the marks are an octet's.
const BITS: usize = u64::BITS as usize / BLOCK;

/// Up to this number of octets are examined faster one by one than as a block.
const FEW: usize = 4;

/// The marks of less than a block.
fn few_marks(octets: &[u8]) -> Marks {
    if octets.len() <= FEW {
        return octets.iter().rev().fold(Marks::default(), |marks, octet| marks.after(*octet));
    }
    let mut block = [0; BLOCK];
    if let Some(there) = block.get_mut(..octets.len()) {
        there.copy_from_slice(octets);
    }
    Marks::of(&block)
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    /// Octet by octet, as slowly as can be.
    fn naive(data: &[u8]) -> Vec<Line> {
        let mut start = 0;
        let mut lines = vec![];
        for (end, _) in data.iter().enumerate().filter(|(_, octet)| **octet == b'\n') {
            let line = &data[start..end];
            let place = |wanted: &[u8]| {
                line.iter().position(|octet| wanted.contains(octet)).map_or(NOWHERE, |at| start + at)
            };
            lines.push(Line { start, end, colon: place(&COLON), special: place(&SPECIAL) });
            start = end + 1;
        }
        lines
    }

    fn scanned(data: &[u8], step: usize) -> Vec<Line> {
        let mut lines = Lines::from(0);
        let mut found = vec![];
        for end in (0..data.len()).step_by(step).chain([data.len()]) {
            // Every other line breaks off.
            while let ControlFlow::Break(()) = lines.for_each(&data[..end], |line| {
                let place = |at| if at < line.end { at } else { NOWHERE };
                found.push(Line { colon: place(line.colon), special: place(line.special), ..line });
                if found.len() % 2 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }) {}
        }
        found
    }

    #[test]
    fn finds_what_a_slow_search_finds_at_any_cut() {
        let alphabet = b"\n:\\\r\x01\x09\x0b\x8a\xba\xdc\x8d\xff\x00aaaaaaaaaa";
        let mut state = 1_u64;
        for length in 0..400 {
            let data: Vec<u8> = (0..length)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    alphabet[(state >> 33) as usize % alphabet.len()]
                })
                .collect();
            for step in [1, 3, 7, 8, 13, 1000] {
                assert_eq!(scanned(&data, step), naive(&data), "{data:?} in steps of {step}");
            }
        }
    }

    /// What stands at the end of a line, or behind it, is not in it.
    #[test]
    fn what_is_in_a_line() {
        for (place, is_in) in [(4, true), (5, false), (6, false), (NOWHERE, false)] {
            let line = Line { start: 0, end: 5, colon: place, special: place };
            assert_eq!((line.has_colon(), line.is_special()), (is_in, is_in), "{place}");
        }
    }

    #[test]
    fn escapes_are_checked_where_they_stand() {
        for (text, in_1_1, in_1_2) in [
            (&br"a:\\b\c\n"[..], true, true),
            (br"\r", false, true),
            (br"a:b\", false, false),
            (br"a:\t", false, false),
            (b"a:\\n\rb", false, false),
        ] {
            // A line is not all that there is.
            let data = [text, br"\t"].concat();
            let special = next_special(&data, 0, text.len());
            assert_eq!(Some(special), text.iter().position(|octet| SPECIAL.contains(octet)), "{text:?}");
            let line = Line { start: 0, end: text.len(), colon: 1, special };
            assert_eq!(line.is_well_escaped(&data, Version::V1_1), in_1_1, "{text:?}");
            assert_eq!(line.is_well_escaped(&data, Version::V1_2), in_1_2, "{text:?}");
        }
    }

    #[test]
    fn what_was_looked_at_is_remembered() {
        let data = [b'a'; 100];
        let mut lines = Lines::from(3);
        for end in [3, 50, 100] {
            let _ = lines.for_each::<()>(&data[..end], |line| panic!("{line:?}"));
            assert_eq!(lines.looked(), end);
        }
    }
}
