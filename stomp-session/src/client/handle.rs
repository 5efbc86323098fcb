//! The client: a handle that commands the session and wakes the driver.

use std::{
    fmt,
    future::{Future, poll_fn},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;

use super::{
    SendBuilder, SubscribeBuilder,
    shared::{Inner, Shared},
    waits::Ticket,
};
use crate::{Closed, Connection};

/// A STOMP client. Cheap to clone; all clones are one session.
///
/// The session lives while a `Client` or a [`Subscription`](super::Subscription) does. When the last one is dropped it
/// disconnects gracefully, but only while the runtime lives: a program that returns from `main` without awaiting
/// [`disconnect`](Self::disconnect) may lose what it sent.
#[derive(Clone, Debug)]
pub struct Client {
    keep: Keep,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { keep: Keep::new(shared) }
    }

    /// A message to be sent.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), stomp_session::client::SendError> {
    /// client.send("/queue/orders", "hello").header("priority", "9").persistent().confirmed().await
    /// # }
    /// ```
    pub fn send(&self, destination: &str, body: impl Into<Bytes>) -> SendBuilder {
        SendBuilder::new(Arc::clone(&self.keep.shared), destination, body.into())
    }

    /// A subscription to be made.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut orders = client.subscribe("/queue/orders").prefetch(10).await?;
    /// while let Some(message) = orders.next().await {
    ///     println!("{:?}", message.body());
    ///     message.ack()?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn subscribe(&self, destination: &str) -> SubscribeBuilder {
        SubscribeBuilder::new(self.keep.clone(), destination)
    }

    /// The connection that stands, if one does.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.keep.shared.with(|inner| inner.session.connection().cloned())
    }

    /// Waits until a connection stands, as long as the session tries to get one. Cancel safe.
    ///
    /// # Errors
    /// [`Closed`] when the session has ended.
    pub async fn connected(&self) -> Result<Connection, Closed> {
        self.watch(|inner| match (&inner.closed, inner.session.connection()) {
            (Some(closed), _) => Some(Err(closed.clone())),
            (None, Some(connection)) => Some(Ok(connection.clone())),
            (None, None) => None,
        })
        .await
    }

    /// Waits until the session has ended, and says why. Cancel safe.
    pub async fn closed(&self) -> Closed {
        self.watch(|inner| inner.closed.clone()).await
    }

    /// Disconnects gracefully: outstanding receipts are awaited, then DISCONNECT and its RECEIPT, all within
    /// [`Config::disconnect_timeout`](crate::Config::disconnect_timeout). Everything else on this session ends, on all
    /// clones. Cancel safe: the session goes on disconnecting.
    ///
    /// # Errors
    /// [`Closed`] when the broker did not confirm it: what was sent without confirmation may not have arrived.
    pub async fn disconnect(&self) -> Result<(), Closed> {
        self.keep.shared.command(|inner| inner.session.disconnect());
        match self.closed().await {
            Closed::Disconnected { confirmed: true } => Ok(()),
            closed => Err(closed),
        }
    }

    /// How many messages came for subscriptions that are not known here, or with a body that was too large and was read
    /// past. None was acknowledged: they are still the broker's.
    #[must_use]
    pub fn unroutable(&self) -> u64 {
        self.keep.shared.with(|inner| inner.unroutable)
    }

    async fn watch<T>(&self, mut look: impl FnMut(&Inner) -> Option<T>) -> T {
        let mut watch = Watch { shared: &self.keep.shared, ticket: None };
        poll_fn(|cx| watch.poll(cx, &mut look)).await
    }
}

/// Waits for a change of the session as a whole.
struct Watch<'a> {
    shared: &'a Shared,
    ticket: Option<Ticket>,
}

impl Watch<'_> {
    fn poll<T>(&mut self, cx: &Context<'_>, look: &mut impl FnMut(&Inner) -> Option<T>) -> Poll<T> {
        let waker = cx.waker().clone();
        self.shared.with(|inner| match look(inner) {
            Some(seen) => {
                inner.discard(Some(waker));
                Poll::Ready(seen)
            }
            None => {
                inner.watch(&mut self.ticket, waker, Duration::MAX);
                Poll::Pending
            }
        })
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.with(|inner| inner.leave_watchers(ticket));
        }
    }
}

impl Inner {
    pub(super) fn watch(&mut self, ticket: &mut Option<Ticket>, waker: Waker, patience: Duration) {
        match *ticket {
            Some(ticket) => {
                let replaced = self.watchers.renew(ticket, waker);
                self.discard(replaced);
            }
            None => {
                *ticket = Some(self.watchers.join(waker, patience));
                // The driver gives the newcomer its deadline.
                self.wake_driver();
            }
        }
    }

    pub(super) fn leave_watchers(&mut self, ticket: Ticket) {
        let waker = self.watchers.leave(ticket);
        self.discard(waker);
    }
}

/// A hold on the session: when the last one goes, it disconnects.
pub(super) struct Keep {
    pub(super) shared: Arc<Shared>,
}

impl Keep {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.with(|inner| inner.handles = inner.handles.saturating_add(1));
        Self { shared }
    }
}

impl Clone for Keep {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        self.shared.with(|inner| {
            inner.handles = inner.handles.saturating_sub(1);
            if inner.handles == 0 {
                inner.session.disconnect();
                inner.wake_driver();
            }
        });
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// Futures of handles can be spawned anywhere.
const _: fn(&Client) = |client| {
    fn spawnable<T: Future + Send>(_: T) {}
    spawnable(client.connected());
    spawnable(client.disconnect());
};
