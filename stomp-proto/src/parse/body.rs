//! Where a body ends: after the octets that were announced, or at the first NUL.

use alloc::{boxed::Box, vec::Vec};
use core::mem;

use memchr::memchr;

use super::{Parser, Progress, Stage, skim::Drained};
use crate::{
    Command, Excess, Frame, FrameRef, Item, ItemRef, Oversize, ParseError, ParseErrorKind, Version,
    text::parse_number,
};

impl Parser {
    /// Decides how the body will end. The blank line has been read.
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
        self.check_announced(length)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.stage = Stage::Counted { length };
        self.counted(length)
    }

    /// Checks whether the frame may have a body of this length. One that is too long but read past is allowed.
    #[inline]
    pub(super) fn check_announced(&self, length: u64) -> Result<(), ParseError> {
        if length == 0 || self.body_allowed() {
            return Ok(());
        }
        Err(self.error(
            match length > self.limits.body {
                true => ParseErrorKind::BodyTooLarge { limit: self.limits.body },
                false => ParseErrorKind::BodyNotAllowed(self.head.command),
            },
            &[],
        ))
    }

    #[cold]
    fn too_large(&mut self, length: u64) -> Result<Progress, ParseError> {
        if self.limits.oversize == Oversize::Fail {
            return Err(self.error(ParseErrorKind::BodyTooLarge { limit: self.limits.body }, &[]));
        }
        self.check_announced(length)?;
        let head = mem::take(&mut self.head.line);
        let octets = self.buffer.data().get(..head).unwrap_or_default().to_vec();
        self.head.drained = Some(Box::new(Drained::new(octets, Excess::Body { length })));
        self.skip(head);
        self.draining(length, length)
    }

    pub(super) fn draining(&mut self, length: u64, left: u64) -> Result<Progress, ParseError> {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        self.skip(now);
        let left = left.saturating_sub(now as u64);
        self.stage = Stage::Draining { length, left };
        if left > 0 || self.buffer.len() == 0 {
            return Ok(Progress::Starved);
        }
        self.require_nul(0).map_err(|error| error.before(length))?;
        Ok(Progress::TooLarge)
    }

    /// Reads past a body of unknown length, behind headers that exceed a limit. `before` octets of it are gone already.
    pub(super) fn draining_to_nul(&mut self, before: u64) -> Result<Progress, ParseError> {
        let data = self.buffer.data();
        let end = memchr(0, data);
        let fresh = end.unwrap_or(data.len());
        let length = before.saturating_add(fresh as u64);
        self.check_unannounced(length).map_err(|error| error.before(before))?;
        self.skip(fresh);
        self.stage = Stage::DrainingToNul { length };
        Ok(if end.is_some() { Progress::TooLarge } else { Progress::Starved })
    }

    /// The frame that was read past. Its NUL comes next.
    pub(super) fn drained(&mut self) -> Item {
        let (octets, excess) = self.end_of_draining();
        Item::TooLarge { frame: self.head.finish(octets.into()), excess }
    }

    pub(super) fn lend_drained(&mut self) -> ItemRef<'_> {
        let (octets, excess) = self.end_of_draining();
        self.lent = octets.into_boxed_slice();
        ItemRef::TooLarge { frame: self.head.lend(&self.lent), excess }
    }

    fn end_of_draining(&mut self) -> (Vec<u8>, Excess) {
        self.skip(1);
        self.stage = Stage::Between;
        let drained = self.head.drained.take();
        let (octets, excess) = drained.map_or((Vec::new(), Excess::Body { length: 0 }), |drained| {
            let Drained { octets, excess, .. } = *drained;
            (octets, excess)
        });
        self.head.line = octets.len();
        (octets, excess)
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

    /// There is no further item before more octets come. Makes sure that the frame in progress fits, if its length is known.
    pub(super) fn starved<T>(&mut self) -> Result<Option<T>, ParseError> {
        self.buffer.fit(self.expected());
        Ok(None)
    }

    /// The octet after a counted body must be NUL. Otherwise the length was wrong, and so may be everything after it.
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
        if let Err(error) = self.check_unannounced(length as u64) {
            return self.last_words(error);
        }
        self.scanned = end;
        Ok(if found.is_some() { Progress::Frame(length) } else { Progress::Starved })
    }

    /// An ERROR is the last frame of a peer, so its headers are returned before the stream fails, however long its body
    /// is.
    #[cold]
    fn last_words(&mut self, error: ParseError) -> Result<Progress, ParseError> {
        if self.head.command != Command::Error || self.limits.oversize == Oversize::Fail {
            return Err(error);
        }
        let octets = self.beginning().get(..self.head.line).unwrap_or_default().to_vec();
        let excess = Excess::Body { length: self.limits.body.saturating_add(1) };
        self.head.drained = Some(Box::new(Drained::new(octets, excess)));
        self.stop(error);
        Ok(Progress::TooLarge)
    }

    /// The item that is left although the stream has failed, then the error forever.
    #[cold]
    pub(super) fn after_failure(&mut self) -> Result<Option<Item>, ParseError> {
        match (&self.failed, &self.head.drained) {
            (Some(error), None) => Err((**error).clone()),
            _ => Ok(Some(self.drained())),
        }
    }

    /// As [`after_failure`](Self::after_failure), borrowed.
    #[cold]
    pub(super) fn lend_after_failure(&mut self) -> Result<Option<ItemRef<'_>>, ParseError> {
        match (&self.failed, &self.head.drained) {
            (Some(error), None) => Err((**error).clone()),
            _ => Ok(Some(self.lend_drained())),
        }
    }

    /// Checks whether a body whose length was not announced may be this long.
    #[inline]
    fn check_unannounced(&self, length: u64) -> Result<(), ParseError> {
        if length > 0 && !self.body_allowed() {
            return Err(self.error(ParseErrorKind::BodyNotAllowed(self.head.command), &[]));
        }
        if length > self.limits.body {
            return Err(self.error(ParseErrorKind::BodyTooLarge { limit: self.limits.body }, &[]));
        }
        Ok(())
    }

    /// In 1.1 and 1.2 only SEND, MESSAGE and ERROR may have a body. Other bodies are not ambiguous, so interop keeps
    /// them.
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
            let (octets, on_loan) = self.put_together(end);
            (self.lent, self.on_loan) = (octets.into_boxed_slice(), on_loan);
            return self.head.lend(&self.lent);
        }
        self.on_loan = end.saturating_add(1);
        self.head.lend(self.buffer.data().get(..end).unwrap_or_default())
    }
}
