//! A subscription whose end is an error.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{message::Message, subscription::Subscription};
use crate::Ended;

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
