//! Points in time, on a clock that the caller reads, and the times at which waits end, the earliest first.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{fmt, time::Duration};

use super::collections::Ring;

/// A point in time, measured from a start that the caller chooses.
///
/// It replaces `Instant`, which reads a clock itself, cannot be created without one, and panics on overflow. All
/// arithmetic on timestamps saturates. The timestamps that are passed to a session must never go backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The start.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A time that never comes. Whatever is due then is never due.
    pub const MAX: Self = Self(Duration::MAX);

    /// Creates the timestamp that is this long after the start.
    #[must_use]
    pub const fn from_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Returns the time since the start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Returns the timestamp that is this much later.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// Returns the time from `earlier` to this timestamp, or zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The first of several deadlines.
    #[inline]
    pub(crate) fn first<const N: usize>(deadlines: [Option<Self>; N]) -> Option<Self> {
        // At each message: with iterators the compiler goes through all the cases.
        let mut first = None;
        for at in deadlines {
            first = match (first, at) {
                (Some(one), Some(other)) if one <= other => Some(one),
                (one, None) => one,
                (_, other) => other,
            };
        }
        first
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}

/// How many waits end at which time. A wait without an end is not counted.
///
/// Waits of one length end in the order in which they begin, so there is a queue for each length; if there are many lengths,
/// the others are sorted. Waits of one length that begin together also end together, so they are counted together.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    queues: Vec<Queue>,
    others: BTreeMap<u64, (Timestamp, Duration)>,
    sorted: BTreeSet<(Timestamp, u64)>,
}

/// Lengths for which there are queues.
const QUEUES: usize = 8;

/// Where a wait is counted. It is small, since there is one for each wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Queue {
        queue: u32,
        group: u64,
    },
    Others,
    /// It has no end.
    Nowhere,
}

/// Waits that are over: those at this place among the numbers from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) place: Place,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Deadlines {
    pub(crate) const fn new() -> Self {
        Self { queues: Vec::new(), others: BTreeMap::new(), sorted: BTreeSet::new() }
    }

    /// Counts a wait that begins now. Time never runs back.
    pub(crate) fn add(&mut self, number: u64, limit: Duration, now: Timestamp) -> Place {
        let at = now.after(limit);
        if at == Timestamp::MAX {
            return Place::Nowhere;
        }
        self.add_to_queue(number, limit, at).unwrap_or_else(|| {
            self.others.insert(number, (at, limit));
            self.sorted.insert((at, number));
            Place::Others
        })
    }

    /// Counts a wait in the queue for its length, unless there are too many lengths.
    fn add_to_queue(&mut self, number: u64, limit: Duration, at: Timestamp) -> Option<Place> {
        let found = self.queues.iter().position(|queue| queue.limit == limit);
        let queue = found.or_else(|| self.begin_queue(limit))?;
        let group = self.queues.get_mut(queue)?.add(at, number)?;
        Some(Place::Queue { queue: u32::try_from(queue).ok()?, group })
    }

    fn begin_queue(&mut self, limit: Duration) -> Option<usize> {
        let unused = self.queues.iter().position(|queue| queue.groups.len() == 0);
        let place = unused.or_else(|| (self.queues.len() < QUEUES).then_some(self.queues.len()))?;
        if place == self.queues.len() {
            self.queues.push(Queue { limit, groups: Ring::default(), next: 0 });
        }
        self.queues.get_mut(place)?.limit = limit;
        Some(place)
    }

    pub(crate) fn remove(&mut self, number: u64, place: Place) {
        match place {
            Place::Queue { queue, group } => {
                self.queues.get_mut(queue as usize).into_iter().for_each(|queue| queue.remove(group));
            }
            Place::Others => {
                let removed = self.others.remove(&number);
                removed.into_iter().for_each(|(at, _)| _ = self.sorted.remove(&(at, number)));
            }
            Place::Nowhere => {}
        }
    }

    /// When that wait ends.
    pub(crate) fn at(&self, number: u64, place: Place) -> Timestamp {
        let at = match place {
            Place::Queue { queue, group } => {
                let queue = self.queues.get(queue as usize);
                queue.and_then(|queue| queue.groups.get(group)).map(|group| group.at)
            }
            Place::Others => self.others.get(&number).map(|(at, _)| *at),
            Place::Nowhere => None,
        };
        at.unwrap_or(Timestamp::MAX)
    }

    /// How long that wait is.
    pub(crate) fn limit(&self, number: u64, place: Place) -> Duration {
        let limit = match place {
            Place::Queue { queue, .. } => self.queues.get(queue as usize).map(|queue| queue.limit),
            Place::Others => self.others.get(&number).map(|(_, limit)| *limit),
            Place::Nowhere => None,
        };
        limit.unwrap_or(Duration::MAX)
    }

    /// The earliest time.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        let others = self.sorted.first().map(|(at, _)| *at);
        self.queues.iter().filter_map(Queue::first).chain(others).min()
    }

    /// Those whose time was over first, if it is.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Due> {
        let first = self.first().filter(|at| *at <= now)?;
        let Some(queue) = self.queues.iter().position(|queue| queue.first() == Some(first)) else {
            let (_, number) = *self.sorted.first()?;
            return Some(Due { place: Place::Others, first: number, last: number });
        };
        let groups = &self.queues.get(queue)?.groups;
        let (number, group) = (groups.first_number()?, groups.first()?);
        let place = Place::Queue { queue: u32::try_from(queue).ok()?, group: number };
        Some(Due { place, first: group.first, last: group.last })
    }

    /// The first of those at this place has that number.
    pub(crate) fn set_first(&mut self, place: Place, number: u64) {
        if let Place::Queue { queue, group } = place {
            let queue = self.queues.get_mut(queue as usize);
            queue
                .and_then(|queue| queue.groups.get_mut(group))
                .into_iter()
                .for_each(|group| group.first = number);
        }
    }

    /// Gives memory back that waits which are over have left.
    pub(crate) fn shrink(&mut self) {
        if self.queues.iter().all(|queue| queue.groups.len() == 0) {
            self.queues = Vec::new();
        }
    }
}

