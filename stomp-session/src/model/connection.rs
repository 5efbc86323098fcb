//! An established connection, and what the owner of the transport must do to get one.

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
