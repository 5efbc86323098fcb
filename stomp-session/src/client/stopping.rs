//! A graceful end: first the runners, then the messages that wait, then the session.

use std::{task::Waker, time::Duration};

use super::{
    notice::Notice,
    runners::{Call, Report, RunnerId},
    shared::{Inner, Shared},
};
use crate::Timestamp;

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

    pub(super) fn wake_runners(&mut self) {
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
