//! The frames that wait for a RECEIPT on this connection: each is resolved exactly once.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::outbox::{Place, Progress};
use crate::model::{
    deadlines::Deadlines,
    ids::{ReceiptId, SubscriptionId},
    timestamp::Timestamp,
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

#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) awaited: Awaited,
    pub(crate) stage: Stage,
    /// The time that ends with `due`: at first that from the call.
    pub(crate) limit: Duration,
    /// None until the first call that brings the time.
    due: Option<Timestamp>,
    /// SENDs without a RECEIPT that stand before it.
    pub(crate) sends_before: u64,
}

#[derive(Debug)]
struct Slot {
    id: ReceiptId,
    pending: Option<Pending>,
}

/// Outstanding receipts, in the order of their frames: a queue, in which those that were resolved out of order leave holes
/// until they are half of it.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    slots: VecDeque<Slot>,
    live: usize,
    /// How many of them are on the wire.
    on_wire: usize,
    deadlines: Deadlines,
    /// How many of the newest have no time yet.
    unstamped: usize,
}

impl Receipts {
    /// Gives memory back that a quiet connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.live == 0 {
            self.slots = VecDeque::new();
            self.deadlines.shrink();
        }
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
        let pending = Pending { awaited, stage, limit, due: None, sends_before };
        self.slots.push_back(Slot { id, pending: Some(pending) });
        self.live = self.live.saturating_add(1);
        self.unstamped = self.unstamped.saturating_add(1);
    }

    #[inline]
    pub(crate) const fn is_unstamped(&self) -> bool {
        self.unstamped > 0
    }

    /// Commands bring no time: what was added since the last call gets its deadline now.
    pub(crate) fn stamp(&mut self, now: Timestamp) {
        // In their order, in which their time ends as well.
        let stamped = self.slots.len().saturating_sub(core::mem::take(&mut self.unstamped));
        let fresh = self.slots.range_mut(stamped..);
        let pending = fresh.filter_map(|slot| slot.pending.as_mut().map(|pending| (slot.id, pending)));
        for (id, pending) in pending.filter(|(_, pending)| pending.due.is_none()) {
            let due = now.after(pending.limit);
            pending.due = Some(due);
            self.deadlines.add(due, id);
        }
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
        let pending = self.get_mut(id)?;
        let was_queued = core::mem::replace(&mut pending.stage, Stage::OnWire) != Stage::OnWire;
        let awaited = pending.awaited;
        let due = now.after(receipt_timeout);
        let counts = progress == Progress::Gone && awaited.has_receipt_timeout();
        // A frame that is appended and handed over in one call has no time yet.
        let stamped = pending.due;
        if counts && stamped.unwrap_or_else(|| now.after(pending.limit)) > due {
            (pending.due, pending.limit) = (Some(due), receipt_timeout);
            stamped.into_iter().for_each(|before| self.deadlines.remove(before, id));
            self.deadlines.add(due, id);
        }
        self.on_wire = self.on_wire.saturating_add(usize::from(was_queued));
        Some(awaited)
    }

    /// Takes one out; `None` when nobody waits for it, which is harmless: its waiter may have gone.
    pub(crate) fn take(&mut self, id: ReceiptId) -> Option<Pending> {
        let at = self.find(id)?;
        let pending = self.slots.get_mut(at)?.pending.take()?;
        if let Some(due) = pending.due {
            self.deadlines.remove(due, id);
        }
        self.live = self.live.saturating_sub(1);
        self.on_wire = self.on_wire.saturating_sub(usize::from(pending.stage == Stage::OnWire));
        self.close_holes();
        Some(pending)
    }

    /// Those whose sender is told the outcome.
    #[cfg(feature = "client")]
    pub(crate) fn commands(&self) -> Vec<ReceiptId> {
        let is_command = |pending: &Pending| matches!(pending.awaited, Awaited::Ack | Awaited::Command);
        let slots = self.slots.iter().filter(|slot| slot.pending.as_ref().is_some_and(is_command));
        slots.map(|slot| slot.id).collect()
    }

    /// The frame of one that was not written is written.
    pub(crate) fn note_written(&mut self, id: ReceiptId, place: Place) {
        if let Some(pending) = self.get_mut(id) {
            pending.stage = Stage::Queued(place);
        }
    }

    /// Takes one out that was answered. Nothing is an answer to a frame of which nothing has left.
    pub(crate) fn take_answered(&mut self, id: ReceiptId) -> Option<Pending> {
        self.get_mut(id).filter(|pending| pending.stage == Stage::OnWire)?;
        self.take(id)
    }

    fn close_holes(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.pending.is_none()) {
            self.slots.pop_front();
        }
        if self.slots.len() / 2 > self.live {
            self.slots.retain(|slot| slot.pending.is_some());
        }
    }

    /// The one with that number on the wire.
    pub(crate) fn named(&self, number: u64) -> Option<ReceiptId> {
        let at = self.find_number(number)?;
        self.slots.get(at).map(|slot| slot.id)
    }

    fn find(&self, id: ReceiptId) -> Option<usize> {
        self.find_number(id.0.value).filter(|at| self.slots.get(*at).is_some_and(|slot| slot.id == id))
    }

    fn find_number(&self, number: u64) -> Option<usize> {
        let first = self.slots.front()?.id.0.value;
        // Where no number is missing.
        let near = usize::try_from(number.checked_sub(first)?).ok()?;
        match self.slots.get(near) {
            Some(slot) if slot.id.0.value == number => Some(near),
            _ => self.slots.binary_search_by_key(&number, |slot| slot.id.0.value).ok(),
        }
    }

    fn get_mut(&mut self, id: ReceiptId) -> Option<&mut Pending> {
        let at = self.find(id)?;
        self.slots.get_mut(at)?.pending.as_mut()
    }

    /// Whether nothing of that frame has left.
    pub(crate) fn is_queued(&self, id: ReceiptId) -> bool {
        let pending = self.find(id).and_then(|at| self.slots.get(at)?.pending.as_ref());
        pending.is_some_and(|pending| pending.stage != Stage::OnWire)
    }

    pub(crate) fn awaited(&self, id: ReceiptId) -> Option<Awaited> {
        let slot = self.slots.get(self.find(id)?)?;
        slot.pending.as_ref().map(|pending| pending.awaited)
    }

    /// One whose time is over.
    pub(crate) fn overdue(&self, now: Timestamp) -> Option<ReceiptId> {
        self.deadlines.due(now)
    }

    /// The oldest.
    pub(crate) fn first(&self) -> Option<ReceiptId> {
        self.slots.front().map(|slot| slot.id)
    }

    /// The only one of which anything was handed over.
    pub(crate) fn only_on_wire(&self) -> Option<ReceiptId> {
        if self.on_wire != 1 {
            return None;
        }
        let live =
            self.slots.iter().filter_map(|slot| slot.pending.as_ref().map(|pending| (slot.id, pending)));
        live.filter(|(_, pending)| pending.stage == Stage::OnWire).map(|(id, _)| id).next()
    }

    pub(crate) const fn len(&self) -> usize {
        self.live
    }

    /// Whether none is on the wire.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.on_wire == 0
    }

    /// One without a time wants one at once: the next call that brings the time may be far off.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        if self.unstamped > 0 { Some(Timestamp::ZERO) } else { self.deadlines.first() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{Ids, Owner};

    #[test]
    fn what_is_handed_over_at_once_has_a_deadline() {
        let (mut receipts, now) = (Receipts::default(), Timestamp::ZERO);
        let id = Ids::new(Owner::default()).receipt();
        let (limit, seconds) = (Duration::MAX, Duration::from_secs);
        receipts.add(id, Awaited::Command, Stage::OnWire, limit, 0);
        receipts.note(id, Progress::Gone, now, seconds(3));
        receipts.stamp(now);
        assert_eq!(receipts.deadline(), Some(now.after(seconds(3))));
    }
}
