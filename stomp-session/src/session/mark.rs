//! A place in the frames of a connection.

use crate::{link::WireMark as Mark, model::ids::ConnectionId};

/// How far the frames of a connection had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireMark {
    pub(super) connection: ConnectionId,
    pub(super) mark: Mark,
}
