//! Where a session stands, as it tells others.

use crate::model::{connection::Connection, endpoint::Endpoint, timestamp::Timestamp};

/// Where a session stands: see [`Session::phase`](crate::Session::phase).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase<'a> {
    /// It waits until it dials that broker.
    Waiting {
        /// The broker.
        endpoint: &'a Endpoint,
        /// When it is dialled.
        until: Timestamp,
    },
    /// That broker is dialled, or asked to let us in.
    Connecting(&'a Endpoint),
    /// A connection stands.
    Connected(&'a Connection),
    /// DISCONNECT was said on that connection.
    Disconnecting(&'a Connection),
    /// The session has ended.
    Closed,
}
