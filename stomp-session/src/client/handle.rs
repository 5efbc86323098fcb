//! The client: a handle that sends commands to the session and wakes the driver.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{
    keep::Keep,
    runner::awaits_end,
    send::SendBuilder,
    shared::{Inner, Shared},
    statistics::Statistics,
    subscription::SubscribeBuilder,
    waiting::Waiting,
    waits::For,
    watch::{Listener, SessionState, Watch},
};
use crate::{Closed, Connection};

/// A STOMP client.
///
/// A client is cheap to clone, and all clones share one session.
///
/// The session lives for as long as a `Client`, a [`Subscription`](super::Subscription), a
/// [`Publisher`](super::Publisher) or a [`Transaction`](super::Transaction) of it. When the last of them is dropped, the
/// session disconnects gracefully, but only while the runtime lives. A program that returns from `main` without awaiting
/// [`disconnect`](Self::disconnect) may lose what it has sent.
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

    /// Creates a message. Await it to send it.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), stomp_session::client::SendError> {
    /// client.send("/queue/orders", "hello").header("priority", "9").persistent().confirmed().await
    /// # }
    /// ```
    pub fn send(&self, destination: &str, body: impl Into<Bytes>) -> SendBuilder {
        SendBuilder::new(Arc::clone(&self.keep.shared), destination, body.into())
    }

    /// Creates a subscription. Await it to subscribe.
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

    /// Returns the current connection, if there is one.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.keep.shared.with(|inner| inner.session.connection().cloned())
    }

    /// Returns the state of the session.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.keep.shared.with(|inner| inner.state())
    }

    /// Returns a stream of the states of the session.
    pub fn watch(&self) -> Watch {
        Watch::new(Arc::clone(&self.keep.shared))
    }

    /// Returns a stream of what happens in the session: attempts, connections, subscriptions, receipts, errors, and the
    /// end.
    pub fn listen(&self) -> Listener {
        Listener::new(Arc::clone(&self.keep.shared), false)
    }

    /// Returns a stream of what happens in the session, including each frame and each heart-beat, in both directions.
    ///
    /// The frames are copied for the listener, so this is for finding faults and not for permanent use.
    /// [`listen`](Self::listen) does not report them.
    pub fn trace(&self) -> Listener {
        Listener::new(Arc::clone(&self.keep.shared), true)
    }

    /// Waits until a connection is established, for as long as the session tries to establish one.
    ///
    /// A connection that has ended again before this method could return it counts too. The session then reconnects by
    /// itself, but the next connection may end as quickly.
    ///
    /// This method is cancel safe.
    ///
    /// # Errors
    /// Returns [`Closed`] if the session has ended.
    pub async fn connected(&self) -> Result<Connection, Closed> {
        let mut before = None;
        self.wait(For::Connection, |inner| {
            let before = *before.get_or_insert(inner.stood.0);
            let stands = inner.session.connection();
            match (&inner.closed, stands.or_else(|| inner.stood_since(before))) {
                (Some(closed), _) => Some(Err((**closed).clone())),
                (None, stood) => stood.map(|connection| Ok(connection.clone())),
            }
        })
        .await
    }

    /// Waits until the session has ended and its stream is closed, and returns the reason.
    ///
    /// If the task that ran the [`Driver`](super::Driver) was aborted or has panicked, the reason is
    /// [`Closed::DriverDropped`].
    ///
    /// This method is cancel safe.
    pub async fn closed(&self) -> Closed {
        self.wait(For::End, |inner| inner.closed.as_deref().cloned()).await
    }

    /// Disconnects gracefully. This begins at the call; the returned future only waits for the result.
    ///
    /// [`Runner`](super::Runner)s take no more messages, and their handlers end. Messages that wait for a connection or
    /// for room are sent, outstanding receipts are awaited, DISCONNECT is sent, its RECEIPT is awaited, and the stream
    /// is closed. All of this takes at most [`Builder::disconnect_timeout`](super::Builder::disconnect_timeout).
    ///
    /// Everything else on this session ends, on all clones. A second call joins the first one and has the same result.
    ///
    /// A handler may call this method. If the handler also awaits the result, the disconnect does not wait for the
    /// handler, whose message stays unacknowledged.
    pub fn disconnect(&self) -> Disconnecting {
        let shared = &self.keep.shared;
        shared.command(|inner| shared.begin_disconnect(inner));
        Disconnecting { waiting: Waiting::new(Arc::clone(shared), For::End) }
    }

    /// Returns the number of messages that came for unknown subscriptions, of messages that were too large and were
    /// read past, and of RECEIPTs without an id.
    ///
    /// The messages for unknown subscriptions were not acknowledged, so the broker still has them.
    /// [`SubscribeBuilder::oversized`](super::SubscribeBuilder::oversized) sets what becomes of the messages that were
    /// too large.
    #[must_use]
    pub fn unroutable(&self) -> u64 {
        self.keep.shared.with(|inner| inner.unroutable)
    }

    /// Returns counts of what has happened in the session. This takes no lock.
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

    /// Returns the number of octets of the messages that were received but not taken yet.
    ///
    /// Each message counts with its headers and the memory that is needed to hold it.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.keep.shared.pressure.undelivered()
    }

    async fn wait<T>(&self, what: For, mut look: impl FnMut(&Inner) -> Option<T>) -> T {
        let mut waiting = Waiting::new(Arc::clone(&self.keep.shared), what);
        poll_fn(|cx| waiting.poll(cx, |inner| look(inner))).await
    }
}

/// The result of a graceful disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Farewell {
    /// The number of frames that were pending when the disconnect began, and that the broker has confirmed.
    pub confirmed: usize,
    /// The number of frames that were pending when the disconnect began, and that were refused, not sent, or not
    /// answered in time. Each sender got its error.
    ///
    /// Some brokers close the connection instead of confirming the DISCONNECT. This number then includes the plain sends of
    /// which it is unknown whether they have arrived.
    pub unconfirmed: usize,
    /// The number of messages whose handlers had not ended in time, or awaited the disconnect themselves. They stay
    /// unacknowledged.
    pub unhandled: usize,
    /// The number of messages that still waited for a connection or for room after three quarters of the time, and were
    /// not sent.
    ///
    /// A sender that awaited its message got an error. A [buffered](SendBuilder::buffered) message is reported by
    /// [`Notice::SendFailed`](super::Notice::SendFailed).
    pub unsent: usize,
}

/// The future of [`Client::disconnect`].
///
/// If the broker neither confirmed the end nor closed the connection in good order, it resolves to the reason. What was sent
/// without confirmation may then not have arrived.
///
/// This future is cancel safe: if it is dropped, the session goes on disconnecting.
#[must_use = "a program that returns from main before the session has disconnected may lose what it sent"]
#[derive(Debug)]
pub struct Disconnecting {
    waiting: Waiting,
}

impl Future for Disconnecting {
    type Output = Result<Farewell, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Farewell, Closed>> {
        let polled = self.waiting.poll(cx, |inner| {
            let closed = inner.closed.as_deref()?.clone();
            Some((closed, inner.unhandled, inner.unsent))
        });
        if polled.is_pending() {
            awaits_end();
        }
        polled.map(|(closed, unhandled, unsent)| match closed {
            Closed::Disconnected { confirmed, closed, receipted, unreceipted } if confirmed || closed => {
                Ok(Farewell { confirmed: receipted, unconfirmed: unreceipted, unhandled, unsent })
            }
            closed => Err(closed),
        })
    }
}
