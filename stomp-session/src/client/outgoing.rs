//! Messages on their way to the session: what is sent, with which options, and what cannot be sent at once. That waits here
//! by value, in the order of the first polls, until there is a connection with room.
//!
//! The driver admits them, and their senders only wait for the result. So no sender has to be polled for others to
//! proceed.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::{Command, Frame, PreparedFrame};

use super::{error::BeginError, publishers::PublisherId};
use crate::{CommandError, ReceiptId, Session, Timestamp, TransactionId, frames};

/// What is to be sent.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each send")]
pub(super) enum Content {
    Frame(Frame),
    Prepared { frame: SharedFrame, body: Bytes },
}

impl Content {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.size(),
            Self::Prepared { frame, body } => lock(frame).frame().size().saturating_add(body.len()),
        }
    }

    /// Takes it, and leaves nothing to be sent behind.
    pub(super) fn take(&mut self) -> Self {
        mem::replace(self, Self::Frame(Frame::new(Command::Send)))
    }

    /// Lets go of the read buffer that it may be a small part of, before it waits for long. Gives the body that it had.
    pub(super) fn unpin(&mut self) -> Option<Bytes> {
        match self {
            Self::Frame(frame) => frames::unpin(frame),
            Self::Prepared { body, .. } => frames::unpin_body(body),
        }
    }

    /// As a frame, for what is more than written.
    pub(super) fn frame(&mut self) -> &mut Frame {
        let frame = match self {
            Self::Frame(frame) => return frame,
            Self::Prepared { frame, body } => lock(frame).frame().clone().with_body(mem::take(body)),
        };
        *self = Self::Frame(frame);
        self.frame()
    }

    pub(super) fn send(&self, session: &mut Session) -> Result<(), CommandError> {
        match self {
            Self::Frame(frame) => session.send(frame),
            Self::Prepared { frame, body } => session.send_prepared(&mut lock(frame), body),
        }
    }

    pub(super) fn confirm(
        &self,
        session: &mut Session,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        match self {
            Self::Frame(frame) => session.confirm(frame, timeout),
            Self::Prepared { frame, body } => {
                session.send_prepared_confirmed(&mut lock(frame), body, timeout)
            }
        }
    }
}

/// Shared by the sends, so that the first one on a connection of another version writes it anew for all.
pub(super) type SharedFrame = Arc<Mutex<PreparedFrame>>;

fn lock(frame: &SharedFrame) -> MutexGuard<'_, PreparedFrame> {
    frame.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    pub(super) mode: Mode,
    pub(super) immediate: bool,
    pub(super) buffered: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) transaction: Option<TransactionId>,
    /// The publisher that counts the message, if there is one.
    pub(super) publisher: Option<PublisherId>,
}

impl How {
    /// The line in which the message waits.
    pub(super) const fn line(self) -> Line {
        match (self.mode, self.transaction) {
            (Mode::AtLeastOnce { .. }, None) => Line::Kept,
            _ => Line::Transport,
        }
    }

    /// Whether nothing waits for the message to be admitted.
    pub(super) fn is_buffered(self) -> bool {
        self.buffered && self.mode == Mode::Plain && self.transaction.is_none()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Plain,
    Confirmed,
    AtLeastOnce {
        ordered: bool,
    },
}

/// The lines in which sends wait. Sends of one line never wait for those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// For a connection with room.
    Transport,
    /// For room among what is kept until it is confirmed.
    Kept,
}

/// The id of something that waits. Within a line, a later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ParkedId {
    line: Line,
    pub(super) number: u64,
}

/// Something that waits.
pub(super) struct Parked {
    pub(super) what: What,
    /// How long it may wait.
    pub(super) patience: Duration,
    /// Stamped by the driver: handles have no clock.
    pub(super) deadline: Option<Timestamp>,
    /// The waker of the sender; `None` if the message is [buffered](super::SendBuilder::buffered).
    pub(super) watcher: Option<Waker>,
}

#[allow(clippy::large_enum_variant, reason = "almost all are sends")]
pub(super) enum What {
    Send { content: Content, how: How },
    Begin,
}

/// The result of something that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It waits for the transport.
    Sent,
    /// The same, and its RECEIPT is awaited.
    Receipt(ReceiptId),
    /// The transaction has begun.
    Begun(TransactionId),
    /// The same as sent, for a publisher: the number of the message.
    Published(u64),
}

/// Everything that waits.
#[derive(Default)]
pub(super) struct Parking {
    parked: BTreeMap<ParkedId, Parked>,
    /// Results that their senders have not taken. What can go wrong while a send waits is what can go wrong with a BEGIN.
    results: BTreeMap<ParkedId, Result<Admitted, BeginError>>,
    /// Without a deadline yet.
    newcomers: Vec<ParkedId>,
    deadlines: BTreeSet<(Timestamp, ParkedId)>,
    /// Octets of all that waits.
    octets: usize,
    next: u64,
    closing: Option<Box<Closing>>,
}

/// A graceful end that waits until everything has left.
struct Closing {
    /// The time for all of the end, which the driver turns into deadlines: that of what waits, and that of the end.
    time: Duration,
    deadlines: Option<(Timestamp, Timestamp)>,
    /// The end waits no more.
    is_over: bool,
}

/// The share of that time in which messages may still be admitted. The rest is for the last receipts and the
/// DISCONNECT.
const SHARE: f64 = 0.75;

