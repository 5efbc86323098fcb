//! The first line of a frame: its command.

use core::ops::ControlFlow;

use memchr::memchr;

use super::{Parser, Progress, Stage};
use crate::{Command, ParseError, line::Room, scan::Lines};

/// `UNSUBSCRIBE`.
const LONGEST_COMMAND: usize = 11;

impl Parser {
    pub(super) fn command(&mut self) -> Result<Progress, ParseError> {
        let command = match self.frequent_command().or_else(|| self.whole_command()) {
            Some(command) => command,
            None => match self.examine_command()? {
                Some(command) => command,
                None => return Ok(Progress::Starved),
            },
        };
        self.head.begin(command, self.lines.start);
        self.stage = Stage::Headers;
        self.headers()
    }

    /// The command, if it is MESSAGE or SEND, which are a thousand times as frequent as all others.
    #[inline]
    pub(super) fn frequent_command(&mut self) -> Option<Command> {
        let data = self.buffer.data();
        let command = if data.starts_with(b"MESSAGE\n") {
            Command::Message
        } else if data.starts_with(b"SEND\n") {
            Command::Send
        } else {
            return None;
        };
        let length = command.as_str().len();
        // Both are in all versions.
        if command.sender() != self.sender || length > self.limits.command {
            return None;
        }
        self.lines = Lines::from(length.wrapping_add(1));
        Some(command)
    }

    /// The command, if its whole line has arrived and nothing about it is special.
    pub(super) fn whole_command(&mut self) -> Option<Command> {
        let data = self.buffer.data();
        let longest = data.get(..LONGEST_COMMAND.min(self.limits.command).wrapping_add(1)).unwrap_or(data);
        let end = memchr(b'\n', longest)?;
        let command = self.known_command(data.get(..end)?)?;
        self.lines = Lines::from(end.wrapping_add(1));
        Some(command)
    }

    fn known_command(&self, octets: &[u8]) -> Option<Command> {
        Command::from_octets(octets).filter(|command| self.is_known(*command))
    }

    fn is_known(&self, command: Command) -> bool {
        command.sender() == self.sender && self.version.is_none_or(|version| command.exists_in(version))
    }

    /// The command of a line that needs a closer look, if the line is complete.
    fn examine_command(&mut self) -> Result<Option<Command>, ParseError> {
        let room = Room { line: self.limits.command, block: usize::MAX };
        let (data, before) = (self.buffer.data(), self.lines.looked());
        let found = self.lines.for_each(data, ControlFlow::Break).break_value();
        let line = found.unwrap_or_else(|| self.lines.unfinished(data));
        let end = self
            .check_line(line, before, found.is_some(), room)
            .map_err(|fault| self.command_error(fault))?;
        let content = self.buffer.data().get(..end).unwrap_or_default();
        match found {
            Some(_) => self.known_command(content).map(Some).ok_or_else(|| self.unknown_command(content)),
            // A NUL before the line's end means another protocol, or a wrong content-length before: waiting would hide
            // it.
            None if memchr(0, self.buffer.data()).is_some() => Err(self.unknown_command(self.buffer.data())),
            None => Ok(None),
        }
    }
}
