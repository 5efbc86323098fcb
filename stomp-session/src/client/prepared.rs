//! Sends that differ in their body alone.

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

/// What many messages have in common, checked and escaped once. [`SendBuilder::prepare`] makes it.
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
    /// A message with that body, on the terms that were prepared. One that is [kept](SendBuilder::at_least_once) or belongs
    /// to a transaction gets headers of its own, and is written as any other.
    pub fn send(&self, body: impl Into<Bytes>) -> Sending {
        let content = Content::Prepared { frame: Arc::clone(&self.frame), body: body.into() };
        Sending::new(Arc::clone(&self.shared), content, self.how)
    }
}

impl SendBuilder {
    /// Checks and escapes the headers, for any number of messages that differ in their body alone; the body of this one is
    /// not sent. It is cheaper than a clone of the builder for each by what writing the headers costs.
    ///
    /// # Errors
    /// [`CommandError::Encode`] when the headers cannot be written, as the version of the connection has them, or without one
    /// the newest that is offered. Another version on a later connection may refuse what this one can say: then the send
    /// fails.
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
