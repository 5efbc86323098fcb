//! The frame in progress: what of its header block has been read, and where it stands in the buffer.

use alloc::string::String;
use core::mem;

use bytes::Bytes;
use memchr::memchr;

use crate::{
    Command, Frame, Headers, Text, Version, escape,
    headers::{Slot, Slots},
};

/// What is known of the frame in progress.
pub(super) struct Head {
    pub(super) command: Command,
    pub(super) slots: Slots,
    /// Where the header block begins.
    pub(super) block: usize,
    /// Where the unfinished line begins; once the headers are read, where the body does.
    pub(super) line: usize,
    content_length: Option<Slot>,
    destination: Option<Slot>,
    escaped: bool,
    /// The octets up to the body, taken out of the buffer already: the body is being read past.
    pub(super) drained: Bytes,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            command: Command::Error,
            slots: Slots::default(),
            block: 0,
            line: 0,
            content_length: None,
            destination: None,
            escaped: false,
            drained: Bytes::new(),
        }
    }
}

impl Head {
    /// The command was read; the header block begins at `block`.
    pub(super) fn begin(&mut self, command: Command, block: usize) {
        self.command = command;
        self.block = block;
        self.line = block;
    }

    /// Octets of the header block so far, the unfinished line apart.
    pub(super) const fn block_length(&self) -> usize {
        self.line.saturating_sub(self.block)
    }

    /// Takes note of the header that stands from `start` to `end` in the buffer. First wins.
    #[inline]
    pub(super) fn push(&mut self, name: &[u8], start: usize, end: usize, escaped: bool) {
        let slot = Slot::new(start, start.wrapping_add(name.len()), end);
        match name {
            b"content-length" if self.content_length.is_none() => self.content_length = Some(slot),
            b"destination" if self.destination.is_none() => self.destination = Some(slot),
            _ => {}
        }
        self.slots.push(slot);
        self.escaped |= escaped;
    }

    /// Whether a line of this frame has escapes in it, or `None` when it has one that the version does not define.
    /// Before the version is known nothing is undefined: an early ERROR must stay readable.
    pub(super) fn check_escapes(&self, line: &[u8], version: Option<Version>) -> Option<bool> {
        let has_backslash = memchr(b'\\', line).is_some();
        let escaped = has_backslash && self.command.escapes_in(version.unwrap_or(Version::V1_2));
        let undefined = escaped && version.is_some_and(|version| !escape::is_well_escaped(line, version));
        (!undefined).then_some(escaped)
    }

    /// The text of the `content-length` that counts, if there is one.
    ///
    /// 1.0 pads in its own examples ("content-length: 5"); later versions forbid it.
    pub(super) fn content_length<'a>(&'a self, data: &'a [u8], version: Option<Version>) -> Option<&'a [u8]> {
        let value = self.value(self.content_length?, data);
        Some(if version == Some(Version::V1_0) { value.trim_ascii() } else { value })
    }

    /// The `destination`, if the header block was read that far.
    pub(super) fn destination(&self, data: &[u8]) -> Option<String> {
        let text = Text::new(self.value(self.destination?, data), self.escaped);
        Some(String::from_utf8_lossy(&text.octets()).into_owned())
    }

    fn value<'a>(&'a self, slot: Slot, data: &'a [u8]) -> &'a [u8] {
        let octets = if self.drained.is_empty() { data } else { &self.drained };
        octets.get(slot.value()).unwrap_or_default()
    }

    /// The frame made of these octets, which end where its body does. The next frame starts from nothing.
    pub(super) fn finish(&mut self, octets: Bytes) -> Frame {
        let headers = Headers::parsed(octets, mem::take(&mut self.slots), self.escaped);
        let frame = Frame::parsed(self.command, headers, self.line);
        self.block = 0;
        self.line = 0;
        self.content_length = None;
        self.destination = None;
        self.escaped = false;
        frame
    }
}
