//! A stream whose errors are explained. In TLS 1.3, a broker refuses the client's certificate only after the handshake.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::explain::Peer;
use crate::client::runtime::TransportStream;

/// Returns the stream of a finished handshake, with explained errors.
pub(super) fn secured<S>(peer: Peer, stream: S) -> TransportStream
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    TransportStream::new(Secured { stream, peer })
}

struct Secured<S> {
    stream: S,
    peer: Peer,
}

impl<S: AsyncRead + Unpin> AsyncRead for Secured<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, room);
        read.map_err(|error| self.peer.broken(error))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        written.map_err(|error| self.peer.broken(error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        flushed.map_err(|error| self.peer.broken(error))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
