//! Brokers that answer no frame but DISCONNECT: what counts as accepted there, and what is refused.

use core::time::Duration;

use super::{Link, cx::Cx, receipts::Pending};
use crate::model::{
    config::Config,
    error::{CommandError, Outcome},
    ids::ReceiptId,
};

impl Link {
    /// Refuses what is of no use without a RECEIPT.
    pub(super) fn check_receipts(&self) -> Result<(), CommandError> {
        match self.connection.profile.receipts {
            true => Ok(()),
            false => Err(CommandError::NoReceipts { broker: self.connection.profile.name }),
        }
    }

    /// How long the broker has for a RECEIPT: where none will come, the wait is over when all of the frame was handed over.
    pub(super) fn receipt_timeout(&self, config: &Config) -> Duration {
        if self.connection.profile.receipts { config.receipt_timeout } else { Duration::ZERO }
    }

    /// The time of a wait is over. Where no RECEIPT can come, what was handed over counts as accepted until an ERROR names it.
    pub(super) fn end_wait(&mut self, id: ReceiptId, cx: &mut Cx<'_>) {
        if self.connection.profile.receipts || self.wire.receipts.is_queued(id) {
            return self.give_up(id, cx);
        }
        let Some((Pending { awaited, .. }, _)) = self.wire.forget(id) else { return };
        self.note_late(id, awaited);
        self.answer(id, awaited, Outcome::Confirmed, cx);
    }
}
