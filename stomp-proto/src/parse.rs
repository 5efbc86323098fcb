//! The incremental parser: octets in any cut become frames, and each octet is looked at once.

use alloc::vec::Vec;
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

/// Turns a stream of octets into frames.
///
/// - the socket's owner gives it octets: [`space`](Self::space) and [`commit`](Self::commit), or [`feed`](Self::feed);
/// - and takes [`next_item`](Self::next_item) until there is none, before it reads again;
/// - the conversation's owner says which version was agreed on: [`set_version`](Self::set_version). Until then the
///   parser reads what every version allows, as CONNECT, CONNECTED and an early ERROR need.
///
/// [`next_borrowed`](Self::next_borrowed) lends the frame instead, where it stands in the read buffer.
///
/// After an error it gives the same error for ever: a stream that lost its framing has no next frame.
pub struct Parser {
    buffer: ReadBuffer,
    /// What of the frame in progress stands before the buffer, if it is a large one.
    pieces: Pieces,
    limits: Limits,
    sender: Sender,
    strict: bool,
    version: Option<Version>,
    /// Octets of the stream that lie before the pieces and the buffer.
    position: u64,
    lines: Lines,
    /// Octets of the frame in which the end of a body was looked for.
    scanned: usize,
    stage: Stage,
    head: Head,
    /// Octets of the buffer that the last item was lent from: they are dropped when somebody asks for more.
    on_loan: usize,
    /// What a lent frame stands in that does not stand in the buffer.
    lent: Vec<u8>,
    failed: Option<ParseError>,
}

/// Where in a frame the parser stands. The frame always begins where the buffer does, but for large ones, which begin with
/// their pieces.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Between,
    Command,
    Headers,
    /// The rest of a header block that is over a limit; what is kept of it stands in `head.drained`.
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
    /// The same for a body that ends with the first NUL, of which `length` octets have come.
    DrainingToNul {
        length: u64,
    },
}

/// What a step has come to. An item is made last of all, in its place: it is large, and each hand-over would copy it.
enum Progress {
    Starved,
    HeartBeat,
    /// A frame whose body is that long.
    Frame(usize),
    /// A frame that was read past, up to its NUL.
    TooLarge,
}

