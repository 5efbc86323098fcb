//! Who publishes in bulk, and what is known of their messages: one waker for each publisher.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    task::Waker,
};

use super::error::SendError;
use crate::Outcome;

/// Names a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PublisherId(u64);

/// All publishers.
#[derive(Debug, Default)]
pub(super) struct Publishers {
    records: BTreeMap<PublisherId, Record>,
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
        self.records.remove(&id);
        waker
    }

    /// Counts a message that was handed over, and gives its number. One without a `position` among those without a RECEIPT
    /// has an outcome.
    pub(super) fn hand_over(&mut self, id: PublisherId, position: Option<u64>) -> u64 {
        let Some(record) = self.records.get_mut(&id) else { return 0 };
        let number = record.next;
        record.next = number.saturating_add(1);
        match position {
            Some(position) => record.position = position,
            None => record.unsettled = record.unsettled.saturating_add(1),
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

    /// The outcome of a message. Gives whom to wake.
    pub(super) fn settle(&mut self, id: PublisherId, number: u64, outcome: Outcome) -> Option<Waker> {
        self.records.get_mut(&id)?.settle(number, SendError::from_outcome(outcome))
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

    /// The session has ended, and all outcomes have come. Gives whom to wake.
    pub(super) fn close(&mut self) -> Vec<Waker> {
        let mut wakers = self.note_lost();
        wakers.extend(self.records.values_mut().filter_map(Record::wake));
        wakers
    }

    /// The number of the next message.
    pub(super) fn next_number(&self, id: PublisherId) -> u64 {
        self.records.get(&id).map_or(0, |record| record.next)
    }

    /// Whether messages have no outcome yet.
    pub(super) fn has_unsettled(&self, id: PublisherId) -> bool {
        self.records.get(&id).is_some_and(|record| record.unsettled > 0)
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
