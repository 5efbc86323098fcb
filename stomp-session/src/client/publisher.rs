//! Publishing in bulk: many messages that differ only in their bodies, without a future, a waker and a map entry for each.
//! With the feature `sink`, a publisher is a `Sink`.

#[cfg(feature = "sink")]
use std::task::Waker;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
#[cfg(feature = "sink")]
use futures_sink::Sink;
use stomp_proto::Headers;

use super::{
    admission::{Fed, Terms},
    error::{PublishError, SendError},
    handle::Client,
    outgoing::{Admitted, ParkedId},
    send::{SendBuilder, version},
    shared::Keep,
};
use crate::{CommandError, Session};

/// The default of [`PublisherBuilder::window`].
const WINDOW: usize = 1_000;

impl Client {
    /// Returns a builder for a publisher, which sends many messages to one destination.
    ///
    /// The messages differ only in their bodies: the headers are checked and escaped once.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut readings = client.publisher("/queue/readings").persistent().confirmed().build()?;
    /// for reading in 0..100_000 {
    ///     readings.feed(reading.to_string()).await?;
    /// }
    /// readings.flush().await?; // all of them were confirmed
    /// # Ok(()) }
    /// ```
    pub fn publisher(&self, destination: &str) -> PublisherBuilder {
        let keep = self.keep().clone();
        let send = SendBuilder::new(Arc::clone(&keep.shared), destination, Bytes::new());
        PublisherBuilder { keep, send, window: WINDOW }
    }
}

/// A builder for a [`Publisher`]. It is created by [`Client::publisher`].
#[must_use = "nothing can be published before `build`"]
#[derive(Clone, Debug)]
pub struct PublisherBuilder {
    keep: Keep,
    send: SendBuilder,
    window: usize,
}

impl PublisherBuilder {
    fn send(mut self, change: impl FnOnce(SendBuilder) -> SendBuilder) -> Self {
        self.send = change(self.send);
        self
    }

    /// Sets a header of each message and replaces those with the same name, as [`SendBuilder::header`] does.
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.send(|send| send.header(name, value))
    }

    /// Adds a header to each message, after those with the same name, as [`SendBuilder::append_header`] does.
    pub fn append_header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.send(|send| send.append_header(name, value))
    }

    /// Sets several headers of each message, as [`SendBuilder::headers`] does.
    pub fn headers(self, headers: &Headers) -> Self {
        self.send(|send| send.headers(headers))
    }

    /// Makes each message persistent, as [`SendBuilder::persistent`] does.
    pub fn persistent(self) -> Self {
        self.send(SendBuilder::persistent)
    }

    /// Sends each message to a queue, whatever the destination looks like, as [`SendBuilder::to_queue`] does.
    pub fn to_queue(self) -> Self {
        self.send(SendBuilder::to_queue)
    }

    /// Sends each message without `content-length`, as [`SendBuilder::text`] does.
    pub fn text(self) -> Self {
        self.send(SendBuilder::text)
    }

    /// Asks for the RECEIPT of each message, as [`SendBuilder::confirmed`] does. [`Publisher::flush`] waits for all of them.
    pub fn confirmed(self) -> Self {
        self.send(SendBuilder::confirmed)
    }

    /// Sends each message until a broker has confirmed it, as [`SendBuilder::at_least_once`] does.
    pub fn at_least_once(self) -> Self {
        self.send(SendBuilder::at_least_once)
    }

    /// Sends the messages [at least once](Self::at_least_once) and one at a time, as [`SendBuilder::ordered`] does.
    pub fn ordered(self) -> Self {
        self.send(SendBuilder::ordered)
    }

    /// Sets how long a message may wait for room and for its RECEIPT, as [`SendBuilder::timeout`] does.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.send(|send| send.timeout(timeout))
    }

    /// Sets how many messages may wait for their outcome. Default: 1,000. The minimum is 1.
    ///
    /// A message whose outcome is not "confirmed" counts until the outcome is
    /// [taken](Publisher::take_unconfirmed). The window bounds the memory of the publisher. It has no effect on plain
    /// messages, which have no outcome.
    pub fn window(mut self, messages: usize) -> Self {
        self.window = messages.max(1);
        self
    }

    /// Creates the publisher.
    ///
    /// # Errors
    /// Returns [`SendError::Command`] if the headers cannot be written; see [`SendBuilder::prepare`].
    pub fn build(self) -> Result<Publisher, SendError> {
        let Self { keep, send: SendBuilder { frame, mut how, .. }, window } = self;
        Session::check_send(&frame)?;
        let version = keep.shared.with(|inner| version(&inner.session));
        let frame = frame.prepare(version).map_err(CommandError::from)?;
        let id = keep.shared.with(|inner| inner.publishers.add(window));
        how.publisher = Some(id);
        let size = frame.frame().size();
        Ok(Publisher { keep, terms: Terms { id, how, frame, size }, parked: None })
    }
}