/// Waits of one length, in the order of their ends.
#[derive(Debug)]
struct Queue {
    limit: Duration,
    groups: Ring<Group>,
    /// The number of the next group.
    next: u64,
}

/// Waits that end at the same time.
#[derive(Debug)]
struct Group {
    at: Timestamp,
    /// The least number of them, and the greatest.
    first: u64,
    last: u64,
    count: usize,
}

impl Queue {
    /// Gives the number of the group, or nothing if others end later.
    fn add(&mut self, at: Timestamp, number: u64) -> Option<u64> {
        match self.groups.last_mut() {
            Some(last) if last.at == at => {
                last.first = last.first.min(number);
                last.last = last.last.max(number);
                last.count = last.count.saturating_add(1);
            }
            Some(last) if last.at > at => return None,
            _ => {
                self.groups.push(self.next, Group { at, first: number, last: number, count: 1 });
                self.next = self.next.saturating_add(1);
            }
        }
        self.next.checked_sub(1)
    }

    fn remove(&mut self, group: u64) {
        let Some(found) = self.groups.get_mut(group) else { return };
        found.count = found.count.saturating_sub(1);
        if found.count == 0 {
            self.groups.take(group);
        }
    }

    fn first(&self) -> Option<Timestamp> {
        self.groups.first().map(|group| group.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Random;

    fn held(deadlines: &Deadlines) -> usize {
        deadlines.queues.iter().map(|queue| queue.groups.slots()).sum()
    }

    /// It says what a sorted list says, whatever comes and goes, with few lengths and with many.
    #[test]
    fn it_is_a_sorted_list() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let (mut deadlines, mut sorted) = (Deadlines::default(), Vec::new());
            let mut now = Timestamp::ZERO;
            for number in 0..300 {
                now = now.after(Duration::from_secs(random.next() % 2));
                if random.next() % 5 < 3 {
                    let any = random.next() % [3, 30][(seed % 2) as usize];
                    let limit = [3, 3, 3, 1, 1, any][(random.next() % 6) as usize];
                    let limit = Duration::from_secs(limit);
                    let place = deadlines.add(number, limit, now);
                    assert_eq!(deadlines.at(number, place), now.after(limit), "seed {seed}");
                    assert_eq!(deadlines.limit(number, place), limit, "seed {seed}");
                    sorted.push((now.after(limit), number, place));
                    sorted.sort_unstable_by_key(|(at, number, _)| (*at, *number));
                } else if !sorted.is_empty() {
                    let at = if random.next().is_multiple_of(2) { 0 } else { random.next() as usize };
                    let (_, number, place) = sorted.remove(at % sorted.len());
                    deadlines.remove(number, place);
                }
                assert_eq!(deadlines.first(), sorted.first().map(|(at, ..)| *at), "seed {seed}");
                let due = sorted.first().map(|(at, ..)| *at).filter(|at| *at <= now);
                assert_eq!(deadlines.due(now).is_some(), due.is_some(), "seed {seed}");
                if let Some(Due { place, first, last }) = deadlines.due(now) {
                    let meant = sorted.iter().filter(|it| it.2 == place && (first..=last).contains(&it.1));
                    assert!(meant.clone().count() > 0 && meant.clone().all(|it| Some(it.0) == due));
                }
                assert!(held(&deadlines) <= 2 * sorted.len() + QUEUES, "seed {seed}");
            }
        }
    }

    #[test]
    fn a_wait_without_an_end_is_not_listed() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.add(1, Duration::MAX, Timestamp::ZERO), Place::Nowhere);
        assert_eq!(deadlines.first(), None);
    }

    /// However many waits there are, those of one length that begin together are one group.
    #[test]
    fn what_begins_together_is_counted_together() {
        let mut deadlines = Deadlines::default();
        for number in 0..10_000 {
            deadlines.add(number, Duration::from_secs(number % 5), Timestamp::ZERO);
        }
        assert_eq!((held(&deadlines), deadlines.others.len()), (5, 0));
    }

    /// While one wait lasts, others that begin later and end sooner leave nothing behind.
    #[test]
    fn a_wait_that_lasts_keeps_no_others() {
        let (mut deadlines, limit) = (Deadlines::default(), Duration::from_secs(60));
        deadlines.add(0, limit, Timestamp::ZERO);
        let mut open = alloc::collections::VecDeque::new();
        for number in 1..10_000 {
            let now = Timestamp::from_start(Duration::from_millis(number));
            open.push_back((number, deadlines.add(number, limit, now)));
            if open.len() > 10 {
                let (number, place) = open.pop_front().unwrap();
                deadlines.remove(number, place);
            }
        }
        assert!(held(&deadlines) <= 2 * 12 + 1, "{}", held(&deadlines));
    }
}
