//! The client: a handle that commands the session and wakes the driver.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{
    keep::Keep,
    listener::Listener,
    runner::awaits_end,
    send::SendBuilder,
    shared::{Inner, Shared},
    state::{SessionState, Waiting, Watch},
    statistics::Statistics,
    subscription::SubscribeBuilder,
    waits::For,
};
use crate::{Closed, Connection};

/// A STOMP client. Cheap to clone; all clones are one session.
///
/// The session lives while a `Client`, a [`Subscription`](super::Subscription), a [`Publisher`](super::Publisher) or a
/// [`Transaction`](super::Transaction) does. When the last one is dropped it disconnects gracefully, but only while the runtime lives: a program that returns
/// from `main` without awaiting [`disconnect`](Self::disconnect) may lose what it sent.
#[derive(Clone, Debug)]
pub struct Client {
    keep: Keep,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { keep: Keep::new(shared) }
    }

    pub(super) const fn keep(&self) -> &Keep {
        &self.keep
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

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.keep.shared.with(|inner| inner.state())
    }

    /// Follows the state of the session.
    pub fn watch(&self) -> Watch {
        Watch::new(Arc::clone(&self.keep.shared))
    }

    /// Shows what happens in the session: attempts, connections, subscriptions, receipts, errors, the end.
    pub fn listen(&self) -> Listener {
        Listener::new(Arc::clone(&self.keep.shared), false)
    }

    /// As [`listen`](Self::listen), with each frame and each heart-beat, both ways. They are copied for the listener: this
    /// is for finding faults, not for every day.
    pub fn trace(&self) -> Listener {
        Listener::new(Arc::clone(&self.keep.shared), true)
    }

    /// Waits until a connection stands, as long as the session tries to get one. Cancel safe.
    ///
    /// One that has ended again before its waiter could look counts: what follows is the session's business, and the next
    /// one may end as fast.
    ///
    /// # Errors
    /// [`Closed`] when the session has ended.
    pub async fn connected(&self) -> Result<Connection, Closed> {
        let mut before = None;
        self.wait(For::Connection, |inner| {
            let before = *before.get_or_insert(inner.stood.0);
            let stands = inner.session.connection();
            match (&inner.closed, stands.or_else(|| inner.stood_since(before))) {
                (Some(closed), _) => Some(Err(closed.clone())),
                (None, stood) => stood.map(|connection| Ok(connection.clone())),
            }
        })
        .await
    }

    /// Waits until the session has ended and its stream is closed, and says why: also when the task that ran its
    /// [`Driver`](super::Driver) was aborted or has panicked ([`Closed::DriverDropped`]). Cancel safe.
    pub async fn closed(&self) -> Closed {
        self.wait(For::End, |inner| inner.closed.clone()).await
    }

    /// Disconnects gracefully, beginning at once: [`Runner`](super::Runner)s take no more messages and their handlers end,
    /// what waits for a connection or for room is sent, outstanding receipts are awaited, then DISCONNECT and its RECEIPT,
    /// and the stream is closed, all within [`Builder::disconnect_timeout`](super::Builder::disconnect_timeout). Everything
    /// else on this session ends, on all clones. A second call joins the first and gets the same result.
    ///
    /// A handler may call it. If it awaits it as well, it is not waited for, and its message stays unacknowledged.
    pub fn disconnect(&self) -> Disconnecting {
        let shared = &self.keep.shared;
        shared.command(|inner| shared.begin_disconnect(inner));
        Disconnecting { waiting: Waiting::new(Arc::clone(shared), For::End) }
    }

    /// How many messages came for subscriptions that are not known here, or were too large and were read past, none of which
    /// was acknowledged: they are still the broker's; and how many RECEIPTs came that say for nothing.
    #[must_use]
    pub fn unroutable(&self) -> u64 {
        self.keep.shared.with(|inner| inner.unroutable)
    }

    /// What has happened in the session, in numbers. Reading them takes no lock.
    ///
    /// ```
    /// # fn example(client: &stomp_session::client::Client) {
    /// let statistics = client.statistics();
    /// println!("{} messages, {} connections lost", statistics.messages_received, statistics.connections_lost);
    /// # }
    /// ```
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.keep.shared.counters.read()
    }

    /// Octets of messages that came and that nobody has taken, each counted with its headers and what it takes to hold it.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.keep.shared.pressure.undelivered()
    }

    async fn wait<T>(&self, what: For, mut look: impl FnMut(&Inner) -> Option<T>) -> T {
        let mut waiting = Waiting::new(Arc::clone(&self.keep.shared), what);
        poll_fn(|cx| waiting.poll(cx, |inner| look(inner))).await
    }
}

/// How a session took its leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Farewell {
    /// Frames whose sender waited when the end began, and which the broker has confirmed.
    pub confirmed: usize,
    /// Frames whose sender waited when the end began, and which were refused, not sent, or not answered in time. Each sender
    /// was told.
    pub unconfirmed: usize,
    /// Messages whose handlers had not ended when their time was over, or awaited the end themselves. They stay
    /// unacknowledged.
    pub unhandled: usize,
    /// Messages that still waited for a connection or for room when they had had three quarters of the time, and were not
    /// sent. Whoever awaited one was told; of a [buffered](SendBuilder::buffered) one
    /// [`Notice::SendFailed`](super::Notice::SendFailed) tells.
    pub unsent: usize,
}

/// The future of [`Client::disconnect`]. An error is why the broker did not confirm the end, so that what was sent without
/// confirmation may not have arrived.
///
/// Cancel safe: the session goes on disconnecting.
#[must_use = "a program that returns from main before the session has disconnected may lose what it sent"]
#[derive(Debug)]
pub struct Disconnecting {
    waiting: Waiting,
}

impl Future for Disconnecting {
    type Output = Result<Farewell, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Farewell, Closed>> {
        let polled = self
            .waiting
            .poll(cx, |inner| inner.closed.clone().map(|closed| (closed, inner.unhandled, inner.unsent)));
        if polled.is_pending() {
            awaits_end();
        }
        polled.map(|(closed, unhandled, unsent)| match closed {
            Closed::Disconnected { confirmed: true, receipted, unreceipted } => {
                Ok(Farewell { confirmed: receipted, unconfirmed: unreceipted, unhandled, unsent })
            }
            closed => Err(closed),
        })
    }
}
