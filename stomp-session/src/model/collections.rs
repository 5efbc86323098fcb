//! Collections for what is usual: numbers that count up and mostly go in the order in which they came, and what most sessions
//! never need.

use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
};
use core::ops::{Deref, DerefMut};

/// A queue in which each thing is found by its number. Those that are taken out of order leave holes until they are half of
/// it.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    slots: VecDeque<Slot<T>>,
    live: usize,
}

#[derive(Debug)]
struct Slot<T> {
    number: u64,
    /// None once it was taken. The first slot and the last always have one.
    value: Option<T>,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Ring<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: VecDeque::new(), live: 0 }
    }

    /// Adds the newest, whose number is greater than all others.
    pub(crate) fn push(&mut self, number: u64, value: T) {
        self.slots.push_back(Slot { number, value: Some(value) });
        self.live = self.live.saturating_add(1);
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<T> {
        self.take_if(number, |_| true)
    }

    /// Takes one out if it is meant.
    pub(crate) fn take_if(&mut self, number: u64, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        let at = self.find(number)?;
        let value = self.slots.get_mut(at)?.value.take_if(|value| is_meant(value))?;
        self.live = self.live.saturating_sub(1);
        self.close_holes(at);
        Some(value)
    }

    fn close_holes(&mut self, at: usize) {
        if at == 0 {
            while self.slots.front().is_some_and(|slot| slot.value.is_none()) {
                self.slots.pop_front();
            }
        }
        while self.slots.back().is_some_and(|slot| slot.value.is_none()) {
            self.slots.pop_back();
        }
        if self.slots.len() / 2 > self.live {
            self.slots.retain(|slot| slot.value.is_some());
        }
    }

    /// Keeps those for which `is_kept` returns `true`.
    #[cfg(feature = "client")]
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        self.slots.retain(|slot| slot.value.as_ref().is_some_and(&is_kept));
        self.live = self.slots.len();
    }

    fn find(&self, number: u64) -> Option<usize> {
        let first = self.slots.front()?.number;
        // Where no number is missing.
        let near = usize::try_from(number.checked_sub(first)?).ok()?;
        match self.slots.get(near) {
            Some(slot) if slot.number == number => Some(near),
            _ => self.slots.binary_search_by_key(&number, |slot| slot.number).ok(),
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.slots.get(self.find(number)?)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let at = self.find(number)?;
        self.slots.get_mut(at)?.value.as_mut()
    }

    /// All with their numbers, the oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.slots.iter().filter_map(|slot| Some((slot.number, slot.value.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (u64, &mut T)> {
        self.slots.iter_mut().filter_map(|slot| Some((slot.number, slot.value.as_mut()?)))
    }

    /// Those from that number on.
    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = (u64, &T)> {
        let slots = self.slots.range(self.place(number)..);
        slots.filter_map(|slot| Some((slot.number, slot.value.as_ref()?)))
    }

    /// The same, to be changed.
    pub(crate) fn since_mut(&mut self, number: u64) -> impl Iterator<Item = (u64, &mut T)> {
        let slots = self.slots.range_mut(self.place(number)..);
        slots.filter_map(|slot| Some((slot.number, slot.value.as_mut()?)))
    }

    /// Where that number is, or would be.
    fn place(&self, number: u64) -> usize {
        self.find(number).unwrap_or_else(|| self.slots.partition_point(|slot| slot.number < number))
    }

    /// The number of the oldest.
    pub(crate) fn first_number(&self) -> Option<u64> {
        self.slots.front().map(|slot| slot.number)
    }

    /// The number of the newest.
    pub(crate) fn last_number(&self) -> Option<u64> {
        self.slots.back().map(|slot| slot.number)
    }

    /// The oldest.
    pub(crate) fn first(&self) -> Option<&T> {
        self.slots.front()?.value.as_ref()
    }

    /// The newest.
    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        self.slots.back_mut()?.value.as_mut()
    }

    pub(crate) const fn len(&self) -> usize {
        self.live
    }

    /// Gives memory back if more than `spare` have room that are not there.
    pub(crate) fn shrink(&mut self, spare: usize) {
        if self.slots.is_empty() {
            self.slots.shrink_to(spare);
        }
    }
}

