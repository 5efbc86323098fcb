//! When something is tried again that was refused or may have ended a connection, so that it costs the others little.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::model::{time::Timestamp, verdict::BackOff};

/// When something that was refused is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// At this time. It is sent among the others, since its refusal harms nothing else.
    Until(Timestamp),
    /// At this time, and alone.
    Alone(Timestamp),
    /// When the [`Clock`] allows it after connections that were closed in silence, and alone.
    Silence,
    /// When the [`Clock`] allows it after ERRORs that ended connections, and alone.
    Clock,
}

impl Wait {
    /// For the clock, after a connection that ended in this way.
    pub(crate) const fn for_clock(silent: bool) -> Self {
        if silent { Self::Silence } else { Self::Clock }
    }
}

/// What waits to be tried again, and until when.
#[derive(Debug)]
pub(crate) struct Waiting<K> {
    places: BTreeMap<K, (Wait, u64)>,
    order: BTreeSet<(Wait, u64, K)>,
    /// Counts what was added at the end and at the front, so that those that wait for the clock take turns.
    end: u64,
    front: u64,
}

impl<K> Default for Waiting<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Waiting<K> {
    pub(crate) const fn new() -> Self {
        Self { places: BTreeMap::new(), order: BTreeSet::new(), end: 1 << 63, front: 1 << 63 }
    }
}

impl<K: Copy + Ord> Waiting<K> {
    pub(crate) fn add(&mut self, key: K, wait: Wait) {
        self.place(key, wait, self.end);
        self.end = self.end.saturating_add(1);
    }

    /// Adds it before all that wait in the same way.
    pub(crate) fn add_first(&mut self, key: K, wait: Wait) {
        self.front = self.front.saturating_sub(1);
        self.place(key, wait, self.front);
    }

    fn place(&mut self, key: K, wait: Wait, number: u64) {
        self.remove(key);
        self.places.insert(key, (wait, number));
        self.order.insert((wait, number, key));
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

    /// Takes one that may now be sent alone.
    pub(crate) fn suspect(&mut self, now: Timestamp, clock: &Clock) -> Option<K> {
        if self.order.is_empty() {
            return None;
        }
        let alone = self.first_from(Wait::Alone(Timestamp::ZERO));
        let first = alone.filter(|(wait, ..)| matches!(wait, Wait::Alone(at) if *at <= now));
        let turn = |silent| self.on_clock(silent).filter(|_| clock.next(silent) <= now);
        let (_, _, key) = first.or_else(|| turn(true)).or_else(|| turn(false))?;
        self.remove(key);
        Some(key)
    }

    /// Whether something is to be sent alone, now or later.
    pub(crate) fn has_suspects(&self) -> bool {
        self.order.last().is_some_and(|(wait, ..)| !matches!(wait, Wait::Until(_)))
    }

    /// The one whose turn it is among those that wait for the clock after such ends.
    fn on_clock(&self, silent: bool) -> Option<(Wait, u64, K)> {
        let wait = Wait::for_clock(silent);
        self.first_from(wait).filter(|(other, ..)| *other == wait)
    }

    fn first_from(&self, wait: Wait) -> Option<(Wait, u64, K)> {
        self.order.range((wait, 0, self.least()?)..).next().copied()
    }

    fn least(&self) -> Option<K> {
        self.places.first_key_value().map(|(key, _)| *key)
    }

    /// When one may go among the others.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self.order.first()? {
            (Wait::Until(at), ..) => Some(*at),
            _ => None,
        }
    }

    /// When one may be sent alone.
    pub(crate) fn suspect_deadline(&self, clock: &Clock) -> Option<Timestamp> {
        // As good as always, and asked at every turn.
        if self.order.is_empty() {
            return None;
        }
        let alone = self.first_from(Wait::Alone(Timestamp::ZERO));
        let alone = alone.and_then(|(wait, ..)| if let Wait::Alone(at) = wait { Some(at) } else { None });
        let turn = |silent| self.on_clock(silent).map(|_| clock.next(silent));
        Timestamp::first([alone, turn(true), turn(false)])
    }
}

/// The time between connections that are lost because something was tried again.
///
/// There is one clock for all suspects together: each such loss counts as a delivery of every prefetched message, and
/// RabbitMQ 4's quorum queues destroy a message at its 21st delivery. It keeps two times. What an ERROR has refused is
/// tried ever more rarely, and an election meanwhile does not wait for that.
///
/// Prefetched messages are not given back before a try. On RabbitMQ 4.0 a NACK counts as a delivery just like the loss.
/// An UNSUBSCRIBE, which does not count on 4.3, invalidates the acknowledgements of all messages that are being
/// handled. A message that is never taken reaches its limit after six hours at the earliest, or after two hours where
/// connections are closed in silence.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    worded: Time,
    silent: Time,
    /// Counts how often the silence has begun anew.
    silences: u32,
}

