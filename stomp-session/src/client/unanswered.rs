//! Waiting until the broker has ended a subscription.

use std::{collections::BTreeMap, task::Waker};

use crate::SubscriptionId;

/// The subscriptions whose UNSUBSCRIBE has not been answered, and the wakers of those that wait for the answer.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    open: BTreeMap<SubscriptionId, Option<Waker>>,
}

impl Unanswered {
    pub(super) fn begin(&mut self, id: SubscriptionId) {
        self.open.insert(id, None);
    }

    /// Returns whether the answer is still missing, in which case the waker is stored. Also returns a waker that is no
    /// longer needed.
    pub(super) fn poll(&mut self, id: SubscriptionId, waker: Waker) -> (bool, Option<Waker>) {
        match self.open.get_mut(&id) {
            Some(waiting) => (true, waiting.replace(waker)),
            None => (false, Some(waker)),
        }
    }

    /// The answer has come, or is no longer waited for.
    pub(super) fn end(&mut self, id: SubscriptionId) -> Option<Waker> {
        self.open.remove(&id).flatten()
    }

    /// The connection has ended.
    pub(super) fn end_all(&mut self) -> impl Iterator<Item = Waker> {
        std::mem::take(&mut self.open).into_values().flatten()
    }
}
