//! Sending: a builder, and the future it becomes.

use std::{
    future::{Future, IntoFuture},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::{Command, Frame, Headers};

use super::{
    content::Content,
    error::SendError,
    handed::HandedSend,
    shared::{Inner, Receipt, Shared},
    terms::{How, Mode, Terms},
    waits::{For, Ticket},
};
use crate::{AtLeastOnce, Outcome, ReceiptId, TransactionId};

/// A message to be sent. Add to it, then `.await` it.
///
/// It can be cloned, so that what many messages have in common is said once:
///
/// ```
/// # async fn example(client: &stomp_session::client::Client) -> Result<(), stomp_session::client::SendError> {
/// let order = client.send("/queue/orders", "").header("priority", "9").persistent().confirmed();
/// for body in ["one coffee", "two teas"] {
///     order.clone().body(body).await?;
/// }
/// # Ok(()) }
/// ```
#[must_use = "nothing is sent until it is awaited"]
#[derive(Clone, Debug)]
pub struct SendBuilder {
    pub(super) shared: Arc<Shared>,
    pub(super) frame: Frame,
    pub(super) how: How,
}

impl SendBuilder {
    pub(super) fn new(shared: Arc<Shared>, destination: &str, body: Bytes) -> Self {
        let frame = Frame::new(Command::Send).with_header("destination", destination).with_body(body);
        Self { shared, frame, how: How::default() }
    }

    pub(super) const fn in_transaction(mut self, transaction: TransactionId) -> Self {
        self.how.transaction = Some(transaction);
        self
    }

    /// Another body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.frame = self.frame.with_body(body);
        self
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

    /// To a queue, whatever its name looks like. Artemis takes every destination for a topic otherwise, and what is sent to a
    /// topic while nobody listens is confirmed and gone. The other brokers hand the header on.
    pub fn to_queue(self) -> Self {
        self.header("destination-type", "ANYCAST")
    }

    /// Without `content-length`: ActiveMQ hands such a message to JMS consumers as text. The body must not hold a NUL.
    pub fn text(mut self) -> Self {
        self.frame = self.frame.without_content_length();
        self
    }

    /// Waits for the broker's RECEIPT. `Ok` is what the broker says: of a message that is not
    /// [persistent](Self::persistent) it is no promise that it outlives the broker, and of none that anybody will read it.
    pub fn confirmed(mut self) -> Self {
        self.how.mode = Mode::Confirmed;
        self
    }

    /// Sent until a broker has confirmed it, over any number of connections: kept, in memory, within the bounds of
    /// [`Config::at_least_once_messages`](crate::Config::at_least_once_messages) and
    /// [`Config::at_least_once_octets`](crate::Config::at_least_once_octets), beyond which it waits for others to be confirmed
    /// ([`Settings::send_timeout`](super::Settings::send_timeout)), or fails if it is [immediate](Self::immediate). It does not
    /// wait for a connection, is persistent, may arrive more than once, and carries an id by which Artemis tells copies. It is
    /// given up after [`timeout`](Self::timeout), or
    /// [`Config::at_least_once_timeout`](crate::Config::at_least_once_timeout); a crash of this process loses it. See
    /// [`Session::send_at_least_once`](crate::Session::send_at_least_once).
    pub const fn at_least_once(mut self) -> Self {
        self.how.mode = Mode::AtLeastOnce { ordered: false };
        self
    }

    /// [At least once](Self::at_least_once), and after the one before it to the same destination that was sent so, one at a
    /// time: copies of several may stand in a queue as A B A otherwise.
    pub const fn ordered(mut self) -> Self {
        self.how.mode = Mode::AtLeastOnce { ordered: true };
        self
    }

    /// Fails at once with [`CommandError::NotConnected`](crate::CommandError::NotConnected), [`SendError::Full`] or
    /// [`CommandError::AtLeastOnceFull`](crate::CommandError::AtLeastOnceFull), where it would have to wait for a connection
    /// or for room.
    pub const fn immediate(mut self) -> Self {
        self.how.immediate = true;
        self
    }

    /// Does not wait for a connection with room: the message does that by itself, in the order of the calls, for as long as
    /// it would have waited, while the caller goes on. As many octets may wait in this way as
    /// [`Settings::outbound_budget`](super::Settings::outbound_budget) allows; beyond that it waits as ever.
    ///
    /// In memory only. One whose time is over, or that waits still when the session ends, is not sent; only
    /// [`Notice::SendFailed`](super::Notice::SendFailed) tells. For what must arrive there is
    /// [`at_least_once`](Self::at_least_once). What is to be confirmed, or belongs to a transaction, waits as ever.
    pub const fn buffered(mut self) -> Self {
        self.how.buffered = true;
        self
    }

    /// How long all of it may take from the first poll on: the wait for a connection with room, for the transport, for the
    /// RECEIPT. Unless it is said here, [`Settings::send_timeout`](super::Settings::send_timeout) bounds the first and
    /// [`Config::timeout`](crate::Config::timeout) the rest. For the RECEIPT alone, once all of the message has left, the
    /// broker has [`Config::receipt_timeout`](crate::Config::receipt_timeout).
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.how.timeout = Some(timeout);
        self
    }
}

