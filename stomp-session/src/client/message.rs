//! A received message, as its consumer sees it: its acknowledgement, which may wait for the broker's answer, and the headers
//! that a copy of it may have.

use std::{
    fmt,
    future::{Future, poll_fn},
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use stomp_proto::{Excess, Headers, Text};

use super::{
    error::AckError,
    shared::{Inner, Shared},
    task::Waiting,
    waits::For,
};
use crate::{CommandError, Nack, ReceiptId, Session, Settle};

/// A received message.
///
/// It dereferences to [`stomp_session::Message`](crate::Message), which has the body and the headers.
///
/// Dropping a message does not acknowledge it. The broker delivers it again when the subscription or the connection
/// ends.
pub struct Message {
    message: crate::Message,
    shared: Arc<Shared>,
}

impl Message {
    pub(super) const fn new(message: crate::Message, shared: Arc<Shared>) -> Self {
        Self { message, shared }
    }

    /// See [`take_excess`](crate::Message::take_excess).
    pub(super) fn take_excess(&mut self) -> Option<Excess> {
        self.message.take_excess()
    }

    /// Acknowledges the message. The ACK is queued at once; this method never waits.
    ///
    /// `Ok` means only that the ACK was queued; [`ack_confirmed`](Self::ack_confirmed) waits for the broker's answer. The
    /// driver writes the ACK when it runs next. A task that never yields, or that blocks the only thread of its runtime,
    /// keeps the driver from running: heart-beats are missed, the broker ends the connection, the ACK is lost, and the
    /// same message comes again. Move work that blocks to a thread of its own (`spawn_blocking` of tokio,
    /// `blocking::unblock` of smol).
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the message cannot be acknowledged, in particular [`Stale`](CommandError::Stale)
    /// if its connection has ended. The broker then delivers it again.
    pub fn ack(mut self) -> Result<(), CommandError> {
        let message = &mut self.message;
        self.shared.command(|inner| inner.session.ack(message))
    }

    /// Acknowledges the message, and returns a future that resolves with the broker's answer.
    ///
    /// The ACK is queued at once, whether or not the future is polled. With ack mode `client`, the ACK and its answer
    /// cover all messages before this one too.
    ///
    /// Any number of these futures may wait at the same time. Each ends within
    /// [`Config::timeout`](crate::Config::timeout) from this call, and within
    /// [`Config::receipt_timeout`](crate::Config::receipt_timeout) from the moment the ACK has left. A message that is
    /// acknowledged in a [`Transaction`](super::Transaction) is confirmed by the COMMIT, and has no answer of its own.
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
    /// The future returns an [`AckError`] if the ACK was not confirmed. The broker may then deliver the
    /// message again.
    pub fn ack_confirmed(mut self) -> Acknowledging {
        Acknowledging::new(&self.shared, &mut self.message)
    }

    /// Tells the broker that the message was not consumed. This method never waits.
    ///
    /// The effect differs: RabbitMQ delivers the message again at once, and ActiveMQ moves it to a dead letter queue.
    ///
    /// # Errors
    /// Returns the same errors as [`ack`](Self::ack), and [`NackDiscards`](CommandError::NackDiscards) on Artemis,
    /// which would destroy the message.
    pub fn nack(mut self) -> Result<(), CommandError> {
        let message = &mut self.message;
        self.shared.command(|inner| inner.session.nack(message))
    }

    /// Returns `true` if the connection of the message has ended. The broker delivers the message again, unless it came
    /// with ack mode `auto`.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shared.is_lost(self.message.connection())
    }

    /// Waits until the connection of the message has ended.
    ///
    /// A handler can use this to stop early and begin again with the next delivery of the message. This method is
    /// cancel safe.
    pub async fn lost(&self) {
        let mut waiting = Waiting::new(Arc::clone(&self.shared), For::Loss);
        poll_fn(|cx| waiting.poll(cx, |_| self.is_lost().then_some(()))).await;
    }

    /// Acknowledges the message through a shared handle, and asks for the broker's answer.
    pub(super) fn confirm(&self) -> Acknowledging {
        Acknowledging::new(&self.shared, &mut self.message.shared())
    }

    /// Acknowledges the message, or sends a NACK with this effect.
    pub(super) fn settle(&self, nack: Option<Nack>) -> Result<(), CommandError> {
        let mut message = self.message.shared();
        self.shared.command(|inner| match nack {
            None => inner.session.ack(&mut message),
            Some(nack) => inner.session.nack_as(&mut message, nack),
        })
    }

    /// Sends a NACK through a shared handle, whatever its effect is.
    pub(super) fn refuse(&self) -> Result<(), CommandError> {
        let mut message = self.message.shared();
        self.shared.command(|inner| inner.session.nack(&mut message))
    }

    /// Says that it was settled through a shared handle.
    pub(super) const fn note_settled(&mut self) {
        self.message.note_settled();
    }

    /// Settles the message by a command of the session from which it came.
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

    /// Copies the headers and the body, so that the message no longer keeps a read buffer alive.
    #[must_use]
    pub fn into_owned(mut self) -> Self {
        self.message.make_owned();
        self
    }
}

/// An UNSUBSCRIBE waits for messages that may still be settled. This one no longer can be.
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

/// Returns those of a message's headers that a copy of it may have: the headers of its application, without those that belong to
/// the delivery or to the broker's routing.
///
/// A broker that gets one of the others back takes it for an order: RabbitMQ refuses a copy with the `transaction` of the first
/// sender, and Artemis confirms it and loses it. A [`Forward`](super::Forward) leaves out the same.
///
/// ```
/// use stomp_session::{client::application_headers, proto::Headers};
///
/// let mut came = Headers::new();
/// came.push("message-id", "7");
/// came.push("redelivered", "true");
/// came.push("colour", "red");
///
/// let mut copied = Headers::new();
/// copied.push("colour", "red");
/// assert_eq!(application_headers(&came), copied);
/// ```
#[must_use]
pub fn application_headers(headers: &Headers) -> Headers {
    let mut copied = Headers::new();
    let kept = headers.iter().filter(|(name, _)| !is_reserved(name));
    kept.for_each(|(name, value)| copied.push(name.octets(), value.octets()));
    copied
}

/// Headers of a MESSAGE that belong to its delivery, or by which brokers route.
const RESERVED: [&str; 26] = [
    "ack",
    "browser",
    "content-length",
    "destination",
    "destination-type",
    "expires",
    "message-id",
    "original-destination",
    "originalExpiration",
    "persistent",
    "priority",
    "receipt",
    "redelivered",
    "routing-type",
    "subscription",
    "subscription-type",
    "timestamp",
    "transaction",
    "x-acquired-count",
    "x-death",
    "x-delivery-count",
    "x-opt-deaths",
    "x-received-from",
    "BCC",
    "CC",
    "dlqDeliveryFailureCause",
];

/// Prefixes of names that brokers reserve: the de-duplication and routing headers of Artemis and ActiveMQ, and what
/// RabbitMQ notes about dead letters.
const RESERVED_PREFIXES: [&[u8]; 7] =
    [b"_AMQ", b"__AMQ", b"AMQ_", b"_HQ_", b"JMSX", b"x-first-death-", b"x-last-death-"];

pub(super) fn is_reserved(name: &Text<'_>) -> bool {
    let octets = name.octets();
    RESERVED.iter().any(|reserved| *name == **reserved)
        || RESERVED_PREFIXES.iter().any(|prefix| octets.starts_with(prefix))
}
