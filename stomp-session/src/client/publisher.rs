//! Publishing in bulk: many messages that differ in their body alone, without a future, a waker and a place in a map for each.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::Headers;

use super::{
    error::{PublishError, SendError},
    handle::Client,
    keep::Keep,
    parked::{Admitted, ParkedId},
    prepared::version,
    publishing::{Fed, Terms},
    send::SendBuilder,
};
use crate::{CommandError, Session};

/// How many messages may wait for an outcome unless it is said.
const WINDOW: usize = 1_000;

impl Client {
    /// Publishes many messages to one destination. They differ in their body alone: the headers are checked and escaped once.
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

/// Builds a [`Publisher`]. [`Client::publisher`] makes it.
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

    /// Sets a header of each message, in place of those that had its name, as [`SendBuilder::header`].
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.send(|send| send.header(name, value))
    }

    /// Adds a header to each message, after those that have its name, as [`SendBuilder::append_header`].
    pub fn append_header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.send(|send| send.append_header(name, value))
    }

    /// Sets several headers of each message, as [`SendBuilder::headers`].
    pub fn headers(self, headers: &Headers) -> Self {
        self.send(|send| send.headers(headers))
    }

    /// `persistent:true`, as [`SendBuilder::persistent`].
    pub fn persistent(self) -> Self {
        self.send(SendBuilder::persistent)
    }

    /// To a queue, whatever its name looks like, as [`SendBuilder::to_queue`].
    pub fn to_queue(self) -> Self {
        self.send(SendBuilder::to_queue)
    }

    /// Without `content-length`, as [`SendBuilder::text`].
    pub fn text(self) -> Self {
        self.send(SendBuilder::text)
    }

    /// Asks for the RECEIPT of each message, as [`SendBuilder::confirmed`]. [`Publisher::flush`] waits for all of them.
    pub fn confirmed(self) -> Self {
        self.send(SendBuilder::confirmed)
    }

    /// Sends each message until a broker has confirmed it, as [`SendBuilder::at_least_once`].
    pub fn at_least_once(self) -> Self {
        self.send(SendBuilder::at_least_once)
    }

    /// [At least once](Self::at_least_once), and one at a time, as [`SendBuilder::ordered`].
    pub fn ordered(self) -> Self {
        self.send(SendBuilder::ordered)
    }

    /// How long a message may wait for room and for its RECEIPT, as [`SendBuilder::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        self.send(|send| send.timeout(timeout))
    }

    /// How many messages may wait for their outcome, those included whose outcome is not "confirmed" and
    /// [was not taken](Publisher::take_unconfirmed). It bounds the memory of the publisher. 1,000, and at least 1. A plain
    /// publisher has no outcomes to wait for.
    pub fn window(mut self, messages: usize) -> Self {
        self.window = messages.max(1);
        self
    }

    /// The publisher.
    ///
    /// # Errors
    /// [`SendError::Command`] when the headers cannot be written, as [`SendBuilder::prepare`] says.
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

/// Publishes many messages to one destination. [`Client::publisher`] makes it.
///
/// - [`feed`](Self::feed) hands a message over and gives its number: the first is 0. It waits for room only. Several of them
///   leave in one write. There is no need to flush for them to leave.
/// - [`flush`](Self::flush) waits until all that was handed over is on the wire, and confirmed if it is to be.
/// - [`send`](Self::send) does both.
///
/// Single sends and other publishers get their share: a message that finds no room waits in the same queue, in the order of
/// the first polls, and does not depend on being polled again. What happens to a message on the way is what would happen to a
/// single send: when the connection ends, a plain message is lost, one that is to be confirmed was not sent or its outcome is
/// unknown, and one that is sent at least once is sent again. The publisher goes on with the next connection.
///
/// Dropped, it leaves nothing behind. What was handed over leaves all the same, but nobody is told what becomes of it.
/// [`Client::disconnect`] waits for those RECEIPTs, too.
///
/// With the feature `sink` it is a `Sink` of futures.
#[derive(Debug)]
pub struct Publisher {
    pub(super) keep: Keep,
    pub(super) terms: Terms,
    /// What was handed to the `Sink` and waits for room.
    pub(super) parked: Option<ParkedId>,
}

