//! `decode` rows: what a stream of octets becomes, in both profiles and however it was cut.

use serde_json::Value;
use stomp_proto::{Frame, Item, Limits, Oversize, ParseError, ParseErrorKind, Parser, Sender, Version};

use super::row::{Fields, Header, shown};
use crate::codec::{Next, next_copied};

pub(super) const KEYS: [&str; 6] = ["input_hex", "chunks", "eof", "limits", "expect", "expect_interop"];

type Take = fn(&mut Parser) -> Next;
/// The ways to take items out of a parser, in turn.
const TAKEN: [(&str, Take); 2] = [("given", Parser::next_item), ("lent", next_copied)];

/// Inputs up to this length are also cut in two at every place.
const SPLIT_UP_TO: usize = 2000;

pub(super) fn judge(row: &Fields<'_>) -> Result<(), String> {
    let case = Case::read(row)?;
    let strict = Outcome::read(&row.fields("expect", &EXPECT_KEYS)?)?;
    let interop = match row.maybe_fields("expect_interop", &EXPECT_KEYS)? {
        Some(fields) => Outcome::read(&fields)?,
        None => strict.clone(),
    };
    case.check("strict", &strict, || case.parser().strict())?;
    case.check("interop", &interop, || case.parser())
}

/// The input of a row.
struct Case {
    octets: Vec<u8>,
    chunks: Vec<usize>,
    eof: bool,
    limits: Limits,
    version: Version,
    sender: Sender,
}

impl Case {
    fn read(row: &Fields<'_>) -> Result<Self, String> {
        let octets = row.octets("input_hex")?;
        let chunks = row.maybe("chunks", "sizes or \"bytewise\"", |chunks| sizes(chunks, octets.len()))?;
        Ok(Self {
            chunks: chunks.unwrap_or_else(|| vec![octets.len()]),
            octets,
            eof: row.flag("eof")?,
            limits: limits(row)?,
            version: row.version()?,
            sender: row.sender()?,
        })
    }

    fn parser(&self) -> Parser {
        let mut parser = Parser::new(self.sender, self.limits.clone());
        parser.set_version(self.version);
        parser
    }

    fn check(&self, profile: &str, expected: &Outcome, parser: impl Fn() -> Parser) -> Result<(), String> {
        for ((how, sizes), (taken, next)) in self.cuts().zip(TAKEN.into_iter().cycle()) {
            let found = self.feed(parser(), next, &sizes).and_then(|found| expected.compare(&found));
            found.map_err(|what| format!("{profile}, fed {how}, items {taken}: {what}"))?;
        }
        Ok(())
    }

    /// The ways to cut the input: as the row says, whole, octet by octet, and in two at every place.
    fn cuts(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        let length = self.octets.len();
        let given = [
            ("as the row says".to_owned(), self.chunks.clone()),
            ("whole".to_owned(), vec![length]),
            ("octet by octet".to_owned(), vec![1; length]),
        ];
        let splits = if length <= SPLIT_UP_TO { 1..length } else { 0..0 };
        given.into_iter().chain(splits.map(move |at| (format!("cut at {at}"), vec![at, length - at])))
    }

    fn feed(&self, mut parser: Parser, next: Take, sizes: &[usize]) -> Result<Outcome, String> {
        let mut outcome = Outcome::default();
        let mut rest = self.octets.as_slice();
        for &size in sizes {
            let (now, later) = rest.split_at(size);
            parser.feed(now);
            outcome.drain(&mut parser, next)?;
            rest = later;
        }
        if self.eof && outcome.error.is_none() {
            outcome.error = parser.finish().err().map(|error| token(&error).to_owned());
        }
        outcome.state = state(&parser, outcome.error.is_some());
        if outcome.error.is_some() {
            stays_in_error(&mut parser)?
        }
        Ok(outcome)
    }
}

/// After an error the parser says the same for ever, whatever comes, and keeps nothing of it.
fn stays_in_error(parser: &mut Parser) -> Result<(), String> {
    let first = parser.next_item();
    for more in [&b"\n\n"[..], b"\0", b"MESSAGE\nfoo:bar\n\nx\0", b"SEND\n\n\0", &[b'x'; 5000]] {
        parser.feed(more);
        if parser.next_item() != first || parser.finish().err() != first.as_ref().err().cloned() {
            return Err(format!("the error {first:?} did not stay: {:?}", parser.next_item()));
        }
        if parser.buffered() > 0 {
            return Err("octets after an error are kept".to_owned());
        }
    }
    Ok(())
}

fn state(parser: &Parser, failed: bool) -> &'static str {
    match (failed, parser.is_idle()) {
        (true, _) => "error",
        (false, true) => "idle",
        (false, false) => "partial",
    }
}

/// The sizes of the reads, which add up to the input's length.
fn sizes(chunks: &Value, length: usize) -> Option<Vec<usize>> {
    if chunks.as_str() == Some("bytewise") {
        return Some(vec![1; length]);
    }
    let size = |size: &Value| usize::try_from(size.as_u64()?).ok();
    let sizes: Vec<usize> = chunks.as_array()?.iter().map(size).collect::<Option<_>>()?;
    (sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size))? == length).then_some(sizes)
}

