//! When a frame is to blame for connections that ended while it was alone on them.

use alloc::boxed::Box;
use core::time::Duration;

use crate::model::{endpoint::Endpoint, time::Timestamp};

/// Connections that ended while a frame was alone on them: each a strike, if they are apart in time.
#[derive(Clone, Debug)]
pub(crate) struct Strikes {
    silent: Counter,
    worded: Counter,
    /// The broker of the first one that was silent.
    broker: Option<Box<Endpoint>>,
    /// One of them was at another.
    elsewhere: bool,
    /// Which [silence](super::suspects::Clock::silences) they belong to.
    silence: u32,
    /// Whether an even number of connections was closed in silence, strikes or not.
    is_even: bool,
}

/// What follows from a connection that was closed in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// It is to blame.
    Blamed,
    /// It is tried again in its turn, or, with `first`, before the others: the next broker is another one, and where two
    /// suspects took turns with two brokers, each would only ever meet the same one.
    Again { first: bool },
}

/// Where and when a connection was closed in silence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Close<'a> {
    pub(crate) broker: &'a Endpoint,
    /// Whether a connection to another broker of the list has stood lately.
    pub(crate) others: bool,
    pub(crate) now: Timestamp,
}

/// Strikes of one kind, and the last one that counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    count: u32,
    last: Timestamp,
}

impl Counter {
    fn add(&mut self, apart: Duration, now: Timestamp) {
        if self.count == 0 || now.since(self.last) >= apart {
            (self.count, self.last) = (self.count.saturating_add(1), now);
        }
    }
}

impl Default for Strikes {
    fn default() -> Self {
        let (silent, worded) = (Counter::default(), Counter::default());
        Self { silent, worded, broker: None, elsewhere: false, silence: 0, is_even: true }
    }
}

impl Strikes {
    /// The least time between two that count, where an ERROR came in words that are not known.
    const WORDED: Duration = Duration::from_secs(5);

    /// As many silent ones blame the frame. With the times between them that takes longer than a minute, since elections
    /// take up to half a minute, and a cluster that is restarted node by node has several of them.
    const ENOUGH: u32 = 6;

    /// Counts a connection that was closed in silence. Returns whether that is enough to blame the frame: it is at the
    /// sixth, if they were at more than one broker or there is no other. Once the silences have begun anew, so do these.
    pub(crate) fn add_silent(&mut self, close: Close<'_>, silence: u32) -> Sentence {
        if self.silence != silence {
            self.forgive();
            self.silence = silence;
        }
        let first = self.broker.get_or_insert_with(|| Box::new(close.broker.clone()));
        self.elsewhere |= **first != *close.broker;
        let doublings = self.silent.count.saturating_sub(1).min(5);
        // 2 s doubling to 60 s.
        let apart = Duration::from_secs(2_u64.saturating_mul(1 << doublings).min(60));
        self.silent.add(apart, close.now);
        self.is_even = !self.is_even;
        match self.silent.count >= Self::ENOUGH && (self.elsewhere || !close.others) {
            true => Sentence::Blamed,
            false => Sentence::Again { first: !self.is_even },
        }
    }

    /// Counts an ERROR that names no frame. Returns when the frame may be tried again, or `None` if that is enough to
    /// blame it: it is at the second.
    pub(crate) fn add_worded(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.worded.add(Self::WORDED, now);
        (self.worded.count < 2).then(|| self.worded.last.after(Self::WORDED))
    }

    /// Forgets the connections that were closed in silence. Returns whether there were any.
    pub(crate) fn forgive(&mut self) -> bool {
        (self.broker, self.elsewhere, self.is_even) = (None, false, true);
        core::mem::take(&mut self.silent).count > 0
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::{
        super::suspects::{Clock, Wait, Waiting},
        *,
    };

    const fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_start(Duration::from_millis(milliseconds))
    }

    fn broker(number: u16) -> Endpoint {
        Endpoint::plain("h", number)
    }

