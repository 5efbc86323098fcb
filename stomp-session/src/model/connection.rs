//! A connection that stands, and what the owner of the transport has to do for one.

use alloc::{boxed::Box, string::String};
use core::time::Duration;

use stomp_proto::{HeartBeat, Version};

use super::{
    endpoint::{Endpoint, Login},
    error::{Lost, ServerError},
    ids::{AttemptId, ConnectionId},
    profile::Profile,
};

/// A connection that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The broker.
    pub endpoint: Endpoint,
    /// The version that was agreed on.
    pub version: Version,
    /// What was agreed on for heart-beats, in milliseconds; 0 for none.
    pub heart_beat: HeartBeat,
    /// The `server` header of CONNECTED.
    pub server: Option<String>,
    /// The `session` header of CONNECTED.
    pub session: Option<String>,
    /// What the broker is taken for.
    pub profile: Box<Profile>,
}

/// What the transport's owner has to do, at once and in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Close the connection, or stop dialling. Nothing that is reported of it counts any more.
    Close,
    /// Dial that broker, then report [`handle_connected`](crate::Session::handle_connected) or
    /// [`handle_disconnected`](crate::Session::handle_disconnected) with the attempt's id.
    Connect(Attempt),
}

/// An attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its name, for the reports.
    pub id: AttemptId,
    /// The broker.
    pub endpoint: Endpoint,
    /// What it answered the last CONNECT with, if that was an ERROR: a provider of credentials may want fresh ones.
    pub refused: Option<ServerError>,
    /// Counts the attempts to reach this broker, from 0: a dial that begins with another address each time lets no frozen
    /// address win for ever. One that ended for want of credentials, before anybody was dialled, does not count.
    pub number: u32,
    /// The login that this broker has refused, and how long it must not see it again.
    pub(crate) held_back: Option<Box<(Login, Duration)>>,
}

impl Attempt {
    /// Whether that login may be sent: what to report instead of dialling if it may not. The session asks as well before it
    /// sends CONNECT, but then a connection was made for nothing.
    ///
    /// # Errors
    /// [`Lost::LoginHeldBack`] for a login that this broker has refused, for a minute, doubling to 15: many accounts are
    /// locked after a few wrong logins.
    pub fn check(&self, login: &Login) -> Result<(), Lost> {
        match self.held_back.as_deref() {
            Some((held, wait)) if held == login => Err(Lost::LoginHeldBack(*wait)),
            _ => Ok(()),
        }
    }
}