/// Sends many messages to one destination. It is created by [`Client::publisher`].
///
/// - [`feed`](Self::feed) hands over a message and returns its number, which is 0 for the first. It waits only for room.
///   Messages are written several at a time, and without a flush.
/// - [`flush`](Self::flush) waits until all messages that were handed over have been written, and confirmed if the publisher
///   asks for confirmation.
/// - [`send`](Self::send) does both.
///
/// Single sends and other publishers get their share: a message for which there is no room waits in the same queue, in the
/// order of the first polls, and need not be polled again to be sent. When the connection ends, messages fare as single sends
/// do: a plain message is lost, a message that asks for confirmation was not sent or has an unknown outcome, and a message
/// that is sent at least once is sent again. The publisher goes on with the next connection.
///
/// When a publisher is dropped, messages that were handed over are still sent, but their outcomes are not reported.
/// [`Client::disconnect`] waits for their RECEIPTs too.
///
/// With the feature `sink`, a publisher implements `Sink` of the crate `futures`.
#[derive(Debug)]
pub struct Publisher {
    keep: Keep,
    terms: Terms,
    /// A message that was given to the `Sink` and waits for room.
    parked: Option<ParkedId>,
}

impl Publisher {
    /// Hands over a message and returns its number.
    ///
    /// The future waits while the window is full, and until there is a connection with room, for at most
    /// [`timeout`](PublisherBuilder::timeout) or [`Builder::send_timeout`](super::Builder::send_timeout).
    ///
    /// It is cancel safe: if it is dropped before it resolves, the message either was handed over or was not, and
    /// [`next_number`](Self::next_number) says which.
    ///
    /// # Errors
    /// The future returns a [`SendError`] if the message was not handed over; it then has no number. It returns
    /// [`SendError::OutcomesUntaken`] if the window is full of outcomes that were not
    /// [taken](Self::take_unconfirmed).
    pub fn feed(&mut self, body: impl Into<Bytes>) -> Feeding<'_> {
        Feeding { publisher: self, body: body.into(), stage: Stage::New }
    }

    /// Hands over a message as [`feed`](Self::feed) does, waits as [`flush`](Self::flush) does, and returns the number of the
    /// message.
    ///
    /// The future is cancel safe, as those two are.
    ///
    /// # Errors
    /// The future returns a [`PublishError`], which may concern this message or any earlier one.
    pub fn send(&mut self, body: impl Into<Bytes>) -> Publishing<'_> {
        Publishing { feeding: self.feed(body), number: None }
    }

    /// Waits until all messages that were handed over have been written, and until each has its outcome if the publisher asks
    /// for confirmation.
    ///
    /// The future only waits, and is cancel safe.
    ///
    /// # Errors
    /// The future returns a [`PublishError`] if messages were not confirmed or may not have been written. The next flush
    /// starts to count anew.
    pub const fn flush(&mut self) -> PublisherFlushing<'_> {
        PublisherFlushing { publisher: self, waits: false }
    }

    /// Returns the number of the next message, which is also the number of messages that were handed over.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.keep.shared.with(|inner| inner.publishers.next_number(self.terms.id))
    }

    /// Returns the number of the oldest message that waits for its outcome, or [`next_number`](Self::next_number) if there is
    /// none.
    ///
    /// All earlier messages were confirmed, except for those that [`take_unconfirmed`](Self::take_unconfirmed) returns.
    #[must_use]
    pub fn first_unsettled(&self) -> u64 {
        self.keep.shared.with(|inner| inner.first_unsettled(self.terms.id))
    }

    /// Takes the outcomes that are not "confirmed", in the order in which they came.
    ///
    /// Each is the number of the message and the error that a single send of it would have returned:
    /// [`SendError::Rejected`], [`SendError::NotSent`] or [`SendError::Unknown`]. Each outcome is returned once, and counts in
    /// the [window](PublisherBuilder::window) until then.
    #[must_use = "an outcome is given once"]
    pub fn take_unconfirmed(&mut self) -> Vec<(u64, SendError)> {
        self.keep.shared.with(|inner| inner.publishers.take_failed(self.terms.id)).into()
    }

    /// Waits until the message that was given to the `Sink` has found room.
    fn poll_parked(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(id) = self.parked else { return Poll::Ready(Ok(())) };
        let polled = ready!(self.keep.shared.with(|inner| inner.poll_parked(id, cx.waker().clone())));
        self.parked = None;
        Poll::Ready(polled.map(|_| ()).map_err(SendError::from))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        ready!(self.poll_parked(cx))?;
        let waker = cx.waker().clone();
        self.keep.shared.with(|inner| inner.poll_publisher_flush(&self.terms, waker))
    }

    /// Drops the waker of a future that waited for outcomes.
    fn stop_waiting(&self) {
        self.keep.shared.with(|inner| {
            let waker = inner.publishers.stop_waiting(self.terms.id);
            inner.discard(waker);
        });
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let (id, parked) = (self.terms.id, self.parked);
        self.keep.shared.with(|inner| {
            parked.into_iter().for_each(|parked| inner.forget_parked(parked));
            inner.remove_publisher(id);
        });
    }
}

