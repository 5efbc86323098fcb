//! Back-pressure on the broker: messages that are not taken are counted, and above the budget the driver stops reading.
//! Nothing is dropped.

use std::{collections::VecDeque, mem, time::Duration};

use super::gauge::Gauge;
use crate::{Message, Session, Timestamp};

/// While a receipt is awaited, reading goes on up to this multiple of the budget. Otherwise a handler that waits for a
/// receipt behind its own full inbox would wait for ever. Beyond this, the wait ends.
const HARD: usize = 8;
/// The octets of unsent ACKs and NACKs above which no further messages are read, if this is more than the budget.
const UNSENT: usize = 64 * 1024;
/// The time after which a pause in reading is reported to listeners.
const STALLED: Duration = Duration::from_secs(5);
/// The time that consumers have to take what is over the hard limit.
const PATIENCE: Duration = Duration::from_secs(1);
/// The octets of messages that nobody has taken.
#[derive(Debug, Default)]
pub(super) struct Pressure(Gauge);

impl Pressure {
    pub(super) fn undelivered(&self) -> usize {
        self.0.level()
    }

    /// Counts messages that came.
    pub(super) fn count_in(&self, octets: usize) {
        self.0.add(octets);
    }

    /// Counts messages no more that nobody takes. Gives what they counted, in octets. Whoever calls this wakes the driver, or
    /// is it.
    pub(super) fn count_out(&self, messages: &VecDeque<Message>) -> usize {
        let size = messages.iter().map(Message::size).sum();
        let _ = self.0.take(size);
        size
    }

    /// Returns whether to stop reading, because more octets than the budget are not taken, or too many ACKs are unsent.
    /// `awaits` is whether a reply is awaited.
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

    /// Returns whether the octets that are not taken are over the hard limit.
    pub(super) fn is_over(&self, budget: usize) -> bool {
        self.undelivered() > budget.saturating_mul(HARD)
    }
}

/// What a consumer has taken and was not counted out yet.
///
/// Counting out each message would cost an operation on memory that the driver's thread writes. What waits here counts
/// as not taken: it is little, and nothing when the consumer has no messages left.
#[derive(Debug, Default)]
pub(super) struct Taken(usize);

/// The part of the budget that is counted out together.
const STEP: usize = 64;

impl Taken {
    /// Says that a message was taken, and whether it was the last one. Returns whether the driver may read again, and is
    /// to be woken.
    #[inline]
    pub(super) fn count(&mut self, octets: usize, is_last: bool, pressure: &Pressure, budget: usize) -> bool {
        self.0 = self.0.saturating_add(octets);
        (is_last || self.0 > budget / STEP) && self.flush(pressure)
    }

    /// Counts out all that was taken. Returns the same.
    pub(super) fn flush(&mut self, pressure: &Pressure) -> bool {
        pressure.0.take(mem::take(&mut self.0))
    }
}

/// Whether reading is paused, and since when.
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
        Timestamp::first([self.at.filter(|_| !self.told), self.give_up_at.filter(|_| !self.gives_up)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_out_in_steps_and_at_the_last_message() {
        const BUDGET: usize = 64 * 100;
        let (pressure, mut taken) = (Pressure::default(), Taken::default());
        pressure.count_in(1000);
        for (octets, is_last, left) in
            [(60, false, 1000), (60, false, 880), (100, false, 880), (10, true, 770)]
        {
            assert!(!taken.count(octets, is_last, &pressure, BUDGET), "nobody waits");
            assert_eq!(pressure.undelivered(), left);
        }
        assert!(pressure.0.wait(700, 500));
        assert!(!taken.count(200, false, &pressure, BUDGET));
        assert!(taken.count(200, false, &pressure, BUDGET), "the driver may read again");
        taken.count(5, false, &pressure, BUDGET);
        taken.flush(&pressure);
        assert_eq!(pressure.undelivered(), 365);
    }
}
