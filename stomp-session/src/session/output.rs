//! The outputs of a session, its state as others see it, and for the client layer what has left.

use alloc::collections::VecDeque;
#[cfg(feature = "client")]
use alloc::{sync::Arc, vec::Vec};

use bytes::Bytes;

#[cfg(feature = "client")]
use super::ConnectionMark;
use super::{
    Session,
    state::{Ending, Phase, State},
};
use crate::model::{
    connection::{Action, Connection},
    event::Event,
    time::Timestamp,
};
#[cfg(feature = "client")]
use crate::{
    link::Link,
    model::{
        config::Config,
        ids::{ReceiptId, SubscriptionId},
        subscribe::Oversized,
    },
};

impl Session {
    /// Returns the next event that clocks and commands have caused, oldest first.
    ///
    /// While there is an input, call [`next_event`](Self::next_event) instead, which returns these events too.
    #[must_use = "an event that is not looked at is lost"]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Returns the next action that the owner of the transport must perform, oldest first.
    #[must_use = "an action must be obeyed"]
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front()?;
        if self.actions.is_empty() {
            // There will be none for long.
            self.actions = VecDeque::new();
        }
        Some(action)
    }

    /// Returns the next octets to write, which are at most 64 KiB or one large body.
    ///
    /// Call this when the transport is ready to write, and write all of the octets. The time limit for a RECEIPT begins
    /// with this call.
    #[must_use = "these bytes are not given twice"]
    pub fn poll_transmit(&mut self, now: Timestamp) -> Option<Bytes> {
        self.set_now(now);
        self.stamp();
        match self.split() {
            (State::Handshake { outbox, .. }, cx) => {
                let bytes = outbox.take(|_, _| ());
                cx.events.extend(outbox.take_traced());
                bytes
            }
            (State::Connected(link) | State::Disconnecting(link), mut cx) => link.take(&mut cx),
            _ => None,
        }
    }

    /// Returns the time at which to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let ending = self.ending.as_ref().map(Ending::deadline);
        let moving = self.moves_by();
        let link = self.state.link().and_then(|link| link.deadline());
        let kept = self.replay.kept.deadline();
        let rebalances = self.rebalances_at();
        Timestamp::first([self.state.deadline(), ending, moving, kept, link, self.try_at(), rebalances])
            .filter(|at| *at < Timestamp::MAX)
    }

    /// When something that waits may be tried again on the connection that stands.
    fn try_at(&self) -> Option<Timestamp> {
        let State::Connected(link) = &self.state else { return None };
        if self.is_leaving() {
            return None;
        }
        self.replay.deadline(link.may_isolate(), self.ending.is_none())
    }

    /// Returns the current phase of the session.
    #[must_use]
    pub fn phase(&self) -> Phase<'_> {
        match &self.state {
            State::Waiting { endpoint, retry_at } => Phase::Waiting { endpoint, until: *retry_at },
            State::Connecting { endpoint, .. } | State::Handshake { endpoint, .. } => {
                Phase::Connecting(endpoint)
            }
            State::Connected(link) => Phase::Connected(&link.connection),
            State::Disconnecting(link) => Phase::Disconnecting(&link.connection),
            State::Closed => Phase::Closed,
        }
    }

    /// Returns the established connection, if there is one.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        self.state.link().map(|link| &*link.connection)
    }

    /// Returns the number of octets that wait for the transport.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.state.link().map_or(0, |link| link.unsent())
    }

    /// Returns the number of frames that wait for a RECEIPT, including those that are kept until they can be sent.
    #[must_use]
    pub fn awaited_receipts(&self) -> usize {
        let awaited = self.state.link().map_or(0, |link| link.awaited_receipts());
        awaited.saturating_add(self.replay.kept.waiting())
    }

    /// Returns `true` if the session has ended.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Returns the number of messages that came for a subscription after its end.
    ///
    /// They were dropped. They stay with the broker, except those of subscriptions with ack mode `auto`.
    #[must_use]
    pub const fn late_messages(&self) -> u64 {
        self.replay.subscriptions.late_messages()
    }

    /// Returns the number of ERRORs that were no answer to anything pending.
    ///
    /// RabbitMQ sends up to 200 of them after an UNSUBSCRIBE from a busy queue.
    #[must_use]
    pub const fn stray_errors(&self) -> u64 {
        self.replay.subscriptions.stray_errors()
    }

    /// Sets whether each frame and each heart-beat, in both directions, is reported as an event, for debugging.
    pub fn trace_frames(&mut self, traces: bool) {
        self.events.trace_frames(traces);
        match &mut self.state {
            State::Handshake { outbox, .. } => outbox.trace(traces),
            State::Connected(link) | State::Disconnecting(link) => link.trace(traces),
            _ => {}
        }
    }
}

