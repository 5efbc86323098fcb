//! Who publishes in bulk, and what is known of their messages: one ring of receipts for all, and one waker for each.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    task::Waker,
};

use super::error::SendError;
use crate::{Lost, Outcome, ReceiptId, Unknown};

/// Names a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PublisherId(u64);

/// All publishers.
#[derive(Debug, Default)]
pub(super) struct Publishers {
    records: BTreeMap<PublisherId, Record>,
    ring: Ring,
    next: u64,
    /// SENDs without a RECEIPT that are on the wire of this connection.
    written: u64,
    /// How many wait for more of them.
    flushing: usize,
}

/// What is known of one publisher's messages.
#[derive(Debug)]
struct Record {
    /// How many may wait for an outcome, or have one that nobody has taken.
    window: usize,
    /// The number of the next message.
    next: u64,
    /// Messages without an outcome.
    unsettled: usize,
    /// Outcomes other than "confirmed" that nobody has taken.
    failed: VecDeque<(u64, SendError)>,
    /// Messages that were not confirmed, or were lost on their way to the wire, since a flush said so.
    unreported: u64,
    /// Where its last message without a RECEIPT stands among those of this connection.
    position: u64,
    /// The number of the first message that may not be on the wire.
    unwritten: u64,
    waiting: Option<(Awaits, Waker)>,
}

/// What a publisher waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    /// Another outcome.
    Room,
    /// The last outcome.
    Outcomes,
    /// All of its messages to be on the wire.
    Wire,
}

/// Whether another message may be handed over.
pub(super) enum Window {
    Open,
    /// Once there is another outcome.
    Full,
    /// Not before outcomes were taken.
    Untaken(usize),
}

/// How far a flush has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flush {
    Done,
    Waits,
    Failed(u64),
}

impl Publishers {
    pub(super) fn add(&mut self, window: usize) -> PublisherId {
        let id = PublisherId(self.next);
        self.next = self.next.saturating_add(1);
        self.records.insert(id, Record::new(window));
        id
    }

    pub(super) fn are_any(&self) -> bool {
        !self.records.is_empty()
    }

    /// Forgets a publisher, and what it waits for. Gives its waker.
    pub(super) fn remove(&mut self, id: PublisherId) -> Option<Waker> {
        let waker = self.stop_waiting(id);
        let record = self.records.remove(&id);
        if record.is_some_and(|record| record.unsettled > 0) {
            self.ring.forget(id);
        }
        waker
    }

    /// Counts a message that was handed over, and gives its number.
    pub(super) fn hand_over(&mut self, id: PublisherId, receipt: Option<ReceiptId>, position: u64) -> u64 {
        let Some(record) = self.records.get_mut(&id) else { return 0 };
        let number = record.next;
        record.next = number.saturating_add(1);
        match receipt {
            Some(receipt) => {
                record.unsettled = record.unsettled.saturating_add(1);
                self.ring.push(receipt, id, number);
            }
            None => record.position = position,
        }
        number
    }

    pub(super) fn window(&self, id: PublisherId) -> Window {
        self.records.get(&id).map_or(Window::Open, Record::window)
    }

    /// Waits for another outcome. Gives the waker that this one replaces.
    pub(super) fn await_room(&mut self, id: PublisherId, waker: Waker) -> Option<Waker> {
        self.await_one(id, Awaits::Room, waker)
    }

    fn await_one(&mut self, id: PublisherId, awaits: Awaits, waker: Waker) -> Option<Waker> {
        let Some(record) = self.records.get_mut(&id) else { return Some(waker) };
        let replaced = record.waiting.replace((awaits, waker));
        let was_flushing = replaced.as_ref().is_some_and(|(before, _)| *before == Awaits::Wire);
        self.flushing = self.flushing.saturating_add(usize::from(awaits == Awaits::Wire));
        self.flushing = self.flushing.saturating_sub(usize::from(was_flushing));
        replaced.map(|(_, waker)| waker)
    }

