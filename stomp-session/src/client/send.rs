//! Sending: a builder, and the future it becomes.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use stomp_proto::{Command, Frame, Headers};

use super::{
    SendError,
    shared::{Inner, Receipt, Shared},
    waits::{For, Ticket},
};
use crate::{Outcome, ReceiptId};

/// A message to be sent. Add to it, then `.await` it.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct SendBuilder {
    shared: Arc<Shared>,
    frame: Frame,
    confirmed: bool,
}

impl SendBuilder {
    pub(super) fn new(shared: Arc<Shared>, destination: &str, body: Bytes) -> Self {
        let frame = Frame::new(Command::Send).with_header("destination", destination).with_body(body);
        Self { shared, frame, confirmed: false }
    }

    /// Another header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.frame.headers_mut().push(name, value);
        self
    }

    /// Several other headers.
    pub fn headers(mut self, headers: &Headers) -> Self {
        headers.iter().for_each(|(name, value)| self.frame.headers_mut().push(name.octets(), value.octets()));
        self
    }

    /// `persistent:true`: a message that survives the broker's restart, where the queue does. Without it even a confirmed
    /// message may be gone.
    pub fn persistent(self) -> Self {
        self.header("persistent", "true")
    }

    /// Without `content-length`: ActiveMQ hands such a message to JMS consumers as text. The body must not hold a NUL.
    pub fn text(mut self) -> Self {
        self.frame = self.frame.without_content_length();
        self
    }

    /// Waits for the broker's RECEIPT.
    pub fn confirmed(mut self) -> Self {
        self.confirmed = true;
        self
    }
}

impl IntoFuture for SendBuilder {
    type Output = Result<(), SendError>;
    type IntoFuture = Sending;

    fn into_future(self) -> Sending {
        let Self { shared, frame, confirmed } = self;
        Sending { shared, stage: Stage::Waiting { frame, ticket: None, confirmed } }
    }
}

/// The future of a [`SendBuilder`].
///
/// It waits for a connection with room, in the order of the calls, and at most
/// [`Settings::send_timeout`](super::Settings::send_timeout); then, if confirmation was asked for, for the RECEIPT. Cancel
/// safe: dropped while it waits for room, nothing was sent; dropped later, the message was sent and may be stored.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct Sending {
    shared: Arc<Shared>,
    stage: Stage,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each send")]
enum Stage {
    /// The frame is dropped with this stage, outside the lock: its body is not ours and may run anything then.
    Waiting {
        frame: Frame,
        ticket: Option<Ticket>,
        confirmed: bool,
    },
    Receipt(ReceiptId),
    Done,
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = &mut *self;
        if let Stage::Waiting { frame, ticket, confirmed } = &mut this.stage {
            let waker = cx.waker().clone();
            let shared = &this.shared;
            let step = shared.with(|inner| inner.poll_room(shared, frame, ticket, *confirmed, waker));
            match step {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(id))) => this.stage = Stage::Receipt(id),
                Poll::Ready(sent) => {
                    this.stage = Stage::Done;
                    return Poll::Ready(sent.map(|_| ()));
                }
            }
        }
        let Stage::Receipt(id) = this.stage else { return Poll::Pending };
        let waker = cx.waker().clone();
        match this.shared.with(|inner| inner.poll_receipt(id, waker)) {
            Some(outcome) => {
                this.stage = Stage::Done;
                Poll::Ready(SendError::from_outcome(outcome))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        match self.stage {
            Stage::Waiting { ticket: Some(ticket), .. } => self.shared.with(|inner| {
                inner.leave_senders(&self.shared, ticket);
            }),
            Stage::Receipt(id) => self.shared.with(|inner| {
                let waker = inner.receipts.remove(&id).and_then(|receipt| receipt.waker);
                inner.discard(waker);
            }),
            _ => {}
        }
    }
}

impl Inner {
    /// Sends when it is this sender's turn and there is room; gives the receipt to wait for, if one was asked for.
    fn poll_room(
        &mut self,
        shared: &Shared,
        frame: &mut Frame,
        ticket: &mut Option<Ticket>,
        confirmed: bool,
        waker: Waker,
    ) -> Poll<Result<Option<ReceiptId>, SendError>> {
        let patience = shared.settings.send_timeout;
        let refusal = match &self.closed {
            Some(closed) => Some(SendError::Closed(closed.clone())),
            None => {
                let expired = ticket.filter(|ticket| self.waits.of(For::Room).is_expired(*ticket));
                expired.map(|_| SendError::Timeout(patience))
            }
        };
        if refusal.is_none()
            && !(self.waits.of(For::Room).is_first(*ticket) && self.has_room(&shared.settings))
        {
            self.wait(For::Room, ticket, waker, patience);
            return Poll::Pending;
        }
        self.discard(Some(waker));
        let sent = match refusal {
            Some(refusal) => Err(refusal),
            None => self.send_now(frame, confirmed),
        };
        if let Some(ticket) = ticket.take() {
            self.leave_senders(shared, ticket);
        }
        Poll::Ready(sent)
    }

    fn send_now(&mut self, frame: &mut Frame, confirmed: bool) -> Result<Option<ReceiptId>, SendError> {
        let receipt = if confirmed {
            let timeout = self.session.config.timeout;
            let id = self.session.confirm(frame, timeout)?;
            self.receipts.insert(id, Receipt::default());
            Some(id)
        } else {
            self.session.send(frame)?;
            None
        };
        self.wake_driver();
        Ok(receipt)
    }

    /// Leaves the queue and lets the next one in: a waiter that was woken and goes away strands nobody.
    fn leave_senders(&mut self, shared: &Shared, ticket: Ticket) {
        self.leave(For::Room, ticket);
        self.admit_sender(&shared.settings);
    }

    fn poll_receipt(&mut self, id: ReceiptId, waker: Waker) -> Option<Outcome> {
        let receipt = self.receipts.get_mut(&id)?;
        if let Some(outcome) = receipt.outcome.take() {
            self.receipts.remove(&id);
            self.discard(Some(waker));
            return Some(outcome);
        }
        let replaced = receipt.waker.replace(waker);
        self.discard(replaced);
        None
    }
}
