//! Numbers of which most are added in order.

use alloc::collections::BTreeSet;

use super::ring::Ring;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Random;

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
