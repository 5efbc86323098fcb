//! Waits for a condition. Each has a ticket, a waker and a deadline, and none depends on another.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::Waker,
    time::Duration,
};

use crate::Timestamp;

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
