//! The box of a handler's future, which is used again for the next one.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A future of a handler, or none.
pub(super) struct HandlerBox<F>(Pin<Box<Option<F>>>);

impl<F> HandlerBox<F> {
    /// Puts a future into an empty box, or a new one.
    pub(super) fn put(empty_box: Option<Self>, future: F) -> Self {
        match empty_box {
            Some(mut empty_box) => {
                empty_box.0.set(Some(future));
                empty_box
            }
            None => Self(Box::pin(Some(future))),
        }
    }

    /// Drops the future, and gives the box for another one.
    pub(super) fn empty(mut self) -> Option<Self> {
        self.0.set(None);
        Some(self)
    }
}

impl<F: Future> Future for HandlerBox<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx))
    }
}
