//! A message in the hands of its consumer.

use std::{fmt, future::poll_fn, ops::Deref, sync::Arc};

use super::{acknowledging::Acknowledging, shared::Shared, state::Waiting, waits::For};
use crate::{CommandError, Nack, Session};

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

    /// Acknowledges it. The ACK is queued at once; this never waits. [`ack_confirmed`](Self::ack_confirmed) tells what becomes of
    /// it.
    ///
    /// `Ok` says no more than that it was queued: the driver writes it when it runs next. A task that never yields, or blocks
    /// the only thread of its runtime, keeps the driver from running: heart-beats are missed, the broker ends the connection,
    /// the ACK is lost, and the same message comes again. Move work that blocks to a thread of its own (tokio's
    /// `spawn_blocking`, `blocking::unblock` of smol).
    ///
    /// # Errors
    /// [`CommandError`], above all [`Stale`](CommandError::Stale) when its connection has ended: the broker delivers it
    /// again.
    pub fn ack(mut self) -> Result<(), CommandError> {
        let message = &mut self.message;
        self.shared.command(|inner| inner.session.ack(message))
    }

    /// Acknowledges it, and returns a future that resolves when the broker has answered. The ACK is queued at once, whether or
    /// not the future is polled. With ack mode `client` it means all messages before as well, and so does the answer.
    ///
    /// Many may be on their way at a time. Each ends within [`Config::timeout`](crate::Config::timeout) from here and
    /// [`Config::receipt_timeout`](crate::Config::receipt_timeout) from the moment the ACK has left. What is acknowledged in a
    /// [`Transaction`](super::Transaction) is confirmed by its COMMIT, and has no answer of its own.
    ///
    /// ```
    /// # async fn example(mut orders: stomp_session::client::Subscription) -> Result<(), Box<dyn std::error::Error>> {
    /// while let Some(order) = orders.next().await {
    ///     println!("{}", order.text()?);
    ///     order.ack_confirmed().await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`AckError`](super::AckError), from the future. Unless the ACK was confirmed, the broker may deliver the message again.
    pub fn ack_confirmed(mut self) -> Acknowledging {
        Acknowledging::new(&self.shared, &mut self.message)
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

    /// Whether its connection has ended: the broker delivers it again, unless it came with ack mode `auto`.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shared.is_lost(self.message.connection())
    }

    /// Waits until its connection has ended, for a handler that would rather begin anew than go on. Cancel safe.
    pub async fn lost(&self) {
        let mut waiting = Waiting::new(Arc::clone(&self.shared), For::Loss);
        poll_fn(|cx| waiting.poll(cx, |_| self.is_lost().then_some(()))).await;
    }

    /// Acknowledges it for a handle that others have as well.
    pub(super) fn confirm(&self) -> Acknowledging {
        Acknowledging::new(&self.shared, &mut self.message.twin())
    }

    /// Acknowledges it, or NACKs it so that the broker does that.
    pub(super) fn settle(&self, nack: Option<Nack>) -> Result<(), CommandError> {
        let mut message = self.message.twin();
        self.shared.command(|inner| match nack {
            None => inner.session.ack(&mut message),
            Some(nack) => inner.session.nack_as(&mut message, nack),
        })
    }

    /// Settles it by a command of the session that it came from.
    pub(super) fn settle_by(
        mut self,
        shared: &Arc<Shared>,
        settle: impl FnOnce(&mut Session, &mut crate::Message) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        if !Arc::ptr_eq(shared, &self.shared) {
            return Err(CommandError::OtherSession);
        }
        let message = &mut self.message;
        shared.command(|inner| settle(&mut inner.session, message))
    }

    /// The message without its hold on a read buffer, to be kept for long.
    #[must_use]
    pub fn into_owned(mut self) -> Self {
        self.message.make_owned();
        self
    }
}

/// An UNSUBSCRIBE waits for messages that may still be settled: this one will not be.
impl Drop for Message {
    fn drop(&mut self) {
        if self.message.needs_ack() && !self.message.is_settled() {
            self.shared.give_back([&self.message]);
        }
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
