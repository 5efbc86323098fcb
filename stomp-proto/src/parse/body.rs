//! Where a body ends: after the octets that were announced, or at the first NUL.

use alloc::vec::Vec;
use core::mem;

use memchr::memchr;

use super::{Parser, Progress, Stage};
use crate::{Frame, FrameRef, Oversize, ParseError, ParseErrorKind, Version, text::parse_number};

impl Parser {
    /// The blank line was read: how the body will end.
    pub(super) fn end_of_headers(&mut self) -> Result<Progress, ParseError> {
        let Some(text) = self.head.content_length(self.buffer.data(), self.version) else {
            self.scanned = self.head.line;
            self.stage = Stage::Terminated;
            return self.terminated();
        };
        let Some(length) = parse_number(text) else {
            return Err(self.error(ParseErrorKind::InvalidContentLength, b"content-length"));
        };
        if length > self.limits.body {
            return self.too_large(length);
        }
        if length > 0 && !self.body_allowed() {
            return Err(self.error(ParseErrorKind::BodyNotAllowed(self.head.command), &[]));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.stage = Stage::Counted { length };
        self.counted(length)
    }

    fn too_large(&mut self, length: u64) -> Result<Progress, ParseError> {
        if self.limits.oversize == Oversize::Fail || !self.body_allowed() {
            return Err(self.error(ParseErrorKind::BodyTooLarge { limit: self.limits.body }, &[]));
        }
        let head = mem::take(&mut self.head.line);
        self.head.drained = self.buffer.data().get(..head).unwrap_or_default().to_vec();
        self.skip(head);
        self.draining(length, length)
    }

    pub(super) fn draining(&mut self, length: u64, left: u64) -> Result<Progress, ParseError> {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        self.skip(now);
        let left = left.saturating_sub(now as u64);
        if left > 0 || self.buffer.len() == 0 {
            self.stage = Stage::Draining { length, left };
            return Ok(Progress::Starved);
        }
        self.require_nul(0)
            .map_err(|error| ParseError { position: self.position.saturating_sub(length), ..error })?;
        self.skip(1);
        Ok(Progress::TooLarge(length))
    }

    pub(super) fn drained(&mut self) -> Frame {
        let octets = self.end_of_draining();
        self.head.finish(octets.into())
    }

    pub(super) fn lend_drained(&mut self) -> FrameRef<'_> {
        self.lent = self.end_of_draining();
        self.head.lend(&self.lent)
    }

    fn end_of_draining(&mut self) -> Vec<u8> {
        let octets = mem::take(&mut self.head.drained);
        self.head.line = octets.len();
        self.stage = Stage::Between;
        octets
    }

    pub(super) fn counted(&mut self, length: usize) -> Result<Progress, ParseError> {
        let end = self.head.line.saturating_add(length);
        let at = end.saturating_sub(self.pieces.len());
        if self.buffer.len() <= at {
            return Ok(Progress::Starved);
        }
        self.require_nul(at)?;
        Ok(Progress::Frame(length))
    }

    /// The octet after a counted body is NUL, else the length was wrong and everything after it is suspect.
    fn require_nul(&self, at: usize) -> Result<(), ParseError> {
        match self.buffer.data().get(at) {
            Some(0) => Ok(()),
            _ => Err(self.error(ParseErrorKind::MissingNul, &[])),
        }
    }

    pub(super) fn terminated(&mut self) -> Result<Progress, ParseError> {
        let found = self.fresh().and_then(|fresh| memchr(0, fresh));
        let end = found.map_or_else(|| self.received(), |at| self.scanned.saturating_add(at));
        let length = end.saturating_sub(self.head.line);
        if length > 0 && !self.body_allowed() {
            return Err(self.error(ParseErrorKind::BodyNotAllowed(self.head.command), &[]));
        }
        if length as u64 > self.limits.body {
            return Err(self.error(ParseErrorKind::BodyTooLarge { limit: self.limits.body }, &[]));
        }
        self.scanned = end;
        Ok(if found.is_some() { Progress::Frame(length) } else { Progress::Starved })
    }

    /// 1.1 and 1.2: only SEND, MESSAGE and ERROR may have a body. A body elsewhere is no ambiguity, so interop keeps it.
    fn body_allowed(&self) -> bool {
        !self.strict || self.version == Some(Version::V1_0) || self.head.command.may_have_body()
    }

    #[inline]
    pub(super) fn complete(&mut self, length: usize) -> Frame {
        let end = self.head.line.saturating_add(length);
        self.stage = Stage::Between;
        if self.pieces.len() > 0 {
            let (octets, count) = self.put_together(end);
            self.skip(count);
            return self.head.finish(octets.into());
        }
        let mut octets = self.take(end.saturating_add(1));
        octets.truncate(end);
        self.head.finish(octets)
    }

    pub(super) fn lend(&mut self, length: usize) -> FrameRef<'_> {
        let end = self.head.line.saturating_add(length);
        self.stage = Stage::Between;
        if self.pieces.len() > 0 {
            (self.lent, self.on_loan) = self.put_together(end);
            return self.head.lend(&self.lent);
        }
        self.on_loan = end.saturating_add(1);
        self.head.lend(self.buffer.data().get(..end).unwrap_or_default())
    }
}
