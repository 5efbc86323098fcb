//! A header block that exceeds a limit is read past, except for the headers that the protocol needs.
//!
//! The line in progress begins where the buffer does, and nothing of the frame precedes it. A line that exceeds its
//! limit is dropped as it arrives.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use memchr::memchr;

use super::{Parser, Progress, Stage};
use crate::{
    Command, Excess, Oversize, ParseError, ParseErrorKind,
    line::{Fault, Room},
    scan::Line,
    text::parse_number,
};

/// The headers that are kept: no others are needed to acknowledge a message, answer a frame or read a refusal.
const KEPT: [&[u8]; 14] = [
    b"ack",
    b"content-length",
    b"destination",
    b"heart-beat",
    b"id",
    b"message",
    b"message-id",
    b"receipt",
    b"receipt-id",
    b"server",
    b"session",
    b"subscription",
    b"transaction",
    b"version",
];
/// Octets of `content-length`, the longest of these names, with its colon. This much of a line is needed to see its
/// name.
const LONGEST_NAME: usize = 15;
/// The maximum length of a line that is kept, in octets, so that all of them together have less than 64 KiB and none
/// takes room from another. The number in `content-length` is needed whatever its length.
const MOST_KEPT: usize = 4 * 1024;
/// The length of a header block, in octets, beyond which it is refused even if it is not kept.
const MOST: u64 = 16 * 1024 * 1024;

/// What is kept of a frame that is read past.
pub(super) struct Drained {
    /// Everything before the body, or those headers of it that are kept.
    pub(super) octets: Vec<u8>,
    pub(super) excess: Excess,
    /// Which of the headers in `KEPT` have occurred, one bit each. The first with a name counts, kept or not.
    seen: u16,
    /// How many octets of the line in progress were dropped, if it exceeds its limit.
    dropped: Option<usize>,
}

impl Drained {
    pub(super) const fn new(octets: Vec<u8>, excess: Excess) -> Self {
        Self { octets, excess, seen: 0, dropped: None }
    }

    /// Octets of the header block so far, without the line in progress.
    const fn block(&self) -> u64 {
        match self.excess {
            Excess::Body { .. } => 0,
            Excess::Headers { length } => length,
        }
    }

    fn add_to_block(&mut self, octets: usize) {
        self.excess = Excess::Headers { length: self.block().saturating_add(octets as u64) };
    }

    /// How many octets of the line in progress are gone.
    pub(super) fn dropped(&self) -> usize {
        self.dropped.unwrap_or_default()
    }

    /// What to keep of a header that has arrived: nothing, all of it, or the beginning of the `message` of an ERROR.
    pub(super) fn wanted<'a>(
        &mut self,
        command: Command,
        line: &'a [u8],
        colon: usize,
        is_whole: bool,
    ) -> Option<&'a [u8]> {
        let name = line.get(..colon)?;
        let place = KEPT.iter().position(|kept| *kept == name)?;
        let bit = 1_u16.wrapping_shl(place as u32);
        let was_seen = self.seen & bit != 0;
        self.seen |= bit;
        let fits = is_whole && (line.len() <= MOST_KEPT || name == b"content-length");
        match name {
            _ if was_seen => None,
            _ if fits => Some(line),
            b"message" if command == Command::Error => Some(beginning(line)),
            _ => None,
        }
    }
}

/// The beginning of a text, cut neither inside an escape nor inside a character.
fn beginning(text: &[u8]) -> &[u8] {
    let text = text.get(..MOST_KEPT).unwrap_or(text);
    let whole = match core::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => text.get(..error.valid_up_to()).unwrap_or(text),
        _ => text,
    };
    let backslashes = whole.iter().rev().take_while(|octet| **octet == b'\\').count();
    if backslashes.is_multiple_of(2) { whole } else { whole.split_last().map_or(whole, |(_, rest)| rest) }
}

