//! A subscription as a stream, and the builder that makes it.

use std::{
    collections::VecDeque,
    future::{Future, IntoFuture, poll_fn},
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use futures_core::Stream;
use stomp_proto::{AckMode, Headers};

use super::{
    contain::contained_change,
    error::SubscribeError,
    message::Message,
    notice::Notice,
    pressure::Taken,
    shared::{Inner, Keep, Shared},
    task::Row,
    unsubscribing::Unsubscribing,
    waits::{For, Ticket},
};
use crate::{CommandError, Ended, Oversized, Retry, Subscribe, SubscriptionId, rabbitmq::StreamPosition};

/// A builder of a subscription, returned by [`Client::subscribe`](super::Client::subscribe). Await it to subscribe.
#[must_use = "nothing is subscribed until it is awaited"]
#[derive(Debug)]
pub struct SubscribeBuilder {
    keep: Keep,
    subscribe: Subscribe,
}

impl SubscribeBuilder {
    pub(super) fn new(keep: Keep, destination: &str) -> Self {
        let subscribe = Subscribe::new(destination);
        let subscribe = match keep.shared.settings.prefetch {
            Some(prefetch) => subscribe.prefetch(prefetch),
            None => subscribe,
        };
        Self { keep, subscribe }
    }

    /// Sets the ack mode. The default is `client-individual`, with which messages are acknowledged one by one; see
    /// [`Subscribe::ack`].
    pub fn ack(self, ack_mode: AckMode) -> Self {
        self.change(|subscribe| subscribe.ack(ack_mode))
    }

    /// Sets how many unacknowledged messages the broker may have sent at the same time; see [`Subscribe::prefetch`].
    pub fn prefetch(self, prefetch: u32) -> Self {
        self.change(|subscribe| subscribe.prefetch(prefetch))
    }

    /// Sets the subscription's id; see [`Subscribe::id`].
    pub fn id(self, id: impl Into<String>) -> Self {
        self.change(|subscribe| subscribe.id(id))
    }

    /// Receives only messages whose headers meet this condition, which is in the SQL of JMS, such as
    /// `color = 'red' AND price > 10`.
    ///
    /// On Artemis, headers are strings and can only be compared with strings. RabbitMQ has no selectors.
    pub fn selector(self, condition: impl AsRef<[u8]>) -> Self {
        self.header("selector", condition)
    }

    /// Makes a subscription to a topic durable: the broker collects messages even while no client is connected, until
    /// the subscription is [deleted](Subscription::delete).
    ///
    /// ActiveMQ and Artemis require a `client-id` in addition to the name.
    /// [`Builder::connect_header`](super::Builder::connect_header) adds it. Several headers are set, of which each
    /// broker uses those that it knows.
    pub fn durable(self, name: &str) -> Self {
        let named = self.id(name).header("durable", "true").header("auto-delete", "false");
        named.header("activemq.subscriptionName", name).header("durable-subscription-name", name)
    }

    /// Subscribes to a queue, whatever the name of the destination looks like.
    ///
    /// Otherwise Artemis takes every destination for a topic, unless it is configured with prefixes. Other brokers
    /// ignore this.
    pub fn from_queue(self) -> Self {
        self.header("subscription-type", "ANYCAST")
    }

    /// Sets the priority of this consumer on RabbitMQ and ActiveMQ: those with a higher number get messages first, as long as their
    /// prefetch has room. The default is 0.
    ///
    /// RabbitMQ 3 ignores it over STOMP, and RabbitMQ refuses it for a stream. ActiveMQ expects 0 to 127.
    pub fn consumer_priority(self, priority: i8) -> Self {
        let priority = priority.to_string();
        self.header("x-priority", &priority).header("activemq.priority", priority)
    }

    /// Consumes a stream of RabbitMQ from this position on, over reconnects; see [`Subscribe::stream`].
    pub fn stream(self, position: &StreamPosition) -> Self {
        self.change(|subscribe| subscribe.stream(position))
    }

    /// Sets a function that changes the headers when the SUBSCRIBE is sent again; see [`Subscribe::on_replay`].
    ///
    /// The function must not use the client, which waits for it. If the function panics, the headers are sent as they
    /// were set.
    pub fn on_replay(self, change: impl Fn(&mut Headers) + Send + Sync + 'static) -> Self {
        self.change(|subscribe| subscribe.on_replay(contained_change(change)))
    }

    /// Sets what to do with a message that is over the limits; see [`Subscribe::oversized`].
    ///
    /// With [`Oversized::Deliver`], it is an item of [`Subscription::items`], and a failed message for a
    /// [`Runner`](super::Runner).
    pub fn oversized(self, oversized: Oversized) -> Self {
        self.change(|subscribe| subscribe.oversized(oversized))
    }

    /// Delivers messages that had come and were not taken yet when their connection ended; see
    /// [`Subscribe::keep_stale`].
    pub fn keep_stale(self) -> Self {
        self.change(Subscribe::keep_stale)
    }

    /// Sets whether to subscribe again when the broker refuses or cancels the subscription after it had accepted it;
    /// see [`Subscribe::retry`].
    pub fn retry(self, retry: Retry) -> Self {
        self.change(|subscribe| subscribe.retry(retry))
    }

    /// Sets a header, such as one of the broker's own. It replaces all headers with that name.
    ///
    /// The headers `destination`, `id`, `ack` and `receipt` are set by the client. If they are set here, subscribing
    /// fails with [`CommandError::ReservedHeader`].
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.change(|subscribe| subscribe.header(name, value))
    }

    /// Sets several headers; see [`Subscribe::headers`].
    pub fn headers(self, headers: &Headers) -> Self {
        self.change(|subscribe| subscribe.headers(headers))
    }

    /// Adds a header even if there is one with that name; see [`Subscribe::append_header`].
    pub fn append_header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.change(|subscribe| subscribe.append_header(name, value))
    }

    fn change(self, change: impl FnOnce(Subscribe) -> Subscribe) -> Self {
        Self { subscribe: change(self.subscribe), ..self }
    }
}

