//! A message that is passed to a handler.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    CommandError, Nack,
    client::{acknowledging::Acknowledging, message::Message, shared::Shared},
};

/// A message that is passed to a handler. It dereferences to [`Message`]. A clone is the same message.
///
/// The [`Runner`](super::Runner) acknowledges the message when its handler has succeeded. A handler may settle the
/// message earlier by itself. Then the runner does not settle it, whatever the handler returns.
#[derive(Clone)]
pub struct Delivery {
    held: Arc<Held>,
    attempt: u32,
}

struct Held {
    message: Message,
    shared: Arc<Shared>,
    settled: AtomicBool,
}

impl Delivery {
    pub(super) fn new(message: Message, shared: Arc<Shared>) -> Self {
        Self { held: Arc::new(Held { message, shared, settled: AtomicBool::new(false) }), attempt: 1 }
    }

    /// Acknowledges the message before its handler ends. The ACK is queued at once; this method never waits, and does not
    /// report whether the broker has received the ACK: see [`Message::ack`].
    ///
    /// # Errors
    /// Returns the same errors as [`Message::ack`], and [`CommandError::AlreadySettled`] if the message was settled
    /// before.
    pub fn ack(&self) -> Result<(), CommandError> {
        self.settle(None)
    }

    /// Acknowledges the message before its handler ends, and returns a future that resolves with the broker's answer: see
    /// [`Message::ack_confirmed`].
    ///
    /// The runner does not settle the message afterwards, whatever the answer is.
    ///
    /// ```
    /// # async fn example(orders: stomp_session::client::Subscription) {
    /// use stomp_session::client::{AckError, Delivery};
    ///
    /// let runner = orders.handle_with(|order: Delivery| async move {
    ///     order.ack_confirmed().await?;
    ///     println!("the broker will not deliver it again: {:?}", order.body());
    ///     Ok::<(), AckError>(())
    /// });
    /// # runner.run().await.ok(); }
    /// ```
    pub fn ack_confirmed(&self) -> Acknowledging {
        let acknowledging = self.held.message.confirm();
        if acknowledging.is_queued() {
            self.held.settled.store(true, Ordering::Release);
        }
        acknowledging
    }

    /// Tells the broker before the handler ends that the message was not consumed: see [`Message::nack`].
    ///
    /// # Errors
    /// Returns the same errors as [`Message::nack`], and [`CommandError::AlreadySettled`] if the message was settled
    /// before.
    pub fn nack(&self) -> Result<(), CommandError> {
        let mut message = self.held.message.twin();
        self.settled(self.held.shared.command(|inner| inner.session.nack(&mut message)))
    }

    /// Returns how many times this runner has called the handler with this message: 1 the first time.
    ///
    /// It is more after [`OnFailure::Retry`](super::OnFailure). A message that the broker delivers again begins at 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the same message for the next attempt.
    pub(super) fn again(&self) -> Self {
        Self { held: Arc::clone(&self.held), attempt: self.attempt.saturating_add(1) }
    }

    /// Acknowledges the message, or sends a NACK with this effect.
    pub(super) fn settle(&self, nack: Option<Nack>) -> Result<(), CommandError> {
        self.settled(self.held.message.settle(nack))
    }

    fn settled(&self, result: Result<(), CommandError>) -> Result<(), CommandError> {
        if result.is_ok() {
            self.held.settled.store(true, Ordering::Release);
        }
        result
    }

    /// Whether the broker still expects an answer, and delivers the message again without one.
    pub(super) fn is_owed(&self) -> bool {
        self.needs_ack() && !self.held.settled.load(Ordering::Acquire)
    }

    /// Whether the handler or the runner has settled the message.
    pub(super) fn was_settled(&self) -> bool {
        self.held.settled.load(Ordering::Acquire)
    }
}

impl Deref for Delivery {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.held.message
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.held.message)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