    /// Nobody waits any more. Gives the waker.
    pub(super) fn stop_waiting(&mut self, id: PublisherId) -> Option<Waker> {
        let (awaits, waker) = self.records.get_mut(&id)?.waiting.take()?;
        self.flushing = self.flushing.saturating_sub(usize::from(awaits == Awaits::Wire));
        Some(waker)
    }

    /// An outcome, if it is one of theirs: then whom to wake. One of somebody else's is given back.
    pub(super) fn settle(&mut self, receipt: ReceiptId, outcome: Outcome) -> Result<Option<Waker>, Outcome> {
        let Some((id, number)) = self.ring.take(receipt) else { return Err(outcome) };
        let outcome = SendError::from_outcome(outcome);
        Ok(self.records.get_mut(&id).and_then(|record| record.settle(number, outcome)))
    }

    /// Looks how far a flush has come; one that is not over waits on. Gives a waker that is of no use any more.
    pub(super) fn poll_flush(&mut self, id: PublisherId, waker: Waker) -> (Flush, Option<Waker>) {
        let written = self.written;
        let Some(record) = self.records.get_mut(&id) else { return (Flush::Done, Some(waker)) };
        match record.flush(written) {
            Ok(flushed) => (flushed, Some(waker)),
            Err(awaits) => (Flush::Waits, self.await_one(id, awaits, waker)),
        }
    }

    /// So many SENDs without a RECEIPT are on the wire. Gives whom to wake.
    #[inline]
    pub(super) fn note_written(&mut self, written: u64) -> Vec<Waker> {
        self.written = written;
        if self.flushing == 0 { Vec::new() } else { self.wake_written(written) }
    }

    fn wake_written(&mut self, written: u64) -> Vec<Waker> {
        let meant = |record: &&mut Record| record.awaits(Awaits::Wire) && record.position <= written;
        let wakers = self.records.values_mut().filter(meant).filter_map(Record::wake);
        let wakers: Vec<_> = wakers.collect();
        self.flushing = self.flushing.saturating_sub(wakers.len());
        wakers
    }

    /// The connection has ended: what was not on its wire is not sent. Gives whom to wake.
    pub(super) fn note_lost(&mut self) -> Vec<Waker> {
        let written = mem::take(&mut self.written);
        self.records.values_mut().for_each(|record| record.note_lost(written));
        self.wake_written(u64::MAX)
    }

    /// The session has ended: nobody hears of an outcome any more. Gives whom to wake.
    pub(super) fn close(&mut self) -> Vec<Waker> {
        let mut wakers = self.note_lost();
        for (id, number) in self.ring.take_all() {
            let outcome = Err(SendError::Unknown(Unknown::Lost(Lost::DriverDropped)));
            wakers.extend(self.records.get_mut(&id).and_then(|record| record.settle(number, outcome)));
        }
        wakers.extend(self.records.values_mut().filter_map(Record::wake));
        wakers
    }

    /// The number of the next message.
    pub(super) fn next_number(&self, id: PublisherId) -> u64 {
        self.records.get(&id).map_or(0, |record| record.next)
    }

    /// The number of the oldest message without an outcome, or of the next one.
    pub(super) fn first_unsettled(&self, id: PublisherId) -> u64 {
        self.ring.first_of(id).unwrap_or_else(|| self.next_number(id))
    }

    /// Takes the outcomes that are not "confirmed".
    pub(super) fn take_failed(&mut self, id: PublisherId) -> VecDeque<(u64, SendError)> {
        self.records.get_mut(&id).map(|record| mem::take(&mut record.failed)).unwrap_or_default()
    }
}

impl Record {
    const fn new(window: usize) -> Self {
        Self {
            window,
            next: 0,
            unsettled: 0,
            failed: VecDeque::new(),
            unreported: 0,
            position: 0,
            unwritten: 0,
            waiting: None,
        }
    }

    fn window(&self) -> Window {
        match self.unsettled.saturating_add(self.failed.len()) < self.window {
            true => Window::Open,
            false if self.unsettled > 0 => Window::Full,
            false => Window::Untaken(self.failed.len()),
        }
    }

    fn awaits(&self, awaits: Awaits) -> bool {
        self.waiting.as_ref().is_some_and(|(awaited, _)| *awaited == awaits)
    }

