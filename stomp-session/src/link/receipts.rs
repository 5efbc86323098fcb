//! The frames that wait for a RECEIPT on this connection: each is resolved exactly once.

#[cfg(feature = "client")]
use alloc::vec::Vec;
use core::time::Duration;

use super::outbox::{Place, Progress};
use crate::model::{
    ids::{ConnectionId, ReceiptId, SubscriptionId},
    time::Timestamp,
    timed::Timed,
};

/// What a RECEIPT is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// An ABORT: nobody is told.
    Abort,
    /// An ACK whose sender is told the outcome. It is never taken back: its message counts as settled.
    Ack,
    /// One of the ACKs that the acknowledgement of that RECEIPT was spelled out in.
    AckPart(ReceiptId),
    /// A frame whose sender is told the outcome.
    Command,
    /// The COMMIT of that transaction, whose outcome is told when all its frames were answered.
    Commit(u64),
    Disconnect,
    /// A copy of a SEND that is kept until it is answered.
    Kept(ReceiptId),
    /// A frame of that transaction. RabbitMQ answers it only after the COMMIT.
    Part(u64),
    Subscribe(SubscriptionId),
    /// The UNSUBSCRIBE of a subscription that has an id of the user's own, which is free then.
    Unsubscribe(SubscriptionId),
    /// A frame that finds out what the broker has sent for a subscription that was unsubscribed.
    Unsubscribing(SubscriptionId),
}

impl Awaited {
    /// Whether the broker has [`Config::receipt_timeout`](crate::Config::receipt_timeout) for it. The others have a time of
    /// their own.
    const fn has_receipt_timeout(self) -> bool {
        !matches!(self, Self::AckPart(_) | Self::Kept(_) | Self::Disconnect | Self::Part(_))
    }

    /// Whether it is an acknowledgement.
    pub(crate) const fn is_ack(self) -> bool {
        matches!(self, Self::Ack | Self::AckPart(_))
    }
}

/// How far the frame has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It was not written: it waits for other frames, or is spelled out in several.
    Unwritten,
    /// Nothing of it was handed over: it can be withdrawn.
    Queued(Place),
    /// Something of it was.
    OnWire,
}

/// A frame that waits for its RECEIPT.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) awaited: Awaited,
    pub(crate) stage: Stage,
    /// SENDs without a RECEIPT that stand before it.
    pub(crate) sends_before: u64,
}

/// Outstanding receipts, in the order of their frames.
#[derive(Debug)]
pub(crate) struct Receipts {
    pending: Timed<Pending>,
    /// Whose they are.
    connection: ConnectionId,
    /// How many of them are on the wire.
    on_wire: usize,
}

impl Receipts {
    pub(crate) fn of(connection: ConnectionId) -> Self {
        Self { pending: Timed::default(), connection, on_wire: 0 }
    }

    /// Gives memory back that a quiet connection does not need.
    pub(crate) fn shrink(&mut self) {
        self.pending.shrink();
    }

    /// Adds the newest one, whose number is the highest. Its whole time, `limit`, runs from the next call that brings the time.
    pub(crate) fn add(
        &mut self,
        id: ReceiptId,
        awaited: Awaited,
        stage: Stage,
        limit: Duration,
        sends_before: u64,
    ) {
        self.on_wire = self.on_wire.saturating_add(usize::from(stage == Stage::OnWire));
        self.pending.add(id.number(), Pending { awaited, stage, sends_before }, limit);
    }

    #[inline]
    pub(crate) const fn is_unstamped(&self) -> bool {
        self.pending.is_unstamped()
    }

    /// Commands bring no time: what was added since the last call gets its deadline now.
    pub(crate) fn stamp(&mut self, now: Timestamp) {
        self.pending.stamp(now);
    }

