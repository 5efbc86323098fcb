//! Waits of tasks for the session: for a condition, for what was sent to leave, and for the end of a subscription. Each has
//! a waker of its own, and none depends on another.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::Waker,
    time::Duration,
};

use super::error::FlushError;
use crate::{Closed, ConnectionMark, Lost, ReceiptId, Session, SubscriptionId, Timestamp};

/// The id of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

struct Waiter {
    waker: Option<Waker>,
    patience: Duration,
    /// Stamped by the driver: handles have no clock.
    deadline: Option<Timestamp>,
    expired: bool,
}

/// The condition of a wait. Each condition has its own queue, so that a task is woken only when its own condition
/// holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum For {
    /// A connection.
    Connection,
    /// Another state of the session.
    Change,
    /// The end of the connection on which a message came.
    Loss,
    /// The end of a move.
    Move,
    /// The end of the session.
    End,
    /// Nothing but the time.
    Time,
}

/// All queues.
#[derive(Default)]
pub(super) struct Queues {
    connection: Waits,
    change: Waits,
    loss: Waits,
    end: Waits,
    moved: Waits,
    time: Waits,
}

impl Queues {
    pub(super) const fn of(&mut self, what: For) -> &mut Waits {
        match what {
            For::Connection => &mut self.connection,
            For::Change => &mut self.change,
            For::Loss => &mut self.loss,
            For::End => &mut self.end,
            For::Move => &mut self.moved,
            For::Time => &mut self.time,
        }
    }

    const fn all(&mut self) -> [&mut Waits; 6] {
        let Self { connection, change, loss, end, moved, time } = self;
        [connection, change, loss, end, moved, time]
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for queue in self.all().into_iter().filter_map(|waits| waits.0.as_mut()) {
            queue.expire(now, &mut wakers);
        }
        wakers
    }

    pub(super) fn deadline(&mut self) -> Option<Timestamp> {
        Timestamp::first(self.all().map(|waits| waits.deadline()))
    }

    pub(super) fn wake_all(&mut self) -> Vec<Waker> {
        self.all().into_iter().flat_map(Waits::wake_all).collect()
    }
}

/// The waits for one condition. Mostly there are none, and then they have no memory.
#[derive(Default)]
pub(super) struct Waits(Option<Box<Queue>>);

/// Waits in the order in which they began.
#[derive(Default)]
struct Queue {
    waiters: BTreeMap<Ticket, Waiter>,
    deadlines: BTreeSet<(Timestamp, Ticket)>,
    /// A queue that was empty begins anew: whoever has left it uses its ticket no more.
    next: u64,
}

impl Waits {
    /// Joins the queue.
    pub(super) fn join(&mut self, waker: Waker, patience: Duration) -> Ticket {
        let queue = self.0.get_or_insert_default();
        let ticket = Ticket(queue.next);
        queue.next = queue.next.saturating_add(1);
        let waiter = Waiter { waker: Some(waker), patience, deadline: None, expired: false };
        queue.waiters.insert(ticket, waiter);
        ticket
    }

    /// Waits on, and returns the waker that is replaced.
    pub(super) fn renew(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        match self.0.as_mut().and_then(|queue| queue.waiters.get_mut(&ticket)) {
            Some(waiter) => waiter.waker.replace(waker),
            None => Some(waker),
        }
    }

