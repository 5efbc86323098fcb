//! Transactions, which are begun, filled, and committed or aborted.

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
    message::Message,
    outgoing::{Admitted, ParkedId},
    send::SendBuilder,
    shared::{Inner, Keep},
};
use crate::{CommandError, ReceiptId, TransactionId};

impl Client {
    /// Begins a transaction on the current connection, or on the next one if there is none.
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
/// transport. The broker's answer to the BEGIN is awaited by the commit.
///
/// This future is cancel safe. If it is dropped, there is no transaction.
#[must_use = "nothing begins until it is awaited"]
#[derive(Debug)]
pub struct Beginning {
    keep: Option<Keep>,
    parked: Option<ParkedId>,
    timeout: Option<Duration>,
}

impl Beginning {
    /// Sets the time limit for the wait for a connection with room, counted from the first poll. Default:
    /// [`Builder::send_timeout`](super::Builder::send_timeout).
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

/// A transaction (STOMP 1.2, "BEGIN", "COMMIT" and "ABORT").
///
/// What is sent and acknowledged in a transaction takes effect when the transaction is committed. A transaction that is
/// dropped is aborted.
///
/// A transaction belongs to the connection on which it began. When that connection ends, the broker aborts the
/// transaction, and every later use of it fails with [`CommandError::TransactionLost`]. Nothing of it is ever sent on
/// another connection. Begin a new transaction then.
///
/// A transaction keeps the session alive, as a [`Client`] does.
///
/// The brokers differ:
///
/// - RabbitMQ answers the SENDs of a transaction after the COMMIT, and the COMMIT before it has stored anything.
///   [`commit`](Self::commit) therefore waits for all answers, and nothing else in a transaction can be awaited. A
///   transaction is not atomic there: if one message cannot be stored, the others are stored nevertheless.
/// - On Artemis, an ABORT does not undo an ACK, so a message that was acknowledged in a transaction that fails is lost.
///   Artemis also confirms and loses a SEND in a transaction that it does not know. This client never sends one.
/// - A message that was acknowledged in an aborted transaction cannot be settled again. RabbitMQ and ActiveMQ deliver
///   it again when the subscription or the connection has ended.
#[must_use = "dropped, it is aborted"]
#[derive(Debug)]
pub struct Transaction {
    keep: Keep,
    id: TransactionId,
}

impl Transaction {
    /// Creates a message that is sent in the transaction.
    ///
    /// The send resolves once the message waits for the transport, because the outcome is known only after the
    /// [`commit`](Self::commit). [`confirmed`](SendBuilder::confirmed) and
    /// [`at_least_once`](SendBuilder::at_least_once) therefore fail with [`SendError::InTransaction`](super::SendError::InTransaction).
    pub fn send(&self, destination: &str, body: impl Into<Bytes>) -> SendBuilder {
        SendBuilder::new(Arc::clone(&self.keep.shared), destination, body.into()).in_transaction(self.id)
    }

    /// Acknowledges a message in the transaction.
    ///
    /// The ACK is queued at once; this method never waits.
    ///
    /// # Errors
    /// Returns the same errors as [`Message::ack`]. Also returns [`TransactionLost`](CommandError::TransactionLost) if
    /// the transaction's connection has ended, [`OtherSession`](CommandError::OtherSession) if the message came to
    /// another session, and [`NotInTransaction`](CommandError::NotInTransaction) if its subscription does not allow
    /// this in STOMP 1.0. Nothing was sent then.
    pub fn ack(&self, message: Message) -> Result<(), CommandError> {
        message.settle_by(&self.keep.shared, |session, message| session.ack_in(self.id, message))
    }

    /// Refuses a message in the transaction. This method never waits.
    ///
    /// # Errors
    /// Returns the same errors as [`ack`](Self::ack), and [`NackDiscards`](CommandError::NackDiscards) on Artemis,
    /// which would destroy the message.
    pub fn nack(&self, message: Message) -> Result<(), CommandError> {
        message.settle_by(&self.keep.shared, |session, message| session.nack_in(self.id, message))
    }

    /// Commits the transaction when the returned future is awaited.
    ///
    /// Sends that have not resolved by then fail with [`CommandError::TransactionOver`].
    pub const fn commit(self) -> Committing {
        Committing { transaction: self, timeout: None, stage: Stage::Open }
    }

    /// Aborts the transaction. Dropping it does the same.
    ///
    /// The ABORT is queued at once. If the connection has ended, there is nothing to abort.
    pub fn abort(self) {}
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // One that is over, or lost, needs no ABORT.
        self.keep.shared.command(|inner| _ = inner.session.abort(self.id));
    }
}

/// The future of [`Transaction::commit`].
///
/// It resolves to `Ok` when the broker has answered the COMMIT and every frame before it with a RECEIPT.
///
/// If this future is dropped before its first poll, the transaction is aborted. If it is dropped later, the COMMIT is
/// not withdrawn, and its outcome remains unknown. The outcome is also unknown ([`CommitError::Unknown`]) if the time
/// passes or the connection ends before all answers have come. A COMMIT is never sent twice.
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
    /// Sets the time limit for the COMMIT, which waits for the transport and then for its RECEIPT, counted from the
    /// first poll. Default: [`Builder::timeout`](super::Builder::timeout).
    ///
    /// For RECEIPTs that come after the COMMIT was handed to the transport or answered, the broker has
    /// [`Builder::receipt_timeout`](super::Builder::receipt_timeout).
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
        let outcome = shared.with(|inner| inner.poll_receipt(receipt, cx.waker()));
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
        self.receipts.await_one(receipt, None);
        self.wake_driver();
        Ok(receipt)
    }
}