    fn wake(&mut self) -> Option<Waker> {
        self.waiting.take().map(|(_, waker)| waker)
    }

    fn settle(&mut self, number: u64, outcome: Result<(), SendError>) -> Option<Waker> {
        self.unsettled = self.unsettled.saturating_sub(1);
        let is_last = self.unsettled == 0;
        let has_room = match outcome {
            Ok(()) => true,
            Err(error) => {
                self.unreported = self.unreported.saturating_add(1);
                self.failed.push_back((number, error));
                // Nothing is to be waited for any more.
                is_last
            }
        };
        match &self.waiting {
            Some((Awaits::Room, _)) if has_room => self.wake(),
            Some((Awaits::Outcomes, _)) if is_last => self.wake(),
            _ => None,
        }
    }

    fn note_lost(&mut self, written: u64) {
        // Others may have sent between: this many at most are of this one.
        let unwritten = mem::take(&mut self.position).saturating_sub(written);
        let own = self.next.saturating_sub(self.unwritten);
        self.unreported = self.unreported.saturating_add(unwritten.min(own));
        if unwritten > 0 {
            self.unwritten = self.next;
        }
    }

    /// How a flush ends, or what it waits for.
    fn flush(&mut self, written: u64) -> Result<Flush, Awaits> {
        if self.unsettled > 0 {
            return Err(Awaits::Outcomes);
        }
        if self.position > written {
            return Err(Awaits::Wire);
        }
        self.unwritten = self.next;
        match mem::take(&mut self.unreported) {
            0 => Ok(Flush::Done),
            count => Ok(Flush::Failed(count)),
        }
    }
}

/// Messages that wait for an outcome, in the order of their receipts: those that were settled out of order leave holes until
/// they are half of it.
#[derive(Debug, Default)]
struct Ring {
    slots: VecDeque<Slot>,
    live: usize,
}

#[derive(Debug)]
struct Slot {
    receipt: ReceiptId,
    /// Of whom, until it has an outcome.
    publisher: Option<PublisherId>,
    number: u64,
}

impl Ring {
    /// Adds the newest: receipts count up.
    fn push(&mut self, receipt: ReceiptId, publisher: PublisherId, number: u64) {
        self.slots.push_back(Slot { receipt, publisher: Some(publisher), number });
        self.live = self.live.saturating_add(1);
    }

    /// Takes out the one that waits for that receipt.
    fn take(&mut self, receipt: ReceiptId) -> Option<(PublisherId, u64)> {
        let slot = self.find(receipt)?;
        let taken = (slot.publisher.take()?, slot.number);
        self.live = self.live.saturating_sub(1);
        self.close_holes();
        Some(taken)
    }

    /// Most come in order.
    fn find(&mut self, receipt: ReceiptId) -> Option<&mut Slot> {
        let first = self.slots.front()?.receipt;
        let at = match first == receipt {
            true => 0,
            false => self.slots.binary_search_by_key(&receipt, |slot| slot.receipt).ok()?,
        };
        self.slots.get_mut(at)
    }

    fn close_holes(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.publisher.is_none()) {
            self.slots.pop_front();
        }
        if self.slots.len() / 2 > self.live {
            self.slots.retain(|slot| slot.publisher.is_some());
        }
        if self.slots.is_empty() {
            self.slots.shrink_to(SPARE);
        }
    }

    fn forget(&mut self, publisher: PublisherId) {
        self.slots.retain(|slot| slot.publisher.is_some_and(|of| of != publisher));
        self.live = self.slots.len();
        self.slots.shrink_to(self.live.max(SPARE));
    }

    fn take_all(&mut self) -> impl Iterator<Item = (PublisherId, u64)> + use<> {
        self.live = 0;
        let slots = mem::take(&mut self.slots).into_iter();
        slots.filter_map(|slot| slot.publisher.map(|publisher| (publisher, slot.number)))
    }

    fn first_of(&self, publisher: PublisherId) -> Option<u64> {
        self.slots.iter().find(|slot| slot.publisher == Some(publisher)).map(|slot| slot.number)
    }
}

/// Slots that a ring keeps without need: 40 KiB.
const SPARE: usize = 1024;
