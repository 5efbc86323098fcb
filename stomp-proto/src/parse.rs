//! The incremental parser: octets in any cut become frames, and each octet is looked at once.

use alloc::string::String;
use core::{fmt, mem};

use bytes::Bytes;
use memchr::memchr;

use crate::{
    Command, Frame, Headers, Limits, Oversize, ParseError, ParseErrorKind, Sender, Version,
    buffer::ReadBuffer,
    escape,
    headers::{Slot, Slots},
    line::{self, Eol, Fault, Room},
    text::parse_number,
};

/// What a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A whole frame.
    Frame(Frame),
    /// An end of line between frames: a heart-beat from 1.1 on, padding in 1.0.
    HeartBeat,
    /// A frame whose body was over [`Limits::body`] and has been read past ([`Oversize::Drain`]).
    TooLarge {
        /// The frame without its body.
        frame: Frame,
        /// The length that it announced.
        length: u64,
    },
}

/// Turns a stream of octets into frames.
///
/// - the socket's owner gives it octets: [`space`](Self::space) and [`commit`](Self::commit), or [`feed`](Self::feed);
/// - and takes [`next_item`](Self::next_item) until there is none, before it reads again;
/// - the conversation's owner says which version was agreed on: [`set_version`](Self::set_version). Until then the
///   parser reads what every version allows, as CONNECT, CONNECTED and an early ERROR need.
///
/// After an error it gives the same error for ever: a stream that lost its framing has no next frame.
pub struct Parser {
    buffer: ReadBuffer,
    limits: Limits,
    sender: Sender,
    strict: bool,
    version: Option<Version>,
    /// Octets of the stream that lie before the buffer.
    position: u64,
    /// Octets of the buffer that have been looked at.
    scanned: usize,
    stage: Stage,
    head: Head,
    failed: Option<ParseError>,
}

/// Where in a frame the parser stands. The frame always begins where the buffer does.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Between,
    Command,
    Headers,
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
}

/// What is known of the frame in progress.
struct Head {
    command: Command,
    slots: Slots,
    /// Where the header block begins.
    block: usize,
    /// Where the unfinished line begins; once the headers are read, where the body does.
    line: usize,
    content_length: Option<Slot>,
    destination: Option<Slot>,
    escaped: bool,
    drained: Bytes,
}

#[allow(
    clippy::large_enum_variant,
    reason = "an item is handed on at once; a box would be an allocation a frame"
)]
enum Progress {
    Item(Item),
    Next(Stage),
    Starved,
}

/// How many octets of what is wrong an error shows.
const EXCERPT: usize = 64;

