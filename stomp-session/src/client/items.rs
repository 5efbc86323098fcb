//! All that comes for a subscription, and not its whole messages alone.

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
    /// Returns what comes as a [`Stream`] that has more than whole messages: those over the
    /// [limits](super::Builder::limits), if the subscription was made with
    /// [`Oversized::Deliver`](crate::Oversized::Deliver), and the end of what a browser of ActiveMQ shows.
    ///
    /// A message over a limit has its place among the others and counts as one, in the prefetch and in what nobody has taken,
    /// until it is settled: with the default, [`Oversized::Leave`](crate::Oversized::Leave), one such message and a prefetch of
    /// 1 mean that nothing else comes. [`next`](Self::next) passes over them and leaves them with the broker.
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
        let taken = ready!(self.poll_taken(cx));
        Poll::Ready(taken.map(|mut message| {
            let excess = message.take_excess();
            let message = Message::new(message, self.shared());
            match excess {
                None => SubscriptionItem::Message(message),
                Some(excess) => SubscriptionItem::TooLarge(TooLarge { message, excess }),
            }
        }))
    }
}

/// What comes for a subscription: see [`Subscription::items`].
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each message")]
pub enum SubscriptionItem {
    /// A message.
    Message(Message),
    /// A message that was over a limit and was read past.
    TooLarge(TooLarge),
    /// All that the queue holds has been shown to a browser. The subscription has [ended](Ended::Browsed).
    BrowseEnd,
}

/// A [`Stream`] of all that comes for a subscription: see [`Subscription::items`].
#[must_use = "nothing comes until it is polled"]
#[derive(Debug)]
pub struct Items<'a> {
    subscription: &'a mut Subscription,
    /// The end of what a browser shows was told.
    shown: bool,
}

impl Items<'_> {
    /// Returns what comes next, or `None` after the end. Cancel safe: nothing is lost.
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

/// A message that was over the [limits](super::Builder::limits) and was read past: its headers, or those that the protocol
/// needs if they were what was over a limit, and no body.
///
/// Dropping it acknowledges nothing, as with a [`Message`].
pub struct TooLarge {
    message: Message,
    excess: Excess,
}

impl TooLarge {
    /// Returns what was over the limit, and how long it was.
    #[must_use]
    pub const fn excess(&self) -> Excess {
        self.excess
    }

    /// Returns the headers that were kept.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        self.message.headers()
    }

    /// Returns the value of the first header with that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Text<'_>> {
        self.message.header(name)
    }

    /// Returns the value of the first header with that name as text, if it is UTF-8.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.message.header_str(name)
    }

    /// Returns whether it must be acknowledged.
    #[must_use]
    pub fn needs_ack(&self) -> bool {
        self.message.needs_ack()
    }

    /// Returns whether its connection has ended: the broker delivers it again, unless it came with ack mode `auto`.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.message.is_lost()
    }

    /// Acknowledges it, and so gives its body up. The ACK is queued at once; this never waits.
    ///
    /// # Errors
    /// As [`Message::ack`].
    pub fn ack(self) -> Result<(), CommandError> {
        self.message.ack()
    }

    /// Tells the broker that it was not consumed; see [`Message::nack`].
    ///
    /// # Errors
    /// As [`Message::nack`].
    pub fn nack(self) -> Result<(), CommandError> {
        self.message.nack()
    }

    /// The message, whose body is empty, and what was over the limit.
    pub(super) fn into_parts(self) -> (Message, Excess) {
        (self.message, self.excess)
    }
}

impl fmt::Debug for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TooLarge").field("message", &self.message).field("excess", &self.excess).finish()
    }
}