impl IntoFuture for SubscribeBuilder {
    type Output = Result<Subscription, SubscribeError>;
    type IntoFuture = Subscribing;

    fn into_future(self) -> Subscribing {
        Subscribing { ready: Some((self.keep, self.subscribe)), made: None, ticket: None }
    }
}

/// The future of a [`SubscribeBuilder`].
///
/// It resolves when the broker has confirmed the subscription, or to an error after
/// [`Builder::subscribe_timeout`](super::Builder::subscribe_timeout).
///
/// This future is cancel safe: if it is dropped, it unsubscribes.
#[must_use = "nothing is subscribed until it is awaited"]
#[derive(Debug)]
pub struct Subscribing {
    ready: Option<(Keep, Subscribe)>,
    made: Option<Subscription>,
    ticket: Option<Ticket>,
}

impl Future for Subscribing {
    type Output = Result<Subscription, SubscribeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some((keep, subscribe)) = self.ready.take() {
            self.made = Some(Subscription::begin(keep, subscribe)?);
        }
        let this = &mut *self;
        let Some(subscription) = &this.made else { return Poll::Pending };
        let wakers = (cx.waker().clone(), cx.waker().clone());
        let shared = &subscription.keep.shared;
        let ticket = &mut this.ticket;
        match shared.with(|inner| inner.poll_confirmed(shared, subscription.id, ticket, wakers)) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                Poll::Ready(this.made.take().map(Ok).unwrap_or(Err(Ended::Unsubscribed.into())))
            }
            Poll::Ready(Err(error)) => {
                this.made = None;
                Poll::Ready(Err(error))
            }
        }
    }
}

impl Drop for Subscribing {
    fn drop(&mut self) {
        if let (Some(ticket), Some(subscription)) = (self.ticket.take(), &self.made) {
            subscription.keep.shared.with(|inner| inner.leave(For::Time, ticket));
        }
    }
}

/// A subscription, which is a [`Stream`] of messages.
///
/// It continues on the next connection when a connection ends. When the stream has ended, [`ended`](Self::ended)
/// returns the reason. Dropping a subscription unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    keep: Keep,
    id: SubscriptionId,
    ack_mode: AckMode,
    /// Messages are taken from the inbox in batches: one lock for each batch and not for each message.
    batch: VecDeque<crate::Message>,
    /// The number of messages in the batch that the broker delivers again if their connection is left.
    left: Arc<AtomicUsize>,
    taken: Taken,
    /// Delivers messages of a connection that has ended too.
    keeps_stale: bool,
    row: Row,
    ended: Option<Ended>,
}

