//! Numbered things of which each is waited for until its time is over.

use core::time::Duration;

use super::{
    collections::Ring,
    time::{Deadlines, Due, Place, Timestamp},
};

/// What is waited for, in the order of the numbers, and when each wait ends.
#[derive(Debug)]
pub(crate) struct Timed<T> {
    ring: Ring<Wait<T>>,
    deadlines: Deadlines,
    /// The number of the first one that has no time yet. Commands bring none.
    unstamped: Option<u64>,
}

#[derive(Debug)]
struct Wait<T> {
    value: T,
    end: End,
}

/// When a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// That long after the first call that brings the time.
    After(Duration),
    /// It is counted there.
    At(Place),
}

impl<T> Default for Timed<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Timed<T> {
    pub(crate) const fn new() -> Self {
        Self { ring: Ring::new(), deadlines: Deadlines::new(), unstamped: None }
    }

    /// Adds the newest one, whose number is greater than all others. Its time, `limit`, runs from the next call that brings
    /// the time.
    pub(crate) fn add(&mut self, number: u64, value: T, limit: Duration) {
        self.ring.push(number, Wait { value, end: End::After(limit) });
        self.unstamped.get_or_insert(number);
    }

    #[inline]
    pub(crate) const fn is_unstamped(&self) -> bool {
        self.unstamped.is_some()
    }

    /// What was added since the last call gets its deadline now.
    pub(crate) fn stamp(&mut self, now: Timestamp) {
        let Some(first) = self.unstamped.take() else { return };
        for (number, wait) in self.ring.since_mut(first) {
            if let End::After(limit) = wait.end {
                wait.end = End::At(self.deadlines.add(number, limit, now));
            }
        }
    }

    /// Changes one. If that gives a limit, the wait ends after it from now on, unless it ends before.
    pub(crate) fn change(
        &mut self,
        number: u64,
        now: Timestamp,
        change: impl FnOnce(&mut T) -> Option<Duration>,
    ) {
        let Some(wait) = self.ring.get_mut(number) else { return };
        let Some(limit) = change(&mut wait.value) else { return };
        let ends = match wait.end {
            // It is added and handed over in one call.
            End::After(limit) => now.after(limit),
            End::At(place) => self.deadlines.at(number, place),
        };
        if ends > now.after(limit) {
            if let End::At(place) = wait.end {
                self.deadlines.remove(number, place);
            }
            wait.end = End::At(self.deadlines.add(number, limit, now));
        }
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<T> {
        self.take_if(number, |_| true)
    }

    /// Takes one out if it is meant.
    pub(crate) fn take_if(&mut self, number: u64, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        let Wait { value, end } = self.ring.take_if(number, |wait| is_meant(&wait.value))?;
        match end {
            End::At(place) => self.deadlines.remove(number, place),
            // It may have been the last one without a time.
            End::After(_) => {
                self.unstamped = self.unstamped.filter(|first| self.ring.last_number() >= Some(*first))
            }
        }
        Some(value)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.ring.get(number).map(|wait| &wait.value)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.ring.get_mut(number).map(|wait| &mut wait.value)
    }

    /// The time that ends the wait.
    pub(crate) fn limit(&self, number: u64) -> Option<Duration> {
        Some(match self.ring.get(number)?.end {
            End::After(limit) => limit,
            End::At(place) => self.deadlines.limit(number, place),
        })
    }

    /// All with their numbers, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.ring.iter().map(|(number, wait)| (number, &wait.value))
    }

