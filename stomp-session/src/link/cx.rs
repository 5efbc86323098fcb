//! What a part of a connection may touch beside itself.

use crate::{
    model::{config::Config, endpoint::Login, events::Events, ids::Ids, mask::Mask, timestamp::Timestamp},
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
