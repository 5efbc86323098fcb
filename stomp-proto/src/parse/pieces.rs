//! A body of unknown length that outgrows the read buffer is kept in pieces, which are put together once.
//!
//! If the buffer grew instead, it would always be up to twice as large as what has arrived, and most of that for nothing if
//! the body ends. A body whose length was announced stays in the buffer, which grows towards that length.

use alloc::{boxed::Box, vec::Vec};

use bytes::BytesMut;
use memchr::memchr;

use super::{Parser, Stage};

/// How many octets may be copied to get more room.
const MOST: usize = 64 * 1024;
/// The least room that is made for a piece.
const PIECE: usize = 32 * 1024;

/// The beginning of the frame in progress. Few frames have one, and then it is boxed.
#[derive(Default)]
pub(super) struct Pieces(Option<Box<Beginning>>);

#[derive(Default)]
struct Beginning {
    pieces: Vec<BytesMut>,
    length: usize,
}

impl Pieces {
    /// How many octets the pieces hold.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        match &self.0 {
            Some(beginning) => beginning.length,
            None => 0,
        }
    }

    /// The number of octets in the buffer from which on they are made into the next piece.
    #[inline]
    const fn most(&self) -> usize {
        if self.0.is_some() { 0 } else { MOST }
    }

    fn first(&self) -> Option<&BytesMut> {
        self.0.as_ref()?.pieces.first()
    }

    fn push(&mut self, piece: BytesMut) {
        let beginning = self.0.get_or_insert_default();
        beginning.length = beginning.length.saturating_add(piece.len());
        beginning.pieces.push(piece);
    }

    /// The pieces, followed by `end`, as one allocation.
    fn put_together(&mut self, end: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.len().saturating_add(end.len()));
        for piece in self.0.take().into_iter().flat_map(|beginning| beginning.pieces) {
            whole.extend_from_slice(&piece);
        }
        whole.extend_from_slice(end);
        whole
    }
}

impl Parser {
    /// Copies in as many octets as there is room for if the frame in progress ends after them, and returns the rest.
    #[cold]
    pub(super) fn feed_piece<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let Some((now, later)) = octets.split_at_checked(self.buffer.room_left()) else { return octets };
        self.buffer.append(now);
        self.set_aside(later.len());
        later
    }

    /// Makes room for this number of octets, unless the stream has failed.
    #[cold]
    pub(super) fn make_room_for(&mut self, octets: usize) {
        self.read_on();
        if self.failed.is_none() && !(self.is_large() && self.set_aside(octets)) {
            self.buffer.make_room_for(octets, self.expected());
        }
    }

    /// Whether there is room left, and it is for a piece.
    pub(super) fn makes_piece(&mut self) -> bool {
        self.read_on();
        self.is_large() && (!self.buffer.space_left().is_empty() || self.set_aside(PIECE))
    }

    /// If much has arrived and no item was asked for, reads on to the body of the first frame. A large one is then kept
    /// in its way, and one that is read past is not kept at all.
    fn read_on(&mut self) {
        if self.buffer.len() >= MOST && !matches!(self.stage, Stage::Counted { .. } | Stage::Terminated) {
            self.look_ahead();
        }
    }

    /// Reads on as far as possible without taking anything out. A step that has come to a frame comes to it again.
    #[cold]
    fn look_ahead(&mut self) {
        let is_eol = matches!(self.buffer.data().first(), None | Some(b'\n' | b'\r'));
        if is_eol && matches!(self.stage, Stage::Between) {
            return;
        }
        if let Err(error) = self.step().or_else(|error| self.past_headers(error)) {
            self.fail(error);
        }
    }

    /// Whether a body of unknown length is in progress of which more has arrived than may be copied repeatedly.
    #[inline]
    pub(super) const fn is_large(&self) -> bool {
        self.buffer.len() >= self.pieces.most() && matches!(self.stage, Stage::Terminated)
    }

    /// Makes a piece of what is in the buffer if all of it belongs to the frame in progress, and makes room for
    /// another. Then looks ahead, since no item may have been asked for after the frame exceeded its limit.
    fn set_aside(&mut self, room: usize) -> bool {
        let ends_later = self.fresh().is_some_and(|fresh| memchr(0, fresh).is_none());
        if ends_later {
            // The end of a body is not looked for in a piece.
            self.scanned = self.received();
            self.pieces.push(self.buffer.replace(room.max(PIECE)));
            self.look_ahead();
        }
        ends_later && self.failed.is_none()
    }

    /// How many octets of the frame in progress and of what follows it have arrived.
    pub(super) const fn received(&self) -> usize {
        self.pieces.len().saturating_add(self.buffer.len())
    }

    /// The octets that hold everything before the body of the frame in progress.
    pub(super) fn beginning(&self) -> &[u8] {
        match self.pieces.first() {
            Some(first) => first,
            None => self.buffer.data(),
        }
    }

    /// The octets in which the end of the body has not been looked for yet.
    pub(super) fn fresh(&self) -> Option<&[u8]> {
        self.buffer.data().get(self.scanned.saturating_sub(self.pieces.len())..)
    }

    /// The frame in progress, which ends at `end`, and how many octets of the buffer are no longer needed.
    pub(super) fn put_together(&mut self, end: usize) -> (Vec<u8>, usize) {
        let rest = end.saturating_sub(self.pieces.len());
        self.position = self.position.saturating_add(self.pieces.len() as u64);
        let whole = self.pieces.put_together(self.buffer.data().get(..rest).unwrap_or_default());
        (whole, rest.saturating_add(1))
    }
}