    /// The same, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.ring.iter_mut().map(|(number, wait)| (number, &mut wait.value))
    }

    pub(crate) const fn len(&self) -> usize {
        self.ring.len()
    }

    /// The number of one whose time is over.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Option<u64> {
        let Due { place, first, last } = self.deadlines.due(now)?;
        let candidates = self.ring.since(first).take_while(|(number, _)| *number <= last);
        let found =
            candidates.into_iter().find(|(_, wait)| wait.end == End::At(place)).map(|(number, _)| number);
        // The next search begins where this one ended.
        found.into_iter().for_each(|number| self.deadlines.set_first(place, number));
        found
    }

    /// When the next wait ends. One without a time wants one at once: the next call that brings the time may be far off.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        if self.is_unstamped() { Some(Timestamp::ZERO) } else { self.deadlines.first() }
    }

    /// Gives memory back that waits which are over have left.
    pub(crate) fn shrink(&mut self) {
        self.ring.shrink(0);
        self.deadlines.shrink();
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, vec::Vec};

    use super::*;
    use crate::model::random::Random;

    /// What a simple list says: the number, the limit and the end of each.
    type List = BTreeMap<u64, (Duration, Option<Timestamp>)>;

    fn earliest(list: &List) -> Option<Timestamp> {
        list.values().filter_map(|(_, due)| *due).filter(|due| *due < Timestamp::MAX).min()
    }

    /// Waits of any limits, shortened, stamped and taken in any order, end when a simple list says.
    #[test]
    fn it_is_a_list_with_deadlines() {
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let (mut timed, mut list, mut now) = (Timed::default(), List::new(), Timestamp::ZERO);
            for number in 0..300 {
                now = now.after(Duration::from_millis(random.next() % 700));
                let pick = |random: &mut Random, list: &List| {
                    list.keys().nth(random.next() as usize % list.len().max(1)).copied()
                };
                let seconds = [3, 3, 3, 1, u64::MAX, random.next() % 9][(random.next() % 6) as usize];
                match random.next() % 8 {
                    0..4 => {
                        timed.add(number, number, Duration::from_secs(seconds));
                        list.insert(number, (Duration::from_secs(seconds), None));
                    }
                    4..6 => {
                        timed.stamp(now);
                        list.values_mut().for_each(|(limit, due)| _ = due.get_or_insert(now.after(*limit)));
                    }
                    6 => {
                        let Some(wanted) = pick(&mut random, &list) else { continue };
                        let limit = Duration::from_secs(2);
                        timed.change(wanted, now, |_| Some(limit));
                        let (before, due) = list.get_mut(&wanted).unwrap();
                        if due.unwrap_or_else(|| now.after(*before)) > now.after(limit) {
                            (*before, *due) = (limit, Some(now.after(limit)));
                        }
                    }
                    _ => {
                        let Some(wanted) = pick(&mut random, &list) else { continue };
                        assert_eq!(timed.take(wanted), Some(wanted));
                        list.remove(&wanted);
                    }
                }
                if !timed.is_unstamped() {
                    assert_eq!(timed.deadline(), earliest(&list), "seed {seed}");
                    expire(&mut timed, &mut list, now);
                    assert!(timed.deadline().is_none_or(|at| at > now), "seed {seed}");
                }
                assert_eq!(timed.len(), list.len());
                assert!(timed.iter().map(|(number, _)| number).eq(list.keys().copied()));
            }
        }
    }

    fn expire(timed: &mut Timed<u64>, list: &mut List, now: Timestamp) {
        while let Some(number) = timed.overdue(now) {
            let (limit, due) = list.remove(&number).unwrap();
            assert!(due.unwrap() <= now);
            assert_eq!((timed.limit(number), timed.take(number)), (Some(limit), Some(number)));
        }
        assert!(earliest(list).is_none_or(|at| at > now));
    }

    /// However many end at once, each is looked at once.
    #[test]
    fn many_that_end_at_once_take_time_in_proportion() {
        let (mut timed, limit) = (Timed::default(), Duration::from_secs(1));
        (0..200_000).for_each(|number| timed.add(number, (), limit));
        timed.stamp(Timestamp::ZERO);
        let now = Timestamp::ZERO.after(limit);
        // They are taken from behind the cursor too, which leaves holes.
        let odd: Vec<_> = (0..200_000).filter(|number| number % 2 == 1).collect();
        odd.iter().for_each(|number| _ = timed.take(*number));
        let mut count = 0;
        while let Some(number) = timed.overdue(now) {
            timed.take(number);
            count += 1;
        }
        assert_eq!(count, 100_000);
    }

    #[test]
    fn what_is_shortened_before_it_has_a_time_has_one_then() {
        let (mut timed, now) = (Timed::default(), Timestamp::ZERO);
        timed.add(7, (), Duration::MAX);
        timed.change(7, now, |()| Some(Duration::from_secs(3)));
        timed.stamp(now);
        assert_eq!(timed.deadline(), Some(now.after(Duration::from_secs(3))));
    }
}
