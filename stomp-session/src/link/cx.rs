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
}

impl Cx<'_> {
    /// What nothing that is shown may repeat.
    pub(crate) fn mask(&self) -> Mask {
        Mask::of(self.login)
    }
}