impl Subscription {
    fn begin(keep: Keep, subscribe: Subscribe) -> Result<Self, SubscribeError> {
        let (ack_mode, keeps_stale) = (subscribe.ack_mode, subscribe.keep_stale);
        let (id, left) = keep.shared.command(|inner| -> Result<_, SubscribeError> {
            if let Some(closed) = inner.closed.as_deref() {
                return Err(Ended::Closed(closed.clone()).into());
            }
            let id = inner.session.subscribe(subscribe)?;
            let inbox = inner.inboxes.entry(id).or_default();
            Ok((id, Arc::clone(&inbox.left)))
        })?;
        let (batch, row, taken) = (VecDeque::new(), Row::default(), Taken::default());
        Ok(Self { keep, id, ack_mode, batch, left, taken, keeps_stale, row, ended: None })
    }

    /// Returns the id of the subscription, which [`Notice`]s name.
    #[must_use]
    pub const fn id(&self) -> SubscriptionId {
        self.id
    }

    /// Returns the next message, or `None` after the end. [`results`](Self::results) reports the end as an error.
    ///
    /// After 128 messages in a row, this method lets other tasks run. It is cancel safe: no message is lost.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the reason why there are no more messages, once [`next`](Self::next) has returned `None`.
    #[must_use]
    pub const fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Unsubscribes. This happens at the call; the returned future only waits for the broker's answer. Dropping the
    /// subscription unsubscribes too.
    ///
    /// Messages that were not acknowledged go back to the broker. A later attempt to acknowledge one of them fails with
    /// a [`CommandError`].
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let prices = client.subscribe("/topic/prices").durable("prices").await?;
    /// prices.unsubscribe().await?;
    /// // The broker continues to collect messages. The name is free again:
    /// let prices = client.subscribe("/topic/prices").durable("prices").await?;
    /// # Ok(()) }
    /// ```
    pub fn unsubscribe(self) -> Unsubscribing {
        let (shared, id) = (self.shared(), self.id);
        shared.command(|inner| {
            shared.dispatch_in(inner);
            if let Ok(asked) = inner.session.unsubscribe_confirmed(id) {
                inner.note(&Notice::Unsubscribed(id));
                if asked {
                    inner.unanswered.begin(id);
                }
            }
        });
        Unsubscribing::new(shared, id)
    }

    /// Unsubscribes, and deletes a [durable](SubscribeBuilder::durable) subscription at the broker, with all messages
    /// that it has collected.
    ///
    /// # Errors
    /// Returns [`CommandError::NotDurable`] if the subscription is not durable, and [`CommandError::NotConnected`] if
    /// there is no connection. Then it is only unsubscribed.
    pub fn delete(self) -> Result<(), CommandError> {
        let (shared, id) = (self.shared(), self.id);
        shared.command(|inner| {
            shared.dispatch_in(inner);
            inner.session.delete_durable(id)?;
            inner.note(&Notice::Unsubscribed(id));
            Ok(())
        })
    }

