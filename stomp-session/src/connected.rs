//! What exists only while a connection stands.

use alloc::collections::BTreeMap;
use core::time::Duration;

use bytes::Bytes;
use stomp_proto::{EncodeError, Frame};

use crate::{
    Connection, ReceiptId, SubscriptionId, Timestamp,
    heart_beats::HeartBeats,
    leaving::Leaving,
    outbox::{Kind, Outbox},
    receipts::{Awaited, Receipts},
    unsettled::Unsettled,
};

/// A connection that stands. Leaving the state drops it: there is no reset to forget a field in.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) connection: Connection,
    pub(crate) outbox: Outbox,
    pub(crate) receipts: Receipts,
    pub(crate) heart_beats: HeartBeats,
    pub(crate) since: Timestamp,
    /// What was delivered and not settled, where anything is settled at all.
    pub(crate) unsettled: BTreeMap<SubscriptionId, Unsettled>,
    pub(crate) leaving: BTreeMap<SubscriptionId, Leaving>,
    /// Counts messages.
    pub(crate) deliveries: u64,
    /// A frame without a RECEIPT was handed over, or one whose RECEIPT did not come: an ERROR may mean that.
    pub(crate) unanswered: bool,
    /// SENDs without a RECEIPT of which a later RECEIPT says that they were received.
    pub(crate) sends_received: u64,
}

impl Connected {
    /// The next octets for the transport.
    pub(crate) fn take(&mut self, now: Timestamp, receipt_timeout: Duration) -> Option<Bytes> {
        let Self { outbox, receipts, unanswered, .. } = self;
        let bytes = outbox.take(|kind, progress| match kind {
            Kind::Receipted(id) => receipts.note(id, progress, now, receipt_timeout),
            Kind::Send | Kind::Unanswered => *unanswered = true,
            Kind::Quiet => {}
        })?;
        self.heart_beats.sent(now);
        Some(bytes)
    }

    /// Appends a frame that asks for no RECEIPT.
    pub(crate) fn push(&mut self, frame: &Frame, kind: Kind) -> Result<(), EncodeError> {
        self.outbox.push(frame, self.connection.version, kind).map(|_| ())
    }

    /// Appends a frame that asks for that RECEIPT, and waits for it. `timeout` runs from the call.
    pub(crate) fn push_awaited(
        &mut self,
        frame: &Frame,
        id: ReceiptId,
        awaited: Awaited,
        timeout: Duration,
    ) -> Result<(), EncodeError> {
        let place = self.outbox.push(frame, self.connection.version, Kind::Receipted(id))?;
        self.receipts.add(id, awaited, place, timeout, self.outbox.sends());
        Ok(())
    }

    /// SENDs without a RECEIPT that were not handed over, and those that were and of which nothing is known.
    pub(crate) fn lost_sends(&self) -> (u64, u64) {
        let gone = self.outbox.sends_gone();
        (self.outbox.sends().saturating_sub(gone), gone.saturating_sub(self.sends_received))
    }
}
