//! Transactions: begun, filled, and committed, or aborted when they are dropped.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;

use super::{
    admission::Started,
    error::{BeginError, CommitError},
    handle::Client,
    keep::Keep,
    message::Message,
    parked::{Admitted, ParkedId},
    send::SendBuilder,
    shared::{Inner, Receipt},
};
use crate::{CommandError, ReceiptId, TransactionId};

impl Client {
    /// Begins a transaction on the connection that stands, or on the next one.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let transaction = client.begin().await?;
    /// transaction.send("/queue/debits", "5").persistent().await?;
    /// transaction.send("/queue/credits", "5").persistent().await?;
    /// transaction.commit().await?;
    /// # Ok(()) }
    /// ```
    pub fn begin(&self) -> Beginning {
        Beginning { keep: Some(self.keep().clone()), parked: None, timeout: None }
    }
}

/// The future of [`Client::begin`].
///
/// It waits for a connection with room, among the sends and in their order, and resolves when the BEGIN waits for the
/// transport: the broker's answer to it is a part of that to the commit. Cancel safe: dropped, nothing is sent.
#[must_use = "nothing begins until it is awaited"]
#[derive(Debug)]
pub struct Beginning {
    keep: Option<Keep>,
    parked: Option<ParkedId>,
    timeout: Option<Duration>,
}

impl Beginning {
    /// How long to wait for a connection with room, from the first poll on;
    /// [`Builder::send_timeout`](super::Builder::send_timeout) unless it is said here.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Future for Beginning {
    type Output = Result<Transaction, BeginError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(keep) = &self.keep else { return Poll::Pending };
        let (shared, parked) = (&keep.shared, self.parked);
        let patience = self.timeout.unwrap_or(shared.settings.send_timeout);
        let polled = shared.with(|inner| match parked {
            Some(id) => inner.poll_parked(id, cx.waker().clone()).map_ok(Started::Admitted),
            None => Poll::Ready(inner.start_transaction(&shared.settings, patience, cx.waker())),
        });
        let started = ready!(polled);
        self.parked = None;
        match started? {
            Started::Parked(id) => {
                self.parked = Some(id);
                Poll::Pending
            }
            Started::Admitted(Admitted::Begun(id)) => {
                self.keep.take().map_or(Poll::Pending, |keep| Poll::Ready(Ok(Transaction { keep, id })))
            }
            Started::Admitted(_) => Poll::Pending,
        }
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if let (Some(keep), Some(id)) = (&self.keep, self.parked) {
            keep.shared.with(|inner| inner.forget_parked(id));
        }
    }
}

/// A transaction (STOMP 1.2, "BEGIN", "COMMIT" and "ABORT"): what is sent and acknowledged in it counts once it is committed.
/// Dropped, it is aborted.
///
/// It belongs to the connection on which it began. When that ends, the broker aborts it, and every later use is
/// [`CommandError::TransactionLost`]; nothing of it is ever sent on another connection. Begin anew then.
///
/// It keeps the session alive, as a [`Client`] does.
///
/// What brokers make of it differs:
///
/// - RabbitMQ answers the SENDs in it after the COMMIT, and the COMMIT before it has stored anything: [`commit`](Self::commit)
///   waits for all answers, and nothing else in a transaction can be awaited. It is not all or nothing there: the other
///   messages are stored if one is impossible.
/// - On Artemis an ACK is not undone by an ABORT, so that a message that was acknowledged in a transaction that fails is gone
///   there. A SEND in a transaction that it does not know is confirmed and gone; this client never sends one.
/// - What was acknowledged in a transaction that was aborted cannot be settled again. RabbitMQ and ActiveMQ deliver it again
///   when the subscription, or the connection, has ended.
#[must_use = "dropped, it is aborted"]
#[derive(Debug)]
pub struct Transaction {
    keep: Keep,
    id: TransactionId,
}

