//! Waiting until everything is written.

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
    state::Timer,
};
use crate::{Outcome, ReceiptId, Timestamp};

impl Client {
    /// Returns a future that resolves when everything that was handed over before this call has been written to the
    /// transport, and flushed: sends that wait for a connection or for room, whether or not anybody polls their futures;
    /// frames of every kind; and messages sent [at least once](super::SendBuilder::at_least_once), of each of which one copy
    /// must have left. What the broker makes of them it does not say: that is what
    /// [`confirmed`](super::SendBuilder::confirmed) is for.
    ///
    /// It does not wait for what you hold back yourself: sends that were never polled, and an UNSUBSCRIBE, or an
    /// ACK in 1.0, that waits for messages which you have not settled. It ends after
    /// [`Settings::send_timeout`](super::Settings::send_timeout), unless [`Flushing::timeout`] says otherwise. With no
    /// connection, and nothing that waits for one, there is nothing to be written.
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
    /// [`FlushError`], from the future.
    pub fn flush(&self) -> Flushing {
        Flushing::new(Arc::clone(&self.keep().shared))
    }
}

/// The future of [`Client::flush`]. It only watches. Cancel safe: dropped, everything leaves all the same.
#[must_use = "that everything has left is not known until it is awaited"]
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

    /// How long it waits, from its first poll on.
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
        if let Some(closed) = &self.closed {
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
