//! What exists only while a connection stands.

use alloc::{boxed::Box, collections::BTreeMap};
use core::time::Duration;

use bytes::Bytes;
use stomp_proto::{EncodeError, Frame};

use crate::{
    CommandError, Connection, ReceiptId, SubscriptionId, Timestamp,
    at_least_once::Deliveries,
    heart_beats::HeartBeats,
    isolation::Isolation,
    judgement::Warnings,
    leaving::Leaving,
    outbox::{Kind, Outbox, Place},
    receipts::{Awaited, Receipts, Stage},
    transaction::Transaction,
    unsettled::Unsettled,
};

/// A connection that stands. Leaving the state drops it: there is no reset to forget a field in.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) connection: Connection,
    pub(crate) outbox: Outbox,
    /// What goes before the outbox.
    pub(crate) isolation: Option<Box<Isolation>>,
    pub(crate) receipts: Receipts,
    pub(crate) heart_beats: HeartBeats,
    pub(crate) since: Timestamp,
    pub(crate) transactions: BTreeMap<u64, Transaction>,
    /// What was delivered and not settled, where anything is settled at all.
    pub(crate) unsettled: BTreeMap<SubscriptionId, Unsettled>,
    pub(crate) leaving: BTreeMap<SubscriptionId, Leaving>,
    /// Counts messages.
    pub(crate) deliveries: u64,
    /// A frame without a RECEIPT was handed over, or one whose RECEIPT did not come: an ERROR may mean that.
    pub(crate) unanswered: bool,
    /// An ACK or NACK was handed over, which an ERROR may mean where its words are not known.
    pub(crate) settled: bool,
    pub(crate) warnings: Warnings,
    /// SENDs without a RECEIPT of which a later RECEIPT says that they were received.
    pub(crate) sends_received: u64,
}

impl Connected {
    /// The next octets for the transport.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        receipt_timeout: Duration,
        deliveries: &mut Deliveries,
    ) -> Option<Bytes> {
        let Self { outbox, isolation, receipts, unanswered, settled, .. } = self;
        let mut alone = None;
        let mut note = |kind, progress| match kind {
            Kind::Receipted(id) => {
                alone = Some((id, progress));
                if let Some(Awaited::Delivery(id)) = receipts.note(id, progress, now, receipt_timeout) {
                    deliveries.note_handed_over(id);
                }
            }
            Kind::Send | Kind::Unanswered => *unanswered = true,
            Kind::Settlement => *settled = true,
            Kind::Quiet => {}
        };
        let bytes = match isolation {
            Some(isolation) => isolation.outbox.take(&mut note),
            None => outbox.take(&mut note),
        };
        if let (Some(isolation), Some((id, progress))) = (isolation, alone) {
            isolation.note(id, progress, now, receipt_timeout);
        }
        if bytes.is_some() {
            self.heart_beats.sent(now);
        } else if self.isolation.take_if(|isolation| isolation.is_done()).is_some() {
            return self.take(now, receipt_timeout, deliveries);
        }
        bytes
    }

    /// The outbox from which the next octets come.
    pub(crate) fn first_outbox(&mut self) -> &mut Outbox {
        self.isolation.as_mut().map_or(&mut self.outbox, |isolation| &mut isolation.outbox)
    }

    /// Takes a frame back of which nothing was handed over, and gives the body that it does not need any more.
    pub(crate) fn withdraw(&mut self, place: Place) -> Option<Bytes> {
        let outbox = if self.outbox.holds(place) { &mut self.outbox } else { self.first_outbox() };
        outbox.withdraw(place).flatten().map(|body| *body)
    }

    /// Appends a frame that asks for no RECEIPT.
    pub(crate) fn push(&mut self, frame: &Frame, kind: Kind) -> Result<(), EncodeError> {
        self.outbox.push(frame, self.connection.version, kind).map(|_| ())
    }

    /// Appends an ACK or NACK. It waits for nothing that is sent alone.
    pub(crate) fn push_settlement(&mut self, frame: &Frame) -> Result<(), EncodeError> {
        let version = self.connection.version;
        self.first_outbox().push(frame, version, Kind::Settlement).map(|_| ())
    }

    /// Appends a frame that asks for that RECEIPT, and waits for it. `timeout` runs from the call.
    pub(crate) fn push_awaited(
        &mut self,
        frame: &Frame,
        id: ReceiptId,
        awaited: Awaited,
        timeout: Duration,
    ) -> Result<(), CommandError> {
        let place = self.outbox.push(frame, self.connection.version, Kind::Receipted(id))?;
        self.await_receipt(place, id, awaited, timeout);
        Ok(())
    }

    /// Waits for the RECEIPT of a frame that stands in the outbox.
    pub(crate) fn await_receipt(&mut self, place: Place, id: ReceiptId, awaited: Awaited, timeout: Duration) {
        self.receipts.add(id, awaited, Stage::Queued(place), timeout, self.outbox.sends());
    }

    /// The same for a frame that is to be sent alone, before the others.
    pub(crate) fn push_alone(
        &mut self,
        frame: &Frame,
        id: ReceiptId,
        awaited: Awaited,
        timeout: Duration,
    ) -> Result<(), CommandError> {
        let Some(isolation) = &mut self.isolation else {
            return self.push_awaited(frame, id, awaited, timeout);
        };
        let place = isolation.outbox.push(frame, self.connection.version, Kind::Receipted(id))?;
        isolation.set_alone(id);
        self.receipts.add(id, awaited, Stage::Queued(place), timeout, 0);
        Ok(())
    }

    /// SENDs without a RECEIPT that were not handed over, and those that were and of which nothing is known.
    pub(crate) fn lost_sends(&self) -> (u64, u64) {
        let gone = self.outbox.sends_gone();
        (self.outbox.sends().saturating_sub(gone), gone.saturating_sub(self.sends_received))
    }
}
