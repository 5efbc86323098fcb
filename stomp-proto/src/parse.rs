//! The incremental parser: octets, cut anywhere, become frames, and each octet is examined once.

use alloc::boxed::Box;
use core::{fmt, ops::ControlFlow};

use bytes::Bytes;

use self::{head::Head, pieces::Pieces};
use crate::{
    Item, ItemRef, Limits, ParseError, ParseErrorKind, Sender, Version,
    buffer::ReadBuffer,
    line::{self, Eol, Fault, Room},
    scan::{Line, Lines},
};

mod body;
mod command;
mod head;
mod pieces;
mod report;
mod skim;
#[cfg(test)]
mod tests;

/// An incremental parser, which turns a stream of octets into frames.
///
/// - Give it octets: read into [`space`](Self::space) and call [`commit`](Self::commit), or copy them with
///   [`feed`](Self::feed).
/// - Call [`next_item`](Self::next_item) until it returns `None`, and only then read again.
///   [`next_borrowed`](Self::next_borrowed) lends frames from the read buffer instead.
/// - Call [`set_version`](Self::set_version) once a version is agreed on. Until then the parser accepts what any
///   version allows, as CONNECT, CONNECTED and an early ERROR require.
///
/// After an error the parser returns the same error forever, since a stream that has lost its framing has no next
/// frame.
pub struct Parser {
    buffer: ReadBuffer,
    /// The part of a large frame in progress that precedes the buffer.
    pieces: Pieces,
    limits: Limits,
    sender: Sender,
    strict: bool,
    version: Option<Version>,
    /// The number of octets of the stream that precede the pieces and the buffer.
    position: u64,
    lines: Lines,
    /// The number of octets of the frame in which the end of the body has been looked for.
    scanned: usize,
    stage: Stage,
    head: Head,
    /// The number of octets of the buffer from which the last item was lent. They are dropped at the next call.
    on_loan: usize,
    /// The octets of a lent frame that is not in the buffer.
    lent: Box<[u8]>,
    failed: Option<Box<ParseError>>,
}

/// Where in a frame the parser is. The frame begins where the buffer does, or where its pieces do if it is a large one.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Between,
    Command,
    Headers,
    /// The rest of a header block that exceeds a limit. What is kept of it is in `head.drained`.
    Skimming,
    /// A body of announced length.
    Counted {
        length: usize,
    },
    /// A body that ends with the first NUL.
    Terminated,
    /// The rest of a body that is not kept; its frame waits in `head.drained`.
    Draining {
        length: u64,
        left: u64,
    },
    /// As `Draining`, for a body that ends with the first NUL and of which `length` octets have arrived.
    DrainingToNul {
        length: u64,
    },
}

/// The result of a step. The item itself is made last, in its final place, since it is large and each return would copy
/// it.
enum Progress {
    Starved,
    HeartBeat,
    /// A frame with a body of this length.
    Frame(usize),
    /// A frame that was read past, up to its NUL.
    TooLarge,
}

impl Parser {
    /// Creates a parser for what `sender` writes, in the interop profile.
    #[must_use]
    pub fn new(sender: Sender, limits: Limits) -> Self {
        Self {
            buffer: ReadBuffer::default(),
            pieces: Pieces::default(),
            limits,
            sender,
            strict: false,
            version: None,
            position: 0,
            lines: Lines::from(0),
            scanned: 0,
            stage: Stage::Between,
            head: Head::default(),
            on_loan: 0,
            lent: Box::default(),
            failed: None,
        }
    }

    /// Selects the strict profile.
    ///
    /// Framing is checked in the same way in both profiles. The strict profile also refuses unusual content that
    /// brokers are known to relay: headers that are not UTF-8 or have no name, bodies of frames that must have none,
    /// and line ends of CR LF in 1.0 and 1.1.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Sets the version for the rest of the stream.
    ///
    /// On a client, call this after CONNECTED was taken, and on a server after CONNECT was answered. In both cases call
    /// it before the parser is given or asked for more.
    pub const fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Sets the limits for the rest of the stream, for example larger ones once a peer has logged in. Call this between
    /// two frames.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Returns initialised memory to read into, which is never empty.
    ///
    /// It has at least 128 octets, or as many as the body in progress still needs, and becomes larger while reads fill
    /// it. During a body of more than 64 KiB whose length is not known it may be smaller, since such a body is stored in
    /// pieces and the space may be the rest of one.
    ///
    /// Take all items before reading again: complete items that have not been taken stay in the buffer.
    pub fn space(&mut self) -> &mut [u8] {
        self.end_loan();
        if self.makes_piece() {
            return self.buffer.space_left();
        }
        self.buffer.space(self.expected())
    }