impl Transaction {
    /// A message to be sent in it. It resolves once the message waits for the transport; what becomes of it is told by
    /// [`commit`](Self::commit), so [`confirmed`](SendBuilder::confirmed) and
    /// [`at_least_once`](SendBuilder::at_least_once) are [`SendError::InTransaction`] here.
    pub fn send(&self, destination: &str, body: impl Into<Bytes>) -> SendBuilder {
        SendBuilder::new(Arc::clone(&self.keep.shared), destination, body.into()).in_transaction(self.id)
    }

    /// Acknowledges a message in it. The ACK is queued at once; this never waits.
    ///
    /// # Errors
    /// As [`Message::ack`]; [`TransactionLost`](CommandError::TransactionLost);
    /// [`OtherSession`](CommandError::OtherSession) for a message that came to another one;
    /// [`NotInTransaction`](CommandError::NotInTransaction) in STOMP 1.0. Nothing was sent.
    pub fn ack(&self, message: Message) -> Result<(), CommandError> {
        message.settle_by(&self.keep.shared, |session, message| session.ack_in(self.id, message))
    }

    /// Refuses a message in it. Never waits.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and [`NackDiscards`](CommandError::NackDiscards) on Artemis, which would destroy it.
    pub fn nack(&self, message: Message) -> Result<(), CommandError> {
        message.settle_by(&self.keep.shared, |session, message| session.nack_in(self.id, message))
    }

    /// Commits it, when it is awaited. Sends that have not resolved by then fail with
    /// [`CommandError::TransactionOver`].
    pub const fn commit(self) -> Committing {
        Committing { transaction: self, timeout: None, stage: Stage::Open }
    }

    /// Aborts it. The ABORT is queued at once; without its connection there is nothing to abort. Dropping it does the same.
    pub fn abort(self) {}
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // One that is over, or lost, needs no ABORT.
        self.keep.shared.command(|inner| _ = inner.session.abort(self.id));
    }
}

/// The future of [`Transaction::commit`]. `Ok` is the broker's RECEIPT of the COMMIT and of every frame before it.
///
/// Dropped before its first poll, it aborts. Dropped later, the COMMIT is not taken back, and its outcome stays unknown; the
/// same is true when the time is over, or the connection, before all answers have come ([`CommitError::Unknown`]). A COMMIT is
/// never sent twice.
#[must_use = "nothing is committed until it is awaited"]
#[derive(Debug)]
pub struct Committing {
    transaction: Transaction,
    timeout: Option<Duration>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Open,
    Receipt(ReceiptId),
    Done,
}

impl Committing {
    /// How long the COMMIT may wait for the transport and its RECEIPT, from the first poll on;
    /// [`Builder::timeout`](super::Builder::timeout) unless it is said here. For RECEIPTs alone, once the COMMIT has left, or
    /// was answered first, the broker has [`Builder::receipt_timeout`](super::Builder::receipt_timeout).
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Future for Committing {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Transaction { keep: Keep { shared }, id } = &this.transaction;
        let receipt = match this.stage {
            Stage::Open => {
                this.stage = Stage::Done;
                shared.with(|inner| inner.commit(*id, this.timeout))?
            }
            Stage::Receipt(receipt) => receipt,
            Stage::Done => return Poll::Pending,
        };
        let waker = cx.waker().clone();
        let outcome = shared.with(|inner| inner.poll_receipt(receipt, waker));
        this.stage = if outcome.is_some() { Stage::Done } else { Stage::Receipt(receipt) };
        outcome.map_or(Poll::Pending, |outcome| Poll::Ready(CommitError::from_outcome(outcome)))
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        if let Stage::Receipt(receipt) = self.stage {
            self.transaction.keep.shared.with(|inner| inner.forget_receipt(receipt));
        }
    }
}

impl Inner {
    fn commit(&mut self, id: TransactionId, timeout: Option<Duration>) -> Result<ReceiptId, CommandError> {
        let timeout = timeout.unwrap_or_else(|| self.session.config().timeout);
        let receipt = self.session.commit(id, timeout)?;
        self.receipts.insert(receipt, Receipt::default());
        self.wake_driver();
        Ok(receipt)
    }
}
