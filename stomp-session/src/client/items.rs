//! The items of a subscription: its messages, those over a limit included, and the end of browsing, or an end that is an
//! error.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use stomp_proto::{Excess, Headers, Text};

use super::{message::Message, subscription::Subscription};
use crate::{CommandError, Ended};

impl Subscription {
    /// Returns a [`Stream`] of the subscription's items.
    ///
    /// Beside whole messages these are messages over the [limits](super::Builder::limits), if the subscription was made
    /// with [`Oversized::Deliver`](crate::Oversized::Deliver), and the end of browsing on ActiveMQ.
    ///
    /// A message over a limit comes in its order, and counts in the prefetch until it is settled. With
    /// [`Oversized::Leave`](crate::Oversized::Leave), the default, and a prefetch of 1, nothing comes after such a message.
    /// [`next`](Self::next) skips these messages and leaves them with the broker.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use stomp_session::{Oversized, client::SubscriptionItem};
    ///
    /// let mut orders = client.subscribe("/queue/orders").oversized(Oversized::Deliver).await?;
    /// let mut items = orders.items();
    /// while let Some(item) = items.next().await {
    ///     match item {
    ///         SubscriptionItem::Message(message) => message.ack()?,
    ///         SubscriptionItem::TooLarge(large) => {
    ///             eprintln!("{:?}: {}", large.header_str("message-id"), large.excess());
    ///             large.nack()?;
    ///         }
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub const fn items(&mut self) -> Items<'_> {
        Items { subscription: self, shown: false }
    }

    pub(super) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<SubscriptionItem>> {
        if !ready!(self.poll_ready(cx)) {
            return Poll::Ready(None);
        }
        Poll::Ready(self.take_next().map(|mut message| match message.take_excess() {
            None => SubscriptionItem::Message(message),
            Some(excess) => SubscriptionItem::TooLarge(TooLarge { message, excess }),
        }))
    }
}

/// An item of a subscription: see [`Subscription::items`].
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each message")]
pub enum SubscriptionItem {
    /// A message.
    Message(Message),
    /// A message over a limit, which was read past.
    TooLarge(TooLarge),
    /// A browser has been shown everything in the queue. The subscription has [ended](Ended::Browsed).
    BrowseEnd,
}

/// A [`Stream`] of the items of a subscription: see [`Subscription::items`].
#[must_use = "nothing comes until it is polled"]
#[derive(Debug)]
pub struct Items<'a> {
    subscription: &'a mut Subscription,
    /// Whether the end of browsing was returned.
    shown: bool,
}

impl Items<'_> {
    /// Waits for the next item. Returns `None` when the subscription has ended.
    ///
    /// This method is cancel safe: no item is lost if its future is dropped.
    pub async fn next(&mut self) -> Option<SubscriptionItem> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Items<'_> {
    type Item = SubscriptionItem;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SubscriptionItem>> {
        if let Some(item) = ready!(self.subscription.poll_item(cx)) {
            return Poll::Ready(Some(item));
        }
        let is_shown = !self.shown && self.subscription.ended() == Some(&Ended::Browsed);
        self.shown |= is_shown;
        Poll::Ready(is_shown.then_some(SubscriptionItem::BrowseEnd))
    }
}

/// A message over the [limits](super::Builder::limits), without its body.
///
/// If the headers were over a limit, only those that the protocol needs were kept. Dropping this value acknowledges
/// nothing, as with a [`Message`].
pub struct TooLarge {
    message: Message,
    excess: Excess,
}

impl TooLarge {
    /// Returns the part of the message that was over the limit, and its length.
    #[must_use]
    pub const fn excess(&self) -> Excess {
        self.excess
    }

    /// Returns the headers that were kept.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        self.message.headers()
    }

    /// Returns the value of the first header with this name, or `None` if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Text<'_>> {
        self.message.header(name)
    }

    /// Returns the value of the first header with this name as text, or `None` if there is none or it is not UTF-8.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.message.header_str(name)
    }

    /// Returns `true` if the message must be acknowledged.
    #[must_use]
    pub fn needs_ack(&self) -> bool {
        self.message.needs_ack()
    }

    /// Returns `true` if the message's connection has ended. The broker then delivers it again, unless the ack mode is
    /// `auto`.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.message.is_lost()
    }

    /// Acknowledges the message, whose body is then lost. The ACK is queued at once, without waiting.
    ///
    /// # Errors
    /// Returns the same errors as [`Message::ack`].
    pub fn ack(self) -> Result<(), CommandError> {
        self.message.ack()
    }

    /// Rejects the message; see [`Message::nack`].
    ///
    /// # Errors
    /// Returns the same errors as [`Message::nack`].
    pub fn nack(self) -> Result<(), CommandError> {
        self.message.nack()
    }
}

impl fmt::Debug for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TooLarge").field("message", &self.message).field("excess", &self.excess).finish()
    }
}

impl Subscription {
    /// Returns the messages as a [`Stream`] of `Result`s that reports the end of the subscription as an error.
    ///
    /// A worker that uses `?` then does not mistake it for the end of its work.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut orders = client.subscribe("/queue/orders").await?;
    /// let mut results = orders.results();
    /// while let Some(order) = results.next().await {
    ///     let order = order?;
    ///     println!("{}", order.text()?);
    ///     order.ack()?;
    /// }
    /// # Ok(()) }
    /// ```
    pub const fn results(&mut self) -> Results<'_> {
        Results { subscription: self, ended: false }
    }
}

/// A [`Stream`] of messages that reports the end of its subscription as an error, returned by
/// [`Subscription::results`].
#[must_use = "nothing comes until it is polled"]
#[derive(Debug)]
pub struct Results<'a> {
    subscription: &'a mut Subscription,
    ended: bool,
}

impl Results<'_> {
    /// Returns the next message, then once the reason why there are no more, and then `None`.
    ///
    /// This method is cancel safe: no message is lost.
    ///
    /// # Errors
    /// Returns [`Ended`] if the subscription has ended, but not after [`Ended::Unsubscribed`], because the application
    /// has then ended it.
    pub async fn next(&mut self) -> Option<Result<Message, Ended>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Results<'_> {
    type Item = Result<Message, Ended>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(message) = ready!(Pin::new(&mut *self.subscription).poll_next(cx)) {
            return Poll::Ready(Some(Ok(message)));
        }
        self.ended = true;
        let ended = self.subscription.ended().filter(|ended| **ended != Ended::Unsubscribed);
        Poll::Ready(ended.cloned().map(Err))
    }
}
