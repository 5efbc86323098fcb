//! A message in the hands of a handler.

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

/// A message in the hands of a handler, which derefs to [`Message`]. Clones are the same message.
///
/// The [`Runner`](super::Runner) acknowledges it when its handler has succeeded. A handler that needs it settled before may
/// do that itself; nothing more is settled then, whatever the handler returns.
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

    /// Acknowledges the message before its handler ends. The ACK is queued at once; this never waits, and says nothing of what
    /// becomes of the ACK: see [`Message::ack`].
    ///
    /// # Errors
    /// As [`Message::ack`]; [`CommandError::AlreadySettled`] the second time.
    pub fn ack(&self) -> Result<(), CommandError> {
        self.settle(None)
    }

    /// Acknowledges the message before its handler ends, and returns a future that resolves when the broker has answered: see
    /// [`Message::ack_confirmed`]. The runner settles nothing more, whatever the answer is.
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

    /// Tells the broker that the message was not consumed, before its handler ends: see [`Message::nack`].
    ///
    /// # Errors
    /// As [`Message::nack`]; [`CommandError::AlreadySettled`] the second time.
    pub fn nack(&self) -> Result<(), CommandError> {
        let mut message = self.held.message.twin();
        self.settled(self.held.shared.command(|inner| inner.session.nack(&mut message)))
    }

    /// How often its handler has been called with it, by this runner: 1 the first time. [`OnFailure::Retry`](super::OnFailure)
    /// makes it more. A message that the broker delivers again begins anew.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The same message for the next attempt.
    pub(super) fn again(&self) -> Self {
        Self { held: Arc::clone(&self.held), attempt: self.attempt.saturating_add(1) }
    }

    /// Acknowledges it, or NACKs it so that the broker does that.
    pub(super) fn settle(&self, nack: Option<Nack>) -> Result<(), CommandError> {
        self.settled(self.held.message.settle(nack))
    }

    fn settled(&self, result: Result<(), CommandError>) -> Result<(), CommandError> {
        if result.is_ok() {
            self.held.settled.store(true, Ordering::Release);
        }
        result
    }

    /// Whether its broker still expects an answer, and delivers it again when there is none.
    pub(super) fn is_owed(&self) -> bool {
        self.needs_ack() && !self.held.settled.load(Ordering::Acquire)
    }

    /// Whether it was settled by its handler, or by the runner.
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
