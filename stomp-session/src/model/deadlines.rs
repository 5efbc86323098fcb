//! Deadlines of receipts, the earliest first.

use alloc::collections::BTreeSet;

use super::{ids::ReceiptId, timestamp::Timestamp};

/// The times at which waits end. A wait without an end is not listed.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(Timestamp, ReceiptId)>);

impl Deadlines {
    pub(crate) fn add(&mut self, at: Timestamp, id: ReceiptId) {
        if at < Timestamp::MAX {
            self.0.insert((at, id));
        }
    }

    pub(crate) fn remove(&mut self, at: Timestamp, id: ReceiptId) {
        self.0.remove(&(at, id));
    }

    /// A receipt whose deadline has passed.
    pub(crate) fn due(&self, now: Timestamp) -> Option<ReceiptId> {
        self.0.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }
}
