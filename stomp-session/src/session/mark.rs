//! A place in the frames of a connection.

use crate::{link::WireMark, model::ids::ConnectionId};

/// How far the frames of a connection had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionMark {
    pub(super) connection: ConnectionId,
    pub(super) mark: WireMark,
}
