//! A subscription as a stream, and the builder that makes it.

use std::{
    collections::VecDeque,
    future::{Future, IntoFuture, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use futures_core::Stream;
use stomp_proto::{AckMode, Headers};

use super::{
    contain::contained_change,
    error::SubscribeError,
    fairness::Row,
    keep::Keep,
    message::Message,
    notice::Notice,
    shared::{Inbox, Inner, Shared},
    unsubscribing::Unsubscribing,
    waits::{For, Ticket},
};
use crate::{CommandError, Ended, Oversized, Retry, Subscribe, SubscriptionId};

/// A subscription to be made. Add to it, then `.await` it.
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

    /// Sets the ack mode. By default each message is acknowledged by itself: `client-individual`.
    pub fn ack(self, ack_mode: AckMode) -> Self {
        self.change(|subscribe| subscribe.ack(ack_mode))
    }

    /// How many messages may be out unacknowledged; see [`Subscribe::prefetch`].
    pub fn prefetch(self, prefetch: u32) -> Self {
        self.change(|subscribe| subscribe.prefetch(prefetch))
    }

    /// An id of your own; see [`Subscribe::id`].
    pub fn id(self, id: impl Into<String>) -> Self {
        self.change(|subscribe| subscribe.id(id))
    }

    /// Only messages whose headers fulfil that condition, in the SQL of JMS: `color = 'red' AND price > 10`. On Artemis
    /// headers are strings and compare with nothing else; RabbitMQ has no selectors.
    pub fn selector(self, condition: impl AsRef<[u8]>) -> Self {
        self.header("selector", condition)
    }

    /// A durable subscription to a topic: the broker collects messages while nobody is connected, until it is
    /// [deleted](Subscription::delete). ActiveMQ and Artemis want a `client-id` beside the name, which
    /// [`Builder::connect_header`](super::Builder::connect_header) sends. Each broker reads the headers that it knows.
    pub fn durable(self, name: &str) -> Self {
        let named = self.id(name).header("durable", "true").header("auto-delete", "false");
        named.header("activemq.subscriptionName", name).header("durable-subscription-name", name)
    }

    /// From a queue, whatever its name looks like. Artemis takes every destination for a topic otherwise, unless prefixes
    /// are configured there. The other brokers ignore it.
    pub fn from_queue(self) -> Self {
        self.header("subscription-type", "ANYCAST")
    }

    /// Changes the headers when it is sent again; see [`Subscribe::on_replay`]. It must not use the client, which waits for
    /// it. If it panics, the headers are those that were set.
    pub fn on_replay(self, change: impl Fn(&mut Headers) + Send + Sync + 'static) -> Self {
        self.change(|subscribe| subscribe.on_replay(contained_change(change)))
    }

    /// What becomes of a message that is over the limit; see [`Subscribe::oversized`]. With [`Oversized::Deliver`] it comes out
    /// of [`Subscription::items`], or is a failed message to a [`Runner`](super::Runner).
    pub fn oversized(self, oversized: Oversized) -> Self {
        self.change(|subscribe| subscribe.oversized(oversized))
    }

    /// Delivers also messages that had come and were not taken when their connection ended; see [`Subscribe::keep_stale`].
    pub fn keep_stale(self) -> Self {
        self.change(Subscribe::keep_stale)
    }

    /// What to do when the broker refuses or cancels it after it had stood; see [`Subscribe::retry`].
    pub fn retry(self, retry: Retry) -> Self {
        self.change(|subscribe| subscribe.retry(retry))
    }

    /// Sets a header: a broker's own. It replaces those of that name. What the client sets itself (`destination`, `id`, `ack`,
    /// `receipt`) makes the subscribe fail with [`CommandError::ReservedHeader`].
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.change(|subscribe| subscribe.header(name, value))
    }

    /// Adds a header, whether there is one of that name or not; see [`Subscribe::append_header`].
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
/// It resolves when the broker has confirmed the subscription, at most after
/// [`Builder::subscribe_timeout`](super::Builder::subscribe_timeout). Cancel safe: dropped, it unsubscribes.
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

/// A subscription: a [`Stream`] of messages that goes on over reconnects. Dropping it unsubscribes.
///
/// After `None` [`ended`](Self::ended) says why.
#[derive(Debug)]
pub struct Subscription {
    keep: Keep,
    id: SubscriptionId,
    ack_mode: AckMode,
    /// Messages are taken from the inbox in batches: one lock for each batch and not for each message.
    batch: VecDeque<crate::Message>,
    /// Hands out messages of a connection that has ended, too.
    keeps_stale: bool,
    row: Row,
    ended: Option<Ended>,
}

impl Subscription {
    fn begin(keep: Keep, subscribe: Subscribe) -> Result<Self, SubscribeError> {
        let (ack_mode, keeps_stale) = (subscribe.ack_mode, subscribe.keep_stale);
        let id = keep.shared.command(|inner| -> Result<_, SubscribeError> {
            if let Some(closed) = &inner.closed {
                return Err(Ended::Closed(closed.clone()).into());
            }
            let id = inner.session.subscribe(subscribe)?;
            inner.inboxes.insert(id, Inbox::default());
            Ok(id)
        })?;
        let (batch, row) = (VecDeque::new(), Row::default());
        Ok(Self { keep, id, ack_mode, batch, keeps_stale, row, ended: None })
    }

    /// Its name in [`Notice`]s.
    #[must_use]
    pub const fn id(&self) -> SubscriptionId {
        self.id
    }

    /// The next message, or `None` after the end; [`results`](Self::results) makes the end an error. Cancel safe: no message
    /// is lost. After 128 messages in a row it lets other tasks run.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Why there are no more messages, once there are none.
    #[must_use]
    pub const fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Ends the subscription, at the call. Messages that were not acknowledged go back to the broker; later acknowledgements
    /// are a typed error. Dropping the subscription does the same; the future only watches for the broker's answer.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let prices = client.subscribe("/topic/prices").durable("prices").await?;
    /// prices.unsubscribe().await?;
    /// // The broker goes on to collect. The name is free again:
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

    /// Ends a [durable](SubscribeBuilder::durable) subscription, and deletes it at the broker with all that it has collected.
    ///
    /// # Errors
    /// [`CommandError::NotDurable`] when it is none; [`CommandError::NotConnected`]. Then it was only left.
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

    /// Takes the next message that can still be settled, whether it is whole or was over a limit.
    #[inline]
    pub(super) fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<Option<crate::Message>> {
        ready!(self.row.poll(cx));
        loop {
            while let Some(message) = self.batch.pop_front() {
                let shared = &self.keep.shared;
                shared.taken(&message);
                if self.keeps_stale || !shared.is_stale(&message) {
                    return Poll::Ready(Some(message));
                }
            }
            if self.ended.is_some() {
                return Poll::Ready(None);
            }
            if self.take_batch(cx.waker().clone()).is_pending() {
                self.row.end();
                return Poll::Pending;
            }
        }
    }

    fn take_batch(&mut self, waker: Waker) -> Poll<()> {
        let shared = &self.keep.shared;
        let id = self.id;
        let taken = shared.with(|inner| inner.take_batch(id, waker));
        match taken {
            Poll::Ready(Ok(batch)) => self.batch = batch,
            Poll::Ready(Err(ended)) => self.ended = Some(ended),
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = &mut *self;
        while let Some(mut message) = ready!(this.poll_taken(cx)) {
            let excess = message.take_excess();
            let message = Message::new(message, this.shared());
            // Dropped, one that was over a limit stays with the broker: whoever wants it asks for items.
            if excess.is_none() {
                return Poll::Ready(Some(message));
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let shared = &self.keep.shared;
        let batch = mem::take(&mut self.batch);
        batch.iter().for_each(|message| shared.taken(message));
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
            Some(ended) => Err(ended.clone().into()),
            None if inbox.confirmed => Ok(()),
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

    fn take_batch(
        &mut self,
        id: SubscriptionId,
        waker: Waker,
    ) -> Poll<Result<VecDeque<crate::Message>, Ended>> {
        let Some(inbox) = self.inboxes.get_mut(&id) else {
            self.discard(Some(waker));
            return Poll::Ready(Err(Ended::Unsubscribed));
        };
        // The last batch is empty.
        inbox.batch = 0;
        let result = if !inbox.messages.is_empty() {
            inbox.batch = mem::take(&mut inbox.octets);
            Ok(mem::take(&mut inbox.messages))
        } else if let Some(ended) = &inbox.ended {
            Err(ended.clone())
        } else {
            let replaced = inbox.waker.replace(waker);
            self.discard(replaced);
            return Poll::Pending;
        };
        self.discard(Some(waker));
        Poll::Ready(result)
    }
}
