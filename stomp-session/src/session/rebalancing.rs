//! A connection is left for another broker of the list, so that in the mean each of them has as many clients.

use core::time::Duration;

use super::{Session, moves::Stage, rebalance::Rebalancing, state::State};
use crate::model::{endpoint::Endpoint, moving::Move, timestamp::Timestamp};

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
