//! The graceful end: what waits for a RECEIPT gets it, then DISCONNECT and its own.

use core::time::Duration;

use super::{
    Session,
    state::{Ending, State},
};
#[cfg(feature = "client")]
use crate::model::time::Timestamp;
use crate::{
    link::Link,
    model::{error::Lost, event::Parting},
};

/// Disconnecting.
impl Session {
    /// Disconnects gracefully.
    ///
    /// From now on, commands are refused and messages that come are dropped. The session awaits all outstanding
    /// receipts, then sends DISCONNECT and awaits its RECEIPT, all within
    /// [`Config::disconnect_timeout`](crate::Config::disconnect_timeout).
    ///
    /// If the end of the connection counts as a delivery of each message that is not settled, and giving the messages back
    /// does not ([`Profile::end_counts`](crate::Profile::end_counts)), they are given back before DISCONNECT. This takes two
    /// round trips more, or a few if messages were on their way, and at most three quarters of the time.
    ///
    /// While SENDs that are sent at least once are pending, the session goes on connecting until then. If there are
    /// none and there is no connection, the session ends at once, unconfirmed. Further calls have no effect.
    pub fn disconnect(&mut self) {
        self.disconnect_within(self.config.disconnect_timeout);
    }

    /// Disconnects like [`disconnect`](Self::disconnect), but within this time limit.
    pub fn disconnect_within(&mut self, timeout: Duration) {
        if !self.is_ending() {
            self.with_link(|link, _| link.begin_end());
            self.ending = Some(Ending::new(timeout));
            self.events.begin_farewell();
            self.stop_moving();
            self.continue_ending();
        }
    }

    /// Ends the session at once, without a DISCONNECT.
    ///
    /// The broker treats this like a crash of the client and delivers again what was not acknowledged. Frames that wait
    /// for a RECEIPT or are sent at least once are reported as not sent or unknown. The last event is
    /// [`Closed::Disconnected`](crate::Closed::Disconnected), unconfirmed.
    ///
    /// Data that was sent but not yet handed to the transport is dropped. [`disconnect`](Self::disconnect) waits for
    /// it.
    pub fn close(&mut self) {
        if self.is_closed() {
            return;
        }
        if self.ending.is_none() {
            self.ending = Some(Ending::new(Duration::ZERO));
            self.events.begin_farewell();
        }
        let open = !matches!(self.state, State::Waiting { .. });
        self.end(Parting::Unconfirmed, &Lost::Disconnected, open);
    }

    /// The end is more than a move. A DISCONNECT that was said already stands for both, unless something is kept for the next
    /// connection.
    fn stop_moving(&mut self) {
        if !matches!(self.state, State::Disconnecting(_)) {
            self.moving = None;
            self.with_connected(Link::proceed);
        }
    }

    /// By when the session has ended, if it disconnects.
    #[cfg(feature = "client")]
    pub(crate) fn ends_by(&self) -> Option<Timestamp> {
        self.ending.as_ref().map(Ending::deadline)
    }

    /// Whether no command is taken any more.
    pub(super) const fn is_ending(&self) -> bool {
        self.ending.is_some() || self.is_closed()
    }

    /// Goes on with an end or a move. Asked at each message: mostly there is neither.
    #[inline(always)]
    pub(super) fn continue_ending(&mut self) {
        if self.ending.is_some() || self.moving.is_some() {
            self.continue_leaving();
        }
    }

    /// Goes on once nothing waits any more: RabbitMQ and Artemis drop the receipts that DISCONNECT overtakes.
    #[cold]
    fn continue_leaving(&mut self) {
        self.continue_moving();
        if self.ending.is_none() || self.replay.kept.len() > 0 {
            return;
        }
        match &self.state {
            State::Connected(link) if link.is_answered() => self.part(),
            // Nobody was told of the end: it is not confirmed.
            State::Waiting { .. } => self.end(Parting::Unconfirmed, &Lost::Disconnected, false),
            State::Connecting { .. } | State::Handshake { .. } => {
                self.end(Parting::Unconfirmed, &Lost::Disconnected, true)
            }
            _ => {}
        }
    }

    /// Says DISCONNECT, once messages have gone back that the end of the connection would cost a delivery. That takes no more
    /// than three quarters of the time.
    pub(super) fn part(&mut self) {
        let (now, moving) = (self.now, || self.moving.as_ref().map(|moving| moving.left(self.now)));
        let left = self.ending.as_ref().map(|ending| ending.left(now)).or_else(moving).unwrap_or_default();
        if self.with_link(|link, cx| link.give_back_all(left, cx)) != Some(true) {
            self.say_disconnect();
        }
    }

    fn say_disconnect(&mut self) {
        if let Some(mut link) = self.state.take_link() {
            link.say_disconnect(&mut self.ids);
            self.state = State::Disconnecting(link);
        }
    }

    /// Its time is over.
    pub(super) fn expire_ending(&mut self) {
        if self.ending.as_ref().is_some_and(|ending| ending.deadline() <= self.now) {
            let open = !matches!(self.state, State::Waiting { .. });
            self.end(Parting::Unconfirmed, &Lost::Disconnected, open);
        }
    }
}
