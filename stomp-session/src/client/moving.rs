//! Moves from one connection to the next: the runners first, then the session.

use super::{
    moves::{Holding, MoveId, Moves},
    notice::Notice,
    shared::{Inner, Shared},
    waits::For,
};
use crate::{Move, Moved, Timestamp};

/// The handlers' share of the time for leaving. The rest is for their ACKs and the last receipts.
const SHARE: f64 = 0.75;

impl Shared {
    /// Begins to move, or joins in.
    pub(super) fn begin_move(&self, inner: &mut Inner, how: Move) -> MoveId {
        self.dispatch_in(inner);
        if inner.closed.is_some() || inner.is_disconnecting() {
            // No move comes to this: the end of the session is what is told.
            return MoveId(u64::MAX);
        }
        let is_first = !inner.moves.is_under_way();
        if is_first {
            inner.moves.begin();
        }
        inner.move_on(how, is_first);
        self.dispatch_in(inner);
        inner.moves.newest
    }
}

impl Inner {
    fn move_on(&mut self, how: Move, is_first: bool) {
        self.moves.resting = None;
        if let Some(holding) = &mut self.moves.holding {
            if let Some(to) = how.to {
                holding.how = holding.how.clone().to(to);
            }
            return;
        }
        let stands = self.session.connection().map(|connection| connection.id).filter(|_| is_first);
        match stands {
            Some(connection) if self.runners.hold(true) => {
                let timeout = how.within.unwrap_or_else(|| self.session.config().disconnect_timeout);
                let holding = Holding { how, connection, timeout, deadlines: None };
                self.moves.holding = Some(Box::new(holding));
                self.wake_runners();
                self.changed();
            }
            _ => self.leave_connection(how),
        }
    }

    /// Once the handlers have ended.
    fn leave_connection(&mut self, how: Move) {
        // It is not disconnecting.
        let _ = self.session.reconnect(how);
        if !self.session.is_leaving() {
            self.release_runners(0);
        }
    }

    /// Goes on with a move when the handlers have ended, or had their time. The driver's business.
    pub(super) fn continue_move(&mut self, now: Timestamp) {
        let is_idle = self.runners.owing() == 0;
        let stands = self.session.connection().map(|connection| connection.id);
        let Some(holding) = &mut self.moves.holding else { return };
        let timeout = holding.timeout;
        let (handlers, all) =
            *holding.deadlines.get_or_insert_with(|| (now.after(timeout.mul_f64(SHARE)), now.after(timeout)));
        if !is_idle && now < handlers && stands == Some(holding.connection) {
            return;
        }
        let how = holding.how.clone().within(all.since(now));
        self.moves.holding = None;
        self.moves.unhandled = self.runners.owing();
        self.leave_connection(how);
    }

    /// The connection was left, with that number of messages that nobody had taken: handlers may go on.
    pub(super) fn release_runners(&mut self, returned: usize) {
        self.moves.returned = self.moves.returned.saturating_add(returned);
        if self.moves.holding.is_none() && self.runners.are_holding() {
            self.runners.hold(false);
            self.wake_runners();
        }
    }

    pub(super) fn end_move(&mut self, moved: Moved) {
        let Moves { newest, unhandled, returned, .. } = &self.moves;
        let returned = moved.returned.saturating_add(*returned);
        let (newest, moved) = (*newest, Moved { unhandled: *unhandled, returned, ..moved });
        self.note(&Notice::Moved(Box::new(moved.clone())));
        self.moves.moved = Some(Box::new((newest, moved)));
        self.wake_all(For::Move);
    }

    /// The session ends instead.
    pub(super) fn forget_move(&mut self) {
        (self.moves.holding, self.moves.resting) = (None, None);
        self.runners.hold(false);
    }

    pub(super) fn is_moving(&self) -> bool {
        self.moves.holding.is_some() || self.session.is_leaving()
    }
}
