//! What outlives a connection is written on it: at its beginning, and when its time has come.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use stomp_proto::AckMode;

use super::{
    Link,
    context::Cx,
    isolation::{Isolation, Step},
    outbox::Outbox,
    receipts::Awaited,
};
use crate::{
    model::{
        config::Config,
        connection::Connection,
        error::{CommandError, Ended, Lost, NotSent, Unknown},
        ids::{ReceiptId, SubscriptionId},
        profile::Profile,
    },
    replay::{Subscription, Wait},
};

/// Among the others, or before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Usual,
    Ahead,
}

impl Link {
    /// Writes the subscriptions, unless each is to be sent alone.
    pub(super) fn replay(&mut self, cx: &mut Cx<'_>) {
        if self.isolation.is_some() || cx.is_ending {
            return;
        }
        let ids: Vec<_> = cx.replay.subscriptions.ready().collect();
        for id in ids {
            let _ = self.resubscribe(id, Order::Usual, cx);
        }
    }

    /// Does what has waited for an answer.
    pub(crate) fn proceed(&mut self, cx: &mut Cx<'_>) {
        self.proceed_alone(cx);
        self.try_again(cx);
        self.write_kept(cx);
    }

    /// Sends alone the next one, if the one that is out was answered.
    fn proceed_alone(&mut self, cx: &mut Cx<'_>) {
        while let Some(isolation) = &mut self.isolation
            && !isolation.waits(&self.wire)
        {
            let Some(step) = isolation.next_step() else {
                // What was left out is still to be sent with care.
                if !cx.is_moving {
                    cx.replay.end_care();
                }
                return;
            };
            if let Some(id) = self.take_step(step, Order::Ahead, cx)
                && let Some(isolation) = &mut self.isolation
            {
                isolation.set_alone(id);
            }
        }
    }

    /// Sends again what is due.
    fn try_again(&mut self, cx: &mut Cx<'_>) {
        cx.replay.kept.used().into_iter().for_each(|kept| kept.release(cx.now));
        while !cx.is_leaving()
            && let Some(id) = cx.replay.subscriptions.waiting().due(cx.now)
        {
            let _ = self.resubscribe(id, Order::Usual, cx);
        }
        match self.next_suspect(cx) {
            // RabbitMQ answers the frames of a transaction after its COMMIT, which nobody must wait for.
            Some(step) if !self.transactions.is_empty() => _ = self.take_step(step, Order::Usual, cx),
            Some(step) => {
                self.isolation = Some(Box::new(Isolation::of(step, cx.now)));
                self.wire.hold(Outbox::numbered(cx.ids.outbox()), cx.events.traces_frames());
                self.proceed_alone(cx);
            }
            None => {}
        }
    }

    fn next_suspect(&self, cx: &mut Cx<'_>) -> Option<Step> {
        if self.isolation.is_some() || cx.is_moving {
            return None;
        }
        let subscription = (!cx.is_ending).then(|| cx.replay.take_subscription_to_try(cx.now)).flatten();
        let kept = || cx.replay.take_kept_to_try(cx.now).map(Step::Kept);
        subscription.map(Step::Subscription).or_else(kept)
    }

    fn take_step(&mut self, step: Step, order: Order, cx: &mut Cx<'_>) -> Option<ReceiptId> {
        match step {
            // It may be the cause as well as those that ended connections just now.
            _ if is_suspect(step, cx) && !cx.replay.allows_tries(is_silent(cx), cx.now) => {
                hold(step, cx);
                None
            }
            Step::Kept(id) if cx.replay.careful.is_some() && cx.replay.kept.is_closed(id) => {
                cx.replay.hold_kept(id, false);
                None
            }
            Step::Kept(id) => self.write_copy(id, order, cx),
            Step::Subscription(id) if cx.is_leaving() => {
                self.passed_over.insert(id);
                None
            }
            Step::Subscription(id) => self.resubscribe(id, order, cx),
        }
    }

    /// Writes as many of the SENDs that are kept as may be out.
    pub(super) fn write_kept(&mut self, cx: &mut Cx<'_>) {
        if cx.is_moving || self.isolation.as_ref().is_some_and(|isolation| !isolation.is_done()) {
            return;
        }
        while let Some(id) = cx.replay.kept.next(cx.config.at_least_once_window) {
            if cx.replay.kept.is_closed(id) {
                cx.replay.hold_kept(id, false);
            } else {
                self.write_copy(id, Order::Usual, cx);
            }
        }
    }

