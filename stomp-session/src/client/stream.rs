//! The octet stream of a connection, whichever transport it is of: calls that a signal has interrupted, and its close.
//! TLS sends a close_notify, by which the peer can tell an orderly end from a connection that was cut.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_io::AsyncWrite;

use crate::Timestamp;

/// Makes a call until no signal interrupts it (EINTR): that says nothing about the stream.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            called => return called,
        }
    }
}

/// A stream that is being closed (RFC 8446, section 6.1: close_notify comes before the end of writing).
pub(super) struct ClosingStream<S> {
    stream: S,
    /// The time at which the stream is dropped in any case.
    pub(super) until: Timestamp,
}

impl<S: AsyncWrite + Unpin> ClosingStream<S> {
    /// Begins to close the stream. Mostly this is enough, since so little has to be sent. Returns `None` if it is
    /// closed.
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
