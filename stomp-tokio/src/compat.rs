//! Tokio's streams with the traits of futures-io.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A wrapper that gives a stream of tokio the traits of futures-io, which a [`Connector`](crate::Connector) needs.
///
/// The stream can be of any type that implements tokio's `AsyncRead` and `AsyncWrite`.
///
/// ```
/// use stomp_tokio::Compat;
/// use tokio::net::TcpStream;
///
/// async fn stream() -> std::io::Result<Compat<TcpStream>> {
///     TcpStream::connect("localhost:61613").await.map(Compat::from)
/// }
/// ```
#[derive(Debug)]
pub struct Compat<T> {
    stream: T,
}

impl<T> From<T> for Compat<T> {
    fn from(stream: T) -> Self {
        Self { stream }
    }
}

impl<T> Compat<T> {
    /// Returns the stream of tokio.
    pub fn into_inner(self) -> T {
        self.stream
    }

    /// Returns a reference to the stream of tokio.
    pub const fn get_ref(&self) -> &T {
        &self.stream
    }
}

impl<T: AsyncRead + Unpin> futures_io::AsyncRead for Compat<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        Poll::Ready(Ok(room.filled().len()))
    }
}

impl<T: AsyncWrite + Unpin> futures_io::AsyncWrite for Compat<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
