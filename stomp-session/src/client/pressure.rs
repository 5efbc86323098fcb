//! Back-pressure in: what nobody has taken counts, and over the budget the driver stops reading. Nothing is dropped.

use std::{collections::VecDeque, time::Duration};

use super::gauge::Gauge;
use crate::{Message, Session, Timestamp};

/// While somebody waits for a receipt, reading goes on up to this multiple of the budget: a handler that waits for one behind
/// its own full inbox would wait for ever. Then its wait ends.
const HARD: usize = 8;
/// Octets of ACKs and NACKs that have not left, above which no message is read that would bring more of them, if that is more
/// than the budget.
const UNSENT: usize = 64 * 1024;
/// How long reading stands still before listeners are told.
const STALLED: Duration = Duration::from_secs(5);
/// How long consumers have to take what is over the hard bound.
const PATIENCE: Duration = Duration::from_secs(1);
/// The octets of messages that nobody has taken.
#[derive(Debug, Default)]
pub(super) struct Pressure(Gauge);

impl Pressure {
    pub(super) fn undelivered(&self) -> usize {
        self.0.level()
    }

    /// Counts a message that came. Gives what it counts, in octets.
    pub(super) fn count_in(&self, message: &Message) -> usize {
        let size = message.size();
        self.0.add(size);
        size
    }

    /// Counts messages no more that nobody takes. Gives what they counted, in octets. Whoever calls this wakes the driver, or
    /// is it.
    pub(super) fn count_out(&self, messages: &VecDeque<Message>) -> usize {
        let size = messages.iter().map(Message::size).sum();
        let _ = self.0.take(size);
        size
    }

    /// Says that a message was taken. Whether the driver may read again, and is to be woken.
    pub(super) fn take(&self, message: &Message) -> bool {
        self.0.take(message.size())
    }

    /// Whether to stop reading: more octets than the budget were not taken, or too many ACKs have not left.
    /// `awaits` says whether a reply is awaited.
    pub(super) fn pauses(&self, budget: usize, session: &Session, awaits: bool) -> bool {
        let hard = budget.saturating_mul(HARD);
        let awaited = awaits || session.awaited_receipts() > 0;
        let (stop, resume) = if awaited { (hard, hard) } else { (budget, budget / 2) };
        let full = self.0.wait(stop, resume);
        let unsent = session.unsent_acknowledgements() > budget.max(UNSENT);
        // Without a connection that hands out messages, what comes is an answer that somebody waits for.
        let pause = session.takes_messages() && (full || unsent);
        if !pause {
            self.0.go_on();
        }
        pause
    }

    /// More octets were not taken than there may be.
    pub(super) fn is_over(&self, budget: usize) -> bool {
        self.undelivered() > budget.saturating_mul(HARD)
    }
}

/// Whether reading has stopped, and for how long.
#[derive(Debug, Default)]
pub(super) struct Stall {
    /// When listeners are to be told.
    at: Option<Timestamp>,
    told: bool,
    /// When what is awaited behind too many octets is given up.
    give_up_at: Option<Timestamp>,
    /// That time has come.
    gives_up: bool,
}

impl Stall {
    /// Notes that reading has stopped, or goes on. Whether listeners are to be told that it stands still.
    pub(super) fn note(&mut self, pause: bool, now: Timestamp) -> bool {
        if !pause {
            (self.at, self.told) = (None, false);
            return false;
        }
        let at = *self.at.get_or_insert_with(|| now.after(STALLED));
        let is_due = at <= now && !self.told;
        self.told |= is_due;
        is_due
    }

    /// Notes whether more octets wait than there may be. Whether what is awaited behind them is to be given up: consumers
    /// have had the time to take them.
    pub(super) fn note_over(&mut self, is_over: bool, now: Timestamp) -> bool {
        if !is_over {
            (self.give_up_at, self.gives_up) = (None, false);
            return false;
        }
        self.gives_up = *self.give_up_at.get_or_insert_with(|| now.after(PATIENCE)) <= now;
        self.gives_up
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.at.filter(|_| !self.told).into_iter().chain(self.give_up_at.filter(|_| !self.gives_up)).min()
    }
}
