//! A publisher as a `Sink`.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use futures_sink::Sink;

use super::{
    error::{PublishError, SendError},
    publisher::Publisher,
    publishing::Fed,
};

/// The sink is ready while the window has room and no message that was given to it waits for a connection with room.
///
/// A message waits by itself, as with any other send. If it cannot be sent, the next call returns the error, and the
/// message has no number.
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
