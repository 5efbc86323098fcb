//! A move: the connection is left in good order, and the next broker is dialled at once. A client that rebalances moves by
//! itself, so that in the mean each broker of the list has as many clients.

use alloc::{boxed::Box, collections::BTreeSet};
use core::time::Duration;

use super::{
    Session,
    state::{Moving, Rebalancing, Stage, State},
};
use crate::model::{
    connection::Move,
    endpoint::Endpoint,
    error::{CommandError, Lost},
    event::Event,
    ids::SubscriptionId,
    time::Timestamp,
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

/// What listeners are told.
const REASON: &str = "rebalance";

/// The time for the transport, and as much for CONNECTED: a broker that does not answer costs no more, since the one that was
/// left is dialled again after it.
const TRIED_FOR: Duration = Duration::from_secs(2);

/// Rebalancing.
impl Session {
    /// When something is to be done, unless that waits for an idle moment.
    pub(super) fn rebalances_at(&self) -> Option<Timestamp> {
        let rebalancing = self.rebalancing.as_deref().filter(|rebalancing| rebalancing.to.is_none())?;
        let State::Connected(link) = &self.state else { return None };
        let may = self.moving.is_none() && self.ending.is_none();
        may.then(|| rebalancing.at.map(|at| at.max(link.since.after(self.config.stable_after)))).flatten()
    }

    /// Draws a broker if that is due, and moves to it if nothing is in flight.
    pub(super) fn expire_rebalancing(&mut self) {
        if self.rebalancing.is_none() {
            return;
        }
        if self.rebalances_at().is_some_and(|at| at <= self.now) {
            self.draw_broker();
        }
        let waits = self.rebalancing.as_deref().is_none_or(Rebalancing::waits_for_owner);
        if !waits && self.is_to_rebalance() && self.is_idle() && self.open_messages() == 0 {
            self.rebalance();
        }
    }

    /// Each broker of the list is as likely as the others. Where it is the present one, nothing is done in this period.
    fn draw_broker(&mut self) {
        let Self { rebalancing: Some(rebalancing), failover, state: State::Connected(link), now, .. } = self
        else {
            return;
        };
        let present = &link.connection.endpoint;
        match failover.draw(&mut rebalancing.random, present, *now) {
            Some(drawn) if drawn != *present => rebalancing.to = Some(drawn),
            _ => rebalancing.put_off(*now),
        }
    }

    /// Whether a broker was drawn that a connection can be left for.
    pub(crate) fn is_to_rebalance(&self) -> bool {
        let is_drawn = self.rebalancing.as_deref().is_some_and(|rebalancing| rebalancing.to.is_some());
        is_drawn
            && self.moving.is_none()
            && self.ending.is_none()
            && matches!(self.state, State::Connected(_))
    }

    /// Whether nothing is in flight but messages: no SEND without its answer, no transaction, nothing that is sent alone.
    pub(crate) fn is_idle(&self) -> bool {
        self.replay.kept.len() == 0
            && self.replay.careful.is_none()
            && self.state.link().is_some_and(|link| link.is_idle())
    }

    /// Messages that were handed out and are not settled.
    pub(crate) fn open_messages(&self) -> usize {
        self.state.link().map_or(0, |link| link.open_messages())
    }

    /// Moves to the broker that was drawn.
    pub(crate) fn rebalance(&mut self) {
        let now = self.now;
        let Some(rebalancing) = &mut self.rebalancing else { return };
        let Some(to) = rebalancing.to.take() else { return };
        rebalancing.put_off(now);
        self.begin_move(Move::new(REASON).to(to));
        if let Some(moving) = &mut self.moving {
            moving.rebalances = true;
            moving.stamp(now);
        }
        self.continue_moving();
    }

    /// The broker is not in the list any more.
    pub(super) fn forget_drawn(&mut self, endpoint: &Endpoint) {
        let drawn = self.rebalancing.as_mut().filter(|rebalancing| rebalancing.to.as_ref() == Some(endpoint));
        if let Some(rebalancing) = drawn {
            rebalancing.put_off(self.now);
        }
    }

    /// How long that broker is waited for at most. One that was only drawn has little time.
    pub(super) fn patience(&self, endpoint: &Endpoint, limit: Duration) -> Duration {
        let is_drawn = self.moving.as_deref().is_some_and(|moving| {
            moving.rebalances
                && matches!(moving.stage, Stage::Left { .. })
                && moving.how.to.as_ref() == Some(endpoint)
        });
        if is_drawn { limit.min(TRIED_FOR) } else { limit }
    }

    /// The same, for the broker that is dialled.
    pub(super) fn time_limit(&self, limit: Duration) -> Duration {
        self.broker().map_or(limit, |endpoint| self.patience(endpoint, limit))
    }
}

/// What the client layer asks beside.
#[cfg(feature = "client")]
impl Session {
    /// From here on the owner says when there is time to move.
    pub(crate) fn rebalance_when_told(&mut self) {
        if let Some(rebalancing) = &mut self.rebalancing {
            rebalancing.waits_for_owner = true;
        }
    }

    /// There was no time in this period.
    pub(crate) fn put_off_rebalancing(&mut self) {
        if let Some(rebalancing) = &mut self.rebalancing {
            rebalancing.put_off(self.now);
        }
    }
}
