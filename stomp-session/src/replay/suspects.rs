//! When something is tried again that was refused or may have ended a connection, so that it costs the others little.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use crate::model::{endpoint::Endpoint, timestamp::Timestamp, verdict::BackOff};

/// When something that was refused is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// At this time. It is sent among the others, since its refusal harms nothing else.
    Until(Timestamp),
    /// At this time, and alone.
    Alone(Timestamp),
    /// When the [`Clock`] allows it, and alone: its refusal ends the connection.
    Clock,
}

/// What waits to be tried again, and until when.
#[derive(Debug)]
pub(crate) struct Waiting<K> {
    places: BTreeMap<K, (Wait, u64)>,
    order: BTreeSet<(Wait, u64, K)>,
    /// Counts what was added, so that those that wait for the clock take turns.
    next: u64,
}

impl<K> Default for Waiting<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Waiting<K> {
    pub(crate) const fn new() -> Self {
        Self { places: BTreeMap::new(), order: BTreeSet::new(), next: 0 }
    }
}

impl<K: Copy + Ord> Waiting<K> {
    pub(crate) fn add(&mut self, key: K, wait: Wait) {
        self.remove(key);
        self.places.insert(key, (wait, self.next));
        self.order.insert((wait, self.next, key));
        self.next = self.next.saturating_add(1);
    }

    /// Removes it. Returns whether it was there.
    pub(crate) fn remove(&mut self, key: K) -> bool {
        let Some((wait, number)) = self.places.remove(&key) else { return false };
        self.order.remove(&(wait, number, key))
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.places.contains_key(&key)
    }

    /// Whether it waits for the clock, and for no time of its own.
    pub(crate) fn is_on_clock(&self, key: K) -> bool {
        self.places.get(&key).is_some_and(|(wait, _)| *wait == Wait::Clock)
    }

    /// Takes one that may now be sent among the others.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<K> {
        let (wait, _, key) = *self.order.first()?;
        matches!(wait, Wait::Until(at) if at <= now).then(|| self.remove(key)).map(|_| key)
    }

    /// Takes one that may now be sent alone. `clock` says whether the clock allows one.
    pub(crate) fn suspect(&mut self, now: Timestamp, clock: bool) -> Option<K> {
        let mut alone = self.order.range((Wait::Alone(Timestamp::ZERO), 0, self.least()?)..);
        let first = alone.next().filter(|(wait, ..)| matches!(wait, Wait::Alone(at) if *at <= now));
        let turn = || self.order.range((Wait::Clock, 0, self.least()?)..).next().filter(|_| clock);
        let (_, _, key) = *first.or_else(turn)?;
        self.remove(key);
        Some(key)
    }

    fn least(&self) -> Option<K> {
        self.places.first_key_value().map(|(key, _)| *key)
    }

    /// Takes out those that wait for the clock.
    pub(crate) fn take_from_clock(&mut self) -> Vec<K> {
        let Some(least) = self.least() else { return Vec::new() };
        let keys: Vec<K> = self.order.range((Wait::Clock, 0, least)..).map(|(.., key)| *key).collect();
        keys.iter().for_each(|key| _ = self.remove(*key));
        keys
    }

    /// When one may go among the others.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self.order.first()? {
            (Wait::Until(at), ..) => Some(*at),
            _ => None,
        }
    }

    /// When one may be sent alone, if the clock allows one at that time.
    pub(crate) fn suspect_deadline(&self, clock: Timestamp) -> Option<Timestamp> {
        let alone = self.order.range((Wait::Alone(Timestamp::ZERO), 0, self.least()?)..).next();
        let alone = alone.and_then(|(wait, ..)| if let Wait::Alone(at) = wait { Some(*at) } else { None });
        let on_clock = self.order.last().filter(|(wait, ..)| *wait == Wait::Clock).map(|_| clock);
        Timestamp::first([alone, on_clock])
    }
}

/// The time between connections that are lost because something was tried again.
///
/// There is one clock for all suspects together: each such loss counts as a delivery of every prefetched message, and
/// RabbitMQ 4's quorum queues destroy a message at its 21st delivery.
///
/// Prefetched messages are not given back before a try. On RabbitMQ 4.0 a NACK counts as a delivery just like the loss.
/// An UNSUBSCRIBE, which does not count on 4.3, invalidates the acknowledgements of all messages that are being
/// handled. A message that is never taken reaches its limit after six hours at the earliest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// The number of connections that were lost in this way, with no quiet time between them.
    costs: u32,
    /// The first of them.
    first: Timestamp,
    next: Timestamp,
}

/// The seconds after each such loss.
///
/// However many suspects there are at the same time, ten losses fit into the first hour. The first gaps do not grow, so
/// that a broker which is back within half a minute, such as a node that is restarted, is found soon.
const GAPS: [u64; 8] = [10, 10, 10, 10, 60, 120, 480, 960];
const LONGEST: u64 = 1800;

