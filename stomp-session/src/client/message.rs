//! A message in the hands of its consumer.

use std::{fmt, ops::Deref, sync::Arc};

use super::shared::Shared;
use crate::CommandError;

/// A received message. It derefs to [`stomp_session::Message`](crate::Message) for body and headers.
///
/// Dropping it acknowledges nothing: the broker delivers it again when the subscription or the connection ends.
pub struct Message {
    message: crate::Message,
    shared: Arc<Shared>,
}

impl Message {
    pub(super) const fn new(message: crate::Message, shared: Arc<Shared>) -> Self {
        Self { message, shared }
    }

    /// Acknowledges it. The ACK is queued at once; this never waits.
    ///
    /// # Errors
    /// [`CommandError`], above all [`Stale`](CommandError::Stale) when its connection has ended: the broker delivers it
    /// again.
    pub fn ack(mut self) -> Result<(), CommandError> {
        let message = &mut self.message;
        self.shared.command(|inner| inner.session.ack(message))
    }

    /// Tells the broker that it was not consumed: RabbitMQ delivers it again at once, ActiveMQ moves it to a dead letter
    /// queue. Never waits.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and [`NackDiscards`](CommandError::NackDiscards) on Artemis, which would destroy it.
    pub fn nack(mut self) -> Result<(), CommandError> {
        let message = &mut self.message;
        self.shared.command(|inner| inner.session.nack(message))
    }

    /// The message without its hold on a read buffer, for who keeps it for long.
    #[must_use]
    pub fn into_owned(self) -> Self {
        Self { message: self.message.into_owned(), shared: self.shared }
    }
}

impl Deref for Message {
    type Target = crate::Message;

    fn deref(&self) -> &crate::Message {
        &self.message
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}
