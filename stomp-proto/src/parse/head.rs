//! The frame in progress: the part of its header block that has been read, and its place in the buffer.

use alloc::{boxed::Box, string::String};
use core::{mem, ops::Range};

use bytes::Bytes;
use memchr::memchr;

use super::skim::Drained;
use crate::{
    Command, Frame, FrameRef, Headers, HeadersRef, Text, Version, escape,
    scan::Line,
    slots::{Slot, Slots},
};

const CONTENT_LENGTH: &[u8] = b"content-length";

/// What is known of the frame in progress.
pub(super) struct Head {
    pub(super) command: Command,
    pub(super) slots: Slots,
    /// Where the header block begins.
    pub(super) block: usize,
    /// Where the unfinished line begins, or, once the headers have been read, where the body begins.
    pub(super) line: usize,
    /// Where the value of the first `content-length` is.
    content_length: Option<Range<usize>>,
    pub(super) escaped: bool,
    /// What is kept of a frame that is being read past, copied out of the buffer.
    pub(super) drained: Option<Box<Drained>>,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            command: Command::Error,
            slots: Slots::default(),
            block: 0,
            line: 0,
            content_length: None,
            escaped: false,
            drained: None,
        }
    }
}

impl Head {
    /// Begins a frame whose command has been read and whose header block begins at `block`.
    pub(super) fn begin(&mut self, command: Command, block: usize) {
        self.command = command;
        self.block = block;
        self.line = block;
    }

    /// Octets of the header block so far, without the unfinished line.
    pub(super) const fn block_length(&self) -> usize {
        self.line.saturating_sub(self.block)
    }

    /// Takes note of a header. The first `content-length` counts.
    #[inline]
    pub(super) fn push(&mut self, data: &[u8], line: Line) {
        let is_as_long = line.colon.wrapping_sub(line.start) == CONTENT_LENGTH.len();
        if is_as_long
            && self.content_length.is_none()
            && data.get(line.start..line.colon) == Some(CONTENT_LENGTH)
        {
            self.content_length = Some(line.colon.wrapping_add(1)..line.end);
        }
        self.slots.push(Slot::near(line.start, line.colon, line.end));
    }

    /// Whether a line of this frame contains escapes, or `None` if it has one that the version does not define.
    /// Before the version is known no escape is undefined, since an early ERROR must stay readable.
    pub(super) fn check_escapes(&self, line: &[u8], version: Option<Version>) -> Option<bool> {
        let has_backslash = memchr(b'\\', line).is_some();
        let escaped = has_backslash && self.command.escapes_in(version.unwrap_or(Version::V1_2));
        let undefined = escaped && version.is_some_and(|version| !escape::is_well_escaped(line, version));
        (!undefined).then_some(escaped)
    }

    /// The value of the first `content-length`, if there is one.
    ///
    /// 1.0 pads in its own examples ("content-length: 5"); later versions forbid it.
    pub(super) fn content_length<'a>(&self, data: &'a [u8], version: Option<Version>) -> Option<&'a [u8]> {
        let value = data.get(self.content_length.clone()?).unwrap_or_default();
        Some(if version == Some(Version::V1_0) { value.trim_ascii() } else { value })
    }

    /// The `destination`, if the header block was read that far.
    pub(super) fn destination(&self, data: &[u8]) -> Option<String> {
        let octets = self.octets(data);
        let slot = self.slots.iter().find(|slot| octets.get(slot.name()) == Some(b"destination"))?;
        let text = Text::new(octets.get(slot.value()).unwrap_or_default(), self.escaped);
        Some(String::from_utf8_lossy(&text.octets()).into_owned())
    }

    /// Switches to octets that are kept apart from the buffer and hold no header yet. Returns the slots so far.
    pub(super) fn begin_again(&mut self, drained: Drained) -> Slots {
        (self.block, self.line, self.content_length) = (0, 0, None);
        self.drained = Some(Box::new(drained));
        self.slots.take()
    }

    /// Keeps a header if it is to be kept and not too long.
    pub(super) fn keep(&mut self, line: &[u8], colon: usize, is_whole: bool) {
        let Some(drained) = &mut self.drained else { return };
        let Some(kept) = drained.wanted(self.command, line, colon, is_whole) else { return };
        let mut octets = mem::take(&mut drained.octets);
        let start = octets.len();
        octets.extend_from_slice(kept);
        let line = Line { start, end: octets.len(), colon: start.saturating_add(colon), special: usize::MAX };
        self.push(&octets, line);
        if let Some(drained) = &mut self.drained {
            drained.octets = octets;
        }
    }

    /// Whether a header with this name would be the first `content-length`.
    pub(super) fn is_content_length(&self, name: &[u8]) -> bool {
        self.content_length.is_none() && name == CONTENT_LENGTH
    }

    /// How many octets of the line in progress were dropped.
    pub(super) fn dropped(&self) -> usize {
        self.drained.as_ref().map_or(0, |drained| drained.dropped())
    }

    /// The octets that the slots point into.
    fn octets<'a>(&'a self, data: &'a [u8]) -> &'a [u8] {
        self.drained.as_ref().map_or(data, |drained| &drained.octets)
    }

    /// Makes the frame of these octets, which end where its body does, and gets ready for the next one.
    #[inline]
    pub(super) fn finish(&mut self, octets: Bytes) -> Frame {
        let (body, escaped) = self.end();
        Frame::parsed(self.command, Headers::parsed(octets, self.slots.take(), escaped), body)
    }

    /// As [`finish`](Self::finish), with borrowed octets.
    pub(super) fn lend<'a>(&'a mut self, octets: &'a [u8]) -> FrameRef<'a> {
        let (body, escaped) = self.end();
        let headers = HeadersRef::new(octets, self.slots.lend(), escaped);
        FrameRef::new(self.command, headers, octets.get(body..).unwrap_or_default(), true)
    }

    /// Returns where the body begins and whether there are escapes, and forgets everything but the slots.
    #[inline]
    fn end(&mut self) -> (usize, bool) {
        self.block = 0;
        self.content_length = None;
        (mem::take(&mut self.line), mem::take(&mut self.escaped))
    }
}
