//! The RECEIPTs that somebody waits for: each wait is found by the number of its RECEIPT, whoever waits.

use std::task::Waker;

use super::publishers::PublisherId;
use crate::{Outcome, ReceiptId, Ring};

/// All waits, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Receipts(Ring<Receipt>);

/// A wait.
#[derive(Debug)]
enum Receipt {
    /// Of a future.
    Awaited(Option<Waker>),
    /// The same, and its outcome came, which the future takes. Most are confirmed, which is nothing here: there may be many.
    Came(Option<Box<Outcome>>),
    /// Of a message of a publisher.
    Published { publisher: PublisherId, number: u64 },
}

/// Whose wait is over.
pub(super) enum Settled {
    /// A future has its outcome. Its waker, if it has been polled.
    Future(Option<Waker>),
    /// A message of a publisher.
    Published { publisher: PublisherId, number: u64, outcome: Outcome },
}

/// Room that is kept without need.
const SPARE: usize = 64;

impl Receipt {
    fn came(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Confirmed => Self::Came(None),
            outcome => Self::Came(Some(Box::new(outcome))),
        }
    }
}

impl Receipts {
    /// Waits for the newest RECEIPT.
    pub(super) fn await_one(&mut self, id: ReceiptId, waker: Option<Waker>) {
        self.0.push(id.number(), Receipt::Awaited(waker));
    }

    /// Counts a publisher's message whose RECEIPT is the newest.
    pub(super) fn publish(&mut self, id: ReceiptId, publisher: PublisherId, number: u64) {
        self.0.push(id.number(), Receipt::Published { publisher, number });
    }

    /// An outcome came. `None` if nobody waits for it.
    pub(super) fn settle(&mut self, id: ReceiptId, outcome: Outcome) -> Option<Settled> {
        let is_published = |receipt: &Receipt| matches!(receipt, Receipt::Published { .. });
        if let Some(Receipt::Published { publisher, number }) = self.take_if(id, is_published) {
            return Some(Settled::Published { publisher, number, outcome });
        }
        let receipt = self.0.get_mut(id.number())?;
        let Receipt::Awaited(waker) = receipt else { return None };
        let waker = waker.take();
        *receipt = Receipt::came(outcome);
        Some(Settled::Future(waker))
    }

    fn take_if(&mut self, id: ReceiptId, is_meant: impl FnOnce(&Receipt) -> bool) -> Option<Receipt> {
        let receipt = self.0.take_if(id.number(), is_meant)?;
        self.0.shrink(SPARE);
        Some(receipt)
    }

    /// Takes an outcome, or waits on: then returns the waker that is replaced.
    pub(super) fn poll(&mut self, id: ReceiptId, waker: &Waker) -> Result<Outcome, Option<Waker>> {
        if let Some(Receipt::Came(outcome)) = self.take_if(id, |it| matches!(it, Receipt::Came(_))) {
            return Ok(outcome.map_or(Outcome::Confirmed, |outcome| *outcome));
        }
        match self.0.get_mut(id.number()) {
            Some(Receipt::Awaited(Some(before))) if before.will_wake(waker) => Err(None),
            Some(Receipt::Awaited(before)) => Err(before.replace(waker.clone())),
            _ => Err(None),
        }
    }

    /// Waits with this waker, which has no waker yet.
    pub(super) fn watch(&mut self, id: ReceiptId, waker: Waker) -> Option<Waker> {
        match self.0.get_mut(id.number()) {
            Some(Receipt::Awaited(before)) => before.replace(waker),
            _ => Some(waker),
        }
    }

    /// The future was dropped. Returns whether its outcome had not come, and its waker.
    pub(super) fn forget(&mut self, id: ReceiptId) -> (bool, Option<Waker>) {
        match self.take_if(id, |_| true) {
            Some(Receipt::Awaited(waker)) => (true, waker),
            _ => (false, None),
        }
    }

    /// The number of the oldest message of a publisher.
    pub(super) fn first_of(&self, of: PublisherId) -> Option<u64> {
        self.0.iter().find_map(|(_, receipt)| match receipt {
            Receipt::Published { publisher, number } if *publisher == of => Some(*number),
            _ => None,
        })
    }

    /// Nobody waits for the messages of a publisher any more.
    pub(super) fn forget_all_of(&mut self, of: PublisherId) {
        self.0.retain(|receipt| !matches!(receipt, Receipt::Published { publisher, .. } if *publisher == of));
        self.0.shrink(SPARE);
    }

    /// Everything ends with this outcome.
    pub(super) fn settle_all(&mut self, outcome: &Outcome) -> Vec<Settled> {
        let mut settled = Vec::new();
        for (_, receipt) in self.0.iter_mut() {
            match receipt {
                Receipt::Awaited(waker) => {
                    settled.push(Settled::Future(waker.take()));
                    *receipt = Receipt::came(outcome.clone());
                }
                Receipt::Published { publisher, number } => settled.push(Settled::Published {
                    publisher: *publisher,
                    number: *number,
                    outcome: outcome.clone(),
                }),
                Receipt::Came(_) => {}
            }
        }
        self.0.retain(|receipt| !matches!(receipt, Receipt::Published { .. }));
        settled
    }
}
