//! A TCP stream of smol that is kept alive.

use std::{
    io::{self, Read as _},
    net,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use smol::{
    Async,
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::tcp::{self, Beats};

/// A TCP connection to a broker.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// The same, to be read.
    source: Arc<Async<net::TcpStream>>,
    /// The last read took all there was: without an event another one is a system call for nothing.
    drained: bool,
    beats: Beats,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, beats: Beats) -> Self {
        let source = stream.clone().into();
        Self { stream, source, drained: false, beats }
    }

    /// Returns a reference to smol's stream.
    #[must_use]
    pub const fn get_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { source, drained, .. } = &mut *self;
        loop {
            if *drained {
                ready!(source.poll_readable(cx))?;
            }
            let read = source.get_ref().read(room);
            // The reactor reports what is there when it is asked, not only what comes: nothing is missed.
            *drained = match &read {
                Ok(count) => (1..room.len()).contains(count),
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
            if !(read.is_err() && *drained) {
                return Poll::Ready(read);
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, beats, .. } = &mut *self;
        tcp::trust_beats(stream, beats);
        Pin::new(stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
