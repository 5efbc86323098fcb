//! One direction of a connection: octets on their way, in order and late, until it ends or breaks.

use std::{collections::VecDeque, task::Waker};

use bytes::{Buf as _, Bytes};
use stomp_session::Timestamp;

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a stream ends in one of two ways")]
pub enum Ending {
    /// The end of the stream, in good order.
    Eof,
    /// A reset: reading and writing fail.
    Reset,
}

/// What a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Octets,
    End(Ending),
}

#[derive(Debug)]
pub(super) struct Pipe {
    chunks: VecDeque<(Timestamp, Bytes)>,
    held: usize,
    capacity: usize,
    /// The latest arrival: nothing overtakes.
    last: Timestamp,
    end: Option<(Timestamp, Ending)>,
    /// From then on the writer knows that nobody reads any more.
    unread: Option<Timestamp>,
    /// Octets that have been written, ever.
    passed: u64,
    /// After that number of octets it ends like that.
    cut: Option<(u64, Ending)>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// Polls in a row that were Pending for no reason.
    pub(super) spurious: u8,
}

impl Pipe {
    pub(super) const fn new(capacity: usize, cut: Option<(u64, Ending)>) -> Self {
        Self {
            chunks: VecDeque::new(),
            held: 0,
            capacity,
            last: Timestamp::ZERO,
            end: None,
            unread: None,
            passed: 0,
            cut,
            reader: None,
            writer: None,
            spurious: 0,
        }
    }

    pub(super) const fn room(&self) -> usize {
        self.capacity.saturating_sub(self.held)
    }

    /// Whether a writer is told that it failed.
    pub(super) fn refuses(&self, now: Timestamp) -> bool {
        self.unread.is_some_and(|known| known <= now) || self.end.is_some()
    }

    /// Takes octets, of which there is room for all. What lies behind a cut is lost; whether the cut was reached.
    pub(super) fn write(&mut self, octets: &[u8], arrives: Timestamp) -> Option<Ending> {
        let left = self.cut.map_or(u64::MAX, |(at, _)| at.saturating_sub(self.passed));
        let kept = usize::try_from(left).unwrap_or(usize::MAX).min(octets.len());
        self.last = self.last.max(arrives);
        let kept = octets.get(..kept).unwrap_or_default();
        self.held += kept.len();
        if !kept.is_empty() && self.unread.is_none() {
            self.chunks.push_back((self.last, Bytes::copy_from_slice(kept)));
        }
        self.passed += octets.len() as u64;
        let (_, ending) = self.cut.filter(|(at, _)| self.passed >= *at)?;
        Some(ending)
    }

    /// Ends the direction behind what is on its way.
    pub(super) fn end(&mut self, ending: Ending, arrives: Timestamp) {
        self.last = self.last.max(arrives);
        self.end.get_or_insert((self.last, ending));
    }

    /// When the last of what was written arrives.
    pub(super) const fn last(&self) -> Timestamp {
        self.last
    }

    /// Breaks it: what is on its way is lost.
    pub(super) fn reset(&mut self) {
        self.chunks.clear();
        self.held = 0;
        self.end = Some((Timestamp::ZERO, Ending::Reset));
    }

    /// The reader is gone, and the writer will know. Until then it fills what room there is.
    pub(super) fn abandon(&mut self, known: Timestamp) {
        self.chunks.clear();
        self.unread = Some(known);
    }

    /// When the writer will know that nobody reads any more.
    pub(super) fn refusal(&self, now: Timestamp) -> Option<Timestamp> {
        self.unread.filter(|known| *known > now)
    }

    pub(super) fn find(&self, now: Timestamp) -> Found {
        match (self.chunks.front(), self.end) {
            (Some((arrives, _)), _) if *arrives <= now => Found::Octets,
            (None, Some((arrives, ending))) if arrives <= now => Found::End(ending),
            _ => Found::Nothing,
        }
    }

    /// Takes at most that number of the octets that have arrived.
    pub(super) fn read(&mut self, most: usize, now: Timestamp) -> Bytes {
        let Some((_, chunk)) = self.chunks.front_mut().filter(|(arrives, _)| *arrives <= now) else {
            return Bytes::new();
        };
        let octets = chunk.copy_to_bytes(most.min(chunk.len()));
        if chunk.is_empty() {
            self.chunks.pop_front();
        }
        self.held -= octets.len();
        octets
    }

    /// When something arrives that is still on its way.
    pub(super) fn arrival(&self, now: Timestamp) -> Option<Timestamp> {
        let next =
            self.chunks.front().map(|(arrives, _)| *arrives).or_else(|| self.end.map(|(arrives, _)| arrives));
        next.filter(|arrives| *arrives > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn at(micros: u64) -> Timestamp {
        Timestamp::from_start(Duration::from_micros(micros))
    }

    #[test]
    fn octets_arrive_late_in_order_and_before_the_end() {
        let mut pipe = Pipe::new(8, None);
        assert_eq!(pipe.write(b"hello", at(5)), None);
        pipe.write(b"you", at(2));
        pipe.end(Ending::Eof, at(3));
        assert_eq!((pipe.room(), pipe.find(at(4)), pipe.arrival(at(4))), (0, Found::Nothing, Some(at(5))));
        assert_eq!(pipe.read(3, at(5)), "hel");
        assert_eq!(pipe.read(9, at(5)), "lo");
        assert_eq!((pipe.read(9, at(5)), pipe.room()), ("you".into(), 8));
        assert_eq!(pipe.find(at(5)), Found::End(Ending::Eof));
    }

    #[test]
    fn a_cut_keeps_what_came_before_it() {
        let mut pipe = Pipe::new(8, Some((4, Ending::Reset)));
        assert_eq!(pipe.write(b"abc", at(0)), None);
        assert_eq!(pipe.write(b"def", at(0)), Some(Ending::Reset));
        assert_eq!((pipe.read(9, at(0)), pipe.read(9, at(0))), ("abc".into(), "d".into()));
    }
}
