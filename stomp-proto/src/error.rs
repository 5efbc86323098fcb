//! What can be wrong with bytes from a peer, and with a frame of ours.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{Command, Version};

/// Why a stream of bytes is no STOMP. A stream that lost its framing has no next frame: the connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {position} of the stream: {kind}{}", Excerpt(.excerpt))]
#[non_exhaustive]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where the line, or the body, that is wrong begins, in octets from the start of the stream.
    pub position: u64,
    /// The beginning of what is wrong: a command line, or a header's name. Never a value, which may be a secret.
    pub excerpt: Vec<u8>,
    /// The `destination` of the frame, if its header block was read that far.
    pub destination: Option<String>,
}

impl ParseError {
    /// The same error, at a position that many octets earlier.
    pub(crate) fn before(self, octets: u64) -> Self {
        Self { position: self.position.saturating_sub(octets), ..self }
    }
}

/// The kinds of [`ParseError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// A header that is not UTF-8 (strict only).
    #[error("a header is not UTF-8")]
    BadUtf8,
    /// A CR that does not stand before a LF (1.2).
    #[error("a CR that is no end of line")]
    BadEol,
    /// A body on a frame that has none (strict only; 1.1 and 1.2).
    #[error("{0} must not have a body")]
    BodyNotAllowed(Command),
    /// A body longer than [`Limits::body`](crate::Limits::body).
    #[error("a body of more than {limit} octets")]
    BodyTooLarge {
        /// The limit that was passed.
        limit: u64,
    },
    /// A first line longer than any command.
    #[error("no command is longer than {limit} octets")]
    CommandTooLong {
        /// The limit that was passed.
        limit: usize,
    },
    /// A header without a name (strict only).
    #[error("a header without a name")]
    EmptyHeaderName,
    /// A header block longer than [`Limits::header_block`](crate::Limits::header_block), or than what is
    /// [read past](crate::Oversize::Drain).
    #[error("a header block of more than {limit} octets")]
    HeaderBlockTooLarge {
        /// The limit that was passed.
        limit: usize,
    },
    /// A header line longer than [`Limits::header_line`](crate::Limits::header_line).
    #[error("a header line of more than {limit} octets")]
    HeaderLineTooLong {
        /// The limit that was passed.
        limit: usize,
    },
    /// A header line without a ':'.
    #[error("a header line without ':'")]
    HeaderWithoutColon,
    /// A `content-length` that is not a number that fits 64 bits.
    #[error("content-length is not a number")]
    InvalidContentLength,
    /// A body that does not end where `content-length` says.
    #[error("no NUL after the octets that content-length counts")]
    MissingNul,
    /// More headers than [`Limits::headers`](crate::Limits::headers).
    #[error("more than {limit} headers")]
    TooManyHeaders {
        /// The limit that was passed.
        limit: usize,
    },
    /// An escape that the version does not define.
    #[error("an undefined escape sequence")]
    UndefinedEscape,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    UnexpectedEof,
    /// A first line that is no command of that side in that version.
    #[error("not a STOMP command")]
    UnknownCommand,
}

/// Shows an excerpt behind a message, escaped.
struct Excerpt<'a>(&'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (\"{}\")", self.0.escape_ascii()) }
    }
}

/// Why a frame cannot be written. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A body on a frame that has none: only SEND, MESSAGE and ERROR do.
    #[error("{command} must not have a body")]
    BodyNotAllowed {
        /// The command of the frame.
        command: Command,
    },
    /// A `content-length` of the caller's that is not the length of the body.
    #[error("the content-length header is not the length of the body")]
    ContentLengthMismatch,
    /// A header of the protocol, twice.
    #[error("the header {name} twice")]
    DuplicateHeader {
        /// The header's name.
        name: &'static str,
    },
    /// A header block of 4 GiB or more.
    #[error("the headers are larger than 4 GiB")]
    HeadersTooLarge,
    /// A command that the version does not have.
    #[error("STOMP {version} has no {command}")]
    NotInVersion {
        /// The command of the frame.
        command: Command,
        /// The version to be written.
        version: Version,
    },
    /// A NUL in a body that goes without `content-length`: it would end the frame.
    #[error("a body with a NUL needs a content-length")]
    NulInBody,
    /// A `receipt` on CONNECT.
    #[error("CONNECT must not ask for a receipt")]
    ReceiptNotAllowed,
    /// A header that the version cannot express: a NUL, a line end where nothing is escaped, an empty name, …
    #[error("STOMP {version} has no way to write a header of this {command}")]
    UnencodableHeader {
        /// The command of the frame.
        command: Command,
        /// The version to be written.
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
