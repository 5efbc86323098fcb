//! A move from one connection to the next: the request and its result.

use alloc::string::String;
use core::time::Duration;

use super::{connection::Connection, endpoint::Endpoint};

/// A request to leave a connection for another one: see [`Session::reconnect`](crate::Session::reconnect).
///
/// ```
/// use std::time::Duration;
/// use stomp_session::{Endpoint, Move};
///
/// let spare = Endpoint::plain("spare", 61613);
/// let how = Move::new("the broker is drained").to(spare).within(Duration::from_secs(5));
/// # drop(how);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub(crate) reason: String,
    pub(crate) to: Option<Endpoint>,
    pub(crate) within: Option<Duration>,
}

impl Move {
    /// Creates a request to move to the next broker of the list. Listeners are told the reason.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), to: None, within: None }
    }

    /// Sets the broker to connect to first. It need not be in the list, and is not added to it.
    ///
    /// If this broker cannot be reached, the brokers of the list are tried in turn.
    #[must_use]
    pub fn to(mut self, endpoint: Endpoint) -> Self {
        self.to = Some(endpoint);
        self
    }

    /// Sets the time for leaving the connection in good order.
    ///
    /// Default: [`Config::disconnect_timeout`](crate::Config::disconnect_timeout).
    #[must_use]
    pub const fn within(mut self, timeout: Duration) -> Self {
        self.within = Some(timeout);
        self
    }
}

/// The result of a move to another connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// The reason that was given for the move.
    pub reason: String,
    /// The new connection.
    pub connection: Connection,
    /// Whether the broker that was left has confirmed the DISCONNECT, and with it everything before. `false` also if there
    /// was no connection.
    pub graceful: bool,
    /// The number of frames that waited for a RECEIPT when the move began, and were confirmed before the connection was left.
    ///
    /// This includes messages that are sent at least once. `unconfirmed` does not include them, because they are sent again.
    pub confirmed: usize,
    /// The number of frames that waited for a RECEIPT when the move began, and were refused, not sent, or not answered in
    /// time. Each sender was told the outcome.
    pub unconfirmed: usize,
    /// The number of messages whose handlers did not end in time. They are delivered again. Always 0 in a session without a
    /// [`client`](crate::client).
    #[cfg(feature = "client")]
    pub unhandled: usize,
    /// The number of messages that were received, needed an acknowledgement, and were not taken. The broker delivers them
    /// again.
    pub returned: usize,
    /// The number of transactions that were open, and are lost.
    pub transactions: usize,
    /// The number of subscriptions that may have missed messages: those of temporary queues, those of topics that are not
    /// durable, and those with ack mode `auto`, for which the broker may have sent messages that were not read.
    pub at_risk: usize,
}
