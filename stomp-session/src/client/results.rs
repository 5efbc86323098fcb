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
    /// Returns the messages as a [`Stream`] of `Result`s, in which an end of the subscription is an error: a worker that uses
    /// `?` does not take it for the end of its work.
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

/// A [`Stream`] of messages that ends with an error: see [`Subscription::results`].
#[must_use = "nothing comes until it is polled"]
#[derive(Debug)]
pub struct Results<'a> {
    subscription: &'a mut Subscription,
    ended: bool,
}

impl Results<'_> {
    /// The next message; once, why there are no more; then `None`. Cancel safe: no message is lost.
    ///
    /// # Errors
    /// [`Ended`]. After [`Ended::Unsubscribed`], which its owner has brought about, there is no error.
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
