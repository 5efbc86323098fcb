//! The least that any decoder and encoder must do, without a single check: what the others' times are relative to.
//!
//! Never use it for anything else: it believes every octet.

use std::{hint::black_box, marker::PhantomData, ops::Range};

use memchr::memchr;

use crate::{
    corpus::Send,
    decoders::{Decode, Tally},
    mask::{BLOCK, Mask},
};

/// Octets of the buffer; a frame must fit.
const ROOM: usize = 256 * 1024;
/// Up to how many octets are moved to the front rather than read on behind them, so that the buffer's beginning stays
/// in the cache.
const FEW: usize = 1024;
const HEADERS: usize = 64;
const NONE: usize = usize::MAX;

/// Reads frames: line feeds and colons by their mask, then the body by its length or its NUL.
#[derive(Debug)]
pub struct Decoder<M> {
    /// A block longer than what is ever filled, so that a block can be loaded anywhere.
    octets: Vec<u8>,
    filled: Range<usize>,
    head: Head,
    mask: PhantomData<M>,
}

/// What is known of the frame in progress. All places count from the frame's beginning.
#[derive(Clone, Copy, Debug)]
struct Head {
    scanned: usize,
    line: usize,
    colon: usize,
    headers: [Header; HEADERS],
    count: usize,
    content_length: usize,
    /// Where the body begins, once it is known.
    body: usize,
}

/// Where a header begins, where its colon is and where it ends.
type Header = [u32; 3];

const NO_HEAD: Head = Head {
    scanned: 0,
    line: 0,
    colon: NONE,
    headers: [[0; 3]; HEADERS],
    count: 0,
    content_length: NONE,
    body: NONE,
};

impl<M> Default for Decoder<M> {
    fn default() -> Self {
        Self { octets: vec![0; ROOM + BLOCK], filled: 0..0, head: NO_HEAD, mask: PhantomData }
    }
}

impl<M: Mask> Decode for Decoder<M> {
    fn read(&mut self, octets: &[u8]) -> Tally {
        self.feed(octets);
        let mut tally = Tally::default();
        while let Some(body) = self.frame() {
            tally.frames += 1;
            tally.body += body.len() as u64;
            black_box((&self.head.headers, self.octets.get(body)));
        }
        tally
    }
}

impl<M: Mask> Decoder<M> {
    fn feed(&mut self, octets: &[u8]) {
        let few = self.filled.len() < FEW && self.filled.start > 0;
        if few || self.filled.end + octets.len() > ROOM {
            self.octets.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        self.octets[self.filled.end..][..octets.len()].copy_from_slice(octets);
        self.filled.end += octets.len();
    }

    /// The place of the next frame's body. `self.head` holds the rest until the next call.
    fn frame(&mut self) -> Option<Range<usize>> {
        if self.head.body == NONE {
            self.head.read::<M>(&self.octets[self.filled.start..], self.filled.len());
        }
        let length = self.body_length()?;
        let start = self.filled.start + self.head.body;
        self.filled.start = start + length + 1;
        self.head.forget();
        Some(start..start + length)
    }

    fn body_length(&mut self) -> Option<usize> {
        let Head { body, content_length, scanned, .. } = self.head;
        if body == NONE {
            return None;
        }
        if content_length != NONE {
            return (self.filled.len() > body + content_length).then_some(content_length);
        }
        let data = &self.octets[self.filled.clone()];
        let from = scanned.max(body);
        self.head.scanned = data.len();
        memchr(0, &data[from..]).map(|at| from + at - body)
    }
}

impl Head {
    /// Goes on with the header block in the first `filled` of `octets`.
    fn read<M: Mask>(&mut self, octets: &[u8], filled: usize) {
        while self.scanned < filled {
            let Some(block) = octets[self.scanned..].first_chunk::<BLOCK>() else { return };
            let (line_feeds, colons) = M::of(block);
            let left = filled - self.scanned;
            let valid = if left < BLOCK { (1 << left) - 1 } else { u64::MAX };
            if self.lines(octets, line_feeds & valid, colons & valid) {
                return;
            }
            self.scanned += left.min(BLOCK);
        }
    }

    /// Whether the blank line was among the lines that end in this block.
    fn lines(&mut self, octets: &[u8], mut line_feeds: u64, mut colons: u64) -> bool {
        while line_feeds != 0 {
            let up_to_line_feed = line_feeds ^ (line_feeds - 1);
            self.note_colon(colons & up_to_line_feed);
            colons &= !up_to_line_feed;
            if self.end_line(octets, self.scanned + line_feeds.trailing_zeros() as usize) {
                return true;
            }
            line_feeds &= line_feeds - 1;
        }
        self.note_colon(colons);
        false
    }

    fn note_colon(&mut self, colons: u64) {
        if colons != 0 && self.colon == NONE {
            self.colon = self.scanned + colons.trailing_zeros() as usize;
        }
    }

    /// Whether it was the blank line.
    fn end_line(&mut self, octets: &[u8], end: usize) -> bool {
        if end == self.line {
            self.body = end + 1;
            self.scanned = self.body;
            return true;
        }
        // The command has none.
        if self.colon != NONE {
            self.header(octets, end);
        }
        self.line = end + 1;
        self.colon = NONE;
        false
    }

    fn header(&mut self, octets: &[u8], end: usize) {
        let (start, colon) = (self.line, self.colon);
        self.headers[self.count % HEADERS] = [start, colon, end].map(|at| at as u32);
        self.count += 1;
        if colon - start == 14 && &octets[start..colon] == b"content-length" {
            self.content_length = number(&octets[colon + 1..end]);
        }
    }

    /// The slots are left as they are: `count` says how many of them mean something.
    fn forget(&mut self) {
        (self.scanned, self.line, self.colon) = (0, 0, NONE);
        (self.count, self.content_length, self.body) = (0, NONE, NONE);
    }
}

fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit & 15))
}

/// Writes a SEND: each part as it is, with room made once.
pub fn write_send(send: &Send, out: &mut Vec<u8>) {
    out.reserve(send.body.len() + 512);
    out.extend_from_slice(b"SEND\ndestination:");
    out.extend_from_slice(send.destination.as_bytes());
    for (name, value) in send.headers {
        out.push(b'\n');
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(b"\ncontent-length:");
    write_number(send.body.len(), out);
    out.extend_from_slice(b"\n\n");
    out.extend_from_slice(&send.body);
    out.push(0);
}

fn write_number(number: usize, out: &mut Vec<u8>) {
    let (mut digits, mut first, mut rest) = ([0_u8; 20], 20, number);
    while first == 20 || rest > 0 {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[first..]);
}
