//! The handler runners of a session, which a graceful disconnect waits for.

use std::{collections::BTreeMap, task::Waker};

use super::{
    Notice,
    shared::{Inner, Shared},
};
use crate::Timestamp;

/// Names a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RunnerId(u64);

/// What a runner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Run,
    /// The client disconnects: no more messages.
    Stop,
    /// The time of the handlers is over.
    Abandon,
}

/// How a runner stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// Handlers that have not ended.
    pub(super) running: usize,
    /// It has stopped, and all that runs awaits the end of the session itself.
    pub(super) done: bool,
}

struct Entry {
    waker: Option<Waker>,
    report: Report,
}

#[derive(Default)]
pub(super) struct Runners {
    table: BTreeMap<RunnerId, Entry>,
    next: u64,
    stopping: Option<Stopping>,
    /// Until when handlers may run although the session has ended by itself.
    lingers: Option<Timestamp>,
    /// That time is over.
    abandoned: bool,
}

/// A graceful disconnect that still waits for handlers.
struct Stopping {
    /// That of the handlers and that of the whole disconnect. The driver stamps them: handles have no clock.
    deadlines: Option<(Timestamp, Timestamp)>,
    /// Nobody is waited for any more: the session disconnects.
    over: bool,
}

/// The handlers' share of the time for a disconnect. The rest is for their ACKs and the last receipts, which
/// must be confirmed although one handler hangs.
const SHARE: f64 = 0.75;

impl Runners {
    pub(super) const fn are_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// When the handlers will have had their time.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let stopping = self.stopping.as_ref().filter(|stopping| !stopping.over);
        let handlers = stopping.and_then(|stopping| stopping.deadlines).map(|(handlers, _)| handlers);
        handlers.or_else(|| self.lingers.filter(|_| !self.abandoned))
    }
}

impl Inner {
    /// A runner reports, and is told what to do.
    pub(super) fn visit(&mut self, id: &mut Option<RunnerId>, report: Report, waker: Waker) -> Call {
        let runners = &mut self.runners;
        let id = *id.get_or_insert_with(|| {
            runners.next = runners.next.saturating_add(1);
            RunnerId(runners.next)
        });
        let replaced = runners.table.insert(id, Entry { waker: Some(waker), report });
        self.discard(replaced.and_then(|entry| entry.waker));
        match &self.runners.stopping {
            None if self.runners.abandoned => Call::Abandon,
            None => Call::Run,
            Some(stopping) if stopping.over && !report.done => Call::Abandon,
            Some(_) => {
                self.wake_driver();
                Call::Stop
            }
        }
    }

    pub(super) fn remove_runner(&mut self, id: RunnerId) {
        let removed = self.runners.table.remove(&id);
        self.discard(removed.and_then(|entry| entry.waker));
        self.wake_driver();
    }

    /// Disconnects once the runners have ended, at once if there are none.
    pub(super) fn stop_runners(&mut self) {
        if self.runners.table.is_empty() {
            self.session.disconnect();
        } else {
            self.runners.stopping.get_or_insert(Stopping { deadlines: None, over: false });
            self.wake_runners();
        }
    }

    fn wake_runners(&mut self) {
        for entry in self.runners.table.values_mut() {
            self.after.wake(entry.waker.take());
        }
    }

    /// The session has ended by itself, and the driver with it unless handlers still run: nobody else keeps their time.
    /// Whether it has to stay.
    pub(super) fn lingers(&mut self, now: Timestamp) -> bool {
        let grace = self.session.config().disconnect_timeout;
        let runners = &mut self.runners;
        if runners.table.is_empty() || runners.stopping.is_some() {
            return false;
        }
        let stays = now < *runners.lingers.get_or_insert_with(|| now.after(grace));
        if !stays {
            runners.abandoned = true;
            self.wake_runners();
        }
        stays
    }

    /// Goes on with a disconnect when the runners have ended, or had their time. The driver's business.
    pub(super) fn continue_disconnect(&mut self, now: Timestamp) {
        let timeout = self.session.config().disconnect_timeout;
        let Some(stopping) = self.runners.stopping.as_mut().filter(|stopping| !stopping.over) else { return };
        let (handlers, all) = *stopping
            .deadlines
            .get_or_insert_with(|| (now.after(timeout.mul_f64(SHARE)), now.after(timeout)));
        if now < handlers && self.runners.table.values().any(|entry| !entry.report.done) {
            return;
        }
        stopping.over = true;
        self.unhandled = self.runners.table.values().map(|entry| entry.report.running).sum();
        self.wake_runners();
        self.session.disconnect_within(all.since(now));
    }
}

impl Shared {
    /// Begins the graceful end. Whoever asks again joins in.
    pub(super) fn begin_disconnect(&self, inner: &mut Inner) {
        self.dispatch_in(inner);
        let begun = inner.session.is_disconnecting() || inner.runners.are_stopping();
        if inner.closed.is_none() && !begun {
            inner.note(&Notice::Disconnecting);
            inner.stop_runners();
            inner.changed();
        }
    }
}