    /// Leaves the queue, and returns the waker.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        let queue = self.0.as_mut()?;
        let waker = queue.leave(ticket);
        if queue.waiters.is_empty() {
            self.0 = None;
        }
        waker
    }

    pub(super) fn is_expired(&self, ticket: Ticket) -> bool {
        let waiter = self.0.as_ref().and_then(|queue| queue.waiters.get(&ticket));
        waiter.is_some_and(|waiter| waiter.expired)
    }

    pub(super) fn wake_all(&mut self) -> Vec<Waker> {
        let waiters = self.0.iter_mut().flat_map(|queue| queue.waiters.values_mut());
        waiters.filter_map(|waiter| waiter.waker.take()).collect()
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.0.as_ref()?.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

impl Queue {
    fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        let waiter = self.waiters.remove(&ticket)?;
        if let Some(deadline) = waiter.deadline {
            self.deadlines.remove(&(deadline, ticket));
        }
        waiter.waker
    }

    /// Sets the deadlines of new waits, and takes the wakers of those that have passed their deadline.
    fn expire(&mut self, now: Timestamp, wakers: &mut Vec<Waker>) {
        let newcomers = self.waiters.iter_mut().rev().take_while(|(_, waiter)| waiter.deadline.is_none());
        for (ticket, waiter) in newcomers {
            let deadline = now.after(waiter.patience);
            waiter.deadline = Some(deadline);
            self.deadlines.insert((deadline, *ticket));
        }
        while let Some((_, ticket)) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now)
        {
            self.deadlines.pop_first();
            if let Some(waiter) = self.waiters.get_mut(&ticket) {
                waiter.expired = true;
                wakers.extend(waiter.waker.take());
            }
        }
    }
}

/// Names a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlushId(u64);

/// All waits.
#[derive(Default)]
pub(super) struct Flushes {
    table: BTreeMap<FlushId, Flush>,
    next: u64,
    /// Frames that are lost with their connection were taken from the session and not flushed.
    in_flight: bool,
}

struct Flush {
    /// What is parked counts if its number is less.
    parked: u64,
    /// Frames with a receipt count if theirs is less.
    receipts: ReceiptId,
    /// What the connection's frames must be past. None where there is no connection.
    wire: Option<ConnectionMark>,
    /// Something that is kept until it is confirmed has not begun to leave.
    awaits_kept: bool,
    /// Something would be lost if the connection ended now.
    at_risk: bool,
    /// Sends that were given up before they could leave.
    unsent: usize,
    waker: Option<Waker>,
    result: Option<Result<(), FlushError>>,
}

impl Flush {
    fn end(&mut self, result: Result<(), FlushError>) -> Option<Waker> {
        if self.result.is_none() {
            self.result = Some(result);
        }
        self.waker.take()
    }

    fn look(&mut self, session: &Session, in_flight: bool) {
        let awaited_kept = std::mem::replace(&mut self.awaits_kept, session.keeps_unsent(self.receipts));
        if awaited_kept && !self.awaits_kept {
            // The last of them may have left in part.
            self.wire = session.mark();
        }
        self.at_risk = match &self.wire {
            // Its end is still to be told: it stays as it was.
            Some(mark) if !session.stands(mark) => self.at_risk,
            mark => mark.as_ref().is_some_and(|mark| in_flight || session.holds_plain(mark)),
        };
    }

    /// Whether nothing is left to be waited for. `flushed` says that the transport holds nothing of what it was given.
    fn is_over(&self, flushed: bool, first_parked: Option<u64>, session: &Session) -> bool {
        let is_parked = first_parked.is_some_and(|first| first < self.parked);
        let has_left = self.wire.as_ref().is_none_or(|mark| flushed && session.has_left(mark));
        !is_parked && !self.awaits_kept && has_left
    }
}

impl Flushes {
    /// Begins to wait for all that was handed over until now; parked are those of lesser numbers.
    pub(super) fn begin(&mut self, parked: u64, session: &Session) -> FlushId {
        let id = FlushId(self.next);
        self.next = self.next.saturating_add(1);
        let mut flush = Flush {
            parked,
            receipts: session.next_receipt(),
            wire: session.mark(),
            awaits_kept: false,
            at_risk: false,
            unsent: 0,
            waker: None,
            result: None,
        };
        flush.look(session, self.in_flight);
        self.table.insert(id, flush);
        id
    }

    /// Returns the result if there is one, and a waker that is not needed any more.
    pub(super) fn poll(
        &mut self,
        id: FlushId,
        waker: Waker,
    ) -> (Option<Result<(), FlushError>>, Option<Waker>) {
        let Some(flush) = self.table.get_mut(&id) else { return (None, Some(waker)) };
        match flush.result.take() {
            Some(result) => {
                self.table.remove(&id);
                (Some(result), Some(waker))
            }
            None => (None, flush.waker.replace(waker)),
        }
    }

