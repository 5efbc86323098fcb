//! What an error reports: its kind, its position and an excerpt. None of them depends on how the stream was cut.

use alloc::boxed::Box;

use memchr::memchr;

use super::{Parser, head::Head, pieces::Pieces};
use crate::{Command, ParseError, ParseErrorKind, buffer::ReadBuffer, line::Fault};

/// The maximum length of an excerpt, in octets.
const EXCERPT: usize = 64;

impl Parser {
    pub(super) fn line_error(&self, fault: Fault) -> ParseError {
        let kind = match fault {
            Fault::StrayCr => ParseErrorKind::BadEol,
            Fault::TooLong => ParseErrorKind::HeaderLineTooLong { limit: self.limits.header_line },
            Fault::BlockTooLarge => ParseErrorKind::HeaderBlockTooLarge { limit: self.header_block_limit() },
        };
        self.error(kind, &[])
    }

    pub(super) fn command_error(&self, fault: Fault) -> ParseError {
        let data = self.buffer.data();
        let limit = self.limits.command;
        let (kind, at) = match fault {
            Fault::StrayCr => (ParseErrorKind::BadEol, memchr(b'\r', data)),
            Fault::TooLong | Fault::BlockTooLarge => (ParseErrorKind::CommandTooLong { limit }, Some(limit)),
        };
        let before = at.and_then(|at| data.get(..at)).unwrap_or_default();
        if memchr(0, before).is_some() { self.unknown_command(before) } else { self.error(kind, before) }
    }

    /// The error for a first line, or the beginning of one, that is not a command. The excerpt ends with the first NUL,
    /// where an unfinished line would have been refused.
    pub(super) fn unknown_command(&self, line: &[u8]) -> ParseError {
        let shown = memchr(0, line).and_then(|at| line.get(..=at)).unwrap_or(line);
        self.error(ParseErrorKind::UnknownCommand, shown)
    }

    /// The line of a passcode must not appear in an error message.
    pub(super) fn unless_secret<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        if matches!(self.head.command, Command::Connect | Command::Stomp) { &[] } else { line }
    }

    pub(super) fn error(&self, kind: ParseErrorKind, excerpt: &[u8]) -> ParseError {
        ParseError {
            kind,
            position: (self.position.saturating_add(self.head.line as u64))
                .saturating_sub(self.head.dropped() as u64),
            excerpt: excerpt.get(..EXCERPT).unwrap_or(excerpt).to_vec(),
            destination: self.head.destination(self.beginning()),
        }
    }

    pub(super) fn fail(&mut self, error: ParseError) -> ParseError {
        self.head = Head::default();
        self.stop(error.clone());
        error
    }

    /// Stops the parser: nothing is examined or kept from now on.
    pub(super) fn stop(&mut self, error: ParseError) {
        self.buffer = ReadBuffer::default();
        self.pieces = Pieces::default();
        self.failed = Some(Box::new(error));
    }
}
