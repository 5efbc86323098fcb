//! The graceful end: what waits for a RECEIPT gets it, then DISCONNECT and its own.

use core::time::Duration;

use stomp_proto::{Command, Frame};

use crate::{Closed, Event, Lost, Outcome, Session, Timestamp, receipts::Awaited, session::State};

/// The end has begun: no command is taken any more.
#[derive(Debug)]
pub(crate) struct Ending {
    timeout: Duration,
    /// None until the first call that brings the time.
    deadline: Option<Timestamp>,
    receipted: usize,
    unreceipted: usize,
}

impl Ending {
    pub(crate) fn stamp(&mut self, now: Timestamp) {
        self.deadline.get_or_insert_with(|| now.after(self.timeout));
    }

    /// One without a time wants one at once.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.deadline.unwrap_or(Timestamp::ZERO)
    }

    pub(crate) fn count(&mut self, outcome: &Outcome) {
        let count = if *outcome == Outcome::Confirmed { &mut self.receipted } else { &mut self.unreceipted };
        *count = count.saturating_add(1);
    }

    const fn farewell(&self, confirmed: bool) -> Closed {
        Closed::Disconnected { confirmed, receipted: self.receipted, unreceipted: self.unreceipted }
    }
}

/// Disconnecting.
impl Session {
    /// Begins the end: no more commands, and messages that come are dropped. What waits for a RECEIPT is awaited, then
    /// DISCONNECT is sent and its RECEIPT awaited, all within
    /// [`Config::disconnect_timeout`](crate::Config::disconnect_timeout). For what is sent at least once it goes on
    /// connecting until then; without that, and without a connection, the session ends at once. A second call changes
    /// nothing.
    pub fn disconnect(&mut self) {
        self.disconnect_within(self.config.disconnect_timeout);
    }

    /// [`disconnect`](Self::disconnect) with a time of its own.
    pub fn disconnect_within(&mut self, timeout: Duration) {
        if !self.is_ending() {
            if let Some(connected) = self.connected_mut() {
                connected.leave_all();
                connected.end_transactions();
            }
            self.ending = Some(Ending { timeout, deadline: None, receipted: 0, unreceipted: 0 });
            self.continue_disconnect();
        }
    }

    /// Whether no command is taken any more.
    pub(crate) const fn is_ending(&self) -> bool {
        self.ending.is_some() || self.is_closed()
    }

    /// Goes on once nothing waits any more: RabbitMQ and Artemis drop the receipts that DISCONNECT overtakes.
    pub(crate) fn continue_disconnect(&mut self) {
        let Some(ending) = self.ending.as_ref().filter(|_| self.deliveries.len() == 0) else { return };
        match &self.state {
            State::Connected(connected) if connected.receipts.len() == 0 => self.say_goodbye(),
            State::Waiting { .. } | State::Connecting { .. } | State::Handshake { .. } => {
                let dialling = !matches!(self.state, State::Waiting { .. });
                self.end(ending.unreceipted == 0, &Lost::Disconnected, dialling);
            }
            _ => {}
        }
    }

    fn say_goodbye(&mut self) {
        let id = self.next_receipt();
        let frame = Frame::new(Command::Disconnect).with_header("receipt", id.wire());
        let State::Connected(mut connected) = core::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        // It cannot fail: a number is text in every version.
        let _ = connected.push_awaited(&frame, id, Awaited::Disconnect, Duration::MAX);
        self.state = State::Disconnecting(connected);
    }

    /// Its time is over.
    pub(crate) fn expire_disconnect(&mut self) {
        if self.ending.as_ref().is_some_and(|ending| ending.deadline() <= self.now) {
            let open = !matches!(self.state, State::Waiting { .. });
            self.end(false, &Lost::Disconnected, open);
        }
    }

    /// Ends the session as its owner has asked. `open` says whether there is a transport to be closed.
    pub(crate) fn end(&mut self, confirmed: bool, reason: &Lost, open: bool) {
        self.leave(reason, open);
        self.end_deliveries(reason);
        if let Some(ending) = self.ending.take() {
            self.events.push_back(Event::Closed(ending.farewell(confirmed)));
        }
    }
}
