//! The state of a session, and waiting for one.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;

use super::{
    shared::{Inner, Shared},
    waits::{For, Ticket},
};
use crate::{Closed, Connection};

/// The state of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// There is no connection. The client tries to connect, or waits for the next attempt.
    Connecting,
    /// A connection is established.
    Connected(Connection),
    /// This connection is being left for another one: see [`Client::reconnect`](super::Client::reconnect).
    Moving(Connection),
    /// The session is disconnecting and takes no more commands.
    Disconnecting,
    /// The session has ended.
    Closed(Closed),
}

impl Inner {
    pub(super) fn state(&self) -> SessionState {
        match (&self.closed, self.session.connection()) {
            (Some(closed), _) => SessionState::Closed((**closed).clone()),
            (None, _) if self.is_disconnecting() => SessionState::Disconnecting,
            (None, Some(connection)) if self.is_moving() => SessionState::Moving(connection.clone()),
            (None, Some(connection)) => SessionState::Connected(connection.clone()),
            (None, None) => SessionState::Connecting,
        }
    }
}

/// A [`Stream`] of the states of a session, returned by [`Client::watch`](super::Client::watch).
///
/// It begins with the current state and ends after [`SessionState::Closed`]. A slow reader gets the latest state, and
/// not every state in between. A watch does not keep the session alive.
///
/// ```
/// # async fn example(client: &stomp_session::client::Client) {
/// let mut states = client.watch();
/// while let Some(state) = states.next().await {
///     println!("{state:?}");
/// }
/// # }
/// ```
pub struct Watch {
    waiting: Waiting,
    /// The number of changes when the state was last returned.
    seen: Option<u64>,
    ended: bool,
}

impl Watch {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { waiting: Waiting::new(shared, For::Change), seen: None, ended: false }
    }

    /// Returns the next state, or `None` after [`SessionState::Closed`]. This method is cancel safe.
    pub async fn next(&mut self) -> Option<SessionState> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Watch {
    type Item = SessionState;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionState>> {
        let Self { waiting, seen, ended } = &mut *self;
        if *ended {
            return Poll::Ready(None);
        }
        waiting.poll(cx, |inner| {
            let fresh = *seen != Some(inner.changes);
            *seen = Some(inner.changes);
            let state = fresh.then(|| inner.state())?;
            *ended = matches!(state, SessionState::Closed(_));
            Some(Some(state))
        })
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("seen", &self.seen).finish_non_exhaustive()
    }
}

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
