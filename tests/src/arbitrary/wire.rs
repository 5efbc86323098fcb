//! One connection of a check: what is on its way, what the loop has written and read, and whether the two fit.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{self, ErrorKind},
};

use bytes::BytesMut;
use stomp_proto::{Command, Frame, Item, Limits, Parser, Sender, Version};

use super::{law::Law, words::many};
use crate::{broker::ConnectionId, pair::Transcript};

pub(super) struct Wire {
    pub(super) connection: ConnectionId,
    /// What the loop has not read.
    pub(super) incoming: VecDeque<u8>,
    /// If the other side has ended it, which comes behind what is incoming.
    pub(super) ending: Option<Ending>,
    /// Whether the loop has met the end.
    is_told: bool,
    written: Transcript,
    octets: usize,
    read: Parser,
    version: Version,
    /// By what the messages that the loop has read are acknowledged.
    pub(super) messages: BTreeSet<String>,
    /// An ERROR came: what follows it may not count.
    is_over: bool,
}

impl Wire {
    pub(super) fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            incoming: VecDeque::new(),
            ending: None,
            is_told: false,
            written: Transcript::new(),
            octets: 0,
            read: Parser::new(Sender::Server, Limits::default()),
            version: Version::V1_0,
            messages: BTreeSet::new(),
            is_over: false,
        }
    }

    pub(super) fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// What the loop has written, in words.
    pub(super) fn told(&self) -> String {
        let (octets, frames) = (many(self.octets, "octet"), many(self.written.frames().len(), "whole frame"));
        format!("it has written {octets} on its socket, and {frames}")
    }

    /// Whether a read would give something that the loop does not know.
    pub(super) fn is_readable(&self) -> bool {
        !self.incoming.is_empty() || (self.ending.is_some() && !self.is_told)
    }

    /// The loop meets the end, if there is one. Whether that is new to it.
    pub(super) const fn tell_end(&mut self) -> bool {
        self.ending.is_some() && !core::mem::replace(&mut self.is_told, true)
    }

    /// Fills `space`, which is not longer than what is incoming.
    pub(super) fn read(&mut self, space: &mut [u8]) {
        let octets = self.incoming.drain(..space.len());
        space.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
        self.read.feed(space);
    }

    /// The RECEIPTs that have become whole: their ids and their octets.
    pub(super) fn heard(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut receipts = Vec::new();
        while let Ok(Some(item)) = self.read.next_item() {
            let Item::Frame(frame) = item else { continue };
            match frame.command() {
                Command::Connected => self.agree(&frame),
                Command::Error => self.is_over = true,
                Command::Message => {
                    self.messages.extend(text(&frame, "ack"));
                    self.messages.extend(text(&frame, "message-id"));
                }
                _ if !self.is_over => receipts.extend(text(&frame, "receipt-id").zip(self.encode(&frame))),
                _ => {}
            }
        }
        receipts
    }

    fn agree(&mut self, connected: &Frame) {
        let version = text(connected, "version").and_then(|name| Version::from_name(&name));
        self.version = version.unwrap_or(Version::V1_0);
        self.read.set_version(self.version);
    }

    fn encode(&self, frame: &Frame) -> Option<Vec<u8>> {
        let mut octets = BytesMut::new();
        frame.encode(self.version, &mut octets).is_ok().then(|| octets.to_vec())
    }

    /// Looks at what the loop writes. `version` is the one that was agreed on, if any, and `earlier` are the messages of earlier
    /// connections.
    ///
    /// What never came may be named all the same: with RabbitMQ a session gives back what is on its way, whose ids it knows.
    pub(super) fn note_written(
        &mut self,
        octets: &[u8],
        version: Option<Version>,
        earlier: &BTreeSet<String>,
    ) -> Result<(), (Law, String)> {
        self.octets += octets.len();
        let known = self.written.frames().len();
        self.written.try_note(octets, version).map_err(|what| (Law::Written, what))?;
        let settles = |frame: &&Frame| matches!(frame.command(), Command::Ack | Command::Nack);
        for frame in self.written.frames()[known..].iter().filter(settles) {
            let id = text(frame, "id").or_else(|| text(frame, "message-id")).unwrap_or_default();
            if earlier.contains(&id) && !self.messages.contains(&id) {
                let what = format!("{frame:?} names a message that came on an earlier connection");
                return Err((Law::Acknowledged, what));
            }
        }
        Ok(())
    }
}

/// How the other side has ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Closed,
    Reset,
}

impl Ending {
    pub(super) fn read(self) -> io::Result<usize> {
        match self {
            Self::Closed => Ok(0),
            Self::Reset => Err(ErrorKind::ConnectionReset.into()),
        }
    }

    pub(super) fn write(self) -> io::Result<usize> {
        match self {
            Self::Closed => Err(ErrorKind::BrokenPipe.into()),
            Self::Reset => Err(ErrorKind::ConnectionReset.into()),
        }
    }
}

fn text(frame: &Frame, header: &str) -> Option<String> {
    frame.header_str(header).map(|text| text.into_owned())
}