    /// The length that the frame in progress is known to have, in octets.
    const fn expected(&self) -> usize {
        match self.stage {
            Stage::Counted { length } => self.head.line.saturating_add(length).saturating_add(1),
            _ => 0,
        }
    }

    /// Marks the first `count` octets of the last [`space`](Self::space) as received.
    pub fn commit(&mut self, count: usize) {
        // What comes after an error is never looked at, so it is not kept either.
        if self.failed.is_none() {
            self.buffer.commit(count);
        }
    }

    /// Copies octets into the parser. To read from a socket, use [`space`](Self::space), which avoids the copy.
    pub fn feed(&mut self, octets: &[u8]) {
        self.end_loan();
        if self.failed.is_none() {
            let octets = if self.is_large() { self.feed_piece(octets) } else { octets };
            if self.buffer.room_left() < octets.len() {
                self.make_room_for(octets.len());
            }
            if self.failed.is_none() {
                self.buffer.append(octets);
            }
        }
    }

    /// Returns the next item, or `None` if more octets are needed to complete it.
    ///
    /// # Errors
    /// Returns [`ParseError`] if the stream is not valid STOMP, and the same error in all later calls. Items that are
    /// complete before the error are returned first.
    #[inline]
    pub fn next_item(&mut self) -> Result<Option<Item>, ParseError> {
        if self.is_amid_body() { Ok(None) } else { self.take_item() }
    }

    /// Whether the body in progress is incomplete, so that there is nothing to do. This holds after nearly every small
    /// read.
    #[inline]
    const fn is_amid_body(&self) -> bool {
        match self.stage {
            Stage::Counted { length } => {
                self.failed.is_none() && self.received() <= self.head.line.saturating_add(length)
            }
            _ => false,
        }
    }

