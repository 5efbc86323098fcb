//! Listeners, which report what happens in a session.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{fairness::Row, notice::Notice, shared::Shared};

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
