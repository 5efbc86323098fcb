//! Connections come and go: dialling, standing, ending, and what follows.

use alloc::{boxed::Box, collections::BTreeMap};

use crate::{
    Action, Attempt, AttemptId, Closed, Connection, ConnectionId, Endpoint, Event, Lost, Message, OnRefusal,
    Profile, Session, SubscriptionId,
    connected::Connected,
    heart_beats::HeartBeats,
    judgement::Warnings,
    outbox::Outbox,
    receipts::Receipts,
    session::{LEAST, State},
};

impl Session {
    pub(crate) fn dial(&mut self, endpoint: Endpoint) {
        let refused = self.refusals.iter().find(|(broker, _)| *broker == endpoint);
        let refused = refused.map(|(_, error)| error.clone());
        self.attempt = AttemptId(self.attempt.0.saturating_add(1));
        let attempt =
            Attempt { id: self.attempt, endpoint: endpoint.clone(), number: self.attempts, refused };
        self.attempts = self.attempts.saturating_add(1);
        self.actions.push_back(Action::Connect(attempt));
        self.state =
            State::Connecting { endpoint, deadline: self.now.after(self.config.connect_timeout.max(LEAST)) };
    }

    pub(crate) fn establish(&mut self, connection: Connection, mut outbox: Outbox) {
        self.schedule.connected();
        self.refusals.retain(|(broker, _)| *broker != connection.endpoint);
        self.subscriptions.forget_retired();
        self.subscriptions.share_out(self.config.prefetch_budget);
        let connected = Connected {
            isolation: self.careful_replay(&mut outbox),
            outbox,
            receipts: Receipts::default(),
            heart_beats: HeartBeats::new(connection.heart_beat, &self.config, self.now),
            since: self.now,
            transactions: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            leaving: BTreeMap::new(),
            deliveries: 0,
            unanswered: false,
            settled: false,
            warnings: Warnings::default(),
            sends_received: 0,
            connection: connection.clone(),
        };
        self.state = State::Connected(Box::new(connected));
        self.events.push_back(Event::Connected(connection));
        if self.careful.is_none() && self.ending.is_none() {
            self.replay();
        }
        self.proceed();
        self.stamp();
    }

    pub(crate) const fn connection_id(&self) -> ConnectionId {
        self.connection
    }

    /// Ends the connection, or the attempt at one, and plans the next. `open` says whether the transport is still there to
    /// be closed.
    pub(crate) fn fail(&mut self, reason: Lost, open: bool) {
        let is_over = self.ending.is_some() && self.deliveries.len() == 0;
        if is_over || matches!(self.state, State::Disconnecting(_)) {
            return self.end(false, &reason, open);
        }
        let reason = self.explain(reason);
        let suspects = self.suspects(&reason);
        match &self.state {
            State::Connected(connected) => {
                if let Lost::Protocol(error) = &reason
                    && self.breaker.trips(error, self.now)
                {
                    return self.close(Closed::ProtocolErrorLoop(error.clone()), &reason, open);
                }
                // A broker that lives for a moment between long absences is not stable either.
                let stable = self.config.stable_after.max(self.schedule.last_delay());
                let lasted = self.now.since(connected.since) >= stable;
                self.note_end(lasted, &reason, &suspects);
                if lasted {
                    self.schedule.restart();
                    self.failed_in_a_row = 0;
                }
            }
            State::Connecting { endpoint, .. } | State::Handshake { endpoint, .. } => {
                let profile = self.config.profile_for(endpoint).unwrap_or(&Profile::UNKNOWN);
                let is_final = reason.is_final(profile, &self.config.versions);
                if is_final && self.config.refused_at_start == OnRefusal::End {
                    self.schedule.give_up(endpoint);
                } else if is_final || reason.is_refusal() {
                    self.schedule.hold_back(endpoint);
                }
                if let Some(error) = reason.refusal() {
                    self.refusals.retain(|(broker, _)| broker != endpoint);
                    self.refusals.push((endpoint.clone(), error.clone()));
                }
                self.events
                    .push_back(Event::ConnectFailed { endpoint: endpoint.clone(), reason: reason.clone() });
            }
            State::Waiting { .. } | State::Disconnecting(_) | State::Closed => return,
        }
        let broker = self.broker().cloned().map(Box::new);
        self.last_broker.clone_from(&broker);
        self.leave(&reason, open);
        self.blame(&suspects, &reason);
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        self.try_next(broker, reason);
    }

    /// The broker that the connection is to, or the attempt.
    pub(crate) fn broker(&self) -> Option<&Endpoint> {
        match &self.state {
            State::Connecting { endpoint, .. }
            | State::Handshake { endpoint, .. }
            | State::Waiting { endpoint, .. } => Some(endpoint),
            State::Connected(connected) | State::Disconnecting(connected) => {
                Some(&connected.connection.endpoint)
            }
            State::Closed => None,
        }
    }

    /// Leaves the connection: what waits for it is told, what was queued on it is dropped.
    pub(crate) fn leave(&mut self, reason: &Lost, open: bool) {
        if open {
            self.actions.push_back(Action::Close);
        }
        while let Some(id) = self.connected().and_then(|connected| connected.receipts.first()) {
            self.lose_receipt(id, reason);
        }
        if let Some(connected) = self.connected() {
            let (connection, (unsent, unconfirmed)) = (connected.connection.id, connected.lost_sends());
            let skipped = self.skip_stale();
            let reason = reason.clone();
            self.events.push_back(Event::Disconnected { connection, reason, unsent, unconfirmed, skipped });
        }
        let left = core::mem::replace(&mut self.state, State::Closed);
        if let State::Connected(mut connected) | State::Disconnecting(mut connected) = left {
            self.deliveries.note_lost();
            self.subscriptions.note_lost(self.now);
            let bodies = connected.isolation.iter_mut().flat_map(|isolation| isolation.outbox.take_bodies());
            self.discard(bodies);
            self.discard(connected.outbox.take_bodies());
        }
    }

    pub(crate) fn try_next(&mut self, broker: Option<Box<Endpoint>>, last: Lost) {
        match self.schedule.next() {
            Some((endpoint, delay)) => {
                if self.failed_in_a_row > 0 {
                    self.events.push_back(Event::Reconnecting { endpoint: endpoint.clone(), delay });
                }
                self.state = State::Waiting { endpoint, retry_at: self.now.after(delay) };
            }
            None if self.ending.is_some() => self.end(false, &last, false),
            None => {
                let closed = Closed::GaveUp { attempts: self.failed_in_a_row, broker, last: last.clone() };
                self.close(closed, &last, false);
            }
        }
    }

    /// Ends the session by itself.
    fn close(&mut self, closed: Closed, reason: &Lost, open: bool) {
        self.leave(reason, open);
        self.end_deliveries(reason);
        self.ending = None;
        self.events.push_back(Event::Closed(closed));
    }

    /// Drops the messages that nobody has collected and nobody could acknowledge any more.
    fn skip_stale(&mut self) -> usize {
        self.skip(|_| true)
    }

    /// The same for those of one subscription.
    pub(crate) fn skip_uncollected(&mut self, id: SubscriptionId) {
        self.skip(|message| message.subscription == id);
    }

    fn skip(&mut self, is_meant: impl Fn(&Message) -> bool) -> usize {
        let before = self.events.len();
        let subscriptions = &self.subscriptions;
        self.events.retain(|event| match event {
            Event::Message(message) | Event::TooLarge { message, .. } if is_meant(message) => {
                !message.needs_ack() || subscriptions.keeps_stale(message.subscription)
            }
            _ => true,
        });
        before.saturating_sub(self.events.len())
    }
}