/// What the client layer asks beside.
#[cfg(feature = "client")]
impl Session {
    /// The connection that stands, to be kept beyond its end.
    pub(crate) fn shared_connection(&self) -> Option<&Arc<Connection>> {
        self.state.link().map(|link| &link.connection)
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes the time, and counts that of what was commanded from now on. What is due stays due.
    pub(crate) fn take_time(&mut self, now: Timestamp) {
        self.set_now(now);
        self.stamp();
    }

    /// SENDs without a RECEIPT on this connection, those that wait for the transport included.
    pub(crate) fn sends_appended(&self) -> u64 {
        self.state.link().map_or(0, |link| link.sends().0)
    }

    /// SENDs without a RECEIPT that the transport has taken to the last octet, on this connection.
    pub(crate) fn sends_handed_over(&self) -> u64 {
        self.state.link().map_or(0, |link| link.sends().1)
    }

    /// Octets of ACKs and NACKs that wait for the transport.
    pub(crate) fn unsent_acknowledgements(&self) -> usize {
        self.state.link().map_or(0, |link| link.unsent_acknowledgements())
    }

    /// Whether the command gate has closed.
    pub(crate) const fn is_disconnecting(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether a connection stands on which messages are handed out.
    pub(crate) fn takes_messages(&self) -> bool {
        let is_moving = matches!(self.state, State::Disconnecting(_)) && self.is_leaving();
        (matches!(self.state, State::Connected(_)) || is_moving) && self.ending.is_none()
    }

    /// Whether a connection stands that takes what is sent at once.
    pub(crate) fn takes_sends(&self) -> bool {
        self.state.link().is_some() && !self.is_leaving()
    }

    /// Whether messages are wanted that nobody can acknowledge any more.
    pub(crate) fn keeps_stale(&self, id: SubscriptionId) -> bool {
        self.replay.subscriptions.keeps_stale(id)
    }

    /// Whether the owner of the subscription gets what was over a limit.
    #[cfg(feature = "client")]
    pub(crate) fn delivers_oversized(&self, id: SubscriptionId) -> bool {
        let held = self.replay.subscriptions.get(id);
        held.is_some_and(|held| held.subscribe.oversized == Oversized::Deliver)
    }

    /// Gives up the receipts that stand behind messages which nobody takes; whether there were any.
    pub(crate) fn give_up_receipts(&mut self, octets: usize) -> bool {
        let gave_up = self.with_link(|link, cx| link.give_up_receipts(octets, cx));
        self.proceed();
        gave_up.unwrap_or_default()
    }

    /// From here on bodies that are done with are kept for the owner, who drops them where that may run anything. Takes
    /// those that were.
    pub(crate) fn take_discarded(&mut self) -> Vec<Bytes> {
        self.events.take_discarded()
    }
}

/// What has left, for the client layer.
#[cfg(feature = "client")]
impl Session {
    /// Stands behind everything that was written on the connection, if one stands.
    pub(crate) fn mark(&self) -> Option<ConnectionMark> {
        let link = self.state.link()?;
        Some(ConnectionMark { connection: link.connection.id, mark: link.mark() })
    }

    /// The connection that a mark is of, while it stands.
    fn marked(&self, mark: &ConnectionMark) -> Option<&Link> {
        self.state.link().filter(|link| link.connection.id == mark.connection)
    }

    /// Whether its connection stands.
    pub(crate) fn stands(&self, mark: &ConnectionMark) -> bool {
        self.marked(mark).is_some()
    }

    /// Whether everything before that was handed over, or is gone.
    pub(crate) fn has_left(&self, mark: &ConnectionMark) -> bool {
        self.marked(mark).is_none_or(|link| link.has_left(&mark.mark))
    }

    /// Whether something before that was not handed over, and is not sent again on the next connection.
    pub(crate) fn holds_plain(&self, mark: &ConnectionMark) -> bool {
        self.marked(mark).is_some_and(|link| link.holds_plain(&mark.mark))
    }

    /// Whether something was handed over since the last call that is not sent again on the next connection.
    pub(crate) fn take_plain(&mut self) -> bool {
        self.state.link_mut().is_some_and(|link| link.take_plain())
    }

    /// Whether something with a lesser receipt is kept until it is confirmed, and has not begun to leave.
    pub(crate) fn keeps_unsent(&self, before: ReceiptId) -> bool {
        self.replay.kept.holds_unsent(before)
    }

    /// The receipt that the next frame asks for.
    pub(crate) const fn next_receipt(&self) -> ReceiptId {
        self.ids.next_receipt()
    }
}
