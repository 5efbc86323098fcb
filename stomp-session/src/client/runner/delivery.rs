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
    client::message::{Acknowledging, Message},
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
    settled: AtomicBool,
}

/// What was settled has not to be given back.
impl Drop for Held {
    fn drop(&mut self) {
        if *self.settled.get_mut() {
            self.message.note_settled();
        }
    }
}

impl Delivery {
    pub(super) fn new(message: Message) -> Self {
        Self { held: Arc::new(Held { message, settled: AtomicBool::new(false) }), attempt: 1 }
    }

    /// Creates one where another was that is done with, if nobody has a clone of that.
    pub(super) fn new_in(mut done: Self, message: Message) -> Self {
        match Arc::get_mut(&mut done.held) {
            Some(held) => {
                *held = Held { message, settled: AtomicBool::new(false) };
                Self { attempt: 1, ..done }
            }
            None => Self::new(message),
        }
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
        self.settled(self.held.message.refuse())
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

    /// Does the same, unless the handler has settled the message. With ack mode `auto` there is nothing to acknowledge.
    pub(super) fn settle_unless_settled(&self, nack: Option<Nack>) -> Result<(), CommandError> {
        match self.was_settled() || (nack.is_none() && !self.needs_ack()) {
            true => Ok(()),
            false => self.settle(nack),
        }
    }

    fn settled(&self, result: Result<(), CommandError>) -> Result<(), CommandError> {
        result?;
        self.held.settled.store(true, Ordering::Release);
        Ok(())
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