impl IntoFuture for SendBuilder {
    type Output = Result<(), SendError>;
    type IntoFuture = Sending;

    fn into_future(self) -> Sending {
        let Self { shared, frame, how } = self;
        Sending::new(shared, Content::Frame(frame), how)
    }
}

/// The future of a [`SendBuilder`].
///
/// It waits for a connection with room, in the order of the calls; then, if confirmation was asked for, for the RECEIPT.
/// Cancel safe: dropped before anything of the message has left, nothing is sent; dropped later, the message may be stored,
/// and is not sent again.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct Sending {
    shared: Arc<Shared>,
    stage: Stage,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each send")]
enum Stage {
    /// The content is dropped with this stage, outside the lock: its body is not ours and may run anything then.
    Waiting {
        content: Content,
        ticket: Option<Ticket>,
        how: How,
    },
    Receipt(ReceiptId),
    Done,
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = &mut *self;
        if let Stage::Waiting { content, ticket, how } = &mut this.stage {
            let waker = cx.waker().clone();
            let shared = &this.shared;
            let step = shared.with(|inner| inner.poll_send(shared, content, ticket, *how, waker));
            match step {
                Poll::Pending => return this.buffer(),
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

impl Sending {
    pub(super) const fn new(shared: Arc<Shared>, content: Content, how: How) -> Self {
        Self { shared, stage: Stage::Waiting { content, ticket: None, how } }
    }

    /// What was left to the driver.
    pub(super) fn handed(shared: Arc<Shared>, send: HandedSend) -> Self {
        let HandedSend { content, ticket, how, .. } = send;
        Self { shared, stage: Stage::Waiting { content, ticket, how } }
    }

    /// Leaves what waits to the driver, if it may and there is room for it.
    fn buffer(&mut self) -> Poll<Result<(), SendError>> {
        let Self { shared, stage } = self;
        // Dropped after the lock.
        let mut body = None;
        shared.with(|inner| {
            let Stage::Waiting { content, how, .. } = stage else { return Poll::Pending };
            let size = content.size();
            let may = how.buffered && how.mode == Mode::Plain && how.transaction.is_none();
            if !may || !inner.handed.has_room(size, shared.settings.outbound_budget) {
                return Poll::Pending;
            }
            // The driver does not buffer it again.
            how.buffered = false;
            body = content.unpin();
            if let Stage::Waiting { content, ticket, how } = mem::replace(stage, Stage::Done) {
                inner.handed.add(HandedSend { content, ticket, how, size });
                inner.wake_driver();
            }
            Poll::Ready(Ok(()))
        })
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        match self.stage {
            Stage::Waiting { ticket: Some(ticket), how, .. } => self.shared.with(|inner| {
                inner.leave_senders(&self.shared, how.queue(), ticket);
            }),
            Stage::Receipt(id) => self.shared.with(|inner| {
                inner.forget_receipt(id);
                inner.admit_sender(&self.shared.settings);
            }),
            _ => {}
        }
    }
}

impl Inner {
    fn poll_send(
        &mut self,
        shared: &Shared,
        content: &mut Content,
        ticket: &mut Option<Ticket>,
        how: How,
        waker: Waker,
    ) -> Poll<Result<Option<ReceiptId>, SendError>> {
        let terms = Terms {
            what: how.queue(),
            patience: how.timeout.unwrap_or(shared.settings.send_timeout),
            immediate: how.immediate,
            // It has failed.
            at_once: how
                .transaction
                .is_some_and(|transaction| how.mode != Mode::Plain || !self.stands(transaction)),
            has_room: match how.queue() {
                For::Outbox => self.session.keeps_none() || self.session.has_room_to_keep(content.size()),
                _ => self.has_room(&shared.settings),
            },
        };
        self.poll_room(shared, ticket, terms, waker, |inner, ticket| inner.send_now(content, how, ticket))
    }

    fn stands(&self, transaction: TransactionId) -> bool {
        self.session.connection().is_some_and(|connection| connection.id == transaction.connection)
    }

    /// Sends when it is this sender's turn and there is room.
    pub(super) fn poll_room<T>(
        &mut self,
        shared: &Shared,
        ticket: &mut Option<Ticket>,
        terms: Terms,
        waker: Waker,
        send: impl FnOnce(&mut Self, Option<Ticket>) -> Result<T, SendError>,
    ) -> Poll<Result<T, SendError>> {
        let Terms { what, patience, .. } = terms;
        let refusal = self.refusal(what, *ticket, patience);
        let admitted = terms.at_once || self.waits.of(what).is_first(*ticket) && terms.has_room;
        if refusal.is_none() && !admitted && !terms.immediate {
            self.wait(what, ticket, waker, patience);
            return Poll::Pending;
        }
        self.discard(Some(waker));
        let connected = self.session.connection().is_some();
        let sent = match (refusal, what) {
            (Some(refusal), _) => Err(refusal),
            (None, For::Room) if !admitted && connected => Err(SendError::Full),
            (None, _) => send(self, *ticket),
        };
        if let Some(ticket) = ticket.take() {
            self.leave_senders(shared, what, ticket);
        }
        Poll::Ready(sent)
    }

    fn refusal(&mut self, what: For, ticket: Option<Ticket>, patience: Duration) -> Option<SendError> {
        match &self.closed {
            Some(closed) => Some(SendError::Closed(closed.clone())),
            None => {
                let expired = ticket.filter(|ticket| self.waits.of(what).is_expired(*ticket));
                expired.map(|_| SendError::Timeout(patience))
            }
        }
    }

    /// Gives the receipt to wait for, if one was asked for.
    fn send_now(
        &mut self,
        content: &mut Content,
        how: How,
        ticket: Option<Ticket>,
    ) -> Result<Option<ReceiptId>, SendError> {
        let receipt = match (how.mode, how.transaction) {
            (Mode::Plain, None) => {
                content.send(&mut self.session)?;
                None
            }
            (Mode::Plain, Some(transaction)) => {
                self.session.send_in(transaction, content.frame())?;
                None
            }
            (_, Some(_)) => return Err(SendError::InTransaction),
            (Mode::Confirmed, None) => {
                let rest = self.rest(how, ticket).unwrap_or_else(|| self.session.config().timeout);
                Some(content.confirm(&mut self.session, rest)?)
            }
            (Mode::AtLeastOnce { ordered }, None) => {
                let timeout = self.rest(how, ticket);
                Some(self.session.keep(content.frame(), AtLeastOnce { timeout, ordered })?)
            }
        };
        self.receipts.extend(receipt.map(|id| (id, Receipt::default())));
        self.wake_driver();
        Ok(receipt)
    }

    /// What is left of the time that it was given, if it has waited.
    fn rest(&mut self, how: How, ticket: Option<Ticket>) -> Option<Duration> {
        let deadline = ticket.and_then(|ticket| self.waits.of(how.queue()).deadline_of(ticket));
        how.timeout.map(|timeout| deadline.map_or(timeout, |deadline| deadline.since(self.session.now())))
    }

    /// Leaves the queue and lets the next one in: a waiter that was woken and goes away strands nobody.
    pub(super) fn leave_senders(&mut self, shared: &Shared, what: For, ticket: Ticket) {
        self.leave(what, ticket);
        self.admit_sender(&shared.settings);
    }

    pub(super) fn poll_receipt(&mut self, id: ReceiptId, waker: Waker) -> Option<Outcome> {
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

    /// Waits no more for a receipt, and takes its frame back if it may and nothing of it has left.
    pub(super) fn forget_receipt(&mut self, id: ReceiptId) {
        let receipt = self.receipts.remove(&id);
        if receipt.as_ref().is_some_and(|receipt| receipt.outcome.is_none()) {
            self.session.cancel(id);
            self.wake_driver();
        }
        self.discard(receipt.and_then(|receipt| receipt.waker));
    }
}
