//! Leaving a connection, at the end or for another one: first the runners, then the messages that wait, then the session.
//!
//! A client that moves by itself, to the broker that was drawn for it, waits until there is time: handlers end first, and
//! nobody else is disturbed.

use std::{sync::atomic::Ordering, task::Waker, time::Duration};

use super::{
    notice::Notice,
    runners::{Call, Holding, MoveId, Moves, Report, RunnerId},
    shared::{Inner, Shared},
    waits::For,
};
use crate::{Move, Moved, Timestamp};

/// The handlers' share of the time for leaving a connection. In a move, the rest is for their ACKs and the last receipts. A
/// client that rebalances stays until the next period if a handler has not ended by then.
const SHARE: f64 = 0.75;

/// The graceful end.
impl Inner {
    /// Stores the report of a runner, and returns what the runner is to do.
    pub(super) fn visit(&mut self, id: &mut Option<RunnerId>, report: Report, waker: Waker) -> Call {
        let (call, replaced) = self.runners.visit(id, report, waker);
        self.discard(replaced);
        if matches!(call, Call::Stop | Call::Hold) {
            self.wake_driver();
        }
        call
    }

    pub(super) fn remove_runner(&mut self, id: RunnerId) {
        let waker = self.runners.remove(id);
        self.discard(waker);
        self.wake_driver();
    }

    /// Disconnects once the runners have ended, at once if there are none.
    fn stop_runners(&mut self) {
        if self.runners.stop() {
            self.wake_runners();
        } else {
            self.drain(self.session.config().disconnect_timeout);
        }
    }

    /// Disconnects once what is parked has left, at once if nothing is.
    fn drain(&mut self, time: Duration) {
        if self.parking.is_empty() {
            self.session.disconnect_within(time);
        } else {
            self.parking.close(time);
        }
    }

    pub(super) fn is_disconnecting(&self) -> bool {
        self.session.is_disconnecting()
            || self.runners.are_stopping()
            || self.parking.is_closing()
            || self.ended.is_some()
    }

    fn wake_runners(&mut self) {
        let Self { runners, after, .. } = self;
        runners.take_wakers().for_each(|waker| after.wake(Some(waker)));
    }

    /// The session has ended by itself. Returns whether the driver must stay, because handlers still run and nothing
    /// else keeps their time.
    pub(super) fn lingers(&mut self, now: Timestamp) -> bool {
        let stays = self.runners.linger(self.session.config().disconnect_timeout, now);
        if self.runners.are_abandoned() {
            self.wake_runners();
        }
        stays
    }

    /// Continues a move, or a disconnect: when the runners have ended or had their time, and then when nothing waits to be
    /// sent any more or it had its time. Only the driver calls this.
    pub(super) fn continue_disconnect(&mut self, now: Timestamp) {
        self.continue_move(now);
        let timeout = self.session.config().disconnect_timeout;
        if let Some((unhandled, rest)) = self.runners.end_stop(timeout, now) {
            self.unhandled = unhandled;
            self.wake_runners();
            self.drain(rest);
        }
        if let Some((unsent, rest)) = self.parking.end(now) {
            self.unsent = unsent;
            self.session.disconnect_within(rest);
        }
    }
}

impl Shared {
    /// Begins the graceful end. A second call joins the first one.
    pub(super) fn begin_disconnect(&self, inner: &mut Inner) {
        self.dispatch_in(inner);
        if inner.closed.is_none() && !inner.is_disconnecting() {
            inner.note(&Notice::Disconnecting);
            inner.forget_move();
            inner.stop_runners();
            inner.changed();
        }
    }
}

/// Moves.
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
    fn continue_move(&mut self, now: Timestamp) {
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
    fn forget_move(&mut self) {
        (self.moves.holding, self.moves.resting) = (None, None);
        self.runners.hold(false);
    }

    pub(super) fn is_moving(&self) -> bool {
        self.moves.holding.is_some() || self.session.is_leaving()
    }
}

/// Rebalancing.
impl Inner {
    /// Moves to the broker that was drawn, once there is time. The driver's business. Returns whether anything has changed.
    pub(super) fn continue_rebalance(&mut self, now: Timestamp) -> bool {
        let may = self.may_rebalance();
        match self.moves.resting {
            None if !may => false,
            None => self.begin_rebalance(now),
            Some(_) if !may => {
                self.stop_resting();
                true
            }
            Some(_) if self.taken() == 0 => {
                self.moves.resting = None;
                self.rebalance();
                true
            }
            Some(by) if by <= now => {
                self.stop_resting();
                self.session.put_off_rebalancing();
                true
            }
            Some(_) => false,
        }
    }

    /// Whether nothing is in flight but messages, and nothing else is under way.
    fn may_rebalance(&self) -> bool {
        self.session.is_to_rebalance()
            && !self.moves.is_under_way()
            && !self.is_disconnecting()
            && self.session.is_idle()
            && self.parking.is_empty()
            && !self.requests.await_replies()
    }

    /// At once if nobody has a message; if only handlers have any, they take no more until then.
    fn begin_rebalance(&mut self, now: Timestamp) -> bool {
        match self.taken() {
            0 => self.rebalance(),
            taken if taken <= self.runners.owing() => {
                let time = self.session.config().disconnect_timeout.mul_f64(SHARE);
                self.moves.resting = Some(now.after(time));
                self.runners.hold(true);
                self.wake_runners();
            }
            _ => return false,
        }
        true
    }

    fn rebalance(&mut self) {
        self.moves.begin();
        // They go on when the connection is left.
        self.runners.hold(true);
        self.session.rebalance();
    }

    /// Handlers go on, and the client stays where it is.
    fn stop_resting(&mut self) {
        self.moves.resting = None;
        self.release_runners(0);
    }

    /// The messages that were taken and are not settled. Those that nobody has taken are delivered again and have cost nothing.
    fn taken(&self) -> usize {
        let untaken = self.inboxes.values().map(|inbox| {
            let waiting = inbox.messages.iter().filter(|message| message.needs_ack()).count();
            waiting.saturating_add(inbox.left.load(Ordering::Relaxed))
        });
        self.session.open_messages().saturating_sub(untaken.sum())
    }
}
