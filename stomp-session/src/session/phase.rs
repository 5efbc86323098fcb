//! The phase of a session, as others see it.

use crate::model::{connection::Connection, endpoint::Endpoint, timestamp::Timestamp};

/// The phase of a session, returned by [`Session::phase`](crate::Session::phase).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase<'a> {
    /// The session waits before it dials a broker.
    Waiting {
        /// The broker.
        endpoint: &'a Endpoint,
        /// The time at which the broker is dialled.
        until: Timestamp,
    },
    /// The session dials this broker, or waits for its CONNECTED.
    Connecting(&'a Endpoint),
    /// This connection is established.
    Connected(&'a Connection),
    /// DISCONNECT was sent on this connection.
    Disconnecting(&'a Connection),
    /// The session has ended.
    Closed,
}