impl Parser {
    /// A parser of what `sender` writes, in the interop profile.
    #[must_use]
    pub fn new(sender: Sender, limits: Limits) -> Self {
        Self {
            buffer: ReadBuffer::default(),
            limits,
            sender,
            strict: false,
            version: None,
            position: 0,
            scanned: 0,
            stage: Stage::Between,
            head: Head::default(),
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

    /// Says which version the rest of the stream is in. Call it between the CONNECTED and the next
    /// [`next_item`](Self::next_item).
    pub const fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Room for a read, all of it initialised. At least 512 octets; more while reads fill it.
    ///
    /// Take all items out before reading again: what is complete and not taken stays in the buffer.
    pub fn space(&mut self) -> &mut [u8] {
        let expected = match self.stage {
            Stage::Counted { length } => self.head.line.saturating_add(length).saturating_add(1),
            _ => 0,
        };
        self.buffer.space(expected)
    }

    /// Says that the first `count` octets of the last [`space`](Self::space) were read.
    pub fn commit(&mut self, count: usize) {
        self.buffer.commit(count);
    }

    /// Copies octets in, for those who have them elsewhere.
    pub fn feed(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() && self.failed.is_none() {
            let space = self.space();
            let count = space.len().min(rest.len());
            let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            if let Some(room) = space.get_mut(..count) {
                room.copy_from_slice(now);
            }
            self.commit(count);
            rest = later;
        }
    }

    /// The next item, if it is complete.
    ///
    /// # Errors
    /// [`ParseError`] once the stream is no STOMP, then the same for ever. Items that were complete before come first.
    pub fn next_item(&mut self) -> Result<Option<Item>, ParseError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        loop {
            match self.step() {
                Ok(Progress::Next(stage)) => self.stage = stage,
                Ok(Progress::Item(item)) => return Ok(Some(item)),
                Ok(Progress::Starved) => return Ok(None),
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// Says that the stream has ended.
    ///
    /// # Errors
    /// [`ParseErrorKind::UnexpectedEof`] inside a frame: an end is never taken for a shorter message.
    pub fn finish(&mut self) -> Result<(), ParseError> {
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
        matches!(self.stage, Stage::Between) && self.buffer.len() == 0 && self.failed.is_none()
    }

    /// How many octets have been received and not yet taken out as items.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn step(&mut self) -> Result<Progress, ParseError> {
        match self.stage {
            Stage::Between => self.between(),
            Stage::Command => self.command(),
            Stage::Headers => self.headers(),
            Stage::Counted { length } => self.counted(length),
            Stage::Terminated => self.terminated(),
            Stage::Draining { length, left } => self.draining(length, left),
        }
    }

    fn between(&mut self) -> Result<Progress, ParseError> {
        let eol = self.eol();
        match self.buffer.data() {
            [] => Ok(Progress::Starved),
            [b'\n', ..] => Ok(self.heart_beat(1)),
            [b'\r', b'\n', ..] if eol.crlf => Ok(self.heart_beat(2)),
            [b'\r'] if eol.crlf => Ok(Progress::Starved),
            [b'\r', ..] if eol.stray_cr_is_fatal => Err(self.error(ParseErrorKind::BadEol, &[])),
            _ => Ok(Progress::Next(Stage::Command)),
        }
    }

    fn heart_beat(&mut self, octets: usize) -> Progress {
        self.skip(octets);
        Progress::Item(Item::HeartBeat)
    }

    fn command(&mut self) -> Result<Progress, ParseError> {
        let room = Room { line: self.limits.command, block: usize::MAX };
        let line = self.next_line(room).map_err(|fault| self.command_error(fault))?;
        let Some((length, next)) = line else {
            return match memchr(0, self.buffer.data()) {
                // Another protocol, or a wrong content-length before: waiting for a line would hide it.
                Some(_) => Err(self.error(ParseErrorKind::UnknownCommand, self.buffer.data())),
                None => Ok(Progress::Starved),
            };
        };
        let line = self.buffer.data().get(..length).unwrap_or_default();
        let known = Command::from_octets(line).filter(|command| {
            command.sender() == self.sender && self.version.is_none_or(|version| command.exists_in(version))
        });
        let Some(command) = known else { return Err(self.error(ParseErrorKind::UnknownCommand, line)) };
        self.head.command = command;
        self.head.block = next;
        self.head.line = next;
        Ok(Progress::Next(Stage::Headers))
    }

    fn headers(&mut self) -> Result<Progress, ParseError> {
        loop {
            let used = self.head.line.saturating_sub(self.head.block);
            let room =
                Room { line: self.limits.header_line, block: self.header_block_limit().saturating_sub(used) };
            match self.next_line(room) {
                Ok(None) => return Ok(Progress::Starved),
                Ok(Some((0, next))) => {
                    self.head.line = next;
                    return self.end_of_headers();
                }
                Ok(Some((length, next))) => {
                    self.header(self.head.line, self.head.line.saturating_add(length))?;
                    self.head.line = next;
                }
                Err(fault) => return Err(self.line_error(fault)),
            }
        }
    }

    /// A slot counts octets in 32 bits.
    fn header_block_limit(&self) -> usize {
        self.limits.header_block.min(u32::MAX as usize / 2)
    }

    /// The length of the line at `head.line` and where the next one begins, once it is complete.
    fn next_line(&mut self, room: Room) -> Result<Option<(usize, usize)>, Fault> {
        let eol = self.eol();
        let data = self.buffer.data();
        let found = data.get(self.scanned..).and_then(|fresh| memchr(b'\n', fresh));
        let end = found.map_or(data.len(), |at| self.scanned.saturating_add(at));
        let line = data.get(self.head.line..end).unwrap_or_default();
        // The blank line that ends the headers is not part of their block.
        let room = if matches!(line, b"" | b"\r") { Room { block: usize::MAX, ..room } } else { room };
        let length = line::content_length(line, found.is_some(), eol, room)?;
        self.scanned = end.saturating_add(usize::from(found.is_some()));
        Ok(found.map(|_| (length, self.scanned)))
    }

    fn header(&mut self, start: usize, end: usize) -> Result<(), ParseError> {
        let limit = self.limits.headers;
        if self.head.slots.len() >= limit {
            return Err(self.error(ParseErrorKind::TooManyHeaders { limit }, &[]));
        }
        let line = self.buffer.data().get(start..end).unwrap_or_default();
        let Some(colon) = memchr(b':', line) else {
            return Err(self.error(ParseErrorKind::HeaderWithoutColon, self.unless_secret(line)));
        };
        let name = line.get(..colon).unwrap_or_default();
        let escaped = self.check_content(line, name)?;
        let relative = |at: usize| at.saturating_sub(self.head.block);
        let colon = start.saturating_add(colon);
        let slot = Slot::new(relative(start), relative(colon), relative(end));
        match name {
            b"content-length" if self.head.content_length.is_none() => self.head.content_length = Some(slot),
            b"destination" if self.head.destination.is_none() => self.head.destination = Some(slot),
            _ => {}
        }
        self.head.slots.push(slot);
        self.head.escaped |= escaped;
        Ok(())
    }

    /// Whether the line holds escapes; an error when its content is not allowed.
    fn check_content(&self, line: &[u8], name: &[u8]) -> Result<bool, ParseError> {
        if self.strict && name.is_empty() {
            return Err(self.error(ParseErrorKind::EmptyHeaderName, &[]));
        }
        let has_backslash = memchr(b'\\', line).is_some();
        let escaped = match self.version {
            Some(version) => {
                let escaped = has_backslash && self.head.command.escapes_in(version);
                if escaped && !escape::is_well_escaped(line, version) {
                    return Err(self.error(ParseErrorKind::UndefinedEscape, name));
                }
                escaped
            }
            None => has_backslash && self.head.command.escapes_in(Version::V1_2),
        };
        if self.strict && !self.is_text(line) {
            return Err(self.error(ParseErrorKind::BadUtf8, name));
        }
        Ok(escaped)
    }

    fn is_text(&self, line: &[u8]) -> bool {
        // 1.0: headers are US-ASCII.
        if self.version == Some(Version::V1_0) { line.is_ascii() } else { core::str::from_utf8(line).is_ok() }
    }

    fn end_of_headers(&mut self) -> Result<Progress, ParseError> {
        let Some(slot) = self.head.content_length else { return Ok(Progress::Next(Stage::Terminated)) };
        let Some(length) = parse_number(self.count_text(slot)) else {
            return Err(self.error(ParseErrorKind::InvalidContentLength, b"content-length"));
        };
        if length > self.limits.body {
            return self.too_large(length);
        }
        if length > 0 && !self.body_allowed() {
            return Err(self.error(ParseErrorKind::BodyNotAllowed(self.head.command), &[]));
        }
        Ok(Progress::Next(Stage::Counted { length: usize::try_from(length).unwrap_or(usize::MAX) }))
    }

    /// 1.0 pads in its own examples ("content-length: 5"); later versions forbid it.
    fn count_text(&self, slot: Slot) -> &[u8] {
        let value = self.block().get(slot.value()).unwrap_or_default();
        if self.version == Some(Version::V1_0) { value.trim_ascii() } else { value }
    }

    fn too_large(&mut self, length: u64) -> Result<Progress, ParseError> {
        if self.limits.oversize == Oversize::Fail {
            return Err(self.error(ParseErrorKind::BodyTooLarge { limit: self.limits.body }, &[]));
        }
        self.head.drained = self.take(self.head.line);
        Ok(Progress::Next(Stage::Draining { length, left: length }))
    }

    fn draining(&mut self, length: u64, left: u64) -> Result<Progress, ParseError> {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        self.skip(now);
        let left = left.saturating_sub(now as u64);
        if left > 0 || self.buffer.len() == 0 {
            self.stage = Stage::Draining { length, left };
            return Ok(Progress::Starved);
        }
        self.require_nul(0)?;
        self.skip(1);
        let head = mem::take(&mut self.head.drained);
        let frame = self.frame(head, Bytes::new());
        self.stage = Stage::Between;
        Ok(Progress::Item(Item::TooLarge { frame, length }))
    }

    fn counted(&mut self, length: usize) -> Result<Progress, ParseError> {
        let end = self.head.line.saturating_add(length);
        if self.buffer.len() <= end {
            return Ok(Progress::Starved);
        }
        self.require_nul(end)?;
        Ok(self.complete(length))
    }

    /// The octet after a counted body is NUL, else the length was wrong and everything after it is suspect.
    fn require_nul(&self, at: usize) -> Result<(), ParseError> {
        match self.buffer.data().get(at) {
            Some(0) => Ok(()),
            _ => Err(self.error(ParseErrorKind::MissingNul, &[])),
        }
    }

    fn terminated(&mut self) -> Result<Progress, ParseError> {
        let data = self.buffer.data();
        let found = data.get(self.scanned..).and_then(|fresh| memchr(0, fresh));
        let end = found.map_or(data.len(), |at| self.scanned.saturating_add(at));
        let length = end.saturating_sub(self.head.line);
        if length > 0 && !self.body_allowed() {
            return Err(self.error(ParseErrorKind::BodyNotAllowed(self.head.command), &[]));
        }
        if length as u64 > self.limits.body {
            return Err(self.error(ParseErrorKind::BodyTooLarge { limit: self.limits.body }, &[]));
        }
        self.scanned = end;
        Ok(if found.is_some() { self.complete(length) } else { Progress::Starved })
    }

    /// 1.1 and 1.2: only SEND, MESSAGE and ERROR may have a body. A body elsewhere is no ambiguity, so interop keeps it.
    fn body_allowed(&self) -> bool {
        !self.strict || self.version == Some(Version::V1_0) || self.head.command.may_have_body()
    }

    fn complete(&mut self, length: usize) -> Progress {
        let mut octets = self.take(self.head.line.saturating_add(length).saturating_add(1));
        let head = octets.split_to(self.head.line.min(octets.len()));
        let body = if length == 0 {
            Bytes::new()
        } else {
            octets.truncate(length);
            octets
        };
        self.stage = Stage::Between;
        Progress::Item(Item::Frame(self.frame(head, body)))
    }

    fn frame(&mut self, mut head: Bytes, body: Bytes) -> Frame {
        let block = head.split_off(self.head.block.min(head.len()));
        let headers = Headers::parsed(block, mem::take(&mut self.head.slots), self.head.escaped);
        let frame = Frame::from_parts(self.head.command, headers, body);
        self.head.restart();
        frame
    }

    fn take(&mut self, count: usize) -> Bytes {
        self.position = self.position.saturating_add(count as u64);
        self.scanned = 0;
        self.buffer.take(count)
    }

    fn skip(&mut self, count: usize) {
        self.position = self.position.saturating_add(count as u64);
        self.scanned = 0;
        self.buffer.skip(count);
    }

    fn eol(&self) -> Eol {
        Eol::of(self.version, self.strict)
    }

    fn block(&self) -> &[u8] {
        let octets = if self.head.drained.is_empty() { self.buffer.data() } else { &self.head.drained };
        octets.get(self.head.block..).unwrap_or_default()
    }
}

/// Errors.
impl Parser {
    fn line_error(&self, fault: Fault) -> ParseError {
        let kind = match fault {
            Fault::StrayCr => ParseErrorKind::BadEol,
            Fault::TooLong => ParseErrorKind::HeaderLineTooLong { limit: self.limits.header_line },
            Fault::BlockTooLarge => ParseErrorKind::HeaderBlockTooLarge { limit: self.header_block_limit() },
        };
        self.error(kind, &[])
    }

    fn command_error(&self, fault: Fault) -> ParseError {
        let data = self.buffer.data();
        let limit = self.limits.command;
        let (kind, at) = match fault {
            Fault::StrayCr => (ParseErrorKind::BadEol, memchr(b'\r', data)),
            Fault::TooLong | Fault::BlockTooLarge => (ParseErrorKind::CommandTooLong { limit }, Some(limit)),
        };
        let before = at.and_then(|at| data.get(..=at)).unwrap_or_default();
        let kind = if memchr(0, before).is_some() { ParseErrorKind::UnknownCommand } else { kind };
        self.error(kind, data)
    }

    /// The passcode's line must not end in an error message.
    fn unless_secret<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        if matches!(self.head.command, Command::Connect | Command::Stomp) { &[] } else { line }
    }

    fn error(&self, kind: ParseErrorKind, excerpt: &[u8]) -> ParseError {
        let destination = self.head.destination.and_then(|slot| self.block().get(slot.value()));
        ParseError {
            kind,
            position: self.position.saturating_add(self.head.line as u64),
            excerpt: excerpt.get(..EXCERPT).unwrap_or(excerpt).to_vec(),
            destination: destination
                .map(|octets| String::from_utf8_lossy(&escape::unescape(octets)).into_owned()),
        }
    }

    fn fail(&mut self, error: ParseError) -> ParseError {
        self.buffer = ReadBuffer::default();
        self.failed = Some(error.clone());
        error
    }
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
    /// Forgets the frame; its slots were taken.
    fn restart(&mut self) {
        self.block = 0;
        self.line = 0;
        self.content_length = None;
        self.destination = None;
        self.escaped = false;
    }
}

/// Shows the state, never the octets.
impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("sender", &self.sender)
            .field("version", &self.version)
            .field("position", &self.position)
            .field("buffered", &self.buffer.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
