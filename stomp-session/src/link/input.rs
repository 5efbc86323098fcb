//! The incoming octets of one connection, kept by the owner of its stream.

use stomp_proto::{Item, Limits, Oversize, ParseError, Parser, Sender, Version};

use crate::model::ids::ConnectionId;

/// The parser of one connection.
///
/// The owner of the stream reads directly into [`space`](Self::space), reports the number of octets with
/// [`commit`](Self::commit), and passes the input to [`Session::next_event`](crate::Session::next_event). So nothing is
/// copied between the socket and the frame, and no lock is held while reading. The input of an earlier connection is
/// ignored, and from then on keeps no data.
#[derive(Debug)]
pub struct Input {
    pub(crate) connection: ConnectionId,
    parser: Parser,
    fresh: bool,
    /// Its connection has ended: nobody will ever ask for what comes.
    retired: bool,
}

/// Octets that a peer may send, in headers and in a body, before it has said who it is. What RabbitMQ takes before a login,
/// and more than any broker says.
const STRANGER: usize = 64 * 1024;

/// What holds until CONNECTED: never more than afterwards. An ERROR that is larger is read past, since what is kept of it may
/// be a refusal that is final.
fn before_login(limits: &Limits) -> Limits {
    let mut limits = limits.clone();
    limits.header_block = limits.header_block.min(STRANGER);
    limits.body = limits.body.min(STRANGER as u64);
    limits.oversize = Oversize::Drain;
    limits
}

impl Input {
    /// One with the limits that hold before CONNECTED.
    pub(crate) fn new(connection: ConnectionId, limits: &Limits) -> Self {
        let parser = Parser::new(Sender::Server, before_login(limits));
        Self { connection, parser, fresh: false, retired: false }
    }

    /// Returns the space for the next read, all of it initialised. It has at least 128 octets, or as many as the
    /// current body still needs.
    pub fn space(&mut self) -> &mut [u8] {
        self.parser.space()
    }

    /// Reports that the first `count` octets of the space were read from the stream.
    pub fn commit(&mut self, count: usize) {
        if self.retired {
            return;
        }
        self.parser.commit(count);
        self.fresh |= count > 0;
    }

    /// Appends a copy of these octets, as an alternative to [`space`](Self::space) and [`commit`](Self::commit).
    pub fn feed(&mut self, octets: &[u8]) {
        if self.retired {
            return;
        }
        self.parser.feed(octets);
        self.fresh |= !octets.is_empty();
    }

    /// Whether anything came that was not told yet.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether anything came since the last call: any octet proves life, a part of a frame as well (1.1 and 1.2,
    /// "Heart-beating").
    pub(crate) const fn take_fresh(&mut self) -> bool {
        core::mem::replace(&mut self.fresh, false)
    }

    /// The next item.
    #[inline]
    pub(crate) fn next_item(&mut self) -> Result<Option<Item>, ParseError> {
        self.parser.next_item()
    }

    /// Takes the heart-beats that came together with one: they are one.
    pub(crate) fn skip_heart_beats(&mut self) {
        self.parser.skip_heart_beats();
    }

    /// CONNECTED was read: what follows is in that version and within those limits.
    pub(crate) const fn agree(&mut self, version: Version, limits: Limits) {
        self.parser.set_version(version);
        self.parser.set_limits(limits);
    }

    /// Drops what it holds, and all that still comes.
    pub(crate) fn retire(&mut self) {
        if !self.retired {
            *self = Self { retired: true, ..Self::new(self.connection, &Limits::default()) };
        }
    }
}
