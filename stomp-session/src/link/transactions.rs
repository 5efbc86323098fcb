//! Transactions: they belong to their connection, and every frame of them asks for a RECEIPT.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use stomp_proto::Frame;

use super::{
    context::Cx,
    receipts::{Awaited, Stage},
    wire::Wire,
};
use crate::model::{
    error::{CommandError, NotSent, Outcome, ServerError, Unknown},
    frames,
    ids::{ConnectionId, Ids, ReceiptId, TransactionId},
};

/// A transaction that stands.
#[derive(Debug, Default)]
struct Transaction {
    /// Its frames that were not answered, the COMMIT apart.
    parts: BTreeSet<ReceiptId>,
    /// The answer to one that was refused.
    refused: Option<ServerError>,
    /// The COMMIT, once it was asked for.
    commit: Option<ReceiptId>,
    /// What waits for the last answers when that to the COMMIT has come.
    closing: Option<ReceiptId>,
}

/// The transactions of a connection.
#[derive(Debug)]
pub(super) struct Transactions {
    connection: ConnectionId,
    table: BTreeMap<u64, Transaction>,
}

impl Transactions {
    pub(super) const fn new(connection: ConnectionId) -> Self {
        Self { connection, table: BTreeMap::new() }
    }

    /// Whether none stands.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn begin(&mut self, wire: &mut Wire, ids: &mut Ids) -> Result<TransactionId, CommandError> {
        let transaction = TransactionId { number: ids.receipt().0.value, connection: self.connection };
        self.table.insert(transaction.number, Transaction::default());
        self.push(transaction, frames::begin(&transaction.wire()), wire, ids)?;
        Ok(transaction)
    }

    /// Writes a frame of a transaction.
    pub(super) fn push(
        &mut self,
        transaction: TransactionId,
        frame: Frame,
        wire: &mut Wire,
        ids: &mut Ids,
    ) -> Result<(), CommandError> {
        let id = ids.receipt();
        wire.push_awaited(&frame, id, Awaited::Part(transaction.number), Duration::MAX)?;
        self.table.entry(transaction.number).or_default().parts.insert(id);
        Ok(())
    }

    /// Whether more can be done in it.
    pub(super) fn check(&self, transaction: TransactionId) -> Result<(), CommandError> {
        if transaction.connection != self.connection {
            return Err(CommandError::TransactionLost { began: transaction.connection });
        }
        let found = self.table.get(&transaction.number).filter(|found| found.commit.is_none());
        found.map(|_| ()).ok_or(CommandError::TransactionOver)
    }

    pub(super) fn commit(
        &mut self,
        transaction: TransactionId,
        timeout: Duration,
        wire: &mut Wire,
        cx: &mut Cx<'_>,
    ) -> Result<ReceiptId, CommandError> {
        self.check(transaction)?;
        let id = cx.ids.receipt();
        let Some(open) = self.table.get_mut(&transaction.number) else {
            return Err(CommandError::TransactionOver);
        };
        if let Some(error) = open.refused.clone() {
            self.abort(transaction, wire, cx.ids)?;
            cx.events.tell(id, Outcome::Rejected(error));
            return Ok(id);
        }
        let frame = frames::commit(&transaction.wire());
        wire.push_awaited(&frame, id, Awaited::Commit(transaction.number), timeout)?;
        open.commit = Some(id);
        Ok(id)
    }

    pub(super) fn abort(
        &mut self,
        transaction: TransactionId,
        wire: &mut Wire,
        ids: &mut Ids,
    ) -> Result<(), CommandError> {
        self.check(transaction)?;
        self.end(transaction.number, wire);
        push_abort(transaction, wire, ids)
    }

    /// A frame of a transaction was answered, its COMMIT apart.
    pub(super) fn answer_part(
        &mut self,
        number: u64,
        id: ReceiptId,
        outcome: Outcome,
        wire: &mut Wire,
        cx: &mut Cx<'_>,
    ) {
        if !matches!(outcome, Outcome::Confirmed | Outcome::Rejected(_)) {
            return;
        }
        let Some(transaction) = self.table.get_mut(&number) else { return };
        transaction.parts.remove(&id);
        if let Outcome::Rejected(error) = outcome {
            transaction.refused.get_or_insert(error);
        }
        if transaction.parts.is_empty()
            && let Some(closing) = transaction.closing
        {
            let _ = wire.receipts.take(closing);
            self.end_commit(number, Outcome::Confirmed, wire, cx);
        }
    }

    /// The COMMIT of a transaction was answered, or is not waited for any more. Where other answers are missing, the broker
    /// has its time for them from here on.
    pub(super) fn answer_commit(&mut self, number: u64, outcome: Outcome, wire: &mut Wire, cx: &mut Cx<'_>) {
        let open = self.table.get_mut(&number);
        match open.filter(|it| it.closing.is_none() && !it.parts.is_empty()) {
            Some(transaction) if outcome == Outcome::Confirmed => {
                let (id, limit) = (cx.ids.receipt(), cx.config.receipt_timeout);
                wire.receipts.add(id, Awaited::Commit(number), Stage::OnWire, limit, 0);
                transaction.closing = Some(id);
            }
            _ => self.end_commit(number, outcome, wire, cx),
        }
    }

    fn end_commit(&mut self, number: u64, outcome: Outcome, wire: &mut Wire, cx: &mut Cx<'_>) {
        let ended = self.end(number, wire);
        let Some(Transaction { commit: Some(commit), refused, .. }) = ended else { return };
        // A COMMIT that is taken back leaves the transaction open at the broker, with all that was acknowledged in it. It is over
        // without this when its connection ends, or with the DISCONNECT of a session that takes no command any more.
        if let Outcome::NotSent(NotSent::Timeout(_)) = outcome
            && !cx.is_ending
        {
            let _ = push_abort(TransactionId { number, connection: self.connection }, wire, cx.ids);
        }
        let outcome = match (outcome, refused) {
            (Outcome::Confirmed, Some(error)) => Outcome::Unknown(Unknown::PartRejected(error)),
            (outcome, _) => outcome,
        };
        cx.events.tell(commit, outcome);
    }

    /// Forgets a transaction, and waits for its frames no more.
    fn end(&mut self, number: u64, wire: &mut Wire) -> Option<Transaction> {
        let transaction = self.table.remove(&number)?;
        for part in &transaction.parts {
            wire.unanswered |= wire.receipts.take(*part).is_some();
        }
        Some(transaction)
    }

    /// Forgets the transactions that were not committed: DISCONNECT aborts them. Gives how many there were.
    pub(super) fn end_uncommitted(&mut self, wire: &mut Wire) -> usize {
        let open = self.table.iter().filter(|(_, it)| it.commit.is_none()).map(|(number, _)| *number);
        let open: BTreeSet<_> = open.collect();
        for number in &open {
            self.end(*number, wire);
        }
        open.len()
    }
}

fn push_abort(transaction: TransactionId, wire: &mut Wire, ids: &mut Ids) -> Result<(), CommandError> {
    let id = ids.receipt();
    let frame = frames::abort(&transaction.wire());
    wire.push_awaited(&frame, id, Awaited::Abort, Duration::MAX)
}
