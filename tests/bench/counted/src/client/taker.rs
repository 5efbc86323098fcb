//! A stream that takes everything.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_session::{Endpoint, client::Connector};

#[derive(Debug)]
pub(super) struct Loop {
    pub(super) answers: bool,
}

impl Connector for Loop {
    type Stream = Taker;

    async fn connect(&self, _: &Endpoint, _: u32) -> io::Result<Taker> {
        Ok(Taker { answers: self.answers, ..Taker::default() })
    }
}

/// Takes everything; answers CONNECT, and then each frame with the next RECEIPT, if it answers at all.
#[derive(Debug, Default)]
pub(super) struct Taker {
    answers: bool,
    frames: u64,
    said: Vec<u8>,
    read: usize,
}

impl Taker {
    fn answer(&mut self) {
        use std::io::Write as _;
        let written = match self.frames {
            0 => self.said.write_all(b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0"),
            number if self.answers => write!(self.said, "RECEIPT\nreceipt-id:{number}\n\n\0"),
            _ => Ok(()),
        };
        written.expect("it is memory");
        self.frames += 1;
    }
}

impl AsyncRead for Taker {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let rest = &self.said[self.read..];
        let count = rest.len().min(space.len());
        if count == 0 {
            return Poll::Pending;
        }
        space[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        if self.read == self.said.len() {
            self.said.clear();
            self.read = 0;
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Taker {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        memchr::memchr_iter(0, octets).for_each(|_| self.answer());
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