    pub(super) fn are_awaited(&self) -> bool {
        !self.table.is_empty()
    }

    /// Forgets a wait whose future was dropped.
    pub(super) fn forget(&mut self, id: FlushId) -> Option<Waker> {
        self.table.remove(&id)?.waker
    }

    /// Notes whether frames that were taken from the session are lost if the connection ends now.
    pub(super) const fn note_taken(&mut self, plain: bool) {
        self.in_flight |= plain;
    }

    /// Something that was parked has become a frame, or was given up.
    pub(super) fn note_admitted(&mut self, number: u64, is_sent: bool, session: &Session) {
        for flush in self.table.values_mut().filter(|flush| number < flush.parked) {
            if is_sent {
                (flush.wire, flush.receipts) = (session.mark(), session.next_receipt());
                flush.look(session, self.in_flight);
            } else {
                flush.unsent = flush.unsent.saturating_add(1);
            }
        }
    }

    /// A frame that asked for a RECEIPT was taken back.
    pub(super) fn note_withdrawn(&mut self, id: ReceiptId) {
        for flush in self.table.values_mut().filter(|flush| id < flush.receipts) {
            flush.unsent = flush.unsent.saturating_add(1);
        }
    }

    /// Ends the waits for which nothing is left: see [`Flush::is_over`]. Returns the wakers to wake.
    pub(super) fn proceed(
        &mut self,
        flushed: bool,
        first_parked: Option<u64>,
        session: &Session,
    ) -> Vec<Waker> {
        self.in_flight &= !flushed;
        if self.table.is_empty() {
            return Vec::new();
        }
        let mut wakers = Vec::new();
        for flush in self.table.values_mut().filter(|flush| flush.result.is_none()) {
            flush.look(session, self.in_flight);
            if flush.is_over(flushed, first_parked, session) {
                let unsent = flush.unsent;
                let result = if unsent == 0 { Ok(()) } else { Err(FlushError::Unsent(unsent)) };
                wakers.extend(flush.end(result));
            }
        }
        wakers
    }

    /// The connection has ended. What is sent again goes on.
    pub(super) fn lose(&mut self, reason: &Lost) -> Vec<Waker> {
        self.in_flight = false;
        let open = self.table.values_mut().filter(|flush| flush.result.is_none());
        let lost = open.filter_map(|flush| {
            flush.wire = None;
            std::mem::take(&mut flush.at_risk).then(|| flush.end(Err(FlushError::Lost(reason.clone()))))
        });
        lost.flatten().collect()
    }

    /// The session has ended.
    pub(super) fn close(&mut self, closed: &Closed) -> Vec<Waker> {
        let all = self.table.values_mut();
        all.filter_map(|flush| flush.end(Err(FlushError::Closed(closed.clone())))).collect()
    }
}

/// The subscriptions whose UNSUBSCRIBE has not been answered, and the wakers of those that wait for the answer.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    open: BTreeMap<SubscriptionId, Option<Waker>>,
}

impl Unanswered {
    pub(super) fn begin(&mut self, id: SubscriptionId) {
        self.open.insert(id, None);
    }

    /// Returns whether the answer is still missing, in which case the waker is stored. Also returns a waker that is no
    /// longer needed.
    pub(super) fn poll(&mut self, id: SubscriptionId, waker: Waker) -> (bool, Option<Waker>) {
        match self.open.get_mut(&id) {
            Some(waiting) => (true, waiting.replace(waker)),
            None => (false, Some(waker)),
        }
    }

    /// The answer has come, or is no longer waited for.
    pub(super) fn end(&mut self, id: SubscriptionId) -> Option<Waker> {
        self.open.remove(&id).flatten()
    }

    /// The connection has ended.
    pub(super) fn end_all(&mut self) -> impl Iterator<Item = Waker> {
        std::mem::take(&mut self.open).into_values().flatten()
    }
}
