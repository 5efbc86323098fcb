//! A stream with the traits of std, as native-tls wants it, and back: what would block wakes the task that asked.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};

/// An asynchronous stream with the traits of std.
#[derive(Debug)]
pub(super) struct Blocking<S> {
    stream: S,
    /// Of the task that reads or writes, while it does: a task that kept its own waker might never be freed.
    waker: Waker,
}

impl<S> Blocking<S> {
    pub(super) fn new(stream: S, waker: &Waker) -> Self {
        Self { stream, waker: waker.clone() }
    }

    /// From now on this is woken.
    pub(super) fn wake(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }

    /// From now on nobody is woken.
    pub(super) fn forget(&mut self) {
        self.wake(Waker::noop());
    }
}

fn would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(ended) => ended,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn pending<T>(ended: io::Result<T>) -> Poll<io::Result<T>> {
    match ended {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        ended => Poll::Ready(ended),
    }
}

impl<S: AsyncRead + Unpin> io::Read for Blocking<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        would_block(Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(&self.waker), room))
    }
}

impl<S: AsyncWrite + Unpin> io::Write for Blocking<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        would_block(Pin::new(&mut self.stream).poll_write(&mut Context::from_waker(&self.waker), octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        would_block(Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(&self.waker)))
    }
}

/// The asynchronous stream of a finished handshake.
#[derive(Debug)]
pub(super) struct TlsStream<S>(native_tls::TlsStream<Blocking<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    pub(super) fn new(mut stream: native_tls::TlsStream<Blocking<S>>) -> Self {
        stream.get_mut().forget();
        Self(stream)
    }

    fn with<T>(
        &mut self,
        cx: &Context<'_>,
        work: impl FnOnce(&mut native_tls::TlsStream<Blocking<S>>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.0.get_mut().wake(cx.waker());
        let ended = pending(work(&mut self.0));
        self.0.get_mut().forget();
        ended
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.with(cx, |stream| io::Read::read(stream, room))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.with(cx, |stream| io::Write::write(stream, octets))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(cx, io::Write::flush)
    }

    /// Says goodbye, once.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(cx, native_tls::TlsStream::shutdown)
    }
}