    fn close(at: &Endpoint, others: bool, now: u64) -> Close<'_> {
        Close { broker: at, others, now: Timestamp::from_start(Duration::from_secs(now)) }
    }

    /// The seconds at which the clock lets a suspect be tried.
    fn ticks(until: u64) -> Vec<u64> {
        let mut clock = Clock::default();
        let ticks = core::iter::from_fn(|| {
            let now = clock.next(true);
            clock.count(true, now);
            Some(now.since_start().as_secs())
        });
        ticks.take_while(|tick| *tick < until).collect()
    }

    /// The seconds of those that count, until the frame is blamed.
    fn strikes(brokers: &[u16], others: bool, ticks: &[u64]) -> Option<u64> {
        let mut strikes = Strikes::default();
        let mut turn = brokers.iter().cycle();
        ticks.iter().copied().find(|tick| {
            let broker = broker(*turn.next().unwrap_or(&1));
            strikes.add_silent(close(&broker, others, *tick), 1) == Sentence::Blamed
        })
    }

    #[test]
    fn strikes_of_one_moment_are_one_and_six_take_a_minute() {
        assert_eq!(strikes(&[1, 2], true, &[0; 100]), None);
        assert_eq!(strikes(&[1, 2], true, &[0, 1, 2, 3, 6, 14, 30, 61, 62]), Some(62));
        assert_eq!(strikes(&[1], false, &[0, 2, 6, 14, 30, 62]), Some(62));
        let ticks = &ticks(3600);
        assert_eq!(strikes(&[1, 2, 3], true, ticks), Some(74));
    }

    #[test]
    fn another_broker_is_asked_where_one_has_stood() {
        let ticks = &ticks(6 * 3600);
        assert_eq!(strikes(&[1], true, ticks), None, "however long");
        let mut only = vec![1; 9];
        only.push(2);
        assert_eq!(strikes(&only, true, ticks), Some(74));
    }

    #[test]
    fn a_new_silence_begins_with_no_strikes() {
        let mut strikes = Strikes::default();
        for (second, first) in [(0, true), (2, false), (6, true), (14, false), (30, true)] {
            let sentence = strikes.add_silent(close(&broker(1), false, second), 1);
            assert_eq!(sentence, Sentence::Again { first });
        }
        let sentence = strikes.add_silent(close(&broker(1), false, 100), 2);
        assert_eq!((sentence, strikes.silent.count), (Sentence::Again { first: true }, 1));
    }

    /// Two brokers take turns, and so do two suspects: each of these meets each of those.
    #[test]
    fn two_suspects_meet_both_of_two_brokers() {
        let mut waiting = Waiting::new();
        let mut all = [Strikes::default(), Strikes::default()];
        let mut clock = Clock::default();
        clock.count(true, at(0));
        (0..2).for_each(|which| waiting.add(which, Wait::Silence));
        for turn in 0..8 {
            let now = clock.next(true);
            let which: usize = waiting.suspect(now, &clock).expect("one of them");
            clock.count(true, now);
            let broker = broker(turn % 2);
            match all[which].add_silent(Close { broker: &broker, others: true, now }, 1) {
                Sentence::Again { first: true } => waiting.add_first(which, Wait::Silence),
                sentence => {
                    assert_ne!(sentence, Sentence::Blamed);
                    waiting.add(which, Wait::Silence);
                }
            }
        }
        assert!(all.iter().all(|strikes| strikes.elsewhere && strikes.silent.count >= 3), "{all:?}");
    }

    #[test]
    fn words_that_are_not_known_blame_at_the_second_time() {
        let mut strikes = Strikes::default();
        assert_eq!(strikes.add_worded(at(0)), Some(at(5000)));
        assert_eq!(strikes.add_worded(at(4999)), Some(at(5000)));
        assert_eq!(strikes.add_worded(at(5000)), None);
    }
}