impl Parser {
    /// Handles an error: headers that exceed a limit may be read past.
    #[cold]
    pub(super) fn past_headers(&mut self, error: ParseError) -> Result<Progress, ParseError> {
        let is_limit = matches!(
            error.kind,
            ParseErrorKind::HeaderBlockTooLarge { .. }
                | ParseErrorKind::HeaderLineTooLong { .. }
                | ParseErrorKind::TooManyHeaders { .. }
        );
        let is_first = is_limit && matches!(self.stage, Stage::Headers);
        if !is_first || self.limits.oversize == Oversize::Fail {
            return Err(error);
        }
        self.begin_skimming();
        self.skimming()
    }

    /// Begins with the line in progress. Where it was found to exceed a limit depends on how the stream was cut.
    fn begin_skimming(&mut self) {
        let (head, data) = (&mut self.head, self.buffer.data());
        let start = head.line;
        let excess = Excess::Headers { length: head.block_length() as u64 };
        let slots = head.begin_again(Drained::new(Vec::new(), excess));
        for slot in slots.iter() {
            let line = data.get(slot.name().start..slot.end()).unwrap_or_default();
            head.keep(line, slot.name().len(), true);
        }
        self.skip(start);
        self.stage = Stage::Skimming;
    }

    pub(super) fn skimming(&mut self) -> Result<Progress, ParseError> {
        while self.drop_line()? {
            let before = self.lines.looked();
            let data = self.buffer.data();
            let found = self.lines.for_each(data, ControlFlow::Break).break_value();
            let line = found.unwrap_or_else(|| self.lines.unfinished(data));
            let room = Room { line: self.skimmed_line(), block: self.skimmed_room() };
            match self.check_line(line, before, found.is_some(), room) {
                Ok(_) if found.is_none() => return Ok(Progress::Starved),
                Ok(0) => return self.end_of_skimming(line.end),
                Ok(end) => self.skim_header(Line { end, ..line }, line.end)?,
                Err(Fault::TooLong) => self.begin_dropping(room.line)?,
                Err(Fault::BlockTooLarge) => return Err(self.skimmed_too_much()),
                Err(fault) => return Err(self.line_error(fault)),
            }
        }
        Ok(Progress::Starved)
    }

    /// Octets that a line may have before it is dropped: enough to see its name, whatever the limit.
    fn skimmed_line(&self) -> usize {
        self.limits.header_line.max(LONGEST_NAME)
    }

    /// Octets that the block has left.
    fn skimmed_room(&self) -> usize {
        let block = self.head.drained.as_ref().map_or(0, |drained| drained.block());
        usize::try_from(self.most_skimmed().saturating_sub(block)).unwrap_or(usize::MAX)
    }

    fn most_skimmed(&self) -> u64 {
        MOST.max(self.header_block_limit() as u64)
    }

    fn skimmed_too_much(&self) -> ParseError {
        let limit = usize::try_from(self.most_skimmed()).unwrap_or(usize::MAX);
        self.error(ParseErrorKind::HeaderBlockTooLarge { limit }, &[])
    }

    /// A line whose LF stands at `end`.
    fn skim_header(&mut self, line: Line, end: usize) -> Result<(), ParseError> {
        if line.end > self.limits.header_line {
            self.note_long(line.end)?;
        } else {
            self.head.escaped |= self.check_header(line)?;
            self.head.keep(self.buffer.data().get(..line.end).unwrap_or_default(), line.colon, true);
        }
        let octets = end.saturating_add(1);
        if let Some(drained) = &mut self.head.drained {
            drained.add_to_block(octets);
        }
        self.skip(octets);
        Ok(())
    }

    fn begin_dropping(&mut self, length: usize) -> Result<(), ParseError> {
        self.note_long(length)?;
        if let Some(drained) = &mut self.head.drained {
            drained.dropped = Some(0);
        }
        Ok(())
    }

    /// Takes note of a line that exceeds its limit and of which `length` octets are known. If it is a `content-length`,
    /// the end of the frame cannot be determined.
    fn note_long(&mut self, length: usize) -> Result<(), ParseError> {
        let limit = self.limits.header_line;
        let line = self.buffer.data().get(..length).unwrap_or_default();
        let colon = memchr(b':', line.get(..LONGEST_NAME).unwrap_or(line));
        let Some((colon, name)) = colon.and_then(|at| Some((at, line.get(..at)?))) else { return Ok(()) };
        if self.head.is_content_length(name) {
            return Err(self.error(ParseErrorKind::HeaderLineTooLong { limit }, &[]));
        }
        self.head.escaped |= self.head.check_escapes(line, self.version).unwrap_or(true);
        self.head.keep(line, colon, false);
        Ok(())
    }

