//! `encode` rows: the octets of a frame, or why it has none; and that the octets read back as the frame.

use bytes::BytesMut;
use stomp_proto::{Command, EncodeError, Frame, Item, Limits, Parser, Version};

use super::row::{Fields, shown};

pub(super) const KEYS: [&str; 2] = ["frame", "expect"];

pub(super) fn judge(row: &Fields<'_>) -> Result<(), String> {
    let version = row.version()?;
    match row.text("direction")? {
        "encode" | "c2s" | "s2c" => {}
        other => return Err(format!("malformed row: unknown direction \"{other}\"")),
    }
    let fields = row.fields("frame", &["command", "headers", "body_hex"])?;
    let expected = Expected::read(&row.fields("expect", &["bytes_hex", "error"])?)?;
    let frame = frame(&fields)?;
    expected.compare(encode(frame.as_ref(), version))?;
    match (frame, expected) {
        (Some(frame), Expected::Octets(octets)) => reads_back(&frame, version, &octets),
        _ => Ok(()),
    }
}

/// What a row that writes something expects: octets, or an error's name.
pub(super) enum Expected {
    Octets(Vec<u8>),
    Error(String),
}

impl Expected {
    pub(super) fn read(expect: &Fields<'_>) -> Result<Self, String> {
        match (expect.maybe_octets("bytes_hex")?, expect.maybe_text("error")?) {
            (Some(octets), None) => Ok(Self::Octets(octets)),
            (None, Some(error)) => Ok(Self::Error(error.to_owned())),
            _ => Err("malformed row: expect needs either \"bytes_hex\" or \"error\"".to_owned()),
        }
    }

    pub(super) fn compare(&self, found: Result<Vec<u8>, String>) -> Result<(), String> {
        match (self, found) {
            (Self::Octets(expected), Ok(found)) if *expected == found => Ok(()),
            (Self::Error(expected), Err(found)) if *expected == found => Ok(()),
            (expected, Ok(found)) => Err(format!("expected {expected}, got {}", shown(&found))),
            (expected, Err(found)) => Err(format!("expected {expected}, got the error {found}")),
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Octets(octets) => f.write_str(&shown(octets)),
            Self::Error(error) => write!(f, "the error {error}"),
        }
    }
}

/// The row's frame, if its command is one.
fn frame(fields: &Fields<'_>) -> Result<Option<Frame>, String> {
    let headers = fields.headers("headers")?;
    let body = fields.octets("body_hex")?;
    let Some(command) = Command::from_octets(fields.text("command")?.as_bytes()) else { return Ok(None) };
    let bare = Frame::new(command).with_body(body);
    Ok(Some(headers.iter().fold(bare, |frame, (name, value)| frame.with_header(name, value))))
}

fn encode(frame: Option<&Frame>, version: Version) -> Result<Vec<u8>, String> {
    let mut out = BytesMut::new();
    frame.ok_or("bad-command")?.encode(version, &mut out).map_err(|error| token(error).to_owned())?;
    Ok(out.to_vec())
}

/// What was written is one frame, the one that was meant, and nothing else.
fn reads_back(frame: &Frame, version: Version, octets: &[u8]) -> Result<(), String> {
    let mut parser = Parser::new(frame.command().sender(), Limits::default()).strict();
    parser.set_version(version);
    parser.feed(octets);
    let mut meant = frame.clone();
    if !meant.body().is_empty() && !meant.headers().contains("content-length") {
        let length = meant.body().len().to_string();
        meant.headers_mut().push("content-length", length);
    }
    match parser.next_item() {
        Ok(Some(Item::Frame(read))) if read == meant && parser.is_idle() => Ok(()),
        other => Err(format!("{} reads back as {other:?}, not as {meant:?}", shown(octets))),
    }
}

/// The row format's name for an error.
pub(super) const fn token(error: EncodeError) -> &'static str {
    match error {
        EncodeError::BodyNotAllowed { .. } => "body-not-allowed",
        EncodeError::ContentLengthMismatch => "content-length-mismatch",
        EncodeError::DuplicateHeader { .. } => "duplicate-header",
        EncodeError::HeadersTooLarge => "headers-too-large",
        EncodeError::NotInVersion { .. } => "not-in-version",
        EncodeError::NulInBody => "nul-in-body",
        EncodeError::ReceiptNotAllowed => "receipt-not-allowed",
        EncodeError::UnencodableHeader { .. } => "unencodable-header",
        _ => "an error that the row format has no name for",
    }
}
