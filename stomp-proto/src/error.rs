//! What can be wrong with octets from a peer, and with a frame to be sent.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{Command, Version};

/// An error returned by [`Parser`](crate::Parser) if a stream is not valid STOMP.
///
/// A stream that has lost its framing has no next frame, so the connection is of no further use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {position} of the stream: {kind}{}", Excerpt(.excerpt))]
#[non_exhaustive]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The position at which the line or body in error begins, in octets from the start of the stream.
    pub position: u64,
    /// The beginning of what is wrong, at most 64 octets: a command line, the name of a header, or a header line
    /// without a ':'. It is never the value of a header, which may be a secret.
    pub excerpt: Vec<u8>,
    /// The `destination` of the frame, if it had been read before the error.
    pub destination: Option<String>,
}

impl ParseError {
    /// The same error, at a position earlier by this number of octets.
    pub(crate) fn before(self, octets: u64) -> Self {
        Self { position: self.position.saturating_sub(octets), ..self }
    }
}

/// The kind of a [`ParseError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// A header is not UTF-8, or not US-ASCII in 1.0 (strict profile only).
    #[error("a header is not UTF-8")]
    BadUtf8,
    /// A CR is not followed by an LF (1.2).
    #[error("a CR without an LF after it")]
    BadEol,
    /// A frame has a body although its command allows none (strict profile only; 1.1 and 1.2).
    #[error("{0} must not have a body")]
    BodyNotAllowed(Command),
    /// A body is longer than [`Limits::body`](crate::Limits::body).
    #[error("the body is longer than {limit} octets")]
    BodyTooLarge {
        /// The limit that was exceeded.
        limit: u64,
    },
    /// A first line is longer than [`Limits::command`](crate::Limits::command).
    #[error("the command line is longer than {limit} octets")]
    CommandTooLong {
        /// The limit that was exceeded.
        limit: usize,
    },
    /// A header has no name (strict profile only).
    #[error("a header has no name")]
    EmptyHeaderName,
    /// A header block is longer than [`Limits::header_block`](crate::Limits::header_block), or than the parser
    /// [reads past](crate::Oversize::Drain).
    #[error("the header block is longer than {limit} octets")]
    HeaderBlockTooLarge {
        /// The limit that was exceeded.
        limit: usize,
    },
    /// A header line is longer than [`Limits::header_line`](crate::Limits::header_line).
    #[error("a header line is longer than {limit} octets")]
    HeaderLineTooLong {
        /// The limit that was exceeded.
        limit: usize,
    },
    /// A header line has no ':'.
    #[error("a header line has no ':'")]
    HeaderWithoutColon,
    /// A `content-length` is not a number that fits a `u64`.
    #[error("content-length is not a number")]
    InvalidContentLength,
    /// The octet after a body of `content-length` octets is not a NUL.
    #[error("no NUL follows the body whose length is given by content-length")]
    MissingNul,
    /// A frame has more headers than [`Limits::headers`](crate::Limits::headers).
    #[error("the frame has more than {limit} headers")]
    TooManyHeaders {
        /// The limit that was exceeded.
        limit: usize,
    },
    /// A header contains an escape sequence that the version does not define.
    #[error("a header contains an undefined escape sequence")]
    UndefinedEscape,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    UnexpectedEof,
    /// A first line is not a command of this side in this version.
    #[error("not a STOMP command")]
    UnknownCommand,
}

/// Appends an excerpt to a message, escaped.
struct Excerpt<'a>(&'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (\"{}\")", self.0.escape_ascii()) }
    }
}

/// An error returned if a frame cannot be encoded.
///
/// Methods that encode a whole frame leave the buffer unchanged. A [`FrameWriter`](crate::FrameWriter) may leave the
/// beginning of the frame in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The frame has a body although its command allows none. Only SEND, MESSAGE and ERROR may have one.
    #[error("{command} must not have a body")]
    BodyNotAllowed {
        /// The command of the frame.
        command: Command,
    },
    /// The frame has a `content-length` header that is not the length of its body.
    #[error("the content-length header is not the length of the body")]
    ContentLengthMismatch,
    /// The frame has a header of the protocol twice.
    #[error("the frame has the header {name} twice")]
    DuplicateHeader {
        /// The name of the header.
        name: &'static str,
    },
    /// The header block is 4 GiB or larger.
    #[error("the headers are larger than 4 GiB")]
    HeadersTooLarge,
    /// The version does not have the command.
    #[error("STOMP {version} has no {command}")]
    NotInVersion {
        /// The command of the frame.
        command: Command,
        /// The version for which the frame was to be encoded.
        version: Version,
    },
    /// The body contains a NUL, which would end the frame, since no `content-length` is written.
    #[error("a body with a NUL needs a content-length")]
    NulInBody,
    /// A CONNECT or STOMP frame has a `receipt` header.
    #[error("CONNECT must not ask for a receipt")]
    ReceiptNotAllowed,
    /// The version cannot express a header: it contains a NUL, for example, or a line end that the version does not
    /// escape, or its name is empty.
    #[error("STOMP {version} cannot express a header of this {command}")]
    UnencodableHeader {
        /// The command of the frame.
        command: Command,
        /// The version for which the frame was to be encoded.
        version: Version,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_where_and_what_and_nothing_unprintable() {
        let mut error = ParseError {
            kind: ParseErrorKind::UnknownCommand,
            position: 7,
            excerpt: b"GET\x1b".to_vec(),
            destination: None,
        };
        let shown = alloc::format!("{error}");
        assert_eq!(shown, r#"octet 7 of the stream: not a STOMP command ("GET\x1b")"#);
        error.excerpt.clear();
        assert_eq!(alloc::format!("{error}"), "octet 7 of the stream: not a STOMP command");
    }
}
