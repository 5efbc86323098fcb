//! A message: a MESSAGE frame, and where it came from.

use bytes::Bytes;
#[cfg(feature = "client")]
use stomp_proto::Command;
use stomp_proto::{AckMode, Frame, Headers, Text};

use super::{
    error::CommandError,
    ids::{ConnectionId, SubscriptionId},
};

/// A received message.
///
/// It is a slice of a read buffer. Who keeps it for long keeps [`Message::into_owned`].
#[derive(Debug)]
pub struct Message {
    pub(crate) frame: Frame,
    pub(crate) connection: ConnectionId,
    pub(crate) subscription: SubscriptionId,
    pub(crate) ack_mode: AckMode,
    /// Counts the messages of its connection that need an acknowledgement.
    pub(crate) delivery: u64,
    pub(crate) settled: bool,
}

impl Message {
    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.frame.body()
    }

    /// The body as text. STOMP says nothing of its encoding but what `content-type` says: this takes UTF-8.
    ///
    /// # Errors
    /// When it is none; [`body`](Self::body) has its octets all the same.
    pub fn text(&self) -> Result<&str, core::str::Utf8Error> {
        core::str::from_utf8(self.body())
    }

    /// The body, to send on: a slice of what the message is, nothing is copied.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.frame.body_bytes()
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Text<'_>> {
        self.frame.header(name)
    }

    /// All headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        self.frame.headers()
    }

    /// The whole frame.
    #[must_use]
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The connection on which it came.
    #[must_use]
    pub const fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The subscription for which it came.
    #[must_use]
    pub const fn subscription(&self) -> SubscriptionId {
        self.subscription
    }

    /// Whether it must be acknowledged.
    #[must_use]
    pub const fn needs_ack(&self) -> bool {
        !matches!(self.ack_mode, AckMode::Auto)
    }

    /// Whether it was acknowledged or rejected.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// The message without its hold on a read buffer: headers and body are copied.
    #[must_use]
    pub fn into_owned(self) -> Self {
        Self { frame: self.frame.into_owned(), ..self }
    }

    /// Whether it is there to be settled at all.
    pub(crate) const fn check_settle(&self) -> Result<(), CommandError> {
        match self.ack_mode {
            _ if self.settled => Err(CommandError::AlreadySettled),
            AckMode::Auto => Err(CommandError::NotAcknowledged),
            _ => Ok(()),
        }
    }

    /// The same message, for whoever settles it when it is in other hands.
    #[cfg(feature = "client")]
    pub(crate) fn twin(&self) -> Self {
        Self { frame: self.frame.clone(), ..*self }
    }

    #[cfg(feature = "client")]
    pub(crate) fn make_owned(&mut self) {
        let frame = core::mem::replace(&mut self.frame, Frame::new(Command::Message));
        self.frame = frame.into_owned();
    }

    /// What it counts in a budget of memory: its frame and itself.
    #[must_use]
    pub fn size(&self) -> usize {
        self.frame.size().saturating_add(size_of::<Self>())
    }
}
