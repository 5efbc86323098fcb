//! The end of a stream: TLS says goodbye, so that the peer can tell an end from a connection that somebody has cut.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_io::AsyncWrite;

use super::interrupted::uninterrupted;
use crate::Timestamp;

/// A stream that is being closed (RFC 8446, section 6.1: close_notify comes before the end of writing).
pub(super) struct ClosingStream<S> {
    stream: S,
    /// When it is dropped whatever has become of it.
    pub(super) until: Timestamp,
}

impl<S: AsyncWrite + Unpin> ClosingStream<S> {
    /// Begins; most often that is all, as there is room for so little. `None` when it is closed.
    pub(super) fn begin(stream: S, until: Timestamp) -> Option<Self> {
        let mut closing = Self { stream, until };
        let begun = closing.poll(&mut Context::from_waker(Waker::noop()));
        begun.is_pending().then_some(closing)
    }

    /// A stream that cannot be closed is closed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        uninterrupted(|| Pin::new(&mut self.stream).poll_close(cx)).map(|_| ())
    }
}