    /// Writes a copy of a SEND that is kept.
    fn write_copy(&mut self, id: ReceiptId, order: Order, cx: &mut Cx<'_>) -> Option<ReceiptId> {
        let receipt = cx.ids.receipt();
        let kept = cx.replay.kept.get(id)?;
        let configured = cx.config.deduplication_header.as_deref();
        let name = configured.unwrap_or(self.connection.profile.deduplication_header);
        let value = cx.replay.deduplication.of(id);
        let header = (!kept.frame.headers().contains(name)).then(|| (name, value.text()));
        let is_ahead = order == Order::Ahead;
        let written = self
            .check_receipts()
            .and_then(|()| self.wire.push_copy(&kept.frame, header, receipt, id, is_ahead));
        match written {
            Ok(()) => {
                cx.replay.kept.note_written(id, receipt);
                Some(receipt)
            }
            Err(error) => {
                let (not_sent, unknown) = (NotSent::Unwritable(error.clone()), Unknown::Unwritable(error));
                cx.replay.end(id, not_sent, unknown, cx.events);
                None
            }
        }
    }

    /// Sends a subscription, if it is still there.
    fn resubscribe(&mut self, id: SubscriptionId, order: Order, cx: &mut Cx<'_>) -> Option<ReceiptId> {
        match self.write_subscribe(id, order, cx) {
            Ok(receipt) => receipt,
            Err(CommandError::Unsubscribed) => None,
            Err(error) => {
                // Written before, but not in the version of this connection.
                cx.replay.end_subscription(id, Ended::Unwritable(error), cx.events);
                None
            }
        }
    }

    /// Writes a SUBSCRIBE; one that is only expected has none.
    pub(crate) fn subscribe(&mut self, id: SubscriptionId, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        self.write_subscribe(id, Order::Usual, cx).map(drop)
    }

    fn write_subscribe(
        &mut self,
        id: SubscriptionId,
        order: Order,
        cx: &mut Cx<'_>,
    ) -> Result<Option<ReceiptId>, CommandError> {
        let receipt = cx.ids.receipt();
        let held = cx.replay.subscriptions.get_mut(id).ok_or(CommandError::Unsubscribed)?;
        if held.subscribe.expected {
            return Ok(None);
        }
        let Connection { version, profile, .. } = &*self.connection;
        check_client_id(held, profile, cx.config)?;
        let (asked, on_wire): (AckMode, _) = (held.subscribe.ack_mode, held.mode_on_wire(*version, profile));
        let frame = held.frame(*version, profile);
        // It lives longer than any wait: only the broker's time for the RECEIPT counts.
        match order {
            Order::Usual => self.wire.push_awaited(&frame, receipt, Awaited::Subscribe(id), Duration::MAX)?,
            Order::Ahead => self.wire.push_ahead(&frame, receipt, Awaited::Subscribe(id))?,
        }
        held.asked = Some(receipt);
        self.settlement.begin(id, asked, on_wire);
        Ok(Some(receipt))
    }
}

/// A broker may keep a durable subscription for a client-id alone, and say nothing where there is none.
fn check_client_id(held: &Subscription, profile: &Profile, config: &Config) -> Result<(), CommandError> {
    let is_durable = held.is_durable(profile) && profile.durable_needs_client_id;
    match is_durable && config.connect_headers().all(|(name, _)| name != "client-id") {
        true => Err(CommandError::NeedsClientId { broker: profile.name }),
        false => Ok(()),
    }
}

/// Whether something was refused before, or was alone on a connection when that ended, and is now sent together with
/// everything else that may have ended the last connection.
fn is_suspect(step: Step, cx: &Cx<'_>) -> bool {
    let had_trouble = match step {
        Step::Kept(id) => cx.replay.kept.get(id).is_some_and(|kept| kept.last.is_some()),
        Step::Subscription(id) => cx.replay.subscriptions.get(id).is_some_and(|held| held.is_suspect()),
    };
    had_trouble && cx.replay.careful.is_some()
}

/// Whether the replay is careful because connections were closed in silence.
fn is_silent(cx: &Cx<'_>) -> bool {
    cx.replay.careful.as_ref().is_some_and(|reason| reason.is_silent())
}

/// If too many connections were lost just now, a suspect waits for the clock. What never caused trouble does not wait.
fn hold(step: Step, cx: &mut Cx<'_>) {
    let silent = is_silent(cx);
    match step {
        Step::Kept(id) => cx.replay.hold_kept(id, silent),
        Step::Subscription(id) => {
            let reason = Ended::KillsConnection(cx.replay.careful.as_deref().cloned().unwrap_or(Lost::Eof));
            cx.replay.subscribe_later(id, Wait::for_clock(silent), reason, cx.now, cx.events);
        }
    }
}
