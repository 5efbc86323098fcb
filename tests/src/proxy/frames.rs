//! Frames on their way, some of which are lost or swapped.

use std::io;

use bytes::{Bytes, BytesMut};
use stomp_proto::{Command, Frame, Item, Limits, Parser, Sender, Version};

use super::Tampering;

/// One direction of a connection that speaks 1.2, frame by frame.
pub(super) struct Frames {
    parser: Parser,
    command: Command,
    tampering: Tampering,
    held: Option<Frame>,
}

impl Frames {
    pub(super) fn new(sender: Sender, command: Command, tampering: Tampering) -> Self {
        let mut parser = Parser::new(sender, Limits::default());
        parser.set_version(Version::V1_2);
        Self { parser, command, tampering, held: None }
    }

    /// The part of these and earlier octets that arrives now.
    pub(super) fn pass(&mut self, octets: &[u8]) -> io::Result<Bytes> {
        self.parser.feed(octets);
        let mut out = BytesMut::new();
        while let Some(item) = self.parser.next_item().map_err(io::Error::other)? {
            match item {
                Item::Frame(frame) => self.pass_frame(frame, &mut out)?,
                _ => out.extend_from_slice(b"\n"),
            }
        }
        Ok(out.freeze())
    }

    fn pass_frame(&mut self, frame: Frame, out: &mut BytesMut) -> io::Result<()> {
        let hit = frame.command() == self.command;
        match self.tampering {
            Tampering::Swallow if hit => return Ok(()),
            Tampering::Swap if hit && self.held.is_none() => {
                self.held = Some(frame.into_owned());
                return Ok(());
            }
            _ => {}
        }
        for frame in [Some(frame), self.held.take()].into_iter().flatten() {
            frame.encode(Version::V1_2, out).map_err(io::Error::other)?;
        }
        Ok(())
    }
}
