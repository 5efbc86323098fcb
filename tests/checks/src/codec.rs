//! Properties that hold for the codec with any octets and any frame, for property tests and fuzz targets.

use bytes::BytesMut;
use stomp_proto::{
    Excess, Frame, Item, ItemRef, Limits, Oversize, ParseError, ParseErrorKind, Parser, Sender, Version,
};

/// The settings of a parser.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "these are a parser's settings")]
pub struct Setting {
    /// The side that writes the stream.
    pub sender: Sender,
    /// The version, or `None` if it is not known yet.
    pub version: Option<Version>,
    /// `true` for the strict profile, `false` for the interop profile.
    pub strict: bool,
    /// The limits.
    pub limits: Limits,
}

impl Setting {
    /// Creates a parser with these settings.
    #[must_use]
    pub fn parser(&self) -> Parser {
        let parser = Parser::new(self.sender, self.limits.clone());
        let mut parser = if self.strict { parser.strict() } else { parser };
        if let Some(version) = self.version {
            parser.set_version(version);
        }
        parser
    }
}

/// The result of parsing a whole stream.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parsed {
    /// The items.
    pub items: Vec<Item>,
    /// The error that ended the stream, which may be that it ended inside a frame.
    pub error: Option<ParseError>,
}

/// The result of asking a parser for the next item.
pub type Next = Result<Option<Item>, ParseError>;

/// Returns a copy of the next borrowed item.
///
/// # Errors
/// Returns the same errors as [`Parser::next_borrowed`].
///
/// # Panics
/// Panics if the copy is not equal to the borrowed item.
pub fn next_copied(parser: &mut Parser) -> Next {
    let Some(item) = parser.next_borrowed()? else { return Ok(None) };
    let copy = item.to_item();
    assert_eq!(copy.as_ref(), item);
    if let (Item::Frame(frame) | Item::TooLarge { frame, .. }, ItemRef::Frame(lent)) = (&copy, item) {
        assert_eq!(
            (frame.size(), frame.headers().len()),
            (frame.clone().into_owned().size(), lent.headers().len())
        );
    }
    Ok(Some(copy))
}

/// Parses a stream that arrives in these pieces and then ends.
///
/// # Panics
/// Panics under the same conditions as [`parse_by`].
pub fn parse<'a>(setting: &Setting, pieces: impl IntoIterator<Item = &'a [u8]>) -> Parsed {
    parse_by(Parser::next_item, setting, pieces)
}

/// Parses a stream that arrives in these pieces and then ends, taking the items with `next`.
///
/// # Panics
/// Panics if a property of the parser does not hold. After an error the parser returns the same error and discards what
/// follows, and it never holds more octets than have arrived.
pub fn parse_by<'a>(
    mut next: impl FnMut(&mut Parser) -> Next,
    setting: &Setting,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Parsed {
    let mut parser = setting.parser();
    let mut parsed = Parsed { items: Vec::new(), error: None };
    let mut fed = 0;
    for piece in pieces {
        put(&mut parser, piece);
        fed += piece.len();
        assert!(parser.buffered() <= fed, "more is kept than came");
        drain(&mut parser, &mut next, &mut parsed);
    }
    if let Err(error) = parser.finish() {
        assert!(parsed.error.as_ref().is_none_or(|known| *known == error), "{error:?} after {parsed:?}");
        parsed.error = Some(error);
    }
    stays_in_error(&mut parser, parsed.error.as_ref());
    parsed
}

/// Gives octets to the parser, in one of the two ways.
fn put(parser: &mut Parser, mut octets: &[u8]) {
    if octets.len().is_multiple_of(2) {
        return parser.feed(octets);
    }
    while !octets.is_empty() {
        let space = parser.space();
        let (now, later) = octets.split_at(space.len().min(octets.len()));
        space[..now.len()].copy_from_slice(now);
        parser.commit(now.len());
        octets = later;
    }
}