/// When something may be tried again after connections that ended in one way.
#[derive(Clone, Copy, Debug, Default)]
struct Time {
    /// The number of connections that were lost in this way, with no quiet time between them.
    costs: u32,
    /// The first of them.
    first: Timestamp,
    next: Timestamp,
}

/// The seconds after each loss by an ERROR.
///
/// However many suspects there are at the same time, ten losses fit into the first hour. The first gaps do not grow, so
/// that a broker which is back within half a minute, such as a node that is restarted, is found soon.
const GAPS: [u64; 8] = [10, 10, 10, 10, 60, 120, 480, 960];
const LONGEST: Duration = Duration::from_secs(1800);

/// If no connection is lost for so long after the time at which something could be tried again, what had waited was accepted, and
/// the next loss counts as the first. A queue that elects a leader each time that its node is restarted is not met with what
/// the earlier elections have cost.
const FORGET: Duration = Duration::from_secs(60);

/// After connections that were closed in silence something is tried again after a moment, which grows to ten seconds. Where
/// that has gone on for longer than an election, it is tried when three times that has passed.
const MOMENT: Duration = Duration::from_secs(2);
const LONGEST_MOMENT: Duration = Duration::from_secs(10);
const ELECTION: Duration = Duration::from_secs(90);

/// With fewer losses than this, a frame that is only one of several possible causes is tried without waiting.
const FREE: u32 = 5;

impl Time {
    /// Counts a connection that was lost. Returns whether it is the first, or the first after a quiet time.
    fn count(&mut self, now: Timestamp) -> bool {
        if now.since(self.next) > FORGET {
            self.costs = 0;
        }
        self.costs = self.costs.saturating_add(1);
        if self.costs == 1 {
            // Nothing was tried before that.
            self.first = now.max(self.next);
        }
        self.costs == 1
    }

    /// What was announced is not brought forward.
    fn wait(&mut self, gap: Duration, now: Timestamp) {
        self.next = self.next.max(now.after(gap));
    }
}

impl Clock {
    /// Counts a connection that was lost, and sets the time before which nothing is tried again.
    ///
    /// After an ERROR the time grows by losses, to half an hour: ten fit into the first hour, and two into each later one.
    ///
    /// After a connection that was closed in silence it grows by how long that has gone on, since an election among
    /// RabbitMQ's nodes looks like that: a node that dies has led many queues, each of which closes a connection at the
    /// same time. Fifteen losses of what is tried again fit into the first hour, and two into each later one.
    pub(crate) fn count(&mut self, silent: bool, now: Timestamp) {
        if !silent {
            self.worded.count(now);
            let at = usize::try_from(self.worded.costs).unwrap_or(usize::MAX).saturating_sub(1);
            return self.worded.wait(GAPS.get(at).map_or(LONGEST, |gap| Duration::from_secs(*gap)), now);
        }
        if self.silent.count(now) {
            self.silences = self.silences.wrapping_add(1);
        }
        let lasted = now.since(self.silent.first);
        let gap = match lasted < ELECTION {
            true => lasted.saturating_add(MOMENT).min(LONGEST_MOMENT),
            false => lasted.saturating_mul(2).min(LONGEST),
        };
        self.silent.wait(gap, now);
    }

    /// When the next suspect may be tried that waits for the clock after such ends.
    pub(crate) const fn next(&self, silent: bool) -> Timestamp {
        self.time(silent).next
    }

    /// Whether a frame may be tried that is only one of several possible causes of such ends.
    pub(crate) fn allows(&self, silent: bool, now: Timestamp) -> bool {
        let time = self.time(silent);
        time.costs < FREE || time.next <= now
    }

    const fn time(&self, silent: bool) -> &Time {
        if silent { &self.silent } else { &self.worded }
    }

    /// Something was accepted that had been closed at before: what has ended connections is over. The times begin anew.
    pub(crate) const fn relieve(&mut self) {
        (self.worded.costs, self.silent.costs) = (0, 0);
    }

    /// All was accepted that was sent with care after connections were closed in silence: that is over, and the next one
    /// begins anew.
    pub(crate) const fn end_silence(&mut self) {
        self.silent.costs = 0;
    }

