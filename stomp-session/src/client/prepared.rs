//! Messages that differ only in their body.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use stomp_proto::Version;

use super::{
    content::{Content, SharedFrame},
    send::{SendBuilder, Sending},
    shared::Shared,
    terms::How,
};
use crate::{CommandError, Session};

/// A message whose headers are checked and escaped once, to be sent with many bodies.
///
/// [`SendBuilder::prepare`] creates one.
///
/// ```
/// # async fn example(client: &stomp_session::client::Client) -> Result<(), stomp_session::client::SendError> {
/// let order = client.send("/queue/orders", "").header("priority", "9").persistent().confirmed().prepare()?;
/// for body in ["one coffee", "two teas"] {
///     order.send(body).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct PreparedSend {
    shared: Arc<Shared>,
    frame: SharedFrame,
    how: How,
}

impl PreparedSend {
    /// Sends the message with this body when the returned future is awaited.
    ///
    /// A message that is sent [at least once](SendBuilder::at_least_once) or that belongs to a transaction has headers
    /// of its own, which are written each time.
    pub fn send(&self, body: impl Into<Bytes>) -> Sending {
        let content = Content::Prepared { frame: Arc::clone(&self.frame), body: body.into() };
        Sending::new(Arc::clone(&self.shared), content, self.how)
    }
}

impl SendBuilder {
    /// Checks and escapes the headers, for any number of messages that differ only in their body.
    ///
    /// The body of this builder is not sent. Compared with a clone of the builder for each message, this saves writing
    /// the headers each time.
    ///
    /// # Errors
    /// Returns [`CommandError::Encode`] if the headers cannot be written in the STOMP version of the connection, or
    /// without a connection, in the newest version that is offered. If a later connection has another version in which
    /// they cannot be written, the send fails.
    pub fn prepare(self) -> Result<PreparedSend, CommandError> {
        let Self { shared, frame, how } = self;
        let version = shared.with(|inner| version(&inner.session));
        let frame = frame.prepare(version)?;
        Ok(PreparedSend { shared, frame: Arc::new(Mutex::new(frame)), how })
    }
}

/// The version of the connection, or without one the newest that is offered.
pub(super) fn version(session: &Session) -> Version {
    let offered = session.config().versions.iter().max().copied();
    let connected = session.connection().map(|connection| connection.version);
    connected.or(offered).unwrap_or(Version::V1_2)
}