    /// The rest of [`next_item`](Self::next_item), kept apart because it needs more registers saved than the check
    /// above.
    fn take_item(&mut self) -> Result<Option<Item>, ParseError> {
        self.end_loan();
        if self.failed.is_some() {
            return self.after_failure();
        }
        match self.step().or_else(|error| self.past_headers(error)) {
            Ok(Progress::Frame(length)) => Ok(Some(Item::Frame(self.complete(length)))),
            Ok(Progress::HeartBeat) => Ok(Some(Item::HeartBeat)),
            Ok(Progress::Starved) => self.starved(),
            Ok(Progress::TooLarge) => Ok(Some(self.drained())),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Returns the next item, borrowed from the read buffer, or `None` if more octets are needed to complete it.
    ///
    /// Use this for frames that are only examined, answered or written elsewhere. No references are counted, the read
    /// buffer is not shared, and nothing is allocated unless a body of more than 64 KiB has to be put together.
    /// [`FrameRef::to_frame`](crate::FrameRef::to_frame) copies a frame that is to be kept. Calls may alternate with
    /// [`next_item`](Self::next_item).
    ///
    /// # Errors
    /// Returns the same errors as [`next_item`](Self::next_item).
    pub fn next_borrowed(&mut self) -> Result<Option<ItemRef<'_>>, ParseError> {
        self.end_loan();
        if self.failed.is_some() {
            return self.lend_after_failure();
        }
        match self.step().or_else(|error| self.past_headers(error)) {
            Ok(Progress::Frame(length)) => Ok(Some(ItemRef::Frame(self.lend(length)))),
            Ok(Progress::HeartBeat) => Ok(Some(ItemRef::HeartBeat)),
            Ok(Progress::Starved) => self.starved(),
            Ok(Progress::TooLarge) => Ok(Some(self.lend_drained())),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Ends the stream. Take all items first.
    ///
    /// # Errors
    /// Returns an error of the kind [`ParseErrorKind::UnexpectedEof`] if the stream ends inside a frame, so that a
    /// truncated message is never taken for a complete one. If the stream has failed before, returns the error with
    /// which it failed.
    pub fn finish(&mut self) -> Result<(), ParseError> {
        self.end_loan();
        match &self.failed {
            Some(error) => Err((**error).clone()),
            None if self.is_idle() => Ok(()),
            None => {
                let error = self.error(ParseErrorKind::UnexpectedEof, &[]);
                Err(self.fail(error))
            }
        }
    }

    /// Returns `true` if the stream is between two frames, nothing is left to take, and the stream has not failed.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Between) && self.buffered() == 0 && self.failed.is_none()
    }

    /// Returns the number of octets that have been received and not yet taken as items.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.received().saturating_sub(self.on_loan)
    }

    /// Continues through as many stages as the octets received so far allow.
    #[inline(always)]
    fn step(&mut self) -> Result<Progress, ParseError> {
        match self.stage {
            Stage::Between => self.between(),
            Stage::Command => self.command(),
            Stage::Headers => self.headers(),
            Stage::Skimming => self.skimming(),
            Stage::Counted { length } => self.counted(length),
            Stage::Terminated => self.terminated(),
            Stage::Draining { length, left } => self.draining(length, left),
            Stage::DrainingToNul { length } => self.draining_to_nul(length),
        }
    }

    fn between(&mut self) -> Result<Progress, ParseError> {
        match self.buffer.data().first() {
            None => Ok(Progress::Starved),
            Some(b'\n') => Ok(self.heart_beat(1)),
            Some(b'\r') => self.carriage_return(),
            Some(_) => self.begin_command(),
        }
    }

    #[cold]
    fn carriage_return(&mut self) -> Result<Progress, ParseError> {
        let eol = self.eol();
        match self.buffer.data() {
            [_, b'\n', ..] if eol.crlf => Ok(self.heart_beat(2)),
            [_] if eol.crlf => Ok(Progress::Starved),
            _ if eol.stray_cr_is_fatal => Err(self.error(ParseErrorKind::BadEol, &[])),
            _ => self.begin_command(),
        }
    }

    fn begin_command(&mut self) -> Result<Progress, ParseError> {
        self.stage = Stage::Command;
        self.command()
    }

    /// Skips all LFs that come next between two frames, in one pass, and returns their number.
    ///
    /// Call this after an [`Item::HeartBeat`], since further LFs behind it carry no information. A flood of them then
    /// costs little more than copying it.
    pub fn skip_heart_beats(&mut self) -> usize {
        const RUN: [u8; 64] = [b'\n'; 64];
        self.end_loan();
        if !matches!(self.stage, Stage::Between) {
            return 0;
        }
        let (runs, _) = self.buffer.data().as_chunks();
        let whole = runs.iter().take_while(|octets| **octets == RUN).count().saturating_mul(RUN.len());
        let rest = self.buffer.data().get(whole..).unwrap_or_default();
        let count = whole.saturating_add(rest.iter().take_while(|octet| **octet == b'\n').count());
        self.skip(count);
        count
    }

    fn heart_beat(&mut self, octets: usize) -> Progress {
        self.skip(octets);
        Progress::HeartBeat
    }

    fn headers(&mut self) -> Result<Progress, ParseError> {
        let before = self.lines.looked();
        while let ControlFlow::Break(line) = self.plain_headers() {
            self.head.line = line.start;
            let is_blank = line.end == line.start;
            let end = if is_blank { line.end } else { self.check_header_line(line, before, true)? };
            if end > line.start {
                self.header(Line { end, ..line })?;
            }
            self.head.line = self.lines.start;
            if end == line.start {
                return self.end_of_headers();
            }
        }
        self.head.line = self.lines.start;
        let unfinished = self.lines.unfinished(self.buffer.data());
        if unfinished.is_special() || unfinished.end >= self.safe_end() {
            self.check_header_line(unfinished, before, false)?;
        }
        Ok(Progress::Starved)
    }

    /// Takes headers as long as nothing about them is special but escapes that the version defines. Breaks off at the
    /// first line that needs a closer look, such as the blank one.
    fn plain_headers(&mut self) -> ControlFlow<Line> {
        let (limit, safe_end, escapes) = (self.limits.headers, self.safe_end(), self.escapes());
        let (head, data) = (&mut self.head, self.buffer.data());
        self.lines.for_each(data, |line| {
            if line.is_special() {
                if !escapes.is_some_and(|version| line.is_well_escaped(data, version)) {
                    return ControlFlow::Break(line);
                }
                head.escaped = true;
            }
            if !line.has_colon() || line.end >= safe_end || head.slots.len() >= limit {
                return ControlFlow::Break(line);
            }
            head.push(data, line);
            ControlFlow::Continue(())
        })
    }

    /// A line that ends before this index neither is too long itself nor makes the header block too long. The strict
    /// profile examines every line, so there it is 0.
    fn safe_end(&self) -> usize {
        let room = self.limits.header_line.saturating_add(1).min(self.header_block_limit());
        if self.strict { 0 } else { self.head.block.saturating_add(room) }
    }

    /// The version that defines the escapes of the headers, if one was agreed on and has any.
    fn escapes(&self) -> Option<Version> {
        self.version.filter(|version| self.head.command.escapes_in(*version))
    }

    fn check_header_line(&self, line: Line, before: usize, complete: bool) -> Result<usize, ParseError> {
        let left = self.header_block_limit().saturating_sub(self.head.block_length());
        let room = Room { line: self.limits.header_line, block: left };
        self.check_line(line, before, complete, room).map_err(|fault| self.line_error(fault))
    }

    /// A slot counts octets in 32 bits.
    fn header_block_limit(&self) -> usize {
        self.limits.header_block.min(u32::MAX as usize / 2)
    }

    /// The end of the content of a line, or of the part of it that has arrived. A line that has become invalid is
    /// reported before it is complete. The first `before` octets of the buffer have been examined before.
    fn check_line(&self, line: Line, before: usize, complete: bool, room: Room) -> Result<usize, Fault> {
        let octets = self.buffer.data().get(line.start..line.end).unwrap_or_default();
        if !line.is_special() && octets.len() <= room.line && octets.len() < room.block {
            return Ok(line.end);
        }
        // The blank line that ends the headers is not part of their block.
        let room = if matches!(octets, b"" | b"\r") { Room { block: usize::MAX, ..room } } else { room };
        let looked = before.saturating_sub(line.start);
        let length = line::content_length(octets, looked, complete, self.eol(), room)?;
        Ok(line.start.saturating_add(length))
    }

    fn header(&mut self, line: Line) -> Result<(), ParseError> {
        let limit = self.limits.headers;
        if self.head.slots.len() >= limit {
            return Err(self.error(ParseErrorKind::TooManyHeaders { limit }, &[]));
        }
        self.head.escaped |= self.check_header(line)?;
        self.head.push(self.buffer.data(), line);
        Ok(())
    }

    /// Whether the line contains escapes; an error if it is not a header that is allowed.
    fn check_header(&self, line: Line) -> Result<bool, ParseError> {
        let data = self.buffer.data();
        if !line.has_colon() {
            let octets = data.get(line.start..line.end).unwrap_or_default();
            return Err(self.error(ParseErrorKind::HeaderWithoutColon, self.unless_secret(octets)));
        }
        self.check_content(line, data.get(line.start..line.colon).unwrap_or_default())
    }

    /// Whether the line contains escapes; an error if its content is not allowed.
    fn check_content(&self, line: Line, name: &[u8]) -> Result<bool, ParseError> {
        if self.strict && name.is_empty() {
            return Err(self.error(ParseErrorKind::EmptyHeaderName, &[]));
        }
        let octets = self.buffer.data().get(line.start..line.end).unwrap_or_default();
        let Some(escaped) = self.head.check_escapes(octets, self.version) else {
            return Err(self.error(ParseErrorKind::UndefinedEscape, name));
        };
        if self.strict && !self.is_text(octets) {
            return Err(self.error(ParseErrorKind::BadUtf8, name));
        }
        Ok(escaped)
    }

    fn is_text(&self, line: &[u8]) -> bool {
        // 1.0: headers are US-ASCII.
        if self.version == Some(Version::V1_0) { line.is_ascii() } else { core::str::from_utf8(line).is_ok() }
    }

    /// The item that was lent last is no longer borrowed.
    #[inline]
    fn end_loan(&mut self) {
        if self.on_loan > 0 {
            self.skip(self.on_loan);
            self.on_loan = 0;
            self.lent = Box::default();
        }
    }

    fn take(&mut self, count: usize) -> Bytes {
        self.position = self.position.saturating_add(count as u64);
        self.lines = Lines::from(0);
        self.buffer.take(count)
    }

    fn skip(&mut self, count: usize) {
        self.position = self.position.saturating_add(count as u64);
        self.lines = Lines::from(0);
        self.buffer.skip(count);
    }

    fn eol(&self) -> Eol {
        Eol::of(self.version, self.strict)
    }
}

/// Shows the state, never the octets.
impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("sender", &self.sender)
            .field("version", &self.version)
            .field("position", &self.position)
            .field("buffered", &self.buffered())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
