//! Sends that were left to the driver.

use std::mem;

use super::{content::Content, terms::How, waits::Ticket};

/// A send that nobody waits for.
pub(super) struct HandedSend {
    pub(super) content: Content,
    pub(super) ticket: Option<Ticket>,
    pub(super) how: How,
    /// What it counts in the budget, in octets.
    pub(super) size: usize,
}

/// What was handed in, and how much of it waits here or in the driver's hands.
#[derive(Default)]
pub(super) struct Handed {
    sends: Vec<HandedSend>,
    octets: usize,
    count: usize,
}

impl Handed {
    pub(super) fn has_room(&self, size: usize, budget: usize) -> bool {
        self.octets.saturating_add(size) <= budget
    }

    pub(super) fn add(&mut self, send: HandedSend) {
        self.octets = self.octets.saturating_add(send.size);
        self.count = self.count.saturating_add(1);
        self.sends.push(send);
    }

    /// Takes those that wait here. They count until they have [ended](Self::end).
    pub(super) fn take(&mut self) -> Vec<HandedSend> {
        mem::take(&mut self.sends)
    }

    /// One of that size has ended.
    pub(super) const fn end(&mut self, size: usize) {
        self.octets = self.octets.saturating_sub(size);
        self.count = self.count.saturating_sub(1);
    }

    /// Counts none any more. How many there were.
    pub(super) fn end_all(&mut self) -> usize {
        mem::take(&mut self.count)
    }
}
