//! Acknowledgements whose senders wait for the broker's answer.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    error::AckError,
    shared::{Inner, Shared},
};
use crate::{CommandError, ReceiptId, Settle};

/// The future of [`Message::ack_confirmed`](super::Message::ack_confirmed) and
/// [`Delivery::ack_confirmed`](super::Delivery::ack_confirmed).
///
/// It only waits: the ACK was queued at the call and is sent in any case. It is cancel safe.
#[must_use = "the broker's answer is not known until the future is awaited"]
#[derive(Debug)]
pub struct Acknowledging {
    shared: Arc<Shared>,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Refused(CommandError),
    Waits(ReceiptId),
    Done,
}

impl Acknowledging {
    /// Acknowledges a message.
    pub(super) fn new(shared: &Arc<Shared>, message: &mut impl Settle) -> Self {
        let asked = shared.command(|inner| inner.ack_confirmed(message));
        let asked = asked.map_or_else(Asked::Refused, Asked::Waits);
        Self { shared: Arc::clone(shared), asked }
    }

    /// Whether the ACK was queued.
    pub(super) const fn is_queued(&self) -> bool {
        matches!(self.asked, Asked::Waits(_))
    }
}

impl Future for Acknowledging {
    type Output = Result<(), AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &self.asked {
            Asked::Refused(error) => Err(error.clone().into()),
            Asked::Waits(id) => match self.shared.with(|inner| inner.poll_receipt(*id, cx.waker())) {
                Some(outcome) => AckError::from_outcome(outcome),
                None => return Poll::Pending,
            },
            Asked::Done => return Poll::Pending,
        };
        self.asked = Asked::Done;
        Poll::Ready(outcome)
    }
}

impl Drop for Acknowledging {
    fn drop(&mut self) {
        if let Asked::Waits(id) = self.asked {
            self.shared.with(|inner| inner.unwatch_receipt(id));
        }
    }
}

impl Inner {
    fn ack_confirmed(&mut self, message: &mut impl Settle) -> Result<ReceiptId, CommandError> {
        let id = self.session.ack_confirmed(message)?;
        self.receipts.await_one(id, None);
        Ok(id)
    }

    /// Nobody waits for that receipt any more. Its frame stays.
    fn unwatch_receipt(&mut self, id: ReceiptId) {
        let (_, waker) = self.receipts.forget(id);
        self.discard(waker);
    }
}