impl Publisher {
    /// Hands a message over, and returns its number. Waits while the window is full, or until there is a connection with
    /// room, for as long as [`timeout`](PublisherBuilder::timeout) or
    /// [`Builder::send_timeout`](super::Builder::send_timeout) says.
    ///
    /// Cancel safe: dropped before the end, the message was handed over or was not; [`next_number`](Self::next_number) tells.
    ///
    /// # Errors
    /// [`SendError`]; this message was not sent and has no number. Above all [`SendError::OutcomesUntaken`] when so many
    /// messages were not confirmed that they fill the window.
    pub fn feed(&mut self, body: impl Into<Bytes>) -> Feeding<'_> {
        Feeding { publisher: self, body: body.into(), stage: Stage::New }
    }

    /// [`feed`](Self::feed), then [`flush`](Self::flush). Returns the number of the message.
    ///
    /// Cancel safe, as those.
    ///
    /// # Errors
    /// [`PublishError`], of this message or of any before it.
    pub fn send(&mut self, body: impl Into<Bytes>) -> Publishing<'_> {
        Publishing { feeding: self.feed(body), number: None }
    }

    /// Waits until all messages that were handed over are on the wire, and have their outcome if they are to be confirmed.
    ///
    /// Cancel safe: it only watches.
    ///
    /// # Errors
    /// [`PublishError`]: how many were not confirmed, or may not have left. A second flush counts anew.
    pub const fn flush(&mut self) -> PublisherFlushing<'_> {
        PublisherFlushing { publisher: self, waits: false }
    }

    /// The number that the next message will have: that many were handed over.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.keep.shared.with(|inner| inner.publishers.next_number(self.terms.id))
    }

    /// The number of the oldest message that waits for its outcome; without one, [`next_number`](Self::next_number). All
    /// before it were confirmed, but for those that [`take_unconfirmed`](Self::take_unconfirmed) gives.
    #[must_use]
    pub fn first_unsettled(&self) -> u64 {
        self.keep.shared.with(|inner| inner.publishers.first_unsettled(self.terms.id))
    }

    /// Takes the outcomes that are known and are not "confirmed", in the order in which they came: the number of the message,
    /// and what a single send of it would have returned. [`SendError::Rejected`], [`SendError::NotSent`] and
    /// [`SendError::Unknown`] are those that there are. Each outcome is given once. They count in the
    /// [window](PublisherBuilder::window) until they are taken.
    #[must_use = "an outcome is given once"]
    pub fn take_unconfirmed(&mut self) -> Vec<(u64, SendError)> {
        self.keep.shared.with(|inner| inner.publishers.take_failed(self.terms.id)).into()
    }

    /// Waits until what was handed to the `Sink` has found room.
    pub(super) fn poll_parked(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(id) = self.parked else { return Poll::Ready(Ok(())) };
        let polled = ready!(self.keep.shared.with(|inner| inner.poll_parked(id, cx.waker().clone())));
        self.parked = None;
        Poll::Ready(polled.map(|_| ()).map_err(SendError::from))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PublishError>> {
        ready!(self.poll_parked(cx))?;
        let waker = cx.waker().clone();
        self.keep.shared.with(|inner| inner.poll_publisher_flush(&self.terms, waker))
    }

    /// Nobody waits for its outcomes any more.
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
/// Cancel safe: dropped before the end, the message was handed over or was not.
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
    /// For room in the window.
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

/// What a publisher has parked is admitted under a number.
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
/// Cancel safe: it only watches.
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
/// Cancel safe: dropped before the end, the message was handed over or was not.
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