    /// Drops what has arrived of a line that exceeds its limit. Returns whether no such line is in progress any more.
    fn drop_line(&mut self) -> Result<bool, ParseError> {
        let room = self.skimmed_room();
        let Some(drained) = &mut self.head.drained else { return Ok(true) };
        let Some(before) = drained.dropped else { return Ok(true) };
        let data = self.buffer.data();
        let end = memchr(b'\n', data);
        let fresh = end.map_or(data.len(), |at| at.saturating_add(1));
        let length = before.saturating_add(fresh);
        if length > room {
            return Err(self.skimmed_too_much());
        }
        drained.dropped = end.is_none().then_some(length);
        if end.is_some() {
            drained.add_to_block(length);
        }
        self.skip(fresh);
        Ok(end.is_some())
    }

    /// Begins to read past the body. The blank line has been read, and its LF is at `end`.
    fn end_of_skimming(&mut self, end: usize) -> Result<Progress, ParseError> {
        self.skip(end.saturating_add(1));
        let octets = self.head.drained.as_ref().map_or(&[][..], |drained| &drained.octets);
        match self.head.content_length(octets, self.version).map(parse_number) {
            None => self.draining_to_nul(0),
            Some(None) => Err(self.error(ParseErrorKind::InvalidContentLength, b"content-length")),
            Some(Some(length)) => {
                self.check_announced(length)?;
                self.draining(length, length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec::Vec};

    use super::*;
    use crate::{Frame, Item, Limits, Sender, Version};

    fn parser() -> Parser {
        let mut parser =
            Parser::new(Sender::Server, Limits { oversize: Oversize::Drain, ..Limits::default() });
        parser.set_version(Version::V1_2);
        parser
    }

    /// The items of a stream that comes in pieces of that size, and the error that ends them.
    fn parse(mut parser: Parser, stream: &str, piece: usize) -> (Vec<Item>, Option<ParseError>) {
        let mut items = Vec::new();
        for octets in stream.as_bytes().chunks(piece) {
            parser.feed(octets);
            loop {
                match parser.next_item() {
                    Ok(Some(item)) => items.push(item),
                    Ok(None) => break,
                    Err(error) => return (items, Some(error)),
                }
            }
        }
        (items, None)
    }

    /// The error of a stream, in whatever pieces it comes.
    fn error(parser: impl Fn() -> Parser, stream: &str) -> (ParseErrorKind, u64) {
        let found = [stream.len(), 1000, 1].map(|piece| {
            let (items, error) = parse(parser(), stream, piece);
            assert!(items.is_empty(), "{items:?}");
            error.map(|error| (error.kind, error.position)).expect("an error")
        });
        assert!(found.iter().all(|other| *other == found[0]), "{found:?}");
        found[0]
    }

    /// What is left of the only frame of a stream, in whatever pieces it comes, and how long its headers were.
    fn rest(stream: &str) -> (Frame, u64) {
        let [whole, pieces, octets] = [stream.len(), 1000, 1].map(|piece| parse(parser(), stream, piece));
        assert_eq!((&whole, &whole), (&pieces, &octets));
        match <[Item; 1]>::try_from(whole.0) {
            Ok([Item::TooLarge { frame, excess: Excess::Headers { length } }]) => (frame, length),
            other => panic!("{other:?}, {:?}", whole.1),
        }
    }

    fn lines(frame: &Frame) -> Vec<String> {
        frame.headers().iter().map(|(name, value)| format!("{name}:{value}")).collect()
    }

    /// RabbitMQ relays a stack trace of 70 KiB, and its own headers may stand on both sides of it.
    #[test]
    fn what_the_protocol_needs_is_kept_wherever_it_stands() {
        let long = "x".repeat(70 * 1024);
        let block = format!(
            "subscription:0\nfoo:1\nack:a\\cb\nx-exception:{long}\nmessage-id:7\nbar:2\ndestination:/queue/a\nack:second\n\
             content-length:3\n"
        );
        let (frame, length) = rest(&format!("MESSAGE\n{block}\n\0\n\0\0"));
        assert_eq!(frame.command(), Command::Message);
        let kept = ["subscription:0", "ack:a:b", "message-id:7", "destination:/queue/a", "content-length:3"];
        assert_eq!((lines(&frame), length), (kept.map(String::from).to_vec(), block.len() as u64));
        assert!(frame.body().is_empty());
    }

    #[test]
    fn every_header_of_the_protocol_is_kept() {
        let many = "a:b\n".repeat(1000);
        let all: Vec<_> = KEPT.iter().map(|name| format!("{}:0", name.escape_ascii())).collect();
        for block in [format!("{many}{}\n", all.join("\n")), format!("{}\n{many}", all.join("\n"))] {
            assert_eq!(lines(&rest(&format!("ERROR\n{block}\n\0")).0), all);
        }
    }

    #[test]
    fn what_follows_is_read_as_ever() {
        let block = "a:b\n".repeat(1001);
        for (length, body) in [("", "body"), ("content-length:4\n", "b\0\n\0"), ("content-length:0\n", "")] {
            let stream = format!("MESSAGE\n{block}{length}\n{body}\0\nRECEIPT\nreceipt-id:1\n\n\0");
            for piece in [stream.len(), 7, 1] {
                let (items, error) = parse(parser(), &stream, piece);
                let [Item::TooLarge { .. }, Item::HeartBeat, Item::Frame(receipt)] = &items[..] else {
                    panic!("{items:?}, {error:?}")
                };
                assert_eq!(lines(receipt), ["receipt-id:1"]);
            }
        }
    }

    /// The first of a name is its value, and a part of a name is another name.
    #[test]
    fn a_header_that_is_too_long_leaves_nothing_in_its_place() {
        let long = "x".repeat(64 * 1024);
        let (frame, _) =
            rest(&format!("MESSAGE\nack:{long}\nack:2\nmessage-id:{}\nmessage-id:3\n\n\0", &long[..4096]));
        assert_eq!(lines(&frame), Vec::<String>::new());
    }

    #[test]
    fn the_text_of_an_error_is_cut() {
        for (unit, count) in [("x", 5000), ("\\n", 4000), ("é", 3000), ("\\n", 40_000), ("x", 100_000)] {
            let text = unit.repeat(count);
            let (frame, _) = rest(&format!("ERROR\n{}message:{text}\n\n\0", "a:b\n".repeat(1000)));
            let found = frame.header("message").unwrap().text().unwrap().into_owned();
            assert!(text.replace("\\n", "\n").starts_with(&found), "{unit}: {found:?}");
            let octets = found.replace('\n', "\\n").len() + "message:".len();
            assert!((MOST_KEPT - 1..=MOST_KEPT).contains(&octets), "{unit}: {octets}");
            let (frame, _) = rest(&format!("MESSAGE\n{}message:{text}\n\n\0", "a:b\n".repeat(1000)));
            assert_eq!(lines(&frame), Vec::<String>::new(), "in a MESSAGE it is a header of anybody's");
        }
    }

    /// The `content-length` says where the frame ends, whatever its length.
    #[test]
    fn the_length_is_kept_or_the_stream_is_over() {
        let long = "a:b\n".repeat(1001);
        let zeros = "0".repeat(5000);
        let (frame, _) = rest(&format!("MESSAGE\n{long}content-length:{zeros}3\n\n\0\0\0\0"));
        assert_eq!(frame.content_length(), Ok(Some(3)));
        let zeros = "0".repeat(64 * 1024);
        let stream = format!("MESSAGE\na:b\ncontent-length:{zeros}3\n\n\0\0\0\0");
        let limit = 64 * 1024;
        assert_eq!(error(parser, &stream), (ParseErrorKind::HeaderLineTooLong { limit }, 12));
        let stream = format!("MESSAGE\ncontent-length:3\ncontent-length:{zeros}\n\n\0\0\0\0");
        assert_eq!(rest(&stream).0.content_length(), Ok(Some(3)), "the first one counts");
    }

    #[test]
    fn faults_are_told_where_they_stand() {
        let many = "a:b\n".repeat(1000);
        let after = "MESSAGE\n".len() as u64 + many.len() as u64;
        let zeros = "0".repeat(70_000);
        for (more, kind, at) in [
            ("ab\n", ParseErrorKind::HeaderWithoutColon, 0),
            ("c:d\nack:\\t\n", ParseErrorKind::UndefinedEscape, 4),
            ("c:d\nack:\ra\n", ParseErrorKind::BadEol, 4),
            (&format!("c:{zeros}\nack:\ra\n"), ParseErrorKind::BadEol, 70_003),
            ("c:d\ncontent-length:x\n\n\0", ParseErrorKind::InvalidContentLength, 22),
            ("c:d\ncontent-length:1\n\nab\0", ParseErrorKind::MissingNul, 22),
        ] {
            let stream = format!("MESSAGE\n{many}{more}");
            let at = if at == 0 { after } else { after + at };
            assert_eq!(error(parser, &stream), (kind, at), "{more:.40}");
        }
    }

    #[test]
    fn an_end_in_the_midst_is_one() {
        let stream = format!("MESSAGE\na:b\nc:{}", "x".repeat(70_000));
        for piece in [stream.len(), 1000, 1] {
            let mut parser = parser();
            for octets in stream.as_bytes().chunks(piece) {
                parser.feed(octets);
                assert_eq!(parser.next_item(), Ok(None));
            }
            let error = parser.finish().expect_err("the frame has no end");
            assert_eq!((error.kind, error.position), (ParseErrorKind::UnexpectedEof, 12));
        }
    }

    #[test]
    fn a_body_without_a_length_has_its_bound() {
        let bounded = || {
            let mut parser = parser();
            parser.set_limits(Limits { body: 4, headers: 1, oversize: Oversize::Drain, ..Limits::default() });
            parser
        };
        let (items, error_at_all) = parse(bounded(), "MESSAGE\na:b\nc:d\n\n1234\0", 3);
        assert!(matches!(&items[..], [Item::TooLarge { .. }]) && error_at_all.is_none(), "{items:?}");
        let stream = "MESSAGE\na:b\nc:d\n\n12345";
        assert_eq!(error(bounded, stream), (ParseErrorKind::BodyTooLarge { limit: 4 }, 17));
        let stream = "RECEIPT\na:b\nc:d\n\n1";
        let kind = ParseErrorKind::BodyNotAllowed(Command::Receipt);
        assert_eq!(error(|| bounded().strict(), stream), (kind, 17));
    }

    /// What is not kept has a bound nevertheless.
    #[test]
    fn a_block_past_16_mib_is_fatal() {
        let line = format!("a:{}\n", "x".repeat(1021));
        let most = line.repeat(16 * 1024);
        let pieces = [most.len(), 100_000];
        for piece in pieces {
            let (items, error) = parse(parser(), &format!("MESSAGE\n{most}\n\0"), piece);
            let [Item::TooLarge { excess, .. }] = &items[..] else { panic!("{error:?}") };
            assert_eq!(*excess, Excess::Headers { length: MOST });
        }
        let limit = MOST as usize;
        for more in ["a:b\n", "a:b", ":"] {
            for piece in pieces {
                let (items, error) = parse(parser(), &format!("MESSAGE\n{most}{more}"), piece);
                let error = error.expect("it is too much");
                assert_eq!(error.kind, ParseErrorKind::HeaderBlockTooLarge { limit });
                assert_eq!((error.position, items.len()), (8 + MOST, 0));
            }
        }
        let endless = format!("MESSAGE\na:b\nc:{}", "x".repeat(limit));
        for piece in [endless.len(), 100_000] {
            let (_, error) = parse(parser(), &endless, piece);
            let error = error.expect("it is too much");
            assert_eq!((error.kind, error.position), (ParseErrorKind::HeaderBlockTooLarge { limit }, 12));
        }
    }
}