    /// Says that something of a frame, or all of it, was handed over: from its last octet on the broker has that much time.
    /// Gives what its RECEIPT is for.
    pub(crate) fn note(
        &mut self,
        id: ReceiptId,
        progress: Progress,
        now: Timestamp,
        receipt_timeout: Duration,
    ) -> Option<Awaited> {
        let (mut was_queued, mut awaited) = (false, None);
        self.pending.change(id.number(), now, |pending| {
            was_queued = core::mem::replace(&mut pending.stage, Stage::OnWire) != Stage::OnWire;
            awaited = Some(pending.awaited);
            let has_all = progress == Progress::Gone && pending.awaited.has_receipt_timeout();
            has_all.then_some(receipt_timeout)
        });
        self.on_wire = self.on_wire.saturating_add(usize::from(was_queued));
        awaited
    }

    /// Takes one out; `None` when nobody waits for it, which is harmless: its waiter may have gone.
    pub(crate) fn take(&mut self, id: ReceiptId) -> Option<Pending> {
        self.take_if(id.number(), |_| true)
    }

    /// Takes one out that a RECEIPT or an ERROR with that number answers, if it is meant. Nothing is an answer to a frame of
    /// which nothing has left.
    pub(crate) fn take_answered(
        &mut self,
        number: u64,
        is_meant: impl FnOnce(Awaited) -> bool,
    ) -> Option<(ReceiptId, Pending)> {
        let is_answered = |pending: &Pending| pending.stage == Stage::OnWire && is_meant(pending.awaited);
        Some((self.connection.receipt(number), self.take_if(number, is_answered)?))
    }

    fn take_if(&mut self, number: u64, is_meant: impl FnOnce(&Pending) -> bool) -> Option<Pending> {
        let pending = self.pending.take_if(number, is_meant)?;
        self.on_wire = self.on_wire.saturating_sub(usize::from(pending.stage == Stage::OnWire));
        Some(pending)
    }

    /// The time that ends the wait.
    pub(crate) fn limit(&self, id: ReceiptId) -> Option<Duration> {
        self.pending.limit(id.number())
    }

    /// Those whose sender is told the outcome.
    #[cfg(feature = "client")]
    pub(crate) fn commands(&self) -> Vec<ReceiptId> {
        let is_command =
            |(_, pending): &(_, &Pending)| matches!(pending.awaited, Awaited::Ack | Awaited::Command);
        self.all().filter(is_command).map(|(id, _)| id).collect()
    }

    /// Those that something waits for which is given back before the connection is left.
    pub(crate) fn of_giving_back(&self) -> Option<ReceiptId> {
        let is_one = |(_, pending): &(_, &Pending)| {
            matches!(pending.awaited, Awaited::Abort | Awaited::Unsubscribe(_) | Awaited::Unsubscribing(_))
        };
        self.all().find(is_one).map(|(id, _)| id)
    }

    fn all(&self) -> impl Iterator<Item = (ReceiptId, &Pending)> {
        self.pending.iter().map(|(number, pending)| (self.connection.receipt(number), pending))
    }

    /// The frame of one that was not written is written.
    pub(crate) fn note_written(&mut self, id: ReceiptId, place: Place) {
        if let Some(pending) = self.pending.get_mut(id.number()) {
            pending.stage = Stage::Queued(place);
        }
    }

    fn get(&self, id: ReceiptId) -> Option<&Pending> {
        self.pending.get(id.number())
    }

    /// Whether nothing of that frame has left.
    pub(crate) fn is_queued(&self, id: ReceiptId) -> bool {
        self.get(id).is_some_and(|pending| pending.stage != Stage::OnWire)
    }

    pub(crate) fn awaited(&self, id: ReceiptId) -> Option<Awaited> {
        self.get(id).map(|pending| pending.awaited)
    }

    /// One whose time is over.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Option<ReceiptId> {
        self.pending.overdue(now).map(|number| self.connection.receipt(number))
    }

    /// The oldest.
    pub(crate) fn first(&self) -> Option<ReceiptId> {
        self.all().next().map(|(id, _)| id)
    }

    /// The only one of which anything was handed over.
    pub(crate) fn only_on_wire(&self) -> Option<ReceiptId> {
        if self.on_wire != 1 {
            return None;
        }
        self.all().find(|(_, pending)| pending.stage == Stage::OnWire).map(|(id, _)| id)
    }

    pub(crate) const fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none is on the wire.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.on_wire == 0
    }

    /// When the next wait ends.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.pending.deadline()
    }
}
