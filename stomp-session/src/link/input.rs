//! One connection's incoming bytes, kept by the owner of its stream.

use stomp_proto::{Item, Limits, ParseError, Parser, Sender, Version};

use crate::model::ids::ConnectionId;

/// The parser of one connection.
///
/// The owner of the stream reads straight into [`space`](Self::space), says how much with [`commit`](Self::commit), and
/// hands it to [`Session::handle_input`](crate::Session::handle_input): no copy between socket and frame, and no lock
/// while reading. One of an earlier connection is ignored.
#[derive(Debug)]
pub struct Input {
    pub(crate) connection: ConnectionId,
    parser: Parser,
    fresh: bool,
}

impl Input {
    pub(crate) fn new(connection: ConnectionId, limits: Limits) -> Self {
        Self { connection, parser: Parser::new(Sender::Server, limits), fresh: false }
    }

    /// Room for a read, all of it initialised: at least 512 octets, or all that the body in progress still needs.
    pub fn space(&mut self) -> &mut [u8] {
        self.parser.space()
    }

    /// Says that the first `count` octets of the space were read.
    pub fn commit(&mut self, count: usize) {
        self.parser.commit(count);
        self.fresh |= count > 0;
    }

    /// Copies octets in, for those who have them elsewhere.
    pub fn feed(&mut self, octets: &[u8]) {
        self.parser.feed(octets);
        self.fresh |= !octets.is_empty();
    }

    /// Whether anything came since the last call: any octet proves life, a part of a frame as well (1.1 and 1.2,
    /// "Heart-beating").
    pub(crate) const fn take_fresh(&mut self) -> bool {
        core::mem::replace(&mut self.fresh, false)
    }

    /// The next item; heart-beats that came together are one.
    pub(crate) fn next_item(&mut self) -> Result<Option<Item>, ParseError> {
        let item = self.parser.next_item()?;
        if matches!(item, Some(Item::HeartBeat)) {
            self.parser.skip_heart_beats();
        }
        Ok(item)
    }

    pub(crate) const fn set_version(&mut self, version: Version) {
        self.parser.set_version(version);
    }
}