fn drain(parser: &mut Parser, next: &mut impl FnMut(&mut Parser) -> Next, parsed: &mut Parsed) {
    loop {
        match (next(parser), &parsed.error) {
            (Ok(Some(item)), None) => parsed.items.push(item),
            (Ok(None), None) => return,
            (Err(error), None) => parsed.error = Some(error),
            (Err(error), Some(known)) if error == *known => return,
            (other, known) => panic!("after {known:?} came {other:?}"),
        }
    }
}

fn stays_in_error(parser: &mut Parser, error: Option<&ParseError>) {
    let Some(error) = error else { return };
    parser.feed(b"\n\0\nMESSAGE\n\n\0SEND\n\n\0");
    assert_eq!(parser.next_item().as_ref(), Err(error));
    assert_eq!(parser.finish().as_ref(), Err(error));
    assert_eq!(parser.buffered(), 0, "octets after an error are kept");
}

/// Cuts octets into pieces of these sizes, which are repeated in turn. A size of 0 produces an empty piece.
pub fn cut<'a>(octets: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let turns = if sizes.iter().any(|size| *size > 0) { sizes } else { &[1] };
    turns.iter().cycle().scan(octets, |rest, &size| {
        let (piece, later) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        let done = rest.is_empty();
        *rest = later;
        (!done).then_some(piece)
    })
}

/// The names of the headers that are kept if the headers of a frame exceed a limit.
pub const KEPT: [&str; 14] = [
    "ack",
    "content-length",
    "destination",
    "heart-beat",
    "id",
    "message",
    "message-id",
    "receipt",
    "receipt-id",
    "server",
    "session",
    "subscription",
    "transaction",
    "version",
];

/// Parses a stream with [`Oversize::Drain`] and compares the result with that of a parser without limits.
///
/// # Panics
/// Panics if a frame within the limits differs, or if a frame that exceeds one does not keep what [`Excess`] describes.
pub fn reads_past(setting: &Setting, stream: &[u8]) {
    let mut tight = setting.clone();
    tight.limits.oversize = Oversize::Drain;
    let mut limits = roomy();
    (limits.command, limits.body) = (usize::MAX, u64::MAX);
    let unbounded = parse(&Setting { limits, ..setting.clone() }, [stream]);
    let bounded = parse(&tight, [stream]);
    for (item, whole) in bounded.items.iter().zip(&unbounded.items) {
        match (item, whole) {
            (Item::TooLarge { frame, excess }, Item::Frame(whole)) => {
                is_rest(frame, *excess, whole, &tight.limits);
            }
            _ => assert_eq!(item, whole),
        }
    }
    let (found, all) = (bounded.items.len(), unbounded.items.len());
    assert!(found <= all || unbounded.error.is_some(), "{bounded:?}, but without limits {unbounded:?}");
    // A fault in what is read past is not looked for, and one behind what is fatal is not reached.
    let is_limit = bounded.error.as_ref().is_some_and(|error| is_limit(error.kind));
    assert!(found >= all || is_limit, "{bounded:?}, but without limits {unbounded:?}");
    assert!(unbounded.error.is_some() || bounded.error.is_none() || is_limit, "{bounded:?}");
}

const fn is_limit(kind: ParseErrorKind) -> bool {
    matches!(
        kind,
        ParseErrorKind::BodyTooLarge { .. }
            | ParseErrorKind::CommandTooLong { .. }
            | ParseErrorKind::HeaderBlockTooLarge { .. }
            | ParseErrorKind::HeaderLineTooLong { .. }
    )
}

/// What remains is the first of each header that is kept, unless it is too long itself.
fn is_rest(rest: &Frame, excess: Excess, whole: &Frame, limits: &Limits) {
    assert_eq!((rest.command(), rest.body().len()), (whole.command(), 0));
    let Excess::Headers { .. } = excess else {
        let length = whole.body().len() as u64;
        let announced = if whole.headers().contains("content-length") { length } else { limits.body + 1 };
        assert_eq!(excess, Excess::Body { length: announced });
        assert!(length > limits.body);
        return assert_eq!(rest.headers(), whole.headers());
    };
    for (name, value) in rest.headers().iter() {
        let first =
            whole.headers().iter().find(|(other, _)| *other == name).expect("a header of the frame").1;
        let is_cut = name == "message" && first.octets().starts_with(&value.octets());
        assert!(value == first || is_cut, "{name}:{value} of {whole:?}");
        assert!(KEPT.iter().any(|kept| name == *kept), "{name} is kept");
    }
    for name in KEPT {
        let Some(value) = whole.header(name) else { continue };
        let is_plain = !value.octets().iter().any(|octet| b"\r\n\\:".contains(octet));
        let is_short = name.len() + 1 + value.octets().len() <= limits.header_line;
        assert!(!is_plain || !is_short || rest.header(name).is_some(), "{name} is lost: {whole:?}");
    }
}

