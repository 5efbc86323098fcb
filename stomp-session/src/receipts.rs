//! The frames that wait for a RECEIPT on this connection: each is resolved exactly once.

use alloc::collections::BTreeMap;

use crate::{ReceiptId, SubscriptionId, Timestamp};

/// What a RECEIPT is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// A frame whose sender is told the outcome.
    Command,
    Subscribe(SubscriptionId),
    Disconnect,
}

#[derive(Debug)]
struct Pending {
    awaited: Awaited,
    /// None until the first call that brings the time.
    deadline: Option<Timestamp>,
}

/// Outstanding receipts, in the order of their frames.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    pending: BTreeMap<ReceiptId, Pending>,
    unstamped: bool,
}

impl Receipts {
    pub(crate) fn add(&mut self, id: ReceiptId, awaited: Awaited) {
        self.pending.insert(id, Pending { awaited, deadline: None });
        self.unstamped = true;
    }

    /// Commands bring no time: what was added since the last call gets its deadline now. DISCONNECT, always the last, has one
    /// of its own.
    pub(crate) fn stamp(&mut self, deadline: Timestamp) {
        if core::mem::replace(&mut self.unstamped, false) {
            // The new ones are the last ones.
            let fresh = self.pending.values_mut().rev().take_while(|pending| pending.deadline.is_none());
            let commands = fresh.filter(|pending| pending.awaited != Awaited::Disconnect);
            commands.for_each(|pending| pending.deadline = Some(deadline));
        }
    }

    /// Resolves one; `None` when nobody waits for it, which is harmless: its waiter may have gone.
    pub(crate) fn resolve(&mut self, id: ReceiptId) -> Option<Awaited> {
        self.pending.remove(&id).map(|pending| pending.awaited)
    }

    /// Takes one that is overdue.
    pub(crate) fn take_overdue(&mut self, now: Timestamp) -> Option<(ReceiptId, Awaited)> {
        let (_, oldest) = self.pending.first_key_value()?;
        if oldest.deadline.is_none_or(|deadline| deadline > now) {
            return None;
        }
        self.pending.pop_first().map(|(id, pending)| (id, pending.awaited))
    }

    /// Takes any, the oldest first.
    pub(crate) fn take_first(&mut self) -> Option<(ReceiptId, Awaited)> {
        self.pending.pop_first().map(|(id, pending)| (id, pending.awaited))
    }

    /// The only one outstanding.
    pub(crate) fn only(&self) -> Option<(ReceiptId, Awaited)> {
        let mut all = self.pending.iter().map(|(id, pending)| (*id, pending.awaited));
        all.next().filter(|_| all.next().is_none())
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// All have the same time to go, so the oldest is the first to be overdue. One without a time wants one at once: the
    /// next call that brings the time may be far off.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let first = self.pending.first_key_value().and_then(|(_, pending)| pending.deadline);
        if self.unstamped { Some(Timestamp::ZERO) } else { first }
    }
}
