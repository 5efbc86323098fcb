//! Who waits until the broker knows that a subscription has ended.

use std::{collections::BTreeMap, task::Waker};

use crate::SubscriptionId;

/// The subscriptions whose UNSUBSCRIBE was not answered, and who waits for that.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    open: BTreeMap<SubscriptionId, Option<Waker>>,
}

impl Unanswered {
    pub(super) fn begin(&mut self, id: SubscriptionId) {
        self.open.insert(id, None);
    }

    /// Whether the answer has not come: then it is waited for. Gives a waker that is of no use any more.
    pub(super) fn poll(&mut self, id: SubscriptionId, waker: Waker) -> (bool, Option<Waker>) {
        match self.open.get_mut(&id) {
            Some(waiting) => (true, waiting.replace(waker)),
            None => (false, Some(waker)),
        }
    }

    /// The answer has come, or nobody waits for it.
    pub(super) fn end(&mut self, id: SubscriptionId) -> Option<Waker> {
        self.open.remove(&id).flatten()
    }

    /// The connection has ended.
    pub(super) fn end_all(&mut self) -> impl Iterator<Item = Waker> {
        std::mem::take(&mut self.open).into_values().flatten()
    }
}