/// Returns `true` if the frame can be encoded for this version.
///
/// # Panics
/// Panics if an encoded frame is not read back in this profile as the same single frame, or if an encoder that returns
/// an error has written anything.
#[must_use]
pub fn round_trips(frame: &Frame, version: Version, strict: bool) -> bool {
    let before = b"before";
    let mut out = BytesMut::from(&before[..]);
    if let Err(error) = frame.encode(version, &mut out) {
        assert_eq!(out[..], before[..], "{error} left something behind");
        return false;
    }
    let octets = out.split_off(before.len());
    let sender = frame.command().sender();
    let mut parser = Setting { sender, version: Some(version), strict, limits: roomy() }.parser();
    let read = one_frame(&mut parser, &octets);
    assert_is(&read, frame);
    assert_eq!(one_frame(&mut parser, &octets), read, "a second one is not read as the first");
    assert_writes_the_same(&read, version, &octets);
    true
}

/// Limits that no frame of a test reaches.
fn roomy() -> Limits {
    let mut limits = Limits::default();
    limits.headers = usize::MAX;
    limits.header_line = usize::MAX;
    limits.header_block = usize::MAX;
    limits
}

/// Parses octets that must be exactly one frame.
fn one_frame(parser: &mut Parser, octets: &[u8]) -> Frame {
    parser.feed(octets);
    let frame = match parser.next_item() {
        Ok(Some(Item::Frame(frame))) => frame,
        other => panic!("{other:?} is no frame: {:?}", octets.escape_ascii().to_string()),
    };
    assert!(parser.is_idle(), "{frame:?} is not all: {:?}", octets.escape_ascii().to_string());
    frame
}

/// Asserts that the frame read is the frame written, to which a `content-length` may have been added.
fn assert_is(read: &Frame, meant: &Frame) {
    let mut meant = meant.clone();
    if read != &meant && !meant.body().is_empty() && !meant.headers().contains("content-length") {
        let length = meant.body().len().to_string();
        meant.headers_mut().push("content-length", length);
    }
    assert_eq!(read, &meant);
}

/// Asserts that a frame that was read is encoded to the same octets.
fn assert_writes_the_same(read: &Frame, version: Version, octets: &[u8]) {
    let mut again = BytesMut::new();
    let same = read.clone().without_content_length().encode(version, &mut again);
    if read.headers().contains("content-length") || !read.body().contains(&0) {
        assert_eq!(same, Ok(()));
        assert_eq!(again[..], octets[..]);
    }
}

/// Reads the headers of a received frame in all possible ways.
///
/// # Panics
/// Panics if a header is not found by its name.
pub fn read_headers(frame: &Frame) {
    for (name, value) in frame.headers().iter() {
        let _ = (name.text(), value.text(), value.number());
        assert!(name.text().map_or(true, |name| frame.headers().contains(&name)));
        let _ = stomp_proto::HeartBeat::from_octets(&value.octets());
    }
}

/// Makes a received frame independent of its read buffer.
///
/// # Panics
/// Panics if the copy differs from the frame, or if the `Debug` output of the frame contains control characters.
pub fn keep(frame: &Frame) {
    let owned = frame.clone().into_owned();
    assert_eq!(&owned, frame);
    let shown = format!("{frame:?}");
    assert_eq!(format!("{owned:?}"), shown);
    assert!(!shown.contains(char::is_control), "{shown:?}");
}