/// If no connection is lost for so long after the time at which something could be tried again, what had waited was accepted, and
/// the next loss counts as the first. A queue that elects a leader each time that its node is restarted is not met with what
/// the earlier elections have cost.
const FORGET: Duration = Duration::from_secs(60);

/// After connections that were closed in silence nothing waits for longer than these seconds, or this many times as long as that
/// has gone on.
const SILENT: (u64, u32) = (10, 8);

/// With fewer losses than this, a frame that is only one of several possible causes is tried without waiting.
const FREE: u32 = 5;

impl Clock {
    /// Counts a connection that was lost, and sets the time before which nothing is tried again.
    ///
    /// The time grows to half an hour: ten losses fit into the first hour, and two into each later one. After a
    /// connection that was closed in silence the first times are short, since an election among RabbitMQ's nodes looks
    /// like that. A node that dies has led many queues, each of which closes a connection at the same time: however many
    /// were lost, what has gone on for a second is not met with half an hour.
    pub(crate) fn count(&mut self, silent: bool, now: Timestamp) {
        if now.since(self.next) > FORGET {
            self.relieve();
        }
        if self.costs == 0 {
            self.first = now;
        }
        self.costs = self.costs.saturating_add(1);
        let seconds = match (self.costs, silent) {
            (1, true) => 2,
            (2, true) => 4,
            (costs, _) => {
                let at = usize::try_from(costs).unwrap_or(usize::MAX).saturating_sub(1);
                GAPS.get(at).copied().unwrap_or(LONGEST)
            }
        };
        let (least, times) = SILENT;
        let most = Duration::from_secs(least).max(now.since(self.first).saturating_mul(times));
        let gap = Duration::from_secs(seconds).min(if silent { most } else { Duration::MAX });
        // What was announced is not brought forward.
        self.next = self.next.max(now.after(gap));
    }

    /// When the next suspect may be tried.
    pub(crate) const fn next(&self) -> Timestamp {
        self.next
    }

    /// Whether a frame may be tried that is only one of several possible causes.
    pub(crate) fn allows(&self, now: Timestamp) -> bool {
        self.costs < FREE || self.next <= now
    }

    /// Something was accepted that had been closed at before: what has ended connections is over. The times begin anew.
    pub(crate) const fn relieve(&mut self) {
        self.costs = 0;
    }
}

/// Connections that ended while a frame was alone on them: each a strike, if they are apart in time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strikes {
    silent: Counter,
    worded: Counter,
    /// The broker of the first one.
    broker: Option<Box<Endpoint>>,
    /// One of them was at another.
    elsewhere: bool,
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

impl Strikes {
    /// The least time between two that count, where an ERROR came in words that are not known.
    const WORDED: Duration = Duration::from_secs(5);

    /// Counts a connection that was closed in silence. Returns whether that is enough to blame the frame: it is at the
    /// fifth, or at the third if they were not all at the same broker.
    pub(crate) fn add_silent(&mut self, broker: &Endpoint, now: Timestamp) -> bool {
        self.note_broker(broker);
        self.silent.add(self.apart(), now);
        self.silent.count >= 5 || (self.silent.count >= 3 && self.elsewhere)
    }

    /// Counts an ERROR that names no frame. Returns whether that is enough to blame the frame: it is at the second.
    pub(crate) fn add_worded(&mut self, broker: &Endpoint, now: Timestamp) -> bool {
        self.note_broker(broker);
        self.worded.add(Self::WORDED, now);
        self.worded.count >= 2
    }

    /// Forgets the connections that were closed in silence. Returns whether there were any.
    pub(crate) fn forgive(&mut self) -> bool {
        core::mem::take(&mut self.silent).count > 0
    }

    fn note_broker(&mut self, broker: &Endpoint) {
        let first = self.broker.get_or_insert_with(|| Box::new(broker.clone()));
        self.elsewhere |= **first != *broker;
    }

    /// 2 s doubling to 60 s.
    fn apart(&self) -> Duration {
        let doublings = self.silent.count.saturating_sub(1).min(5);
        Duration::from_secs(2_u64.saturating_mul(1 << doublings).min(60))
    }

    /// When the next suspect may be tried.
    pub(crate) fn next(&self) -> Timestamp {
        let silent =
            if self.silent.count > 0 { self.silent.last.after(self.apart()) } else { Timestamp::ZERO };
        let worded =
            if self.worded.count > 0 { self.worded.last.after(Self::WORDED) } else { Timestamp::ZERO };
        silent.max(worded)
    }
}