    /// A number that is another one once the times after silent closes have begun anew.
    pub(crate) const fn silences(&self) -> u32 {
        self.silences
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

    /// The seconds at which connections are lost for a suspect that is tried whenever the clock lets it.
    fn costs(silent: bool, at_once: u32, until: u64) -> Vec<u64> {
        let mut clock = Clock::default();
        let mut now = Timestamp::ZERO;
        (0..at_once).for_each(|_| clock.count(silent, now));
        let mut ends: Vec<_> = (0..at_once).map(|_| 0).collect();
        while clock.next(silent) < at(until * 1000) {
            now = clock.next(silent);
            clock.count(silent, now);
            ends.push(now.since_start().as_secs());
        }
        ends
    }

    #[test]
    fn suspects_cost_few_connections_in_the_first_hour_and_two_in_each_after() {
        assert_eq!(costs(false, 1, 3600), [0, 10, 20, 30, 40, 100, 220, 700, 1660, 3460]);
        let silences = [0, 2, 6, 14, 24, 34, 44, 54, 64, 74, 84, 94, 282, 846, 2538];
        assert_eq!(costs(true, 1, 3600), silences);
        for silent in [false, true] {
            for at_once in 1..=8 {
                let ends = costs(silent, at_once, 6 * 3600);
                for hour in 0..6 {
                    let within = ends.iter().filter(|end| **end / 3600 == hour).count();
                    // What is closed in silence at one moment is tried again soon, however much it was.
                    let first = if silent { silences.len() + at_once as usize - 1 } else { 10 };
                    assert!(within <= if hour == 0 { first } else { 2 }, "{silent} {at_once}: {ends:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_closed_at_one_moment_waits_for_seconds_and_not_for_half_an_hour() {
        assert_eq!(costs(true, 50, 60)[50..], [2, 6, 14, 24, 34, 44, 54]);
        assert_eq!(costs(false, 9, 600)[9..], [0; 0], "words are another matter");
        let mut clock = Clock::default();
        (0..50).for_each(|_| clock.count(true, at(0)));
        assert!(!clock.allows(true, at(0)), "whatever counts, all were lost");
    }

    #[test]
    fn an_election_does_not_wait_for_what_is_refused_for_hours() {
        let mut clock = Clock::default();
        (0..9).for_each(|_| clock.count(false, at(0)));
        clock.count(true, at(0));
        assert_eq!((clock.next(false), clock.next(true)), (at(1_800_000), at(2000)));
        let mut waiting = Waiting::new();
        waiting.add(1, Wait::Clock);
        waiting.add(2, Wait::Silence);
        assert_eq!(waiting.suspect_deadline(&clock), Some(at(2000)));
        assert_eq!(waiting.suspect(at(1999), &clock), None);
        assert_eq!(waiting.suspect(at(2000), &clock), Some(2));
        assert_eq!(waiting.suspect(at(2000), &clock), None);
        assert_eq!(waiting.suspect_deadline(&clock), Some(at(1_800_000)));
    }

    #[test]
    fn what_is_accepted_begins_the_times_anew() {
        let mut clock = Clock::default();
        (0..12).for_each(|number| clock.count(true, at(number * 10_000)));
        let (announced, silence) = (clock.next(true), clock.silences());
        assert!(announced > at(300_000));
        clock.relieve();
        clock.count(true, at(120_000));
        assert_eq!(clock.next(true), announced, "what was announced stays");
        assert!(clock.allows(true, at(120_000)));
        assert_ne!(clock.silences(), silence);
        clock.count(true, announced);
        assert_eq!(clock.next(true).since(announced), Duration::from_secs(2));
    }

    #[test]
    fn after_a_quiet_time_an_end_is_the_first_again() {
        for silent in [false, true] {
            let mut clock = Clock::default();
            for number in 0..12 {
                clock.count(silent, at(number * 10_000));
            }
            let (tried, silence) = (clock.next(silent), clock.silences());
            // That long after the time of the next attempt, and no less: each further end is the first again.
            let waits = |quiet: Duration| {
                let (mut clock, end) = (clock, tried.after(quiet));
                clock.count(silent, end);
                (clock.next(silent).since(end), clock.silences() != silence)
            };
            let (long, is_anew) = waits(Duration::from_secs(60));
            assert!(long > Duration::from_secs(10) && !is_anew);
            let first = Duration::from_secs(if silent { 2 } else { 10 });
            assert_eq!(waits(Duration::from_millis(60_001)), (first, silent));
        }
    }
}
