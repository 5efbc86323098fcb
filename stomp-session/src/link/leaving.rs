//! What goes back before a connection is left in good order: messages that the broker has sent and nobody has settled, where
//! its end would count as a delivery of each and a NACK does not.

use alloc::vec::Vec;
use core::time::Duration;

use stomp_proto::Frame;

use super::{
    Link,
    cx::Cx,
    parts::{Parts, delivery_ids},
    unsubscribing::UnsubscribeOptions,
};

impl Link {
    /// Gives back what is not settled, once, and waits so long for each of the broker's answers. Whether it waits.
    pub(crate) fn give_back_all(&mut self, timeout: Duration, cx: &mut Cx<'_>) -> bool {
        if self.gave_back || self.isolation.is_some() || !self.connection.profile.gives_back() {
            return false;
        }
        self.gave_back = true;
        let subscriptions = &cx.replay.subscriptions;
        let written = |id| self.settlement.holds(id).then(|| Some((id, subscriptions.get(id)?.clone())));
        let live: Vec<_> = subscriptions.ready().filter_map(|id| written(id).flatten()).collect();
        for (id, subscription) in live.into_iter().filter(|(_, held)| !held.subscribe.expected) {
            self.unsubscribing.add(id, subscription, UnsubscribeOptions::default());
        }
        let Self { unsubscribing, connection, wire, settlement, .. } = self;
        if let Some(unsubscribing) = unsubscribing.used() {
            unsubscribing.leave_all(timeout, &mut Parts { connection, wire, settlement }, cx.ids);
        }
        !self.is_answered()
    }

    /// A message that comes while its connection is being left goes back as well. Whether nobody is there for it.
    #[cold]
    pub(super) fn send_back(&mut self, frame: &Frame, cx: &mut Cx<'_>) -> bool {
        let id = frame.header("subscription").and_then(|id| self.unsubscribing.of(&id.text().ok()?));
        let late = id.filter(|_| self.gave_back);
        let standing = || cx.replay.subscriptions.standing(frame, self.connection.version);
        if let Some(id) = late.or_else(|| standing().filter(|_| cx.is_ending)) {
            self.settlement.count(frame, delivery_ids(&self.connection));
            self.settlement.deliver_to_nobody(id, frame, self.connection.version);
        }
        if let Some(id) = late {
            cx.events.count_returned();
            self.subscribe_again(id, cx);
        }
        cx.is_ending || late.is_some()
    }
}
