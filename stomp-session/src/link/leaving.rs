//! What goes back before a connection is left in good order: messages that the broker has sent and nobody has settled, where
//! its end would count as a delivery of each and a NACK does not.
//!
//! RabbitMQ answers an UNSUBSCRIBE before it has looked at what its queue had already sent: that comes as stray ERRORs behind
//! the RECEIPT. So the broker is asked whether all has come, by transactions in which nothing is done, until a round trip
//! brings nothing new.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use stomp_proto::Frame;

use super::{
    Link,
    context::{Cx, Parts, delivery_ids},
    outbox::Kind,
    receipts::Awaited,
    settlement::GivingBack,
    unsubscribing::UnsubscribeOptions,
};
use crate::model::frames;

/// The transaction in which nothing is done.
const NOTHING: &str = "leaving";

impl Link {
    /// Gives back what is not settled, step by step, in three quarters of the time that is left. Whether it waits for an answer.
    /// It is called when nothing waits for one.
    pub(crate) fn give_back_all(&mut self, left: Duration, cx: &mut Cx<'_>) -> bool {
        let gives_back = self.connection.profile.gives_back();
        if self.isolation.is_some() || !(gives_back || self.giving_back.is_some() || self.may_be_behind(cx)) {
            return false;
        }
        match &mut self.giving_back {
            None => {
                let giving_back = GivingBack::new(left, cx.now);
                self.unsubscribe_all(giving_back.timeout, gives_back, cx);
                self.giving_back = Some(Box::new(giving_back));
            }
            Some(it) if it.is_over => return false,
            Some(_) => {}
        }
        let waits =
            !self.is_answered() || (gives_back && (self.catch_up(cx) || self.ask_whether_all_has_come(cx)));
        if !waits {
            self.giving_back.iter_mut().for_each(|it| it.stop());
        }
        waits
    }

    /// Whether so much was settled just now that the broker may not have passed on all of it. It does so before it answers an
    /// UNSUBSCRIBE; what it has not passed on when the connection ends comes again, though its RECEIPTs have come.
    fn may_be_behind(&self, cx: &Cx<'_>) -> bool {
        let most = self.connection.profile.returns_at_once;
        most.is_some_and(|most| self.burst.exceeds(most, cx.now))
    }

    /// Unsubscribes whatever holds messages that are acknowledged, and gives back those that are not settled, if that is of use.
    fn unsubscribe_all(&mut self, timeout: Duration, gives_back: bool, cx: &mut Cx<'_>) {
        let subscriptions = &cx.replay.subscriptions;
        let written = |id| self.settlement.holds(id).then(|| Some((id, subscriptions.get(id)?.clone())));
        let live: Vec<_> = subscriptions.ready().filter_map(|id| written(id).flatten()).collect();
        let Self { unsubscribing, connection, wire, settlement, .. } = self;
        let mut parts = Parts { connection, wire, settlement };
        for (id, subscription) in live.into_iter().filter(|(_, held)| !held.subscribe.expected) {
            if gives_back {
                unsubscribing.add(id, subscription, UnsubscribeOptions::default());
            } else {
                unsubscribing.leave(id, subscription, timeout, &mut parts, cx.ids);
            }
        }
        if let Some(unsubscribing) = unsubscribing.used().filter(|_| gives_back) {
            unsubscribing.leave_all(timeout, &mut parts, cx.ids);
        }
    }

    /// Lets the broker pass on what has gone back.
    fn catch_up(&mut self, cx: &mut Cx<'_>) -> bool {
        let Self { unsubscribing, connection, wire, settlement, giving_back, .. } = self;
        let mut parts = Parts { connection, wire, settlement };
        let asks = unsubscribing.used().is_some_and(|it| it.catch_up(&mut parts, cx.ids, cx.now));
        if asks {
            giving_back.iter_mut().for_each(|it| it.forget_round());
        }
        asks
    }

    /// Asks, unless the last answer has brought nothing new.
    fn ask_whether_all_has_come(&mut self, cx: &mut Cx<'_>) -> bool {
        let newest = self.settlement.newest();
        let may_come = self.unsubscribing.has_said();
        let Some(it) = self.giving_back.as_deref_mut().filter(|_| may_come) else { return false };
        if !it.begin_round(newest) {
            return false;
        }
        let id = cx.ids.receipt();
        // Neither can fail: they are made of nothing.
        let _ = self.wire.push(&frames::begin(NOTHING), Kind::Unanswered);
        let _ = self.wire.push_awaited(&frames::abort(NOTHING), id, Awaited::Abort, it.timeout);
        true
    }

    /// The time for it is over.
    pub(super) fn stop_giving_back(&mut self, cx: &mut Cx<'_>) {
        let deadline = self.giving_back.as_deref().and_then(GivingBack::deadline);
        if deadline.is_some_and(|at| at <= cx.now) {
            self.giving_back.iter_mut().for_each(|it| it.stop());
            while let Some(id) = self.wire.receipts.of_giving_back() {
                self.give_up(id, cx);
            }
        }
    }

    /// A message that comes while its connection is being left goes back as well. Whether nobody is there for it.
    #[cold]
    pub(super) fn send_back(&mut self, frame: &Frame, cx: &mut Cx<'_>) -> bool {
        let id = frame.header("subscription").and_then(|id| self.unsubscribing.of(&id.text().ok()?));
        let late = id.filter(|_| self.giving_back.is_some());
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