impl Parser {
    /// A parser of what `sender` writes, in the interop profile.
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
            lent: Vec::new(),
            failed: None,
        }
    }

    /// The parser in the strict profile. Framing is as strict in both; strict also refuses strange content that brokers
    /// are known to relay: headers that are no UTF-8 or have no name, bodies on frames that have none, and CR LF in 1.0
    /// and 1.1.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Says which version the rest of the stream is in. Call it when the CONNECTED was taken, before the parser is given or
    /// asked for more.
    pub const fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Sets other limits for the rest of the stream: a peer that has logged in may be trusted with more. Call it between two
    /// frames, as [`set_version`](Self::set_version).
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Room for a read, all of it initialised and never none: at least 512 octets, or all that the body in progress still
    /// needs; more while reads fill it. Of a body over 64 KiB it may be the rest of a piece, which is less.
    ///
    /// Take all items out before reading again: what is complete and not taken stays in the buffer.
    pub fn space(&mut self) -> &mut [u8] {
        self.end_loan();
        if self.makes_piece() {
            return self.buffer.space_left();
        }
        self.buffer.space(self.expected())
    }

    /// How many octets the frame in progress is known to have.
    const fn expected(&self) -> usize {
        match self.stage {
            Stage::Counted { length } => self.head.line.saturating_add(length).saturating_add(1),
            _ => 0,
        }
    }

    /// Says that the first `count` octets of the last [`space`](Self::space) were read.
    pub fn commit(&mut self, count: usize) {
        // What comes after an error is never looked at, so it is not kept either.
        if self.failed.is_none() {
            self.buffer.commit(count);
        }
    }

    /// Copies octets in, for those who have them elsewhere.
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

    /// The next item, if it is complete.
    ///
    /// # Errors
    /// [`ParseError`] once the stream is no STOMP, then the same for ever. Items that were complete before come first.
    #[inline]
    pub fn next_item(&mut self) -> Result<Option<Item>, ParseError> {
        if self.is_amid_body() { Ok(None) } else { self.take_item() }
    }

    /// Whether more of a body is awaited, and nothing else is to be done: the answer to nearly every small read.
    #[inline]
    const fn is_amid_body(&self) -> bool {
        match self.stage {
            Stage::Counted { length } => {
                self.failed.is_none() && self.received() <= self.head.line.saturating_add(length)
            }
            _ => false,
        }
    }

    /// The rest of [`next_item`](Self::next_item), for which more registers have to be saved than for a look.
    fn take_item(&mut self) -> Result<Option<Item>, ParseError> {
        self.end_loan();
        if self.failed.is_some() {
            return self.after_failure();
        }
        match self.step().or_else(|error| self.past_headers(error)) {
            Ok(Progress::Frame(length)) => Ok(Some(Item::Frame(self.complete(length)))),
            Ok(Progress::HeartBeat) => Ok(Some(Item::HeartBeat)),
            Ok(Progress::Starved) => Ok(None),
            Ok(Progress::TooLarge) => Ok(Some(self.drained())),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// As [`next_item`](Self::next_item), with a frame that stays where it is: for those who look at it, answer it or write
    /// it somewhere else, and keep [a copy](crate::FrameRef::to_frame) of what they want to keep. Nothing is counted or
    /// allocated, and the read buffer is nobody else's.
    ///
    /// # Errors
    /// As [`next_item`](Self::next_item). Both can be called in turn.
    pub fn next_borrowed(&mut self) -> Result<Option<ItemRef<'_>>, ParseError> {
        self.end_loan();
        if self.failed.is_some() {
            return self.lend_after_failure();
        }
        match self.step().or_else(|error| self.past_headers(error)) {
            Ok(Progress::Frame(length)) => Ok(Some(ItemRef::Frame(self.lend(length)))),
            Ok(Progress::HeartBeat) => Ok(Some(ItemRef::HeartBeat)),
            Ok(Progress::Starved) => Ok(None),
            Ok(Progress::TooLarge) => Ok(Some(self.lend_drained())),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Says that the stream has ended. Take all items out first.
    ///
    /// # Errors
    /// [`ParseErrorKind::UnexpectedEof`] inside a frame: an end is never taken for a shorter message.
    pub fn finish(&mut self) -> Result<(), ParseError> {
        self.end_loan();
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.is_idle() => Ok(()),
            None => {
                let error = self.error(ParseErrorKind::UnexpectedEof, &[]);
                Err(self.fail(error))
            }
        }
    }

    /// Whether the stream stands between two frames, with nothing begun and nothing left to take.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Between) && self.buffered() == 0 && self.failed.is_none()
    }

    /// How many octets have been received and not yet taken out as items.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.received().saturating_sub(self.on_loan)
    }

    /// Goes on where the stream stood, through as many stages as the octets that are here allow.
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

    /// Takes all LFs that stand next between two frames, in one pass, and says how many they were: after a first
    /// [`Item::HeartBeat`] the rest of a run says nothing more. A flood of them costs little more than its copy then.
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

    /// Takes headers as long as there is nothing about them but escapes that the version defines: breaks off at the first
    /// line that wants a closer look, the blank one among them.
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

    /// A line that ends before is neither too long itself nor makes the header block too long. Strict looks at each more
    /// closely.
    fn safe_end(&self) -> usize {
        let room = self.limits.header_line.saturating_add(1).min(self.header_block_limit());
        if self.strict { 0 } else { self.head.block.saturating_add(room) }
    }

    /// The version whose escapes the headers may have, if one was agreed on and has any.
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

    /// Where the content of a line ends, or of what has come of it so far. A line that has become impossible is told
    /// before it is complete. The first `before` octets of the buffer had been looked at before.
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

    /// Whether the line holds escapes; an error when it is no header, or none that is allowed.
    fn check_header(&self, line: Line) -> Result<bool, ParseError> {
        let data = self.buffer.data();
        if !line.has_colon() {
            let octets = data.get(line.start..line.end).unwrap_or_default();
            return Err(self.error(ParseErrorKind::HeaderWithoutColon, self.unless_secret(octets)));
        }
        self.check_content(line, data.get(line.start..line.colon).unwrap_or_default())
    }

    /// Whether the line holds escapes; an error when its content is not allowed.
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

    /// The last item is nobody's any more.
    #[inline]
    fn end_loan(&mut self) {
        if self.on_loan > 0 {
            self.skip(self.on_loan);
            self.on_loan = 0;
            self.lent = Vec::new();
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
