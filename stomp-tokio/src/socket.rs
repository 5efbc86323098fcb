//! A TCP stream of tokio that is kept alive.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::{
    compat::Compat,
    tcp::{self, Beats},
};

/// A TCP connection to a broker.
#[derive(Debug)]
pub struct Socket {
    stream: Compat<TcpStream>,
    beats: Beats,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, beats: Beats) -> Self {
        Self { stream: Compat::from(stream), beats }
    }

    /// Returns a reference to tokio's stream.
    #[must_use]
    pub const fn get_ref(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, beats } = &mut *self;
        tcp::trust_beats(stream.get_ref(), beats);
        Pin::new(stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
