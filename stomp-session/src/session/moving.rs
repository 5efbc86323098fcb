//! A move: the connection is left in good order, and the next broker is dialled at once.

use alloc::{boxed::Box, collections::BTreeSet};
use core::time::Duration;

use super::{
    Session,
    moves::{Moving, Stage},
    state::State,
};
use crate::model::{
    endpoint::Endpoint,
    error::{CommandError, Lost},
    event::Event,
    ids::SubscriptionId,
    moving::Move,
    timestamp::Timestamp,
};

/// Moving.
impl Session {
    /// Leaves the connection in good order and connects to the next broker, or to the one that `how` names.
    ///
    /// All subscriptions, and all messages that are sent at least once, go on with the new connection. Use this method when
    /// credentials have changed, before a broker is stopped, or to distribute load anew.
    /// [`Event::Moving`] follows, and [`Event::Moved`] when the next connection is
    /// established.
    ///
    /// - Frames that wait for a RECEIPT are awaited. Then DISCONNECT is sent and its RECEIPT awaited, all within
    ///   [`Move::within`]. After that, or if the connection ends earlier, the next broker is dialled. The outcome of a frame
    ///   that was not answered is unknown, or the frame was not sent. Messages that are sent at least once are sent again.
    /// - In the meantime messages can be settled until DISCONNECT is written. After that, settling fails with
    ///   [`CommandError::Stale`]. SEND, BEGIN and other frames that would be sent at once fail with
    ///   [`CommandError::NotConnected`]. A new subscription is sent on the next connection. Open transactions fail with
    ///   [`CommandError::TransactionLost`].
    /// - No UNSUBSCRIBE is sent for subscriptions that go on, because it would delete durable subscriptions of some brokers. An
    ///   exception are brokers to which messages are [given back](Self::disconnect) by one.
    ///   Messages that arrive in the meantime and need an acknowledgement are not handed out: the broker delivers them again.
    ///   Messages with ack mode `auto`, and those of subscriptions that [keep stale
    ///   messages](crate::Subscribe::keep_stale), are handed out.
    /// - The next broker is the one after the current broker in the list. The current broker is tried last. A move is no
    ///   failure: it adds no delay and does not count toward any limit.
    /// - If there is no connection, the schedule begins anew, and the broker whose turn it is, or the one that is named, is
    ///   dialled at once. An attempt in progress goes on, unless another broker is named. A login that was refused is still
    ///   held back.
    /// - A second call joins the first, and may name another broker. [`disconnect`](Self::disconnect) ends a move.
    ///
    /// # Errors
    /// Returns [`CommandError::Closed`] if the session is disconnecting or has ended.
    pub fn reconnect(&mut self, how: Move) -> Result<(), CommandError> {
        if self.is_ending() {
            return Err(CommandError::Closed);
        }
        let to = how.to.clone();
        self.begin_move(how);
        if self.is_leaving() {
            self.continue_moving();
        } else {
            self.dial_at_once(to);
        }
        Ok(())
    }

    /// Whether a connection stands that is being left.
    pub(crate) fn is_leaving(&self) -> bool {
        self.moving.as_deref().is_some_and(Moving::is_leaving)
    }

    pub(super) fn begin_move(&mut self, how: Move) {
        if let Some(moving) = &mut self.moving {
            moving.rebalances &= how.to.is_none();
            moving.how.to = how.to.or_else(|| moving.how.to.take());
            return;
        }
        let connection = self.connection().map(|connection| connection.id);
        self.events.push(Event::Moving { connection, reason: how.reason.clone() });
        self.events.begin_departure();
        let begun = self.with_link(|link, cx| (link.begin_end(), link.count_at_risk(cx.replay)));
        let stage = match begun {
            Some(_) => Stage::Leaving,
            None => Stage::Left { graceful: false, told: self.events.end_departure() },
        };
        let (transactions, at_risk) = begun.unwrap_or_default();
        let timeout = how.within.unwrap_or(self.config.disconnect_timeout);
        let unwritten = BTreeSet::new();
        let (deadline, rebalances) = (None, false);
        let moving = Moving { how, timeout, deadline, stage, rebalances, transactions, at_risk, unwritten };
        self.moving = Some(Box::new(moving));
    }

