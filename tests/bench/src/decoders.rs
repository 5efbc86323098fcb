//! Everything that reads frames, each driven as its own documentation says.

use std::hint::black_box;

use async_stomp::client::ClientCodec as AsyncStompCodec;
use bytes::BytesMut;
use iridium_stomp::{StompCodec as IridiumCodec, StompItem};
use stomp_proto::{Item, ItemRef, Limits, Parser, Sender, Version};
use tokio_stomp_2::client::ClientCodec as TokioStompCodec;
use tokio_util::codec;

use crate::{
    corpus::Corpus,
    lower_bound,
    mask::{Register, Vector},
};

/// What was read: to see that all contestants read the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames that were completed.
    pub frames: u64,
    /// Octets of their bodies.
    pub body: u64,
}

/// A decoder, with what it keeps from one read to the next.
pub trait Decode {
    /// Takes the octets of one read, and drops each frame that comes out of it at once.
    fn read(&mut self, octets: &[u8]) -> Tally;

    /// Reads all of the corpus.
    fn pass(&mut self, corpus: &Corpus) -> Tally {
        let mut total = Tally::default();
        for octets in corpus.stream.chunks(corpus.read) {
            let tally = self.read(black_box(octets));
            total.frames += tally.frames;
            total.body += tally.body;
        }
        total
    }
}

/// What all times are relative to.
pub const BASE: &str = "lower bound, 16 octets at a time";
/// Our own row: frames that are given.
pub const OURS: &str = "stomp-proto";
/// Our own row of frames that are lent.
pub const LENT: &str = "stomp-proto, next_borrowed";

/// A fresh instance of each contestant, the base first.
#[must_use]
pub fn decoders() -> Vec<(&'static str, Box<dyn Decode>)> {
    vec![
        (BASE, Box::new(lower_bound::Decoder::<Vector>::default())),
        ("lower bound, 8 octets at a time", Box::new(lower_bound::Decoder::<Register>::default())),
        (OURS, Box::new(ours())),
        ("iridium-stomp", Box::new(Framed::new(IridiumCodec::new()))),
        ("async-stomp", Box::new(Framed::new(AsyncStompCodec::new()))),
        ("tokio-stomp-2", Box::new(Framed::new(TokioStompCodec))),
    ]
}

/// The base and our parser when it lends. Not among the others: in a program that takes frames in both ways the compiler no
/// longer puts the parser where it is used, which costs either a tenth.
#[must_use]
pub fn lending() -> Vec<(&'static str, Box<dyn Decode>)> {
    vec![(BASE, Box::new(lower_bound::Decoder::<Vector>::default())), (LENT, Box::new(Lent(ours())))]
}

/// Our parser as a client has it after CONNECTED: 1.2, the interop profile, the default limits.
#[must_use]
pub fn ours() -> Parser {
    let mut parser = Parser::new(Sender::Server, Limits::default());
    parser.set_version(Version::V1_2);
    parser
}

impl Decode for Parser {
    fn read(&mut self, octets: &[u8]) -> Tally {
        let mut tally = Tally::default();
        self.feed(octets);
        take_items(self, &mut tally);
        tally
    }
}

fn take_items(parser: &mut Parser, tally: &mut Tally) {
    loop {
        match parser.next_item() {
            Ok(Some(item)) => {
                if let Item::Frame(frame) = &item {
                    count(frame.body(), tally);
                }
                black_box(&item);
            }
            Ok(None) => return,
            Err(error) => panic!("the corpora are valid: {error}"),
        }
    }
}

fn count(body: &[u8], tally: &mut Tally) {
    tally.frames += 1;
    tally.body += body.len() as u64;
}

/// Our parser, of which frames are borrowed.
#[derive(Debug)]
pub struct Lent(pub Parser);

impl Decode for Lent {
    fn read(&mut self, octets: &[u8]) -> Tally {
        let mut tally = Tally::default();
        self.0.feed(octets);
        loop {
            match self.0.next_borrowed() {
                Ok(Some(item)) => {
                    if let ItemRef::Frame(frame) = item {
                        count(frame.body(), &mut tally);
                    }
                    black_box(&item);
                }
                Ok(None) => return tally,
                Err(error) => panic!("the corpora are valid: {error}"),
            }
        }
    }
}

/// A peer's codec with the buffer that `tokio_util::codec::Framed` would keep for it.
struct Framed<C> {
    codec: C,
    buffer: BytesMut,
}

impl<C> Framed<C> {
    fn new(codec: C) -> Self {
        Self { codec, buffer: BytesMut::with_capacity(8 * 1024) }
    }
}

impl<C: codec::Decoder<Item: Body, Error: std::fmt::Debug>> Decode for Framed<C> {
    fn read(&mut self, octets: &[u8]) -> Tally {
        self.buffer.extend_from_slice(octets);
        let mut tally = Tally::default();
        while let Some(item) = self.codec.decode(&mut self.buffer).expect("the corpora are valid") {
            if let Some(length) = item.body_length() {
                tally.frames += 1;
                tally.body += length as u64;
            }
            black_box(&item);
        }
        tally
    }
}

/// What a peer's codec makes of a frame.
trait Body {
    /// `None` when it is no frame.
    fn body_length(&self) -> Option<usize>;
}

impl Body for StompItem {
    fn body_length(&self) -> Option<usize> {
        match self {
            Self::Frame(frame) => Some(frame.body.len()),
            Self::Heartbeat => None,
        }
    }
}

impl Body for async_stomp::Message<async_stomp::FromServer> {
    fn body_length(&self) -> Option<usize> {
        match &self.content {
            async_stomp::FromServer::Message { body, .. } => Some(body.as_ref().map_or(0, Vec::len)),
            _ => None,
        }
    }
}

impl Body for tokio_stomp_2::Message<tokio_stomp_2::FromServer> {
    fn body_length(&self) -> Option<usize> {
        match &self.content {
            tokio_stomp_2::FromServer::Message { body, .. } => Some(body.as_ref().map_or(0, Vec::len)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;

    #[test]
    fn all_read_the_same() {
        for corpus in corpus::whole().into_iter().chain(corpus::chunked()) {
            let expected = Tally { frames: corpus.frames, body: corpus.frames * corpus.body as u64 };
            for (name, mut decoder) in decoders().into_iter().chain(lending()) {
                assert_eq!(decoder.pass(&corpus), expected, "{name}: {}", corpus.name);
            }
        }
    }
}
