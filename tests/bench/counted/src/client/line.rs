//! A stream in memory. What is written to it is forgotten.

use std::{
    future::{Future, ready},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_session::{Endpoint, client::Connector};

#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<Mutex<Said>>);

/// What the broker has said, and how much of it was read.
#[derive(Debug, Default)]
struct Said {
    octets: Vec<u8>,
    read: usize,
}

impl Line {
    /// What the broker says next.
    pub(crate) fn say(&self, octets: &[u8]) {
        let mut said = self.lock();
        let read = said.read;
        said.octets.drain(..read);
        said.octets.extend_from_slice(octets);
        said.read = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().expect("nobody panics")
    }
}

impl AsyncRead for Line {
    /// Whoever polls comes again by himself.
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut said = self.lock();
        let rest = &said.octets[said.read..];
        let count = rest.len().min(room.len());
        if count == 0 {
            return Poll::Pending;
        }
        room[..count].copy_from_slice(&rest[..count]);
        said.read += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Connector for Line {
    type Stream = Self;

    fn connect(&self, _: &Endpoint, _: u32) -> impl Future<Output = io::Result<Self>> + Send {
        ready(Ok(self.clone()))
    }
}
