//! Streams of what becomes of a session: its states, and what happens in it.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{
    notice::Notice,
    shared::{Inner, Shared},
    task::{Row, Waiting},
    waits::For,
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

/// A [`Stream`] of what happens in a session, returned by [`Client::listen`](super::Client::listen) and
/// [`Client::trace`](super::Client::trace).
///
/// It returns a [`Notice`] for each thing that happens after its creation, in order. Notices wait in a queue of the
/// listener. A listener that is too slow delays nothing, but [misses](Notice::Missed) some. A listener does not keep
/// the session alive, and dropping it removes it.
///
/// ```
/// # async fn example(client: &stomp_session::client::Client) {
/// use stomp_session::client::Notice;
///
/// let mut listener = client.listen();
/// while let Some(notice) = listener.next().await {
///     if let Notice::Disconnected { reason, .. } = notice {
///         eprintln!("{reason}");
///     }
/// }
/// # }
/// ```
pub struct Listener {
    shared: Arc<Shared>,
    id: u64,
    row: Row,
    ended: bool,
}

impl Listener {
    pub(super) fn new(shared: Arc<Shared>, traces: bool) -> Self {
        let id = shared.with(|inner| {
            // What happened before is not for the newcomer.
            shared.dispatch_in(inner);
            let id = inner.listeners.add(traces, inner.closed.as_deref());
            inner.session.trace_frames(inner.listeners.any_traces());
            id
        });
        Self { shared, id, row: Row::default(), ended: false }
    }

    /// Returns the next notice, or `None` after [`Notice::Closed`]. This method is cancel safe: no notice is lost.
    pub async fn next(&mut self) -> Option<Notice> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Listener {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        if self.ended {
            return Poll::Ready(None);
        }
        ready!(self.row.poll(cx));
        let waker = cx.waker().clone();
        let id = self.id;
        let taken = self.shared.with(|inner| {
            let (taken, unused) = inner.listeners.take(id, waker);
            inner.discard(unused);
            taken
        });
        let Some(notice) = taken else {
            self.row.end();
            return Poll::Pending;
        };
        self.ended = matches!(notice, Notice::Closed(_));
        Poll::Ready(Some(notice))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.with(|inner| {
            let waker = inner.listeners.remove(self.id);
            inner.discard(waker);
            inner.session.trace_frames(inner.listeners.any_traces());
        });
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("id", &self.id).finish_non_exhaustive()
    }
}
