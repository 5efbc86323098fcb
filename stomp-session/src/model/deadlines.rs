//! Deadlines of receipts, the earliest first.

use alloc::collections::{BTreeSet, VecDeque};

use super::{ids::ReceiptId, timestamp::Timestamp};

/// The times at which waits end. A wait without an end is not listed.
///
/// Waits of equal length that begin one after the other end in that order, so a queue holds them. There is one for the time
/// from the call and one for that from the hand-over; what fits into neither is sorted.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    queues: [Queue; 2],
    others: BTreeSet<(Timestamp, ReceiptId)>,
}

impl Deadlines {
    pub(crate) const fn new() -> Self {
        const NONE: Queue = Queue { slots: VecDeque::new(), live: 0 };
        Self { queues: [NONE; 2], others: BTreeSet::new() }
    }

    pub(crate) fn add(&mut self, at: Timestamp, id: ReceiptId) {
        if at == Timestamp::MAX {
            return;
        }
        match self.queues.iter_mut().find(|queue| queue.fits((at, id))) {
            Some(queue) => queue.push((at, id)),
            None => _ = self.others.insert((at, id)),
        }
    }

    pub(crate) fn remove(&mut self, at: Timestamp, id: ReceiptId) {
        if !self.queues.iter_mut().any(|queue| queue.remove((at, id))) {
            self.others.remove(&(at, id));
        }
    }

    /// A receipt whose deadline has passed.
    pub(crate) fn due(&self, now: Timestamp) -> Option<ReceiptId> {
        self.earliest().filter(|(at, _)| *at <= now).map(|(_, id)| id)
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        let [one, other] = &self.queues;
        let others = self.others.first();
        Timestamp::first([one.first(), other.first(), others.copied()].map(|wait| wait.map(|(at, _)| at)))
    }

    /// Gives memory back that waits which are over have left.
    pub(crate) fn shrink(&mut self) {
        for queue in self.queues.iter_mut().filter(|queue| queue.slots.is_empty()) {
            queue.slots = VecDeque::new();
        }
    }

    fn earliest(&self) -> Option<(Timestamp, ReceiptId)> {
        let [one, other] = &self.queues;
        [one.first(), other.first(), self.others.first().copied()].into_iter().flatten().min()
    }
}

/// Waits in the order of their ends: those that are over and not the first leave holes until they are half of it.
#[derive(Debug, Default)]
struct Queue {
    slots: VecDeque<Slot>,
    live: usize,
}

#[derive(Debug)]
struct Slot {
    wait: (Timestamp, ReceiptId),
    is_over: bool,
}

impl Queue {
    /// Whether it ends after all others.
    fn fits(&self, wait: (Timestamp, ReceiptId)) -> bool {
        self.slots.back().is_none_or(|last| last.wait < wait)
    }

    fn push(&mut self, wait: (Timestamp, ReceiptId)) {
        self.slots.push_back(Slot { wait, is_over: false });
        self.live = self.live.saturating_add(1);
    }

    /// Whether it was here.
    fn remove(&mut self, wait: (Timestamp, ReceiptId)) -> bool {
        let Some(slot) = self.find(wait).and_then(|at| self.slots.get_mut(at)) else { return false };
        if core::mem::replace(&mut slot.is_over, true) {
            return false;
        }
        self.live = self.live.saturating_sub(1);
        self.close_holes();
        true
    }

    /// Most end in order.
    fn find(&self, wait: (Timestamp, ReceiptId)) -> Option<usize> {
        match self.slots.front()?.wait == wait {
            true => Some(0),
            false => self.slots.binary_search_by_key(&wait, |slot| slot.wait).ok(),
        }
    }

    /// The first is always one that is not over.
    fn close_holes(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.is_over) {
            self.slots.pop_front();
        }
        if self.slots.len() / 2 > self.live {
            self.slots.retain(|slot| !slot.is_over);
        }
    }

    fn first(&self) -> Option<(Timestamp, ReceiptId)> {
        self.slots.front().map(|slot| slot.wait)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::model::{
        ids::{Ids, Owner},
        random::Random,
    };

    /// It says what a sorted set says, whatever comes and goes.
    #[test]
    fn it_is_a_sorted_set() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let (mut deadlines, mut sorted) = (Deadlines::default(), BTreeSet::new());
            let mut ids = Ids::new(Owner::default());
            let mut now = Timestamp::ZERO;
            for _ in 0..300 {
                now = now.after(Duration::from_secs(random.next() % 2));
                if random.next() % 5 < 3 {
                    let limit = [3, 3, 3, 1, 1, random.next() % 9][(random.next() % 6) as usize];
                    let wait = (now.after(Duration::from_secs(limit)), ids.receipt());
                    deadlines.add(wait.0, wait.1);
                    sorted.insert(wait);
                } else if !sorted.is_empty() {
                    let at = if random.next().is_multiple_of(2) {
                        0
                    } else {
                        random.next() as usize % sorted.len()
                    };
                    let wait = *sorted.iter().nth(at).unwrap();
                    deadlines.remove(wait.0, wait.1);
                    sorted.remove(&wait);
                    deadlines.remove(wait.0, wait.1);
                }
                assert_eq!(deadlines.first(), sorted.first().map(|(at, _)| *at), "seed {seed}");
                let due = sorted.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id);
                assert_eq!(deadlines.due(now), due, "seed {seed}");
                let held: usize = deadlines.queues.iter().map(|queue| queue.slots.len()).sum();
                assert!(held <= 2 * sorted.len() + 4, "seed {seed}: {held} for {}", sorted.len());
            }
        }
    }

    #[test]
    fn a_wait_without_an_end_is_not_listed() {
        let mut deadlines = Deadlines::default();
        deadlines.add(Timestamp::MAX, Ids::new(Owner::default()).receipt());
        assert_eq!(deadlines.first(), None);
    }
}
