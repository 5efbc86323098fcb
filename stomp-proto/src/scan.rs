//! Finding lines: several octets at a time, each looked at once, whatever the stream's cut.

use core::ops::ControlFlow;

use crate::word::{LANES, Word, index, padded};

/// A line in the buffer, without its LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether it holds a backslash or a CR, so that it must be looked at more closely.
    pub(crate) special: bool,
    /// How much of it had come before, in octets.
    pub(crate) looked: usize,
}

/// Looks for the end of the line that is coming in, and remembers how far it looked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    /// Where the unfinished line begins.
    pub(crate) start: usize,
    looked: usize,
    /// Not zero when the line holds a backslash or a CR.
    specials: u64,
}

impl Lines {
    /// With the line that begins at `start`.
    pub(crate) const fn from(start: usize) -> Self {
        Self { start, looked: start, specials: 0 }
    }

    /// Hands each line whose end has come to `each`, until that breaks off.
    ///
    /// All that the inner loop knows stands in registers: this is where the time of a small frame goes.
    #[inline]
    pub(crate) fn for_each<B>(
        &mut self,
        data: &[u8],
        mut each: impl FnMut(Line) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut state = *self;
        let flow = state.look(data, self.looked, &mut each);
        *self = match flow {
            ControlFlow::Continue(()) => Self { looked: self.looked.max(data.len()), ..state },
            ControlFlow::Break(_) => Self::from(state.start),
        };
        flow
    }

    #[inline(always)]
    fn look<B>(
        &mut self,
        data: &[u8],
        before: usize,
        each: &mut impl FnMut(Line) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let (words, rest) = data.get(before..).unwrap_or_default().as_chunks::<LANES>();
        for word in words {
            self.look_at(*word, before, each)?;
        }
        if rest.is_empty() { ControlFlow::Continue(()) } else { self.look_at(padded(rest), before, each) }
    }

    #[inline(always)]
    fn look_at<B>(
        &mut self,
        word: [u8; LANES],
        before: usize,
        each: &mut impl FnMut(Line) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let word = Word::of(word);
        let mut specials = word.any_of([b'\\', b'\r']);
        let mut ends = word.any_of([b'\n']);
        while ends != 0 {
            let end = ends & ends.wrapping_neg();
            self.specials |= specials & end.wrapping_sub(1);
            let line = self.line(self.looked.wrapping_add(index(end)), before);
            ends ^= end;
            specials &= !end.wrapping_sub(1);
            self.start = line.end.wrapping_add(1);
            self.specials = 0;
            each(line)?;
        }
        self.specials |= specials;
        self.looked = self.looked.wrapping_add(LANES);
        ControlFlow::Continue(())
    }

    /// What has come of the line so far. The first `before` octets of the buffer had been looked at before.
    pub(crate) fn unfinished(&self, data: &[u8], before: usize) -> Line {
        self.line(data.len(), before)
    }

    /// How far it has looked.
    pub(crate) const fn looked(&self) -> usize {
        self.looked
    }

    #[inline(always)]
    const fn line(&self, end: usize, before: usize) -> Line {
        let looked = before.saturating_sub(self.start);
        Line { start: self.start, end, special: self.specials != 0, looked }
    }
}

/// Where in a line its first ':' stands. Words are taken beyond the line's end where there is something: to fill one up
/// octet by octet costs more than to look at what is not asked for.
#[inline]
pub(crate) fn find_colon(data: &[u8], line: Line) -> Option<usize> {
    let mut at = line.start;
    while at < line.end {
        let fresh = data.get(at..)?;
        let word = fresh.first_chunk::<LANES>().copied().unwrap_or_else(|| padded(fresh));
        let colons = Word::of(word).any_of([b':']);
        if colons != 0 {
            let colon = at.wrapping_add(index(colons));
            return (colon < line.end).then(|| colon.wrapping_sub(line.start));
        }
        at = at.wrapping_add(LANES);
    }
    None
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
            let colon = line.iter().position(|octet| *octet == b':');
            let special = line.iter().any(|octet| matches!(octet, b'\\' | b'\r'));
            let line = Line { start, end, special, looked: 0 };
            assert_eq!(find_colon(data, line), colon, "{data:?} {line:?}");
            lines.push(line);
            start = end + 1;
        }
        lines
    }

    fn scanned(data: &[u8], step: usize) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut found = vec![];
        for end in (0..data.len()).step_by(step).chain([data.len()]) {
            // Every other line breaks off.
            while let ControlFlow::Break(()) = lines.for_each(&data[..end], |line| {
                found.push(Line { looked: 0, ..line });
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
}