#[cfg(test)]
impl<T> Ring<T> {
    /// What it holds, holes included.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }
}

/// A set of numbers, the least first.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Those that were added in order.
    usual: Ring<()>,
    others: BTreeSet<u64>,
}

impl Numbers {
    pub(crate) const fn new() -> Self {
        Self { usual: Ring::new(), others: BTreeSet::new() }
    }

    pub(crate) fn insert(&mut self, number: u64) {
        if self.usual.last_number().is_none_or(|last| last < number) {
            self.usual.push(number, ());
        } else if self.usual.get(number).is_none() {
            self.others.insert(number);
        }
    }

    pub(crate) fn remove(&mut self, number: u64) {
        if self.usual.take(number).is_none() && !self.others.is_empty() {
            self.others.remove(&number);
        }
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.usual.first_number().into_iter().chain(self.others.first().copied()).min()
    }

    /// Those of them that are in order, and then the others.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.usual.iter().map(|(number, ())| number).chain(self.others.iter().copied())
    }

    /// Gives memory back.
    pub(crate) fn shrink(&mut self) {
        self.usual.shrink(0);
    }
}

/// Takes no memory before it is first changed, and is read as empty until then.
#[derive(Debug, Default)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

/// What can be empty.
pub(crate) trait Empty: Default + 'static {
    /// An empty one, which is never changed.
    const EMPTY: &'static Self;
}

impl<T> Seldom<T> {
    /// What there is to be changed. A change of nothing makes nothing.
    #[inline]
    pub(crate) fn used(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }
}

impl<T: Empty> Deref for Seldom<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty> DerefMut for Seldom<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, vec::Vec};

    use super::*;
    use crate::model::random::Random;

    /// It holds what a map holds, whatever comes and goes, and hardly more.
    #[test]
    fn it_is_a_map() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let (mut ring, mut map) = (Ring::default(), BTreeMap::new());
            let mut number = 0;
            for _ in 0..300 {
                if random.next() % 5 < 3 {
                    number += [1, 1, 1, 2, random.next() % 90 + 1][(random.next() % 5) as usize];
                    ring.push(number, number);
                    map.insert(number, number);
                } else {
                    let at = if random.next().is_multiple_of(2) { 0 } else { random.next() as usize };
                    let taken = map.keys().nth(at % map.len().max(1)).copied().unwrap_or(number);
                    assert_eq!(ring.take(taken), map.remove(&taken), "seed {seed}");
                    assert_eq!(ring.take(taken), None, "seed {seed}");
                }
                let wanted = random.next() % (number + 2);
                assert_eq!(ring.get(wanted), map.get(&wanted), "seed {seed}");
                assert_eq!(ring.get_mut(wanted), map.get_mut(&wanted), "seed {seed}");
                let since: Vec<_> = ring.since(wanted).map(|(number, _)| number).collect();
                assert_eq!(since, map.range(wanted..).map(|(number, _)| *number).collect::<Vec<_>>());
                assert_eq!(ring.len(), map.len(), "seed {seed}");
                let ends = (ring.first().copied(), ring.last_mut().copied());
                assert_eq!(ends, (map.values().next().copied(), map.values().last().copied()));
                assert!(ring.iter().map(|(_, value)| value).eq(map.values()), "seed {seed}");
                assert!(ring.slots.len() <= 2 * map.len() + 1, "seed {seed}");
            }
        }
    }

    #[test]
    fn it_is_a_sorted_set() {
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let (mut numbers, mut sorted) = (Numbers::default(), BTreeSet::new());
            for step in 0..300 {
                let number = [step, step, random.next() % (step + 1)][(random.next() % 3) as usize];
                if random.next() % 5 < 3 {
                    numbers.insert(number);
                    sorted.insert(number);
                } else {
                    let number = sorted.first().copied().filter(|_| step % 2 == 0).unwrap_or(number);
                    numbers.remove(number);
                    sorted.remove(&number);
                }
                assert_eq!(numbers.first(), sorted.first().copied(), "seed {seed}");
                assert_eq!(numbers.iter().collect::<BTreeSet<_>>(), sorted, "seed {seed}");
                assert_eq!(numbers.iter().count(), sorted.len(), "seed {seed}");
            }
        }
    }
}
