//! When a client has time to move to the broker that was drawn for it: handlers end first, and nobody else is disturbed.

use std::sync::atomic::Ordering;

use super::shared::Inner;
use crate::Timestamp;

/// The share of the time for leaving a connection for which handlers take nothing new. If one has not ended then, the client
/// stays until the next period.
const SHARE: f64 = 0.75;

impl Inner {
    /// Moves to the broker that was drawn, once there is time. The driver's business. Returns whether anything has changed.
    pub(super) fn continue_rebalance(&mut self, now: Timestamp) -> bool {
        let may = self.may_rebalance();
        match self.moves.resting {
            None if !may => false,
            None => self.begin_rebalance(now),
            Some(_) if !may => {
                self.stop_resting();
                true
            }
            Some(_) if self.taken() == 0 => {
                self.moves.resting = None;
                self.rebalance();
                true
            }
            Some(by) if by <= now => {
                self.stop_resting();
                self.session.put_off_rebalancing();
                true
            }
            Some(_) => false,
        }
    }

    /// Whether nothing is in flight but messages, and nothing else is under way.
    fn may_rebalance(&self) -> bool {
        self.session.is_to_rebalance()
            && !self.moves.is_under_way()
            && !self.is_disconnecting()
            && self.session.is_idle()
            && self.parking.is_empty()
            && !self.requests.await_replies()
    }

    /// At once if nobody has a message; if only handlers have any, they take no more until then.
    fn begin_rebalance(&mut self, now: Timestamp) -> bool {
        match self.taken() {
            0 => self.rebalance(),
            taken if taken <= self.runners.owing() => {
                let time = self.session.config().disconnect_timeout.mul_f64(SHARE);
                self.moves.resting = Some(now.after(time));
                self.runners.hold(true);
                self.wake_runners();
            }
            _ => return false,
        }
        true
    }

    fn rebalance(&mut self) {
        self.moves.begin();
        // They go on when the connection is left.
        self.runners.hold(true);
        self.session.rebalance();
    }

    /// Handlers go on, and the client stays where it is.
    fn stop_resting(&mut self) {
        self.moves.resting = None;
        self.release_runners(0);
    }

    /// The messages that were taken and are not settled. Those that nobody has taken are delivered again and have cost nothing.
    fn taken(&self) -> usize {
        let untaken = self.inboxes.values().map(|inbox| {
            let waiting = inbox.messages.iter().filter(|message| message.needs_ack()).count();
            waiting.saturating_add(inbox.left.load(Ordering::Relaxed))
        });
        self.session.open_messages().saturating_sub(untaken.sum())
    }
}
