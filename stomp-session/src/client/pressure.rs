//! Back-pressure in: what nobody has taken counts, and over the budget the driver stops reading. Nothing is dropped.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    Notice,
    shared::{Inner, Shared},
};
use crate::{Message, Timestamp};

/// While somebody waits for a receipt, reading goes on up to this multiple of the budget: a handler that waits for one behind
/// its own full inbox would wait for ever. Then its wait ends.
const HARD: usize = 8;
/// Octets of ACKs and NACKs that have not left, above which no message is read that would bring more of them, if that is more
/// than the budget.
const UNSENT: usize = 64 * 1024;
/// How long reading stands still before listeners are told.
const STALLED: Duration = Duration::from_secs(5);
/// No number of octets.
const READING: usize = usize::MAX;

/// The octets of messages that nobody has taken.
#[derive(Debug)]
pub(super) struct Pressure {
    undelivered: AtomicUsize,
    /// How few must be left for the driver to read again; [`READING`] while it reads.
    resume_at: AtomicUsize,
}

impl Default for Pressure {
    fn default() -> Self {
        Self { undelivered: AtomicUsize::new(0), resume_at: AtomicUsize::new(READING) }
    }
}

impl Pressure {
    pub(super) fn undelivered(&self) -> usize {
        self.undelivered.load(Ordering::SeqCst)
    }
}

/// Reading has stopped.
#[derive(Debug)]
pub(super) struct Stall {
    /// When listeners are to be told.
    at: Timestamp,
    told: bool,
}

impl Shared {
    pub(super) fn count_in(&self, message: &Message) {
        self.pressure.undelivered.fetch_add(message.size(), Ordering::AcqRel);
    }

    pub(super) fn count_out(&self, messages: &VecDeque<Message>) {
        let size = messages.iter().map(Message::size).sum();
        self.pressure.undelivered.fetch_sub(size, Ordering::AcqRel);
    }

    /// Says that a message was taken, and wakes the driver if it may read again.
    pub(super) fn taken(&self, message: &Message) {
        let size = message.size();
        let left = self.pressure.undelivered.fetch_sub(size, Ordering::SeqCst).saturating_sub(size);
        let resume_at = self.pressure.resume_at.load(Ordering::SeqCst);
        if left <= resume_at && resume_at != READING {
            self.with(Inner::wake_driver);
        }
    }

    /// Whether to stop reading: too much has not been taken, or too many ACKs have not left.
    pub(super) fn update_pause(&self, inner: &Inner) -> bool {
        let budget = self.settings.inbound_budget;
        let hard = budget.saturating_mul(HARD);
        let awaited = inner.session.awaited_receipts() > 0;
        let (stop, resume) = if awaited { (hard, hard) } else { (budget, budget / 2) };
        let reads = self.pressure.resume_at.swap(resume, Ordering::SeqCst) == READING;
        // Asked after it was said how few are few enough: whoever takes the last message now wakes the driver.
        let full = self.pressure.undelivered() > if reads { stop } else { resume };
        let unsent = inner.session.unsent_acknowledgements() > budget.max(UNSENT);
        // Without a connection that hands out messages, what comes is an answer that somebody waits for.
        let pause = inner.session.takes_messages() && (full || unsent);
        if !pause {
            self.pressure.resume_at.store(READING, Ordering::SeqCst);
        }
        pause
    }

    /// Ends the waits for receipts that would take more memory than there may be. Whether there were any.
    pub(super) fn give_up_receipts(&self, inner: &mut Inner) -> bool {
        let undelivered = self.pressure.undelivered();
        undelivered > self.settings.inbound_budget.saturating_mul(HARD)
            && inner.session.give_up_receipts(undelivered)
    }
}

impl Inner {
    /// Notes that reading has stopped, or goes on, and tells listeners when it stands still for long.
    pub(super) fn note_pause(&mut self, pause: bool, now: Timestamp) {
        if !pause {
            self.stall = None;
            return;
        }
        let stall = self.stall.get_or_insert_with(|| Stall { at: now.after(STALLED), told: false });
        if stall.at <= now && !stall.told {
            stall.told = true;
            let fullest = self.inboxes.iter().max_by_key(|(_, inbox)| inbox.messages.len());
            let subscription = fullest.map(|(id, _)| *id);
            self.note(&Notice::Stalled { subscription });
        }
    }

    pub(super) fn stall_deadline(&self) -> Option<Timestamp> {
        self.stall.as_ref().filter(|stall| !stall.told).map(|stall| stall.at)
    }
}