/// The row format's own defaults, which are not to move with the parser's.
fn limits(row: &Fields<'_>) -> Result<Limits, String> {
    const KEYS: [&str; 6] =
        ["max_command", "max_header_line", "max_headers", "max_header_count", "max_header_block", "max_body"];
    let mut limits = Limits::default();
    limits.command = 32;
    limits.header_line = 64 * 1024;
    limits.headers = 1000;
    limits.header_block = 1024 * 1024;
    limits.body = 128 * 1024 * 1024;
    limits.oversize = Oversize::Fail;
    let Some(given) = row.maybe_fields("limits", &KEYS)? else { return Ok(limits) };
    let size = |key| given.maybe(key, "a size", |size| usize::try_from(size.as_u64()?).ok());
    limits.command = size("max_command")?.unwrap_or(limits.command);
    limits.header_line = size("max_header_line")?.unwrap_or(limits.header_line);
    limits.headers = size("max_headers")?.or(size("max_header_count")?).unwrap_or(limits.headers);
    limits.header_block = size("max_header_block")?.unwrap_or(limits.header_block);
    limits.body = given.maybe_number("max_body")?.unwrap_or(limits.body);
    Ok(limits)
}

const EXPECT_KEYS: [&str; 4] = ["frames", "error", "state", "eols"];

/// What came out of the parser, or should have.
#[derive(Clone, Default)]
struct Outcome {
    frames: Vec<Seen>,
    eols: u64,
    error: Option<String>,
    state: &'static str,
}

impl Outcome {
    fn read(expect: &Fields<'_>) -> Result<Self, String> {
        Ok(Self {
            frames: expect.list("frames")?.iter().map(Seen::read).collect::<Result<_, _>>()?,
            eols: expect.number("eols")?,
            error: expect.maybe_text("error")?.map(str::to_owned),
            state: match expect.text("state")? {
                "idle" => "idle",
                "partial" => "partial",
                "error" => "error",
                other => return Err(format!("malformed row: unknown state \"{other}\"")),
            },
        })
    }

    /// Takes everything out of the parser that is complete.
    fn drain(&mut self, parser: &mut Parser, next: Take) -> Result<(), String> {
        loop {
            match (next(parser), &self.error) {
                (Err(error), None) => self.error = Some(token(&error).to_owned()),
                (Err(error), Some(known)) if token(&error) == known => return Ok(()),
                (Ok(None), None) => return Ok(()),
                (Ok(Some(Item::Frame(frame))), None) => self.frames.push(Seen::of(&frame)),
                (Ok(Some(Item::HeartBeat)), None) => self.eols += 1,
                (other, known) => return Err(format!("after {known:?} came {other:?}")),
            }
        }
    }

    /// The first thing in which `found` is not what was expected.
    fn compare(&self, found: &Self) -> Result<(), String> {
        for (at, frame) in self.frames.iter().enumerate() {
            match found.frames.get(at) {
                Some(other) if other == frame => {}
                other => return Err(differs(&format!("frame {}", at + 1), Some(frame), other)),
            }
        }
        let more = found.frames.get(self.frames.len());
        if more.is_some() {
            return Err(differs("another frame", None, more));
        }
        let error = |outcome: &Self| outcome.error.clone().unwrap_or_else(|| "no error".to_owned());
        equal("error", error(self), error(found))?;
        equal("state", self.state, found.state)?;
        equal("eols", self.eols, found.eols)
    }
}

fn equal<T: PartialEq + std::fmt::Display>(what: &str, expected: T, found: T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(differs(what, Some(&expected), Some(&found))) }
}

fn differs<T: std::fmt::Display>(what: &str, expected: Option<&T>, found: Option<&T>) -> String {
    let text = |side: Option<&T>| side.map_or_else(|| "none".to_owned(), T::to_string);
    format!("{what}: expected {}, got {}", text(expected), text(found))
}

/// A frame as a row writes it.
#[derive(Clone, PartialEq)]
struct Seen {
    command: String,
    headers: Vec<Header>,
    body: Vec<u8>,
}

impl Seen {
    fn read(frame: &Value) -> Result<Self, String> {
        let frame = Fields::new(frame, "frame", &["command", "headers", "body_hex"])?;
        Ok(Self {
            command: frame.text("command")?.to_owned(),
            headers: frame.headers("headers")?,
            body: frame.octets("body_hex")?,
        })
    }

    fn of(frame: &Frame) -> Self {
        let header = |(name, value): (stomp_proto::Text<'_>, stomp_proto::Text<'_>)| {
            (name.octets().into_owned(), value.octets().into_owned())
        };
        Self {
            command: frame.command().as_str().to_owned(),
            headers: frame.headers().iter().map(header).collect(),
            body: frame.body().to_vec(),
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.command)?;
        for (name, value) in &self.headers {
            write!(f, " {}:{}", shown(name), shown(value))?;
        }
        write!(f, " body {}", shown(&self.body))
    }
}

/// The row format's name for an error.
pub(super) fn token(error: &ParseError) -> &'static str {
    match error.kind {
        ParseErrorKind::BadUtf8 => "bad-utf8",
        ParseErrorKind::BadEol => "bad-eol",
        ParseErrorKind::BodyNotAllowed(_) => "body-not-allowed",
        ParseErrorKind::BodyTooLarge { .. } => "body-too-large",
        ParseErrorKind::CommandTooLong { .. } => "command-too-long",
        ParseErrorKind::EmptyHeaderName => "empty-header-name",
        ParseErrorKind::HeaderBlockTooLarge { .. } => "header-block-too-large",
        ParseErrorKind::HeaderLineTooLong { .. } => "header-line-too-long",
        ParseErrorKind::HeaderWithoutColon => "header-without-colon",
        ParseErrorKind::InvalidContentLength => "invalid-content-length",
        ParseErrorKind::MissingNul => "missing-nul",
        ParseErrorKind::TooManyHeaders { .. } => "too-many-headers",
        ParseErrorKind::UndefinedEscape => "undefined-escape",
        ParseErrorKind::UnexpectedEof => "unexpected-eof",
        ParseErrorKind::UnknownCommand => "unknown-command",
        _ => "an error that the row format has no name for",
    }
}
