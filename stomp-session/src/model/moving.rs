//! A move from one connection to the next, as its owner asks for it and is told of it.

use alloc::string::String;
use core::time::Duration;

use super::{connection::Connection, endpoint::Endpoint};

/// How to leave a connection for another one: see [`Session::reconnect`](crate::Session::reconnect).
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
    /// To the next broker of the list, for that reason, which is told to whoever listens.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), to: None, within: None }
    }

    /// To that broker, whether it is in the list or not; if it cannot be reached, to the others in turn. It is not added to the
    /// list.
    #[must_use]
    pub fn to(mut self, endpoint: Endpoint) -> Self {
        self.to = Some(endpoint);
        self
    }

    /// The time for leaving the connection in good order. Without it,
    /// [`Config::disconnect_timeout`](crate::Config::disconnect_timeout).
    #[must_use]
    pub const fn within(mut self, timeout: Duration) -> Self {
        self.within = Some(timeout);
        self
    }
}

/// What a move came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// Why it was asked for.
    pub reason: String,
    /// The connection that stands now.
    pub connection: Connection,
    /// Whether the broker that was left has confirmed the DISCONNECT, and with it everything before. `false` also where no
    /// connection stood.
    pub graceful: bool,
    /// Frames whose sender waited when the move began, and which were confirmed before the connection was left. What is sent
    /// at least once counts here as well, but not below: it goes on.
    pub confirmed: usize,
    /// Frames whose sender waited when the move began, and which were refused, not sent, or not answered in time. Each sender
    /// was told.
    pub unconfirmed: usize,
    /// Messages whose handlers had not ended in time: they are delivered again. Always 0 in a session without a
    /// [`client`](crate::client).
    #[cfg(feature = "client")]
    pub unhandled: usize,
    /// Messages that had come, needed an acknowledgement, and were not handed out: the broker delivers them again.
    pub returned: usize,
    /// Transactions that were open, and are lost.
    pub transactions: usize,
    /// Subscriptions that may have missed messages: those of temporary queues, of topics unless they are durable, and with ack
    /// mode `auto`, for which the broker may have sent what was not read.
    pub at_risk: usize,
}
