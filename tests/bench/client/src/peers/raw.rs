//! A socket of tokio's and the least around it by hand: a decoder that checks nothing, and frames that are written out in full.

use std::{hint::black_box, io::Write as _, net::SocketAddr};

use stomp_bench::{decoders::Decode as _, lower_bound::Decoder, mask::Vector};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{CONNECTED, DESTINATION, Letter, RECEIVED, SENT, SUBSCRIPTION, order};
use crate::{contest::Peer, sink::BLAST};

/// Octets that are read or written at once.
const ROOM: usize = 64 * 1024;

pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
    /// Of `read`.
    filled: usize,
    decoder: Decoder<Vector>,
    /// Frames that were read and not taken.
    frames: u64,
    /// Of the bodies that were ordered.
    octets: usize,
    write: Vec<u8>,
    letter: Letter,
    is_confirmed: bool,
    sent: u64,
    confirmed: u64,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::sending(address, false).await
    }

    pub(crate) async fn sending(address: SocketAddr, is_confirmed: bool) -> Self {
        let mut stream = TcpStream::connect(address).await.expect(CONNECTED);
        stream.set_nodelay(true).expect(CONNECTED);
        stream.write_all(b"CONNECT\naccept-version:1.2\nhost:/\n\n\0").await.expect(CONNECTED);
        let mut read = vec![0; ROOM];
        let count = stream.read(&mut read).await.expect(CONNECTED);
        assert!(read[..count].ends_with(b"\0"), "{CONNECTED}");
        let (decoder, letter, write) = (Decoder::default(), Letter::small(), Vec::with_capacity(2 * ROOM));
        let [frames, sent, confirmed] = [0; 3];
        let [filled, octets] = [0; 2];
        Self { stream, read, filled, decoder, frames, octets, write, letter, is_confirmed, sent, confirmed }
    }

    async fn write(&mut self) {
        self.stream.write_all(&self.write).await.expect(SENT);
        self.write.clear();
    }

    /// A frame that fits into no buffer: the room for its body is known from its head.
    async fn take_large(&mut self) {
        let count = self.stream.read(&mut self.read).await.expect(RECEIVED);
        let head = memchr::memmem::find(&self.read[..count], b"\n\n").expect("a head arrives whole") + 2;
        let mut body = Vec::with_capacity(self.octets + 1);
        body.extend_from_slice(&self.read[head..count]);
        while body.len() <= self.octets {
            self.stream.read_buf(&mut body).await.expect(RECEIVED);
        }
        black_box(body);
    }

    /// RECEIPTs come in order.
    async fn read_receipts(&mut self) {
        self.filled += self.stream.read(&mut self.read[self.filled..]).await.expect(RECEIVED);
        let mut rest = &self.read[..self.filled];
        while let Some(end) = rest.iter().position(|octet| *octet == 0) {
            let digits = rest[..end].strip_prefix(b"RECEIPT\nreceipt-id:").expect(RECEIVED).iter();
            let digits = digits.take_while(|octet| octet.is_ascii_digit());
            let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            assert_eq!(number, self.confirmed + 1, "{RECEIVED}");
            self.confirmed = number;
            rest = &rest[end + 1..];
        }
        let left = rest.len();
        self.read.copy_within(self.filled - left..self.filled, 0);
        self.filled = left;
    }
}

impl Peer for Raw {
    /// It acknowledges nothing.
    async fn subscribe(&mut self, _: bool) {
        let subscribe = format!("SUBSCRIBE\nid:{SUBSCRIPTION}\ndestination:{DESTINATION}\n\n\0");
        self.stream.write_all(subscribe.as_bytes()).await.expect(SENT);
    }

    async fn order(&mut self, messages: usize, octets: usize) {
        self.octets = octets;
        let headers = order(messages, octets).into_iter();
        let headers: String = headers.map(|(name, value)| format!("{name}:{value}\n")).collect();
        let frame = format!("SEND\ndestination:{BLAST}\n{headers}\n\0");
        self.stream.write_all(frame.as_bytes()).await.expect(SENT);
    }

    async fn take(&mut self) {
        if self.octets > ROOM {
            return self.take_large().await;
        }
        while self.frames == 0 {
            let count = self.stream.read(&mut self.read).await.expect(RECEIVED);
            self.frames += self.decoder.read(&self.read[..count]).frames;
        }
        self.frames -= 1;
    }

    async fn feed(&mut self) {
        let Self { write, letter, .. } = self;
        write.extend_from_slice(b"SEND\ndestination:");
        write.extend_from_slice(DESTINATION.as_bytes());
        for (name, value) in &letter.headers {
            write.push(b'\n');
            write.extend_from_slice(name.as_bytes());
            write.push(b':');
            write.extend_from_slice(value.as_bytes());
        }
        if self.is_confirmed {
            self.sent += 1;
            write!(write, "\nreceipt:{}", self.sent).expect("it is memory");
        }
        write!(write, "\ncontent-length:{}\n\n", letter.body.len()).expect("it is memory");
        write.extend_from_slice(&letter.body);
        write.push(0);
        if self.write.len() >= ROOM {
            self.write().await;
        }
    }

    async fn flush(&mut self) {
        self.write().await;
    }

    async fn receipt(&mut self) {
        // As many as there are with one read.
        self.frames += 1;
        while self.confirmed < self.frames {
            self.read_receipts().await;
        }
    }
}
