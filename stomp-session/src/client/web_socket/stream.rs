//! A WebSocket as a stream of octets, whose messages nobody sees.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{frame::NORMAL, reader::Reader, writer::Writer};
use crate::{client::stream::uninterrupted, model::mask::Mask};

/// How many reads may bring nothing for the session before other tasks have their turn: a server may send nothing but pings.
const FRUITLESS: usize = 16;

/// A stream whose octets go as messages of a WebSocket.
///
/// Pings are answered while it is read, and what they leave waits for no more than the last of them.
pub(in crate::client) struct WebSocket<S> {
    stream: S,
    reader: Reader,
    writer: Writer,
    /// What came with the answer to the handshake.
    early: Vec<u8>,
    /// The transport holds something that it was given.
    unflushed: bool,
    mask: Mask,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(super) fn new(stream: S, writer: Writer, early: Vec<u8>, mask: Mask) -> Self {
        Self { stream, reader: Reader::default(), writer, early, unflushed: false, mask }
    }

    /// Writes what waits for the transport.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.writer.pending().is_empty() {
            let Self { stream, writer, .. } = self;
            let count = ready!(uninterrupted(|| Pin::new(&mut *stream).poll_write(cx, writer.pending())))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            writer.advance(count);
            self.unflushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        if self.unflushed {
            ready!(uninterrupted(|| Pin::new(&mut self.stream).poll_flush(cx)))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Answers what was read, as far as the transport takes it. What goes wrong is seen by whoever reads or writes next.
    fn answer(&mut self, cx: &mut Context<'_>) {
        loop {
            if let Some(end) = self.reader.end() {
                self.writer.close(end.answer());
            }
            // An answer that has not left keeps back the next one, of which the last counts.
            let waits = self.unflushed || !self.writer.pending().is_empty();
            if waits && !matches!(self.poll_flush_all(cx), Poll::Ready(Ok(()))) {
                return;
            }
            match self.reader.take_ping() {
                Some(ping) if !self.writer.is_closed() => self.writer.pong(&ping),
                _ => return,
            }
        }
    }

    /// Reads once what there is, and returns how much of it is for the session. `None` is the end of the transport.
    fn poll_some(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<Option<usize>>> {
        let count = if self.early.is_empty() {
            ready!(uninterrupted(|| Pin::new(&mut self.stream).poll_read(cx, room)))?
        } else {
            let count = self.early.len().min(room.len());
            self.early.drain(..count).zip(room.iter_mut()).for_each(|(octet, slot)| *slot = octet);
            count
        };
        if count == 0 {
            return Poll::Ready(Ok(None));
        }
        let came = room.get_mut(..count).unwrap_or_default();
        Poll::Ready(Ok(Some(self.reader.read(came))))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        for _ in 0..FRUITLESS {
            self.answer(cx);
            if let Some(end) = self.reader.end() {
                return Poll::Ready(end.error(&self.mask).map_or(Ok(0), Err));
            }
            match ready!(self.poll_some(cx, room))? {
                None => return Poll::Ready(Ok(0)),
                Some(0) if !room.is_empty() => {}
                Some(count) => {
                    self.answer(cx);
                    return Poll::Ready(Ok(count));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if self.reader.end().is_some() {
            // Nobody listens any more. Whoever reads next is told why, which says more than an error here.
            return Poll::Pending;
        }
        ready!(self.poll_drain(cx))?;
        if self.writer.is_closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if let Some(ping) = self.reader.take_ping() {
            self.writer.pong(&ping);
        }
        let count = self.writer.take(octets);
        // What does not leave at once leaves with the next call, which the driver makes until all is flushed.
        match self.poll_drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_all(cx)
    }

    /// Says that it is closed (section 7.1.1), then closes the stream. The answer is not waited for.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.close(NORMAL);
        ready!(self.poll_flush_all(cx))?;
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