/// The future of [`Publisher::feed`].
///
/// It is cancel safe: if it is dropped before it resolves, the message either was handed over or was not.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct Feeding<'a> {
    publisher: &'a mut Publisher,
    body: Bytes,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    New,
    /// It waits for room in the window.
    Waits,
    Parked(ParkedId),
    Done,
}

impl Future for Feeding<'_> {
    type Output = Result<u64, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64, SendError>> {
        let Self { publisher, body, stage } = &mut *self;
        let fed = match *stage {
            Stage::New | Stage::Waits => {
                ready!(publisher.poll_parked(cx))?;
                let Publisher { keep, terms, .. } = &mut **publisher;
                let settings = &keep.shared.settings;
                keep.shared.with(|inner| inner.feed(settings, terms, body, cx.waker()))
            }
            Stage::Parked(id) => {
                let waker = cx.waker().clone();
                let admitted = ready!(publisher.keep.shared.with(|inner| inner.poll_parked(id, waker)));
                admitted.map(|admitted| Fed::HandedOver(number(admitted))).map_err(SendError::from)
            }
            Stage::Done => return Poll::Pending,
        };
        *stage = match fed {
            Ok(Fed::Parked(id)) => Stage::Parked(id),
            Ok(Fed::Full) => Stage::Waits,
            Ok(Fed::HandedOver(_)) | Err(_) => Stage::Done,
        };
        match fed {
            Ok(Fed::HandedOver(number)) => Poll::Ready(Ok(number)),
            Ok(Fed::Parked(_) | Fed::Full) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// The number under which a parked message was admitted.
const fn number(admitted: Admitted) -> u64 {
    if let Admitted::Published(number) = admitted { number } else { 0 }
}

impl Drop for Feeding<'_> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Parked(id) => self.publisher.keep.shared.with(|inner| inner.forget_parked(id)),
            Stage::Waits => self.publisher.stop_waiting(),
            Stage::New | Stage::Done => {}
        }
    }
}

/// The future of [`Publisher::flush`].
///
/// It only waits, and is cancel safe.
#[must_use = "futures do nothing unless they are polled"]
#[derive(Debug)]
pub struct PublisherFlushing<'a> {
    publisher: &'a mut Publisher,
    waits: bool,
}

impl Future for PublisherFlushing<'_> {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        let polled = self.publisher.poll_flush(cx);
        self.waits = polled.is_pending();
        polled
    }
}

impl Drop for PublisherFlushing<'_> {
    fn drop(&mut self) {
        if self.waits {
            self.publisher.stop_waiting();
        }
    }
}

/// The future of [`Publisher::send`].
///
/// It is cancel safe: if it is dropped before it resolves, the message either was handed over or was not.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct Publishing<'a> {
    feeding: Feeding<'a>,
    number: Option<u64>,
}

impl Future for Publishing<'_> {
    type Output = Result<u64, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64, PublishError>> {
        let number = match self.number {
            Some(number) => number,
            None => ready!(Pin::new(&mut self.feeding).poll(cx))?,
        };
        self.number = Some(number);
        let flushed = self.feeding.publisher.poll_flush(cx);
        self.feeding.stage = if flushed.is_pending() { Stage::Waits } else { Stage::Done };
        flushed.map_ok(|()| number)
    }
}

/// The sink is ready while the window has room and no message that was given to it waits for a connection with room.
///
/// A message waits by itself, as with any other send. If it cannot be sent, the next call returns the error, and the
/// message has no number.
#[cfg(feature = "sink")]
impl Sink<Bytes> for Publisher {
    type Error = PublishError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        ready!(self.poll_parked(cx))?;
        let id = self.terms.id;
        self.keep.shared.with(|inner| inner.poll_window(id, cx.waker()))?.map(Ok)
    }

    fn start_send(mut self: Pin<&mut Self>, body: Bytes) -> Result<(), PublishError> {
        if self.parked.is_some() {
            return Err(SendError::Full.into());
        }
        let Self { keep, terms, parked } = &mut *self;
        let settings = &keep.shared.settings;
        match keep.shared.with(|inner| inner.feed(settings, terms, &body, Waker::noop()))? {
            Fed::HandedOver(_) => Ok(()),
            Fed::Parked(id) => {
                *parked = Some(id);
                Ok(())
            }
            // Nobody has asked whether it is ready.
            Fed::Full => Err(SendError::Full.into()),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        Self::poll_flush(&mut self, cx)
    }
}
