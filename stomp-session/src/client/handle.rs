//! The client: a handle that sends commands to the session and wakes the driver, and waits until everything has been
//! written, or the session has ended.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;

use super::{
    error::FlushError,
    runner::awaits_end,
    send::SendBuilder,
    shared::{Inner, Keep, Shared},
    statistics::Statistics,
    subscription::SubscribeBuilder,
    task::{Timer, Waiting},
    waits::{FlushId, For},
    watch::{Listener, SessionState, Watch},
};
use crate::{Closed, Connection, Outcome, ReceiptId, Timestamp};

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

impl Client {
    /// Returns a future that resolves when everything that was handed over before this call has been written to the
    /// transport and flushed.
    ///
    /// This includes:
    ///
    /// - sends that wait for a connection or for room, whether or not their futures are polled, and what a
    ///   [`Publisher`](super::Publisher) has handed over
    /// - ACKs and all other frames
    /// - messages sent [at least once](super::SendBuilder::at_least_once): one copy of each must have been written
    ///
    /// The future does not say whether the broker has processed a frame. Use
    /// [`confirmed`](super::SendBuilder::confirmed) for that.
    ///
    /// The future does not wait for sends that were never polled. Neither does it wait for an UNSUBSCRIBE, or in 1.0 an
    /// ACK, that is held back until earlier messages are settled. It ends after
    /// [`Builder::send_timeout`](super::Builder::send_timeout), unless [`Flushing::timeout`] sets another limit. If there
    /// is no connection, and nothing waits for one, it resolves at once.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// for reading in ["20.5", "20.7"] {
    ///     client.send("/topic/temperature", reading).buffered().await?;
    /// }
    /// client.flush().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The future returns a [`FlushError`] if not everything was written.
    pub fn flush(&self) -> Flushing {
        Flushing::new(Arc::clone(&self.keep().shared))
    }
}

/// The future of [`Client::flush`].
///
/// It only waits: everything is written whether or not the future is polled. It is cancel safe.
#[must_use = "whether everything was written is not known until the future is awaited"]
#[derive(Debug)]
pub struct Flushing {
    shared: Arc<Shared>,
    id: FlushId,
    timer: Timer,
}

impl Flushing {
    fn new(shared: Arc<Shared>) -> Self {
        let id = shared.command(Inner::begin_flush);
        let timer = Timer::new(Arc::clone(&shared), shared.settings.send_timeout);
        Self { shared, id, timer }
    }

    /// Sets how long the future waits, counted from its first poll.
    ///
    /// Default: [`Builder::send_timeout`](super::Builder::send_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timer = Timer::new(Arc::clone(&self.shared), timeout);
        self
    }
}

impl Future for Flushing {
    type Output = Result<(), FlushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (id, waker) = (self.id, cx.waker().clone());
        let result = self.shared.with(|inner| {
            let (result, unused) = inner.flushes.poll(id, waker);
            inner.discard(unused);
            result
        });
        if let Some(result) = result {
            return Poll::Ready(result);
        }
        let limit = self.timer.patience();
        self.timer.poll(cx).map(|()| Err(FlushError::Timeout(limit)))
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        self.shared.with(|inner| {
            let waker = inner.flushes.forget(self.id);
            inner.discard(waker);
        });
    }
}

impl Inner {
    fn begin_flush(&mut self) -> FlushId {
        let id = self.flushes.begin(self.parking.next_number(), &self.session);
        if let Some(closed) = self.closed.as_deref() {
            self.flushes.close(closed);
        }
        id
    }

    /// The next octets to be written. The driver's business.
    pub(super) fn take_octets(&mut self, now: Timestamp) -> Option<Bytes> {
        let next = self.session.poll_transmit(now);
        self.flushes.note_taken(self.session.take_plain());
        next
    }

    /// Looks what has left. The driver's business.
    pub(super) fn proceed_flushes(&mut self, flushed: bool) {
        let first = self.parking.first_number();
        let wakers = self.flushes.proceed(flushed, first, &self.session);
        wakers.into_iter().for_each(|waker| self.wake(waker));
    }

    /// A frame that was taken back has not left.
    pub(super) fn note_outcome(&mut self, id: ReceiptId, outcome: &Outcome) {
        if matches!(outcome, Outcome::NotSent(_)) {
            self.flushes.note_withdrawn(id);
        }
    }
}
