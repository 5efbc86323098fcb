//! Connections come and go: dialling, standing, ending, and what follows.

use alloc::{boxed::Box, collections::BTreeMap};

use crate::{
    Action, Closed, Connection, ConnectionId, Endpoint, Event, Lost, Message, Profile, Session,
    SubscriptionId, Timestamp,
    connected::Connected,
    failover::Next,
    heart_beats::HeartBeats,
    judgement::Warnings,
    outbox::Outbox,
    receipts::Receipts,
    session::{LEAST, State},
};

/// Which broker.
impl Session {
    /// Connects anew: without a delay, if it waits for one, else by leaving the connection that stands, as a broker that
    /// closed it would have it: what waits for a RECEIPT is unknown. The broker that is left is tried last. What is dialled
    /// goes on. A login that was refused is held back nevertheless.
    pub fn reconnect(&mut self) {
        match &mut self.state {
            State::Waiting { retry_at, .. } => *retry_at = self.now,
            State::Connected(_) if self.ending.is_none() => self.fail(Lost::Left, true),
            _ => {}
        }
    }

    /// Leaves that broker, if the session is connected to it, dials it or waits to do so, and goes on to the next.
    /// It stays in the list. Whether there was anything to leave.
    pub fn leave_broker(&mut self, endpoint: &Endpoint) -> bool {
        let is_there = self.broker() == Some(endpoint) && self.ending.is_none();
        match &self.state {
            State::Waiting { .. } if is_there => self.dial_another(),
            State::Connecting { .. } | State::Handshake { .. } | State::Connected(_) if is_there => {
                self.fail(Lost::Left, true);
            }
            _ => return false,
        }
        true
    }

    /// Adds a broker to the list, unless it is there. A session that waits tries it at once.
    pub fn add_broker(&mut self, endpoint: Endpoint) {
        if self.failover.add(endpoint) && matches!(self.state, State::Waiting { .. }) {
            self.dial_another();
        }
    }

    /// Removes a broker from the list, and leaves it if the session is connected to it or dials it. Without a broker the
    /// session ends when it has none to go to. Whether it was in the list.
    pub fn remove_broker(&mut self, endpoint: &Endpoint) -> bool {
        let was_listed = self.failover.remove(endpoint);
        self.leave_broker(endpoint);
        was_listed
    }

    /// Waits for the next broker instead.
    fn dial_another(&mut self) {
        let broker = self.broker().cloned().map(Box::new);
        self.try_next(broker, Lost::Left);
    }
}

impl Session {
    pub(crate) fn dial(&mut self, endpoint: Endpoint) {
        let attempt = self.failover.dial(endpoint.clone(), self.now);
        self.actions.push_back(Action::Connect(attempt));
        self.state =
            State::Connecting { endpoint, deadline: self.now.after(self.config.connect_timeout.max(LEAST)) };
    }

    pub(crate) fn establish(&mut self, connection: Connection, mut outbox: Outbox) {
        self.failover.connected();
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
                    && self.failover.is_loop(error, self.now)
                {
                    return self.close(Closed::ProtocolErrorLoop(error.clone()), &reason, open);
                }
                let lasted = self.has_lasted(connected.since, &reason);
                let stood = self.now.since(connected.since);
                self.note_end(lasted, &reason, &suspects);
                self.failover.lost(lasted, stood, self.now);
            }
            State::Connecting { endpoint, .. } | State::Handshake { endpoint, .. } => {
                let endpoint = endpoint.clone();
                let profile = self.config.profile_for(&endpoint).unwrap_or(&Profile::UNKNOWN);
                let failure = reason.failure(profile, &self.config.versions);
                self.failover.failed(failure, &reason, self.now);
                self.events.push_back(Event::ConnectFailed { endpoint, reason: reason.clone() });
            }
            State::Waiting { .. } | State::Disconnecting(_) | State::Closed => return,
        }
        let broker = self.broker().cloned().map(Box::new);
        self.last_broker.clone_from(&broker);
        self.leave(&reason, open);
        self.blame(&suspects, &reason);
        self.try_next(broker, reason);
    }

    /// Whether a connection stood long enough for its loss to be the first again. Who promises beats and sends none is lost
    /// after each silence, however long that is.
    fn has_lasted(&self, since: Timestamp, reason: &Lost) -> bool {
        let is_left = matches!(reason, Lost::Left);
        let is_mute = matches!(reason, Lost::NoHeartBeats(_));
        is_left || !is_mute && self.failover.was_stable(self.now.since(since))
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
        match self.failover.next(self.now) {
            Next::Dial { endpoint, delay, again } => {
                if again {
                    self.events.push_back(Event::Reconnecting { endpoint: endpoint.clone(), delay });
                }
                self.state = State::Waiting { endpoint, retry_at: self.now.after(delay) };
            }
            Next::GiveUp { .. } if self.ending.is_some() => self.end(false, &last, false),
            Next::GiveUp { attempts, words } => {
                let said = words.filter(|_| !matches!(last, Lost::ServerError(_)));
                let (broker, last) = said.map_or((broker, last), |(broker, words)| (Some(broker), words));
                self.close(Closed::GaveUp { attempts, broker, last: last.clone() }, &last, false);
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
