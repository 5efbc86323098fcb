//! Sends that differ in their body alone.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::{Frame, PreparedFrame, Version};

use super::{SendBuilder, SendError, Sending, send::How, shared::Shared};
use crate::{CommandError, ReceiptId, Session, frames};

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

/// Shared by the sends, so that the first one on a connection of another version writes it anew for all.
type SharedFrame = Arc<Mutex<PreparedFrame>>;

impl PreparedSend {
    /// A message with that body, on the terms that were prepared. One that is [kept](SendBuilder::at_least_once) or belongs
    /// to a transaction gets headers of its own, and is written as any other.
    pub fn send(&self, body: impl Into<Bytes>) -> Sending {
        let content = Content::Prepared { frame: Arc::clone(&self.frame), body: body.into() };
        Sending::new(Arc::clone(&self.shared), content, self.how)
    }
}

fn lock(frame: &SharedFrame) -> MutexGuard<'_, PreparedFrame> {
    frame.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SendBuilder {
    /// Checks and escapes the headers, for any number of messages that differ in their body alone; the body of this one is
    /// not sent. It is cheaper than a clone of the builder for each by what writing the headers costs.
    ///
    /// # Errors
    /// [`SendError::Command`] when the headers cannot be written, as the version of the connection has them, or without one
    /// the newest that is offered. Another version on a later connection may refuse what this one can say: then the send
    /// fails.
    pub fn prepare(self) -> Result<PreparedSend, SendError> {
        let Self { shared, frame, how } = self;
        let version = shared.with(|inner| version(&inner.session));
        let frame = frame.prepare(version).map_err(CommandError::from)?;
        Ok(PreparedSend { shared, frame: Arc::new(Mutex::new(frame)), how })
    }
}

fn version(session: &Session) -> Version {
    let offered = session.config().versions.iter().max().copied();
    let connected = session.connection().map(|connection| connection.version);
    connected.or(offered).unwrap_or(Version::V1_2)
}

/// What is to be sent.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each send")]
pub(super) enum Content {
    Frame(Frame),
    Prepared { frame: SharedFrame, body: Bytes },
}

impl Content {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.size(),
            Self::Prepared { frame, body } => lock(frame).frame().size().saturating_add(body.len()),
        }
    }

    /// Lets go of the read buffer that it may be a small part of, before it waits for long. Gives the body that it had.
    pub(super) fn unpin(&mut self) -> Option<Bytes> {
        match self {
            Self::Frame(frame) => frames::unpin(frame),
            Self::Prepared { body, .. } => frames::unpin_body(body),
        }
    }

    /// As a frame, for what is more than written.
    pub(super) fn frame(&mut self) -> &mut Frame {
        let frame = match self {
            Self::Frame(frame) => return frame,
            Self::Prepared { frame, body } => lock(frame).frame().clone().with_body(mem::take(body)),
        };
        *self = Self::Frame(frame);
        self.frame()
    }

    pub(super) fn send(&self, session: &mut Session) -> Result<(), CommandError> {
        match self {
            Self::Frame(frame) => session.send(frame),
            Self::Prepared { frame, body } => session.send_prepared(&mut lock(frame), body),
        }
    }

    pub(super) fn confirm(
        &mut self,
        session: &mut Session,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        match self {
            Self::Frame(frame) => session.confirm(frame, timeout),
            Self::Prepared { frame, body } => {
                session.send_prepared_confirmed(&mut lock(frame), body, timeout)
            }
        }
    }
}