    /// Remembers that a subscription is to be sent on the next connection only. Whether that is so.
    pub(super) fn note_unwritten(&mut self, id: SubscriptionId) -> bool {
        let moving = self.moving.as_mut().filter(|moving| moving.is_leaving());
        moving.is_some_and(|moving| moving.unwritten.insert(id))
    }

    /// Whether a subscription waits for the next connection.
    pub(super) fn take_unwritten(&mut self, id: SubscriptionId) -> bool {
        self.moving.as_mut().is_some_and(|moving| moving.unwritten.remove(&id))
    }

    /// Goes on once nothing waits any more: RabbitMQ and Artemis drop the receipts that DISCONNECT overtakes.
    pub(super) fn continue_moving(&mut self) {
        if !self.is_leaving() || self.ending.is_some() {
            return;
        }
        if let State::Connected(link) = &mut self.state
            && link.is_answered()
        {
            // Those that were asked for since.
            link.begin_end();
            if link.is_answered() {
                self.part();
            }
        }
    }

    /// The time for leaving is over.
    pub(super) fn expire_moving(&mut self) {
        if self.moves_by().is_some_and(|deadline| deadline <= self.now) {
            self.depart(false, true);
        }
    }

    /// By when the connection is left, unless the session ends anyway.
    pub(super) fn moves_by(&self) -> Option<Timestamp> {
        self.moving.as_deref().filter(|_| self.ending.is_none()).and_then(Moving::deadline)
    }

    /// Leaves the connection, and goes on to the next broker. `graceful` says whether the broker has confirmed that, `open`
    /// whether there is a transport to be closed.
    pub(super) fn depart(&mut self, graceful: bool, open: bool) {
        let Some(present) = self.broker().cloned() else { return };
        self.leave(&Lost::Left, open);
        self.go_on(graceful, &present);
    }

    /// The connection was left: whether a move goes on from there.
    pub(super) fn go_on(&mut self, graceful: bool, present: &Endpoint) -> bool {
        let Some(moving) = self.moving.as_mut().filter(|moving| moving.is_leaving()) else { return false };
        moving.stage = Stage::Left { graceful, told: self.events.end_departure() };
        let rebalances = moving.rebalances;
        let to = moving.how.to.clone();
        let next = self.failover.move_on(to, present, self.now);
        if rebalances {
            self.failover.return_to(present);
        }
        self.wait_for(next);
        true
    }

    /// Dials without a delay what is to be dialled, or that broker.
    fn dial_at_once(&mut self, to: Option<Endpoint>) {
        match (&self.state, to) {
            (State::Waiting { endpoint, .. }, to) => {
                let next = to.unwrap_or_else(|| endpoint.clone());
                self.failover.begin_with(&next, self.now);
                self.wait_for(next);
            }
            (State::Connecting { endpoint, .. } | State::Handshake { endpoint, .. }, Some(to))
                if to != *endpoint =>
            {
                let endpoint = endpoint.clone();
                self.events.push(Event::ConnectFailed { endpoint, reason: Lost::Left });
                self.leave(&Lost::Left, true);
                self.failover.abandon();
                self.failover.begin_with(&to, self.now);
                self.wait_for(to);
            }
            (State::Connecting { endpoint, .. } | State::Handshake { endpoint, .. }, _) => {
                self.failover.begin_with(endpoint, self.now);
            }
            _ => {}
        }
    }

    fn wait_for(&mut self, endpoint: Endpoint) {
        self.events.push(Event::Reconnecting { endpoint: endpoint.clone(), delay: Duration::ZERO });
        self.state = State::Waiting { endpoint, retry_at: self.now };
    }

    /// The next connection stands.
    pub(super) fn arrive(&mut self) {
        if let Some(moving) = self.moving.take()
            && self.ending.is_none()
            && let Some(connection) = self.connection().cloned()
            && let Some(moved) = moving.into_moved(connection)
        {
            self.events.push(Event::Moved(moved));
        }
    }
}
