//! The future that waits until the broker has ended a subscription.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    shared::{Inner, Shared},
    task::Timer,
};
use crate::{SubscriptionId, Unknown};

/// The future of [`Subscription::unsubscribe`](super::Subscription::unsubscribe), which only waits.
///
/// It resolves to `Ok` when the broker has answered, or when the connection has ended and the subscription with it.
/// From then on, another subscription may have the same [id](super::SubscribeBuilder::id) or
/// [name](super::SubscribeBuilder::durable), on the same connection too.
///
/// This future is cancel safe: if it is dropped, the subscription ends nevertheless.
#[derive(Debug)]
pub struct Unsubscribing {
    shared: Arc<Shared>,
    id: SubscriptionId,
    timer: Timer,
}

impl Unsubscribing {
    pub(super) fn new(shared: Arc<Shared>, id: SubscriptionId) -> Self {
        let limit = shared.with(|inner| {
            let config = inner.session.config();
            config.unsubscribe_timeout.saturating_add(config.receipt_timeout)
        });
        Self { timer: Timer::new(Arc::clone(&shared), limit), shared, id }
    }
}

impl Future for Unsubscribing {
    type Output = Result<(), Unknown>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (id, waker) = (self.id, cx.waker().clone());
        let is_open = self.shared.with(|inner| {
            let (is_open, unused) = inner.unanswered.poll(id, waker);
            inner.discard(unused);
            is_open
        });
        if !is_open {
            return Poll::Ready(Ok(()));
        }
        let limit = self.timer.patience();
        self.timer.poll(cx).map(|()| Err(Unknown::Timeout(limit)))
    }
}

impl Drop for Unsubscribing {
    fn drop(&mut self) {
        self.shared.with(|inner| {
            let waker = inner.unanswered.end(self.id);
            inner.discard(waker);
        });
    }
}

impl Inner {
    pub(super) fn end_unanswered(&mut self) {
        let Self { unanswered, after, .. } = self;
        unanswered.end_all().for_each(|waker| after.wake(Some(waker)));
    }
}
