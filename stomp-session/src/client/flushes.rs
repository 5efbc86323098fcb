//! The waits of [`Client::flush`](super::Client::flush).

use std::{collections::BTreeMap, task::Waker};

use super::error::FlushError;
use crate::{Closed, ConnectionMark, Lost, ReceiptId, Session};

/// Names a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlushId(u64);

/// All waits.
#[derive(Default)]
pub(super) struct Flushes {
    table: BTreeMap<FlushId, Flush>,
    next: u64,
    /// Frames that are lost with their connection were taken from the session and not flushed.
    in_flight: bool,
}

struct Flush {
    /// What is parked counts if its number is less.
    parked: u64,
    /// Frames with a receipt count if theirs is less.
    receipts: ReceiptId,
    /// What the connection's frames must be past. None where there is no connection.
    wire: Option<ConnectionMark>,
    /// Something that is kept until it is confirmed has not begun to leave.
    awaits_kept: bool,
    /// Something would be lost if the connection ended now.
    at_risk: bool,
    /// Sends that were given up before they could leave.
    unsent: usize,
    waker: Option<Waker>,
    result: Option<Result<(), FlushError>>,
}

impl Flush {
    fn end(&mut self, result: Result<(), FlushError>) -> Option<Waker> {
        if self.result.is_none() {
            self.result = Some(result);
        }
        self.waker.take()
    }

    fn look(&mut self, session: &Session, in_flight: bool) {
        let awaited_kept = std::mem::replace(&mut self.awaits_kept, session.keeps_unsent(self.receipts));
        if awaited_kept && !self.awaits_kept {
            // The last of them may have left in part.
            self.wire = session.mark();
        }
        self.at_risk = match &self.wire {
            // Its end is still to be told: it stays as it was.
            Some(mark) if !session.stands(mark) => self.at_risk,
            mark => mark.as_ref().is_some_and(|mark| in_flight || session.holds_plain(mark)),
        };
    }

    /// Whether nothing is left to be waited for. `flushed` says that the transport holds nothing of what it was given.
    fn is_over(&self, flushed: bool, first_parked: Option<u64>, session: &Session) -> bool {
        let is_parked = first_parked.is_some_and(|first| first < self.parked);
        let has_left = self.wire.as_ref().is_none_or(|mark| flushed && session.has_left(mark));
        !is_parked && !self.awaits_kept && has_left
    }
}

impl Flushes {
    /// Begins to wait for all that was handed over until now; parked are those of lesser numbers.
    pub(super) fn begin(&mut self, parked: u64, session: &Session) -> FlushId {
        let id = FlushId(self.next);
        self.next = self.next.saturating_add(1);
        let mut flush = Flush {
            parked,
            receipts: session.next_receipt(),
            wire: session.mark(),
            awaits_kept: false,
            at_risk: false,
            unsent: 0,
            waker: None,
            result: None,
        };
        flush.look(session, self.in_flight);
        self.table.insert(id, flush);
        id
    }

    /// Returns the result if there is one, and a waker that is not needed any more.
    pub(super) fn poll(
        &mut self,
        id: FlushId,
        waker: Waker,
    ) -> (Option<Result<(), FlushError>>, Option<Waker>) {
        let Some(flush) = self.table.get_mut(&id) else { return (None, Some(waker)) };
        match flush.result.take() {
            Some(result) => {
                self.table.remove(&id);
                (Some(result), Some(waker))
            }
            None => (None, flush.waker.replace(waker)),
        }
    }

    pub(super) fn are_awaited(&self) -> bool {
        !self.table.is_empty()
    }

    /// Forgets a wait whose future was dropped.
    pub(super) fn forget(&mut self, id: FlushId) -> Option<Waker> {
        self.table.remove(&id)?.waker
    }

    /// Notes whether frames that were taken from the session are lost if the connection ends now.
    pub(super) const fn note_taken(&mut self, plain: bool) {
        self.in_flight |= plain;
    }

    /// Something that was parked has become a frame, or was given up.
    pub(super) fn note_admitted(&mut self, number: u64, is_sent: bool, session: &Session) {
        for flush in self.table.values_mut().filter(|flush| number < flush.parked) {
            if is_sent {
                (flush.wire, flush.receipts) = (session.mark(), session.next_receipt());
                flush.look(session, self.in_flight);
            } else {
                flush.unsent = flush.unsent.saturating_add(1);
            }
        }
    }

    /// A frame that asked for a RECEIPT was taken back.
    pub(super) fn note_withdrawn(&mut self, id: ReceiptId) {
        for flush in self.table.values_mut().filter(|flush| id < flush.receipts) {
            flush.unsent = flush.unsent.saturating_add(1);
        }
    }

    /// Ends the waits for which nothing is left: see [`Flush::is_over`]. Returns the wakers to wake.
    pub(super) fn proceed(
        &mut self,
        flushed: bool,
        first_parked: Option<u64>,
        session: &Session,
    ) -> Vec<Waker> {
        self.in_flight &= !flushed;
        if self.table.is_empty() {
            return Vec::new();
        }
        let mut wakers = Vec::new();
        for flush in self.table.values_mut().filter(|flush| flush.result.is_none()) {
            flush.look(session, self.in_flight);
            if flush.is_over(flushed, first_parked, session) {
                let unsent = flush.unsent;
                let result = if unsent == 0 { Ok(()) } else { Err(FlushError::Unsent(unsent)) };
                wakers.extend(flush.end(result));
            }
        }
        wakers
    }

    /// The connection has ended. What is sent again goes on.
    pub(super) fn lose(&mut self, reason: &Lost) -> Vec<Waker> {
        self.in_flight = false;
        let open = self.table.values_mut().filter(|flush| flush.result.is_none());
        let lost = open.filter_map(|flush| {
            flush.wire = None;
            std::mem::take(&mut flush.at_risk).then(|| flush.end(Err(FlushError::Lost(reason.clone()))))
        });
        lost.flatten().collect()
    }

    /// The session has ended.
    pub(super) fn close(&mut self, closed: &Closed) -> Vec<Waker> {
        let all = self.table.values_mut();
        all.filter_map(|flush| flush.end(Err(FlushError::Closed(closed.clone())))).collect()
    }
}
