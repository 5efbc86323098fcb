//! Waiting until everything has been written.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;

use super::{
    error::FlushError,
    flushes::FlushId,
    handle::Client,
    shared::{Inner, Shared},
    waiting::Timer,
};
use crate::{Outcome, ReceiptId, Timestamp};

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
