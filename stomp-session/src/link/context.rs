//! What a part of a connection is given beside itself, and what something that came leads to.

use stomp_proto::Version;

use super::{settlement::Settlement, wire::Wire};
use crate::{
    model::{
        config::Config,
        connection::Connection,
        endpoint::Login,
        event::{Event, Events},
        ids::Ids,
        mask::Mask,
        profile::{DeliveryIds, Unsubscribe},
        time::Timestamp,
    },
    replay::Replay,
};

/// The surroundings of a connection, borrowed for one call.
#[derive(Debug)]
pub(crate) struct Cx<'a> {
    pub(crate) replay: &'a mut Replay,
    pub(crate) events: &'a mut Events,
    pub(crate) ids: &'a mut Ids,
    pub(crate) config: &'a Config,
    /// What was sent with CONNECT, which nothing that is shown may repeat.
    pub(crate) login: Option<&'a Login>,
    pub(crate) now: Timestamp,
    /// The end has begun: nobody is there for messages any more.
    pub(crate) is_ending: bool,
    /// The connection is being left for another one.
    pub(crate) is_moving: bool,
}

impl Cx<'_> {
    /// Whether nothing new begins on this connection.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.is_ending || self.is_moving
    }

    /// What nothing that is shown may repeat.
    pub(crate) fn mask(&self) -> Mask {
        Mask::of(self.login)
    }
}

/// What a frame is made of, and where it goes.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) connection: &'a Connection,
    pub(super) wire: &'a mut Wire,
    pub(super) settlement: &'a mut Settlement,
}

/// How messages are named that UNSUBSCRIBE would strand. 1.0 has no NACK to give them back with.
pub(super) fn delivery_ids(connection: &Connection) -> Option<DeliveryIds> {
    match connection.profile.unsubscribe {
        Unsubscribe::Strands(ids) if connection.version != Version::V1_0 => Some(ids),
        _ => None,
    }
}

/// What follows from something that came.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a message is handed on at once, and a box would be one for each"
)]
pub(crate) enum Reaction {
    /// Nothing that is not told already.
    None,
    /// That is told.
    Tell(Event),
    /// DISCONNECT is answered.
    Finished,
}