impl Parked {
    pub(super) const fn new(what: What, patience: Duration, watcher: Option<Waker>) -> Self {
        Self { what, patience, deadline: None, watcher }
    }

    fn size(&self) -> usize {
        match &self.what {
            What::Send { content, .. } => content.size(),
            What::Begin => 0,
        }
    }

    /// What is left of its time.
    pub(super) fn rest(&self, now: Timestamp) -> Duration {
        self.deadline.map_or(self.patience, |deadline| deadline.since(now))
    }
}

impl Parking {
    pub(super) fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }

    /// Octets of all that waits.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    /// The size of the first one of a line, in octets.
    pub(super) fn first(&self, line: Line) -> Option<usize> {
        self.first_of(line).map(|(_, parked)| parked.size())
    }

    fn first_of(&self, line: Line) -> Option<(&ParkedId, &Parked)> {
        if self.parked.is_empty() {
            return None;
        }
        self.parked.range(ParkedId { line, number: 0 }..).next().filter(|(id, _)| id.line == line)
    }

    /// The number of the next one.
    pub(super) const fn next_number(&self) -> u64 {
        self.next
    }

    /// The number of the first one of all lines.
    pub(super) fn first_number(&self) -> Option<u64> {
        let lines = [Line::Transport, Line::Kept].into_iter();
        lines.filter_map(|line| self.first_of(line).map(|(id, _)| id.number)).min()
    }

    /// Puts it at the end of its line.
    pub(super) fn park(&mut self, line: Line, parked: Parked) -> ParkedId {
        let id = ParkedId { line, number: self.next };
        self.next = self.next.saturating_add(1);
        self.octets = self.octets.saturating_add(parked.size());
        self.newcomers.push(id);
        self.parked.insert(id, parked);
        id
    }

    /// Takes out the first one of a line.
    pub(super) fn pop(&mut self, line: Line) -> Option<(ParkedId, Parked)> {
        let id = *self.first_of(line)?.0;
        self.remove(id).map(|parked| (id, parked))
    }

    fn remove(&mut self, id: ParkedId) -> Option<Parked> {
        let parked = self.parked.remove(&id)?;
        self.octets = self.octets.saturating_sub(parked.size());
        if let Some(deadline) = parked.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        Some(parked)
    }

    /// Removes everything for which `is_meant` returns `true`.
    pub(super) fn take(&mut self, is_meant: impl Fn(&What) -> bool) -> Vec<(ParkedId, Parked)> {
        let meant = self.parked.iter().filter(|(_, parked)| is_meant(&parked.what));
        let ids: Vec<_> = meant.map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id).map(|parked| (id, parked))).collect()
    }

    /// Sets the deadlines of what is new, and removes what has passed its deadline.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<(ParkedId, Parked)> {
        for id in mem::take(&mut self.newcomers) {
            let Some(parked) = self.parked.get_mut(&id) else { continue };
            let deadline = now.after(parked.patience);
            parked.deadline = Some(deadline);
            self.deadlines.insert((deadline, id));
        }
        let mut expired = Vec::new();
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.pop_first();
            expired.extend(self.remove(id).map(|parked| (id, parked)));
        }
        expired
    }

    /// Returns the next deadline, of one that waits or of the graceful end.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let one = self.deadlines.first().map(|(deadline, _)| *deadline);
        let closing = self.closing.as_ref().filter(|closing| !closing.is_over);
        let all = closing.and_then(|closing| closing.deadlines).map(|(waiting, _)| waiting);
        Timestamp::first([one, all])
    }

    /// Accepts nothing more, and gives what waits its share of this time.
    pub(super) fn close(&mut self, time: Duration) {
        self.closing.get_or_insert_with(|| Box::new(Closing { time, deadlines: None, is_over: false }));
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Returns once, when the graceful end no longer waits, how many have not left, and what is left of the time.
    pub(super) fn end(&mut self, now: Timestamp) -> Option<(usize, Duration)> {
        let is_empty = self.parked.is_empty();
        let closing = self.closing.as_mut().filter(|closing| !closing.is_over)?;
        let time = closing.time;
        let (waiting, all) =
            *closing.deadlines.get_or_insert_with(|| (now.after(time.mul_f64(SHARE)), now.after(time)));
        closing.is_over = is_empty || waiting <= now;
        closing.is_over.then(|| (self.parked.len(), all.since(now)))
    }

    /// Keeps a result until its watcher looks.
    pub(super) fn keep(&mut self, id: ParkedId, result: Result<Admitted, BeginError>) {
        self.results.insert(id, result);
    }

    /// Takes the result, or waits on. Also returns a waker that is no longer needed.
    pub(super) fn poll(
        &mut self,
        id: ParkedId,
        waker: Waker,
    ) -> (Poll<Result<Admitted, BeginError>>, Option<Waker>) {
        match (self.results.remove(&id), self.parked.get_mut(&id)) {
            (Some(result), _) => (Poll::Ready(result), Some(waker)),
            (None, Some(parked)) => (Poll::Pending, parked.watcher.replace(waker)),
            (None, None) => (Poll::Pending, Some(waker)),
        }
    }

    /// The sender has been dropped. Returns what still waits, or its result.
    pub(super) fn forget(&mut self, id: ParkedId) -> (Option<Parked>, Option<Result<Admitted, BeginError>>) {
        (self.remove(id), self.results.remove(&id))
    }
}
