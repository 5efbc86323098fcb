//! The handler runners of a session, and the moves and the graceful disconnect that wait for them.

use std::{collections::BTreeMap, sync::Arc, task::Waker, time::Duration};

use super::sync::atomic::{AtomicBool, Ordering};
use crate::{ConnectionId, Move, Moved, Timestamp};

/// Names a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RunnerId(u64);

/// What a runner is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Run,
    /// The client moves to another connection: no more messages until it stands, unless the broker has forgotten them.
    Hold,
    /// The client disconnects: no more messages.
    Stop,
    /// The time of the handlers is over.
    Abandon,
}

/// The state of a runner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// The number of handlers that have not ended.
    pub(super) running: usize,
    /// The number of these handlers that a move waits for: their messages are to be acknowledged, they do not rest, and they
    /// do not await the end of the session or of a move themselves.
    pub(super) owing: usize,
    /// Whether the runner has stopped, and all its handlers await the end of the session themselves.
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
    /// No message is taken while a connection is being left.
    holding: bool,
    /// Whether one of these is so, for runners to see without the lock.
    halted: Arc<AtomicBool>,
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

    /// Stores the report of a runner. Returns what the runner is to do, and the waker that was stored for it.
    pub(super) fn visit(
        &mut self,
        id: &mut Option<RunnerId>,
        report: Report,
        waker: Waker,
    ) -> (Call, Option<Waker>) {
        let id = *id.get_or_insert_with(|| {
            self.next = self.next.saturating_add(1);
            RunnerId(self.next)
        });
        let replaced = self.table.insert(id, Entry { waker: Some(waker), report });
        let call = match &self.stopping {
            None if self.abandoned => Call::Abandon,
            None if self.holding => Call::Hold,
            None => Call::Run,
            Some(stopping) if stopping.over && !report.done => Call::Abandon,
            Some(_) => Call::Stop,
        };
        (call, replaced.and_then(|entry| entry.waker))
    }

    pub(super) fn remove(&mut self, id: RunnerId) -> Option<Waker> {
        self.table.remove(&id)?.waker
    }

    /// Tells all runners to stop. Returns whether there are any.
    pub(super) fn stop(&mut self) -> bool {
        let are_any = !self.table.is_empty();
        if are_any {
            self.stopping.get_or_insert(Stopping { deadlines: None, over: false });
            self.note_halted();
        }
        are_any
    }

    /// Tells the runners to take no messages, or to go on. Returns whether there are any.
    pub(super) fn hold(&mut self, holding: bool) -> bool {
        self.holding = holding;
        self.note_halted();
        !self.table.is_empty()
    }

    fn note_halted(&self) {
        self.halted.store(self.holding || self.are_stopping(), Ordering::Release);
    }

    /// Whether no message is taken, for runners, which ask before each.
    pub(super) fn halted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.halted)
    }

    pub(super) const fn are_holding(&self) -> bool {
        self.holding
    }

    /// The number of handlers whose ACKs are awaited before the connection is left.
    pub(super) fn owing(&self) -> usize {
        self.table.values().map(|entry| entry.report.owing).sum()
    }

    /// Takes the wakers of all runners.
    pub(super) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.table.values_mut().filter_map(|entry| entry.waker.take())
    }

    /// The session has ended by itself. Returns whether handlers may run on, which they may for `grace`.
    pub(super) fn linger(&mut self, grace: Duration, now: Timestamp) -> bool {
        if self.table.is_empty() || self.stopping.is_some() {
            return false;
        }
        self.abandoned = now >= *self.lingers.get_or_insert_with(|| now.after(grace));
        !self.abandoned
    }

    /// Their time is over, and the session has not been disconnected.
    pub(super) const fn are_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Returns once, when a disconnect no longer waits for the runners, how many handlers have not ended, and what is
    /// left of the time for the disconnect.
    pub(super) fn end_stop(&mut self, timeout: Duration, now: Timestamp) -> Option<(usize, Duration)> {
        let stopping = self.stopping.as_mut().filter(|stopping| !stopping.over)?;
        let (handlers, all) = *stopping
            .deadlines
            .get_or_insert_with(|| (now.after(timeout.mul_f64(SHARE)), now.after(timeout)));
        if now < handlers && self.table.values().any(|entry| !entry.report.done) {
            return None;
        }
        stopping.over = true;
        let running = self.table.values().map(|entry| entry.report.running).sum();
        Some((running, all.since(now)))
    }
}

/// Names a move: later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MoveId(pub(super) u64);

/// The move that is under way, and the last one that has come to its end.
#[derive(Debug, Default)]
pub(super) struct Moves {
    pub(super) newest: MoveId,
    /// One that waits for handlers.
    pub(super) holding: Option<Box<Holding>>,
    /// By when handlers end that take no more, so that the client can rebalance.
    pub(super) resting: Option<Timestamp>,
    /// Handlers that had not ended, and messages that nobody had taken, when the connection was left.
    pub(super) unhandled: usize,
    pub(super) returned: usize,
    pub(super) moved: Option<Box<(MoveId, Moved)>>,
}

#[derive(Debug)]
pub(super) struct Holding {
    pub(super) how: Move,
    pub(super) connection: ConnectionId,
    pub(super) timeout: Duration,
    /// That of the handlers and that of all. The driver stamps them: handles have no clock.
    pub(super) deadlines: Option<(Timestamp, Timestamp)>,
}

impl Moves {
    /// When the handlers will have had their time.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let handlers = || self.holding.as_ref()?.deadlines.map(|(handlers, _)| handlers);
        self.resting.or_else(handlers)
    }

    /// Another move begins.
    pub(super) fn begin(&mut self) {
        self.newest.0 = self.newest.0.saturating_add(1);
        (self.unhandled, self.returned) = (0, 0);
    }

    /// What that move has come to, or a later one.
    pub(super) fn result(&self, id: MoveId) -> Option<Moved> {
        self.moved.as_deref().filter(|(of, _)| *of >= id).map(|(_, moved)| moved.clone())
    }

    /// Whether the newest move has not come to its end.
    pub(super) fn is_under_way(&self) -> bool {
        self.moved.as_deref().map(|(id, _)| *id).unwrap_or_default() < self.newest
    }
}
