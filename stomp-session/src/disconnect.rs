//! The graceful end: what waits for a RECEIPT gets it, then DISCONNECT and its own.

use core::time::Duration;

use stomp_proto::{Command, Frame};

use crate::{Closed, Lost, Session, Timestamp, receipts::Awaited, session::State};

/// Disconnecting.
impl Session {
    /// Begins the end: no more commands; outstanding receipts are awaited, then DISCONNECT and its RECEIPT, all within
    /// [`Config::disconnect_timeout`](crate::Config::disconnect_timeout). Without a connection the session ends at once.
    /// A second call changes nothing.
    pub fn disconnect(&mut self) {
        if let Some(connected) = self.connected_mut() {
            connected.leave_overdue(Timestamp::MAX);
        }
        match core::mem::replace(&mut self.state, State::Closed) {
            State::Connected(connected) => {
                self.state = State::Disconnecting { connected, deadline: None, asked: false };
                self.continue_disconnect();
            }
            state @ (State::Disconnecting { .. } | State::Closed) => self.state = state,
            state => {
                let dialling = !matches!(state, State::Waiting { .. });
                self.close(Closed::Disconnected { confirmed: true }, &Lost::Disconnected, dialling);
            }
        }
    }

    /// Sends DISCONNECT once nothing waits any more: RabbitMQ and Artemis drop receipts that it overtakes.
    pub(crate) fn continue_disconnect(&mut self) {
        let State::Disconnecting { connected, asked, .. } = &mut self.state else { return };
        if *asked || connected.receipts.len() > 0 {
            return;
        }
        *asked = true;
        let id = self.next_receipt();
        let frame = Frame::new(Command::Disconnect).with_header("receipt", id.wire());
        if let Some(connected) = self.connected_mut() {
            // It cannot fail: a number is text in every version.
            let _ = connected.push_awaited(&frame, id, Awaited::Disconnect, Duration::MAX);
        }
    }
}
