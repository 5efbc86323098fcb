//! An established connection, what the owner of the transport must do to get one, and a move from one to the next: the
//! request and its result.

use alloc::{boxed::Box, string::String, sync::Arc};
use core::time::Duration;

use stomp_proto::{HeartBeat, Version};

use super::{
    endpoint::{Endpoint, Login},
    error::{Lost, ServerError},
    ids::{AttemptId, ConnectionId},
    profile::Profile,
};

/// An established connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The connection's id.
    pub id: ConnectionId,
    /// The broker.
    pub endpoint: Endpoint,
    /// The STOMP version that was agreed on.
    pub version: Version,
    /// The heart-beat intervals that were agreed on, in milliseconds. 0 means none.
    pub heart_beat: HeartBeat,
    /// The `server` header of CONNECTED.
    pub server: Option<String>,
    /// The `session` header of CONNECTED.
    pub session: Option<String>,
    /// The broker's profile.
    pub profile: Arc<Profile>,
}

/// Something that the owner of the transport must do, at once and in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Close the connection, or stop dialling. Anything that is reported of it afterwards is ignored.
    Close,
    /// Dial the broker of this attempt. Then call [`handle_connected`](crate::Session::handle_connected) or
    /// [`handle_disconnected`](crate::Session::handle_disconnected) with the attempt's id.
    Connect(Attempt),
}

/// An attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The attempt's id, which the reports name.
    pub id: AttemptId,
    /// The broker.
    pub endpoint: Endpoint,
    /// The ERROR with which the broker answered the last CONNECT, if it did. A provider of credentials may then want
    /// fresh ones.
    pub refused: Option<ServerError>,
    /// The number of earlier attempts to reach this broker.
    ///
    /// A host name may have several addresses. Begin with a different one each time, so that an unresponsive address
    /// cannot make every attempt fail. An attempt that ended for lack of credentials, before the broker was dialled,
    /// does not count.
    pub number: u32,
    /// The login that this broker has refused, and how long it must not see it again.
    pub(crate) held_back: Option<Box<(Login, Duration)>>,
    /// The login of the configuration, whose headers the handshake of a WebSocket needs before CONNECT is written.
    pub(crate) configured: Option<Login>,
}

impl Attempt {
    /// Checks whether a login may be sent.
    ///
    /// If it may not, report the error with [`handle_disconnected`](crate::Session::handle_disconnected) instead of
    /// dialling. The session also checks before it sends CONNECT, but then the connection was made in vain.
    ///
    /// # Errors
    /// Returns [`Lost::LoginHeldBack`] if this broker has refused the login a short time ago. The first refusal holds
    /// it back for a minute, and each later one for twice as long, up to 15 minutes. Many accounts are locked after a
    /// few wrong logins.
    pub fn check(&self, login: &Login) -> Result<(), Lost> {
        match self.held_back.as_deref() {
            Some((held, wait)) if held == login => Err(Lost::LoginHeldBack(*wait)),
            _ => Ok(()),
        }
    }
}

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