    pub(super) const fn ack_mode(&self) -> AckMode {
        self.ack_mode
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.keep.shared)
    }

    /// Tells the broker to send no more. What it has sent can still be taken.
    pub(super) fn stop(&self) {
        self.keep.shared.command(|inner| self.end(inner));
    }

    fn end(&self, inner: &mut Inner) {
        self.keep.shared.dispatch_in(inner);
        // It may have ended already; then there is nothing to say to the broker.
        if inner.session.unsubscribe(self.id).is_ok() {
            inner.note(&Notice::Unsubscribed(self.id));
        }
    }

    fn note_left(&self, left: usize) {
        if self.ack_mode != AckMode::Auto && !self.keeps_stale {
            self.left.store(left, Ordering::Relaxed);
        }
    }

    /// Waits for the next message that can still be settled, whether it is whole or was over a limit. Returns whether there
    /// is one, which [`take_next`](Self::take_next) takes. It is large: so it is not returned here, and moved once less.
    #[inline]
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        ready!(self.row.poll(cx));
        loop {
            while let Some(message) = self.batch.front() {
                if self.keeps_stale || !self.keep.shared.is_stale(message) {
                    return Poll::Ready(true);
                }
                drop(self.take_next());
            }
            if self.ended.is_some() {
                return Poll::Ready(false);
            }
            if self.take_batch(cx.waker().clone()).is_pending() {
                self.row.end();
                return Poll::Pending;
            }
        }
    }

    /// Whether the message at the front of the batch was over a limit.
    pub(super) fn is_next_over(&self) -> bool {
        self.batch.front().is_some_and(crate::Message::is_over)
    }

    /// Takes the message at the front of the batch.
    #[inline]
    pub(super) fn take_next(&mut self) -> Option<Message> {
        let octets = self.batch.front()?.size();
        let left = self.batch.len().saturating_sub(1);
        self.note_left(left);
        let Shared { pressure, settings, .. } = &*self.keep.shared;
        if self.taken.count(octets, left == 0, pressure, settings.inbound_budget) {
            self.keep.shared.with(Inner::wake_driver);
        }
        // At last, and not before it: whatever came between would move the message once more.
        let shared = self.shared();
        self.batch.pop_front().map(|message| Message::new(message, shared))
    }

    fn take_batch(&mut self, waker: Waker) -> Poll<()> {
        let shared = &self.keep.shared;
        let (id, batch) = (self.id, &mut self.batch);
        match ready!(shared.with(|inner| inner.take_batch(id, batch, waker))) {
            Ok(()) => self.note_left(self.batch.len()),
            Err(ended) => self.ended = Some(ended),
        }
        Poll::Ready(())
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = &mut *self;
        while ready!(this.poll_ready(cx)) {
            // Dropped, one that was over a limit stays with the broker: whoever wants it asks for items.
            if !this.is_next_over() {
                return Poll::Ready(this.take_next());
            }
            drop(this.take_next());
        }
        Poll::Ready(None)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let shared = &self.keep.shared;
        let batch = mem::take(&mut self.batch);
        shared.pressure.count_out(&batch);
        self.taken.flush(&shared.pressure);
        shared.command(|inner| {
            batch.iter().for_each(|message| inner.session.give_back(message));
            self.end(inner);
            shared.remove_inbox(inner, self.id);
        });
    }
}

impl Inner {
    fn poll_confirmed(
        &mut self,
        shared: &Shared,
        id: SubscriptionId,
        ticket: &mut Option<Ticket>,
        (waker, timed): (Waker, Waker),
    ) -> Poll<Result<(), SubscribeError>> {
        let patience = shared.settings.subscribe_timeout;
        let expired = ticket.is_some_and(|ticket| self.waits.of(For::Time).is_expired(ticket));
        let Some(inbox) = self.inboxes.get_mut(&id) else {
            return Poll::Ready(Err(Ended::Unsubscribed.into()));
        };
        let result = match &inbox.ended {
            // It may have ended since, as a browser does that has shown all: what has come is there to be taken.
            _ if inbox.confirmed => Ok(()),
            Some(ended) => Err((**ended).clone().into()),
            None if expired => Err(SubscribeError::Timeout(patience)),
            None => {
                let replaced = inbox.waker.replace(waker);
                self.discard(replaced);
                self.wait(For::Time, ticket, timed, patience);
                return Poll::Pending;
            }
        };
        self.discard(Some(waker));
        self.discard(Some(timed));
        if let Some(ticket) = ticket.take() {
            self.leave(For::Time, ticket);
        }
        Poll::Ready(result)
    }

    /// Takes all messages of an inbox, which gets the room of the last batch for the next ones: that is the room which a
    /// busy subscription needs.
    fn take_batch(
        &mut self,
        id: SubscriptionId,
        batch: &mut VecDeque<crate::Message>,
        waker: Waker,
    ) -> Poll<Result<(), Ended>> {
        let Some(inbox) = self.inboxes.get_mut(&id) else {
            self.discard(Some(waker));
            return Poll::Ready(Err(Ended::Unsubscribed));
        };
        // The last batch is empty.
        inbox.batch = 0;
        let result = if !inbox.messages.is_empty() {
            inbox.batch = mem::take(&mut inbox.octets);
            mem::swap(&mut inbox.messages, batch);
            Ok(())
        } else if let Some(ended) = &inbox.ended {
            Err((**ended).clone())
        } else {
            let replaced = inbox.waker.replace(waker);
            if batch.capacity() > inbox.messages.capacity() {
                inbox.messages = mem::take(batch);
            }
            self.discard(replaced);
            return Poll::Pending;
        };
        self.discard(Some(waker));
        Poll::Ready(result)
    }
}
