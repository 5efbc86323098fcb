//! The driver's share of what handles and it have in common: one section under the lock in each round, in which it reports
//! what has happened and is told what to do.

use std::task::Waker;

use bytes::Bytes;

use super::{
    error::RequestError,
    notice::Notice,
    shared::{Inner, Shared},
};
use crate::{Action, Input, Timestamp};

/// What the driver reports.
pub(super) struct Report<'a> {
    pub(super) now: Timestamp,
    /// The waker of the driver, at the first report of a poll.
    pub(super) waker: Option<Waker>,
    pub(super) stream: Option<Standing<'a>>,
}

/// A stream that stands.
pub(super) struct Standing<'a> {
    /// The parser, if something was read.
    pub(super) input: Option<&'a mut Input>,
    /// Whether the stream has taken what it was given last, and can be given more.
    pub(super) takes: bool,
    /// Whether the transport holds nothing of what it was given.
    pub(super) flushed: bool,
    /// Whether the driver does not read.
    pub(super) paused: bool,
}

/// What the driver is to do.
#[derive(Default)]
pub(super) struct Turn {
    /// If there are any, nothing was taken to be written.
    pub(super) actions: Vec<Action>,
    /// To be written.
    pub(super) octets: Option<Bytes>,
    /// Not to read.
    pub(super) pause: bool,
    /// To look again, whatever was written.
    pub(super) again: bool,
    /// To look again once everything was written.
    pub(super) more: bool,
    /// Whether the broker promises heart-beats, once there is a connection.
    pub(super) beats: Option<bool>,
    pub(super) deadline: Option<Timestamp>,
    /// The deadline of a graceful end.
    pub(super) ends_by: Option<Timestamp>,
    /// Whether the session has ended.
    pub(super) ended: bool,
}

impl Shared {
    /// Reports the time and what came, hands on events, and collects what is to be done.
    pub(super) fn turn(&self, report: Report<'_>) -> Turn {
        self.with(|inner| self.turn_in(inner, report))
    }

    fn turn_in(&self, inner: &mut Inner, report: Report<'_>) -> Turn {
        let Report { now, waker, mut stream } = report;
        inner.register(waker);
        inner.note_flushed(stream.as_ref().is_some_and(|stream| stream.flushed));
        if let Some(input) = stream.as_mut().and_then(|stream| stream.input.take()) {
            self.pull(inner, input, now);
        }
        let mut turn = Turn { again: inner.note_time(now), ..Turn::default() };
        turn.actions = std::iter::from_fn(|| inner.session.poll_action()).collect();
        self.dispatch_in(inner);
        turn.again |= inner.continue_rebalance(now);
        if let Some(stream) = stream.filter(|_| turn.actions.is_empty()) {
            self.pause(inner, stream.paused, now, &mut turn);
            turn.octets = if stream.takes { inner.take_octets(now) } else { None };
            turn.more = inner.has_more();
        }
        turn.beats = inner.session.connection().map(|connection| connection.heart_beat.incoming > 0);
        turn.ends_by = inner.session.ends_by();
        turn.deadline = inner.next_deadline();
        turn.ended = inner.ended.is_some() || inner.closed.is_some();
        turn
    }

    /// Decides whether to read.
    fn pause(&self, inner: &mut Inner, paused: bool, now: Timestamp, turn: &mut Turn) {
        let (pressure, budget) = (&self.pressure, self.settings.inbound_budget);
        turn.pause = pressure.pauses(budget, &inner.session, inner.requests.await_replies());
        let is_over = turn.pause && pressure.is_over(budget);
        turn.again |= inner.stall.note_over(is_over, now) && inner.give_up_waits(pressure.undelivered());
        inner.note_pause(turn.pause, now);
        match (paused, turn.pause) {
            (false, true) => inner.session.pause_input(),
            (true, false) => {
                inner.session.resume_input(now);
                turn.again = true;
            }
            (true, true) | (false, false) => {}
        }
    }
}

impl Inner {
    fn register(&mut self, waker: Option<Waker>) {
        if waker.is_some() {
            let replaced = std::mem::replace(&mut self.driver, waker);
            self.discard(replaced);
        }
    }

    /// Notes whether all that was taken for the transport is on the wire. The driver's business.
    pub(super) fn note_flushed(&mut self, flushed: bool) {
        self.proceed_flushes(flushed);
        if flushed {
            let wakers = self.publishers.note_written(self.session.sends_handed_over());
            wakers.into_iter().for_each(|waker| self.wake(waker));
        }
    }

    /// Does everything that is due. Returns whether the session had something to do.
    fn note_time(&mut self, now: Timestamp) -> bool {
        self.expire_waits(now);
        self.continue_disconnect(now);
        self.session.take_time(now);
        let is_due = self.session.poll_timeout().is_some_and(|at| at <= now);
        if is_due {
            self.session.handle_timeout(now);
            self.give_back_room(now);
        }
        is_due
    }

    /// Whether there is more to write, or somebody wants to know what was written.
    fn has_more(&self) -> bool {
        self.session.unsent() > 0
            || !self.parking.is_empty()
            || self.flushes.are_awaited()
            || self.publishers.are_any()
    }

    /// Notes whether reading is paused, and reports a long pause to the listeners.
    fn note_pause(&mut self, pause: bool, now: Timestamp) {
        if self.stall.note(pause, now) {
            let fullest =
                self.inboxes.iter().max_by_key(|(_, inbox)| inbox.octets.saturating_add(inbox.batch));
            let subscription = fullest.map(|(id, _)| *id);
            self.note(&Notice::Stalled { subscription });
        }
    }

    /// Gives up what is awaited behind messages that are not taken. Returns whether there was anything.
    fn give_up_waits(&mut self, octets: usize) -> bool {
        let replies = self.requests.await_replies();
        self.fail_requests(|_| true, &RequestError::InboxFull { octets });
        self.session.give_up_receipts(octets) | replies
    }

    fn expire_waits(&mut self, now: Timestamp) {
        self.waits.expire(now).into_iter().for_each(|waker| self.wake(waker));
        self.expire_parked(now);
    }

    pub(super) fn next_deadline(&mut self) -> Option<Timestamp> {
        let deadlines = [
            self.session.poll_timeout(),
            self.waits.deadline(),
            self.parking.deadline(),
            self.runners.deadline(),
            self.moves.deadline(),
            self.stall.deadline(),
        ];
        Timestamp::first(deadlines).filter(|at| *at < Timestamp::MAX)
    }
}