/// Refusals in a row that harm nobody else: 1 s doubling to 60 s, or as a login, a minute doubling to 15.
pub(crate) fn back_off(kind: BackOff, refusals: u32, fraction: f64) -> Duration {
    let (first, most) = match kind {
        BackOff::Refused => (1, 60),
        BackOff::Login => (60, 15 * 60),
    };
    let doubled = 1_u64.saturating_mul(1 << refusals.saturating_sub(1).min(10)).saturating_mul(first);
    let doubled = Duration::from_secs(doubled.min(most));
    doubled.mul_f64(0.875 + fraction * 0.25)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_start(Duration::from_millis(milliseconds))
    }

    fn broker(number: u16) -> Endpoint {
        Endpoint::plain("h", number)
    }

    /// The seconds at which connections are lost for a suspect that is tried whenever the clock lets it.
    fn costs(silent: bool, at_once: u32, until: u64) -> Vec<u64> {
        let mut clock = Clock::default();
        let mut now = Timestamp::ZERO;
        (0..at_once).for_each(|_| clock.count(silent, now));
        let mut ends: Vec<_> = (0..at_once).map(|_| 0).collect();
        while clock.next() < at(until * 1000) {
            now = clock.next();
            clock.count(silent, now);
            ends.push(now.since_start().as_secs());
        }
        ends
    }

    #[test]
    fn suspects_cost_ten_connections_in_the_first_hour_and_two_in_each_after() {
        assert_eq!(costs(false, 1, 3600), [0, 10, 20, 30, 40, 100, 220, 700, 1660, 3460]);
        for silent in [false, true] {
            for at_once in 1..=8 {
                let ends = costs(silent, at_once, 6 * 3600);
                for hour in 0..6 {
                    let within = ends.iter().filter(|end| **end / 3600 == hour).count();
                    // What is closed in silence at one moment is tried again soon, however much it was.
                    let first = if silent { 10.max(at_once as usize + 4) } else { 10 };
                    assert!(within <= if hour == 0 { first } else { 2 }, "{silent} {at_once}: {ends:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_closed_at_one_moment_waits_for_seconds_and_not_for_half_an_hour() {
        assert_eq!(costs(true, 50, 600)[50..], [10, 90]);
        assert_eq!(costs(false, 9, 600)[9..], [0; 0], "words are another matter");
        let mut clock = Clock::default();
        (0..50).for_each(|_| clock.count(true, at(0)));
        assert!(!clock.allows(at(0)), "whatever counts, all were lost");
    }

    #[test]
    fn what_is_accepted_begins_the_times_anew() {
        let mut clock = Clock::default();
        (0..8).for_each(|number| clock.count(true, at(number * 1_000_000)));
        clock.relieve();
        clock.count(true, at(8_000_000));
        assert_eq!(
            clock.next(),
            at(8_000_000 + 2000).max(at(7_000_000 + 960_000)),
            "what was announced stays"
        );
        assert!(clock.allows(at(8_000_000)));
    }

    #[test]
    fn after_a_quiet_time_an_end_is_the_first_again() {
        let mut clock = Clock::default();
        for _ in 0..8 {
            clock.count(false, at(0));
        }
        assert!(!clock.allows(at(0)));
        let tried = clock.next();
        // That long after the time of the next attempt, and no less: each further end is the first again.
        let waits = |quiet: Duration| {
            let (mut clock, end) = (clock, tried.after(quiet));
            clock.count(false, end);
            clock.next().since(end)
        };
        assert!(waits(Duration::from_secs(60)) > Duration::from_secs(10));
        assert_eq!(waits(Duration::from_millis(60_001)), Duration::from_secs(10));
    }

    #[test]
    fn strikes_of_one_moment_are_one() {
        let mut strikes = Strikes::default();
        for milliseconds in [0, 50, 100, 1999] {
            assert!(!strikes.add_silent(&broker(1), at(milliseconds)));
        }
        assert_eq!(strikes.next(), at(2000));
        assert!(!strikes.add_silent(&broker(1), at(2000)));
        assert!(!strikes.add_silent(&broker(1), at(6000)), "three at one broker are not enough");
        assert!(!strikes.add_silent(&broker(1), at(14_000)));
        assert!(strikes.add_silent(&broker(1), at(30_000)), "five are");
    }

    #[test]
    fn three_are_enough_where_another_broker_has_ended_too() {
        let mut strikes = Strikes::default();
        assert!(!strikes.add_silent(&broker(1), at(0)));
        assert!(!strikes.add_silent(&broker(2), at(2000)));
        assert!(strikes.add_silent(&broker(1), at(6000)));
    }

    #[test]
    fn words_that_are_not_known_blame_at_the_second_time() {
        let mut strikes = Strikes::default();
        assert!(!strikes.add_worded(&broker(1), at(0)));
        assert!(!strikes.add_worded(&broker(1), at(4999)));
        assert_eq!(strikes.next(), at(5000));
        assert!(strikes.add_worded(&broker(1), at(5000)));
    }
}
