//! Connections come and go: dialling, standing, ending, and what follows.

use alloc::boxed::Box;

use crate::{
    Action, Attempt, Closed, Connection, ConnectionId, Endpoint, Event, Lost, Outcome, Profile, ReceiptId,
    Session, Unknown,
    heart_beats::HeartBeats,
    outbox::Outbox,
    receipts::{Awaited, Receipts},
    session::{Connected, LEAST, State},
};

impl Session {
    pub(crate) fn dial(&mut self, endpoint: Endpoint) {
        let attempt = Attempt { endpoint: endpoint.clone(), number: self.attempts };
        self.attempts = self.attempts.saturating_add(1);
        self.actions.push_back(Action::Connect(attempt));
        self.state =
            State::Connecting { endpoint, deadline: self.now.after(self.config.connect_timeout.max(LEAST)) };
    }

    pub(crate) fn establish(&mut self, connection: Connection, outbox: Outbox) {
        self.schedule.connected();
        self.subscriptions.forget_retired();
        self.subscriptions.share_out(self.config.prefetch_budget);
        let connected = Connected {
            outbox,
            receipts: Receipts::default(),
            heart_beats: HeartBeats::new(connection.heart_beat, &self.config, self.now),
            since: self.now,
            connection: connection.clone(),
        };
        self.state = State::Connected(Box::new(connected));
        self.events.push_back(Event::Connected(connection));
        self.replay();
        self.stamp();
    }

    pub(crate) const fn connection_id(&self) -> ConnectionId {
        self.connection
    }

    /// Ends the connection, or the attempt at one, and plans the next. `open` says whether the transport is still there to
    /// be closed.
    pub(crate) fn fail(&mut self, reason: Lost, open: bool) {
        match &self.state {
            State::Disconnecting { .. } => {
                return self.close(Closed::Disconnected { confirmed: false }, &reason, open);
            }
            State::Connected(connected) => {
                if self.now.since(connected.since) >= self.config.stable_after {
                    self.schedule.restart();
                    self.failed_in_a_row = 0;
                }
            }
            State::Connecting { endpoint, .. } | State::Handshake { endpoint, .. } => {
                let profile = self.config.profile_for(endpoint).unwrap_or(&Profile::UNKNOWN);
                if reason.is_final(profile, &self.config.versions) {
                    self.schedule.give_up(endpoint);
                }
                self.events
                    .push_back(Event::ConnectFailed { endpoint: endpoint.clone(), reason: reason.clone() });
            }
            State::Waiting { .. } | State::Closed => return,
        }
        let broker = self.broker().cloned().map(Box::new);
        self.leave(&reason, open);
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        self.try_next(broker, reason);
    }

    /// The broker that the connection is to, or the attempt.
    fn broker(&self) -> Option<&Endpoint> {
        match &self.state {
            State::Connecting { endpoint, .. }
            | State::Handshake { endpoint, .. }
            | State::Waiting { endpoint, .. } => Some(endpoint),
            State::Connected(connected) | State::Disconnecting { connected, .. } => {
                Some(&connected.connection.endpoint)
            }
            State::Closed => None,
        }
    }

    /// Leaves the connection: what waits for it is told, what was queued on it is dropped.
    fn leave(&mut self, reason: &Lost, open: bool) {
        if open {
            self.actions.push_back(Action::Close);
        }
        while let Some((id, awaited)) =
            self.connected_mut().and_then(|connected| connected.receipts.take_first())
        {
            self.resolve(id, awaited, Outcome::Unknown(Unknown::Lost(reason.clone())));
        }
        if let Some(connected) = self.connected() {
            self.events.push_back(Event::Disconnected {
                connection: connected.connection.id,
                reason: reason.clone(),
                unsent: connected.outbox.unsent(),
            });
        }
        self.state = State::Closed;
    }

    pub(crate) fn try_next(&mut self, broker: Option<Box<Endpoint>>, last: Lost) {
        match self.schedule.next() {
            Some((endpoint, delay)) => {
                if self.failed_in_a_row > 0 {
                    self.events.push_back(Event::Reconnecting { endpoint: endpoint.clone(), delay });
                }
                self.state = State::Waiting { endpoint, retry_at: self.now.after(delay) };
            }
            None => {
                let closed = Closed::GaveUp { attempts: self.failed_in_a_row, broker, last };
                self.events.push_back(Event::Closed(closed));
            }
        }
    }

    /// Ends the session.
    pub(crate) fn close(&mut self, closed: Closed, reason: &Lost, open: bool) {
        self.leave(reason, open);
        self.events.push_back(Event::Closed(closed));
    }

    /// Tells the outcome to whoever waits for it.
    pub(crate) fn resolve(&mut self, id: ReceiptId, awaited: Awaited, outcome: Outcome) {
        match (awaited, outcome) {
            (Awaited::Command, outcome) => self.events.push_back(Event::Receipt { id, outcome }),
            (Awaited::Subscribe(subscription), Outcome::Confirmed) => {
                self.events.push_back(Event::Subscribed(subscription));
            }
            (Awaited::Subscribe(subscription), Outcome::Rejected(error)) => {
                self.end_subscription(subscription, error)
            }
            // Without a RECEIPT the subscription may well stand; DISCONNECT has a deadline of its own.
            (Awaited::Subscribe(_) | Awaited::Disconnect, _) => {}
        }
    }
}
