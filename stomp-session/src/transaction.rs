//! Transactions: they belong to their connection, and every frame of them asks for a RECEIPT.

use alloc::{collections::BTreeSet, format, string::String};
use core::time::Duration;

use stomp_proto::{Command, Frame};

use crate::{
    CommandError, ConnectionId, Message, Nack, NotSent, Outcome, ReceiptId, ServerError, Session, Unknown,
    connected::Connected,
    frames,
    receipts::{Awaited, Stage},
    send::check_send,
    settle::with_command,
};

/// Names a transaction. It is good on its own connection only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    number: u64,
    pub(crate) connection: ConnectionId,
}

impl TransactionId {
    fn wire(self) -> String {
        format!("t{}", self.number)
    }
}

/// A transaction that stands.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    /// Its frames that were not answered, the COMMIT apart.
    parts: BTreeSet<ReceiptId>,
    /// The answer to one that was refused.
    refused: Option<ServerError>,
    /// The COMMIT, once it was asked for.
    commit: Option<ReceiptId>,
    /// What waits for the last answers when that to the COMMIT has come.
    closing: Option<ReceiptId>,
}

/// Transactions.
///
/// A transaction belongs to its connection: when that ends it is over, every later use is
/// [`CommandError::TransactionLost`], and nothing of it is ever sent on another. What brokers make of them differs:
///
/// - RabbitMQ answers a COMMIT before it has stored anything, and the SENDs in it after the COMMIT; and it stores the others
///   if one is impossible. [`commit`](Session::commit) is confirmed only when every frame was answered, but all or nothing
///   is not to be had there.
/// - On Artemis an ACK in a transaction is not undone by its ABORT.
/// - What was acknowledged in a transaction that was aborted stays with the broker as delivered. It cannot be settled again:
///   RabbitMQ and ActiveMQ deliver it again when the connection, or the subscription, has ended.
impl Session {
    /// Begins a transaction.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn begin(&mut self) -> Result<TransactionId, CommandError> {
        let number = self.next_receipt().0;
        let connected = self.open()?;
        let transaction = TransactionId { number, connection: connected.connection.id };
        connected.transactions.insert(number, Transaction::default());
        self.push_part(transaction, frames::begin(&transaction.wire()))?;
        Ok(transaction)
    }

    /// Sends a SEND in a transaction. Its RECEIPT may come only after the COMMIT: the outcome is that of
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn send_in(&mut self, transaction: TransactionId, frame: &Frame) -> Result<(), CommandError> {
        check_send(frame)?;
        self.in_transaction(transaction)?;
        self.push_part(transaction, frame.clone().with_header("transaction", transaction.wire()))
    }

    /// Acknowledges a message in a transaction.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and [`CommandError::TransactionLost`]; nothing was sent.
    pub fn ack_in(&mut self, transaction: TransactionId, message: &mut Message) -> Result<(), CommandError> {
        self.settle_in(transaction, Command::Ack, message)
    }

    /// Refuses a message in a transaction.
    ///
    /// # Errors
    /// As [`nack`](Self::nack), and [`CommandError::TransactionLost`]; nothing was sent.
    pub fn nack_in(&mut self, transaction: TransactionId, message: &mut Message) -> Result<(), CommandError> {
        let profile = self.connection().map(|connection| &connection.profile);
        if let Some(profile) = profile.filter(|profile| profile.nack == Nack::Discard) {
            return Err(CommandError::NackDiscards { broker: profile.name });
        }
        self.settle_in(transaction, Command::Nack, message)
    }

    fn settle_in(
        &mut self,
        transaction: TransactionId,
        command: Command,
        message: &mut Message,
    ) -> Result<(), CommandError> {
        self.in_transaction(transaction)?;
        let name = transaction.wire();
        for ack in self.take_settlement(message)? {
            self.push_part(transaction, with_command(command, &ack, &[("transaction", &name)]))?;
        }
        message.settled = true;
        self.continue_leaving(message.subscription);
        Ok(())
    }

    /// Commits. [`Event::Receipt`](crate::Event::Receipt) comes exactly once: confirmed when the RECEIPTs of the COMMIT and of
    /// every frame before it are in; rejected when the COMMIT was, or a frame before it, after which the transaction is
    /// aborted instead; else not sent, after which it is aborted too while its connection stands, or unknown. It is never sent
    /// twice. `timeout` runs from here.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn commit(
        &mut self,
        transaction: TransactionId,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        let refused = self.in_transaction(transaction)?.refused.clone();
        let id = self.next_receipt();
        if let Some(error) = refused {
            self.abort(transaction)?;
            self.tell(id, Outcome::Rejected(error));
            return Ok(id);
        }
        self.in_transaction(transaction)?.commit = Some(id);
        let frame = frames::commit(&transaction.wire()).with_header("receipt", id.wire());
        self.open()?.push_awaited(&frame, id, Awaited::Commit(transaction.number), timeout)?;
        Ok(id)
    }

    /// Aborts.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn abort(&mut self, transaction: TransactionId) -> Result<(), CommandError> {
        self.in_transaction(transaction)?;
        self.open()?.end_transaction(transaction.number);
        self.push_abort(transaction)
    }

    fn push_abort(&mut self, transaction: TransactionId) -> Result<(), CommandError> {
        let id = self.next_receipt();
        let frame = frames::abort(&transaction.wire()).with_header("receipt", id.wire());
        self.open()?.push_awaited(&frame, id, Awaited::Abort, Duration::MAX)
    }

    /// The transaction, if more can be done in it.
    fn in_transaction(&mut self, transaction: TransactionId) -> Result<&mut Transaction, CommandError> {
        let TransactionId { number, connection } = transaction;
        let connected = match self.open() {
            Ok(connected) if connected.connection.id == connection => connected,
            Ok(_) | Err(CommandError::NotConnected) => {
                return Err(CommandError::TransactionLost { began: connection });
            }
            Err(error) => return Err(error),
        };
        let found = connected.transactions.get_mut(&number).filter(|found| found.commit.is_none());
        found.ok_or(CommandError::TransactionOver)
    }

    fn push_part(&mut self, transaction: TransactionId, frame: Frame) -> Result<(), CommandError> {
        let id = self.next_receipt();
        let frame = frame.with_header("receipt", id.wire());
        let connected = self.open()?;
        connected.push_awaited(&frame, id, Awaited::Part(transaction.number), Duration::MAX)?;
        connected.transactions.entry(transaction.number).or_default().parts.insert(id);
        Ok(())
    }

    /// A frame of a transaction was answered, its COMMIT apart.
    pub(crate) fn answer_part(&mut self, number: u64, id: ReceiptId, outcome: Outcome) {
        if !matches!(outcome, Outcome::Confirmed | Outcome::Rejected(_)) {
            return;
        }
        let Some(connected) = self.connected_mut() else { return };
        let Some(transaction) = connected.transactions.get_mut(&number) else { return };
        transaction.parts.remove(&id);
        if let Outcome::Rejected(error) = outcome {
            transaction.refused.get_or_insert(error);
        }
        if transaction.parts.is_empty()
            && let Some(closing) = transaction.closing
        {
            let _ = connected.receipts.take(closing);
            self.end_commit(number, Outcome::Confirmed);
        }
    }

    /// The COMMIT of a transaction was answered, or is not waited for any more. Where other answers are missing, the broker
    /// has its time for them from here on.
    pub(crate) fn answer_commit(&mut self, number: u64, outcome: Outcome) {
        let waits = |connected: &Connected| {
            connected.transactions.get(&number).is_some_and(|it| it.closing.is_none() && !it.parts.is_empty())
        };
        if outcome != Outcome::Confirmed || !self.connected().is_some_and(waits) {
            return self.end_commit(number, outcome);
        }
        let (id, limit) = (self.next_receipt(), self.config.receipt_timeout);
        let Some(connected) = self.connected_mut() else { return };
        connected.receipts.add(id, Awaited::Commit(number), Stage::OnWire, limit, 0);
        if let Some(transaction) = connected.transactions.get_mut(&number) {
            transaction.closing = Some(id);
        }
    }

    fn end_commit(&mut self, number: u64, outcome: Outcome) {
        let Some(connected) = self.connected_mut() else { return };
        let connection = connected.connection.id;
        let ended = connected.end_transaction(number);
        let Some(Transaction { commit: Some(commit), refused, .. }) = ended else { return };
        // A COMMIT that is taken back leaves the transaction open at the broker, with all that was acknowledged in it. It is over
        // without this when its connection ends, or with the DISCONNECT of a session that takes no command any more.
        if let Outcome::NotSent(NotSent::Timeout(_)) = outcome {
            let _ = self.push_abort(TransactionId { number, connection });
        }
        self.tell(
            commit,
            match (outcome, refused) {
                (Outcome::Confirmed, Some(error)) => Outcome::Unknown(Unknown::PartRejected(error)),
                (outcome, _) => outcome,
            },
        );
    }
}

impl Connected {
    /// Forgets a transaction, and waits for its frames no more.
    fn end_transaction(&mut self, number: u64) -> Option<Transaction> {
        let transaction = self.transactions.remove(&number)?;
        for part in &transaction.parts {
            self.unanswered |= self.receipts.take(*part).is_some();
        }
        Some(transaction)
    }

    /// Forgets the transactions that were not committed: DISCONNECT aborts them.
    pub(crate) fn end_transactions(&mut self) {
        let open = self.transactions.iter().filter(|(_, it)| it.commit.is_none()).map(|(number, _)| *number);
        for number in open.collect::<BTreeSet<_>>() {
            self.end_transaction(number);
        }
    }
}
