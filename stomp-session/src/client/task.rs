//! How a task waits: for something to come true, for a time, or for other tasks to have their turn.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    shared::{Inner, Shared},
    waits::{For, Ticket},
};

/// A wait for something to come true. Dropping it leaves the queue.
pub(super) struct Waiting {
    shared: Arc<Shared>,
    what: For,
    ticket: Option<Ticket>,
}

impl Waiting {
    pub(super) const fn new(shared: Arc<Shared>, what: For) -> Self {
        Self { shared, what, ticket: None }
    }

    pub(super) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        look: impl FnOnce(&mut Inner) -> Option<T>,
    ) -> Poll<T> {
        let waker = cx.waker().clone();
        let Self { shared, what, ticket } = self;
        shared.with(|inner| match look(inner) {
            Some(seen) => {
                inner.discard(Some(waker));
                Poll::Ready(seen)
            }
            None => {
                inner.wait(*what, ticket, waker, Duration::MAX);
                Poll::Pending
            }
        })
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("what", &self.what).finish_non_exhaustive()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.with(|inner| inner.leave(self.what, ticket));
        }
    }
}

/// A wait for a time only. It is over as well when the session has ended, because the time is not kept after that.
#[derive(Debug)]
pub(super) struct Timer {
    waiting: Waiting,
    patience: Duration,
}

impl Timer {
    pub(super) const fn new(shared: Arc<Shared>, patience: Duration) -> Self {
        Self { waiting: Waiting::new(shared, For::Time), patience }
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.poll_or(cx, true)
    }

    /// The same without a clock, for a wait that has no limit of its own.
    pub(super) fn poll_while_open(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.poll_or(cx, false)
    }

    fn poll_or(&mut self, cx: &Context<'_>, over_when_closed: bool) -> Poll<()> {
        let waker = cx.waker().clone();
        let Waiting { shared, what, ticket } = &mut self.waiting;
        shared.with(|inner| {
            let expired = ticket.is_some_and(|ticket| inner.waits.of(*what).is_expired(ticket));
            if expired || inner.closed.is_some() && over_when_closed {
                inner.discard(Some(waker));
                return Poll::Ready(());
            }
            inner.wait(*what, ticket, waker, self.patience);
            Poll::Pending
        })
    }
}

/// Items in a row before others get their turn.
const ROW: u8 = 128;

/// Counts the items in a row of a stream that always has another one, so that other tasks run between two of them.
#[derive(Debug, Default)]
pub(super) struct Row(u8);

impl Row {
    /// Returns pending once after each row, and wakes the task at once.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.0 >= ROW {
            self.0 = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.0 = self.0.saturating_add(1);
        Poll::Ready(())
    }

    /// There was none: others have their turn.
    pub(super) const fn end(&mut self) {
        self.0 = 0;
    }
}
