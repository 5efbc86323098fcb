//! Connections come and go: dialling, standing, ending, and what follows.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Session, state::State, transport::LEAST};
use crate::{
    failover::Next,
    link::{Link, outbox::Outbox},
    model::{
        connection::{Action, Connection},
        endpoint::Endpoint,
        error::{Closed, Lost},
        event::{Event, Parting},
        profile::Profile,
        verdict,
    },
    replay::Close,
};

/// A broker to which a connection has stood within that time counts as one that a suspect can be tried at.
const LATELY: Duration = Duration::from_secs(60);

/// The choice of the broker.
impl Session {
    /// Leaves a broker at once and goes on to the next one, if the session is connected to it, dials it or waits to dial it.
    ///
    /// This is as if the broker had closed the connection; [`reconnect`](Self::reconnect) leaves it in good order. The
    /// broker stays in the list. Returns `true` if the session has left it.
    pub fn leave_broker(&mut self, endpoint: &Endpoint) -> bool {
        let is_there = self.broker() == Some(endpoint) && self.ending.is_none();
        match &self.state {
            State::Waiting { .. } if is_there => self.dial_another(),
            State::Connecting { .. } | State::Handshake { .. } | State::Connected(_) if is_there => {
                self.lose(Lost::Left, true);
            }
            _ => return false,
        }
        true
    }

    /// Adds a broker to the list, unless the list contains it.
    ///
    /// A session that waits for its next attempt tries the broker at once.
    pub fn add_broker(&mut self, endpoint: Endpoint) {
        if self.failover.add(endpoint) && matches!(self.state, State::Waiting { .. }) {
            self.dial_another();
        }
    }

    /// Removes a broker from the list, and leaves it if the session is connected to it or dials it.
    ///
    /// Returns `true` if the list contained the broker. If no broker is left, the session ends when it next needs one.
    pub fn remove_broker(&mut self, endpoint: &Endpoint) -> bool {
        let was_listed = self.failover.remove(endpoint);
        self.forget_drawn(endpoint);
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
    pub(super) fn dial(&mut self, endpoint: Endpoint) {
        let login = self.config.login_for(&endpoint);
        let attempt = self.failover.dial(endpoint.clone(), login, self.now);
        self.actions.push_back(Action::Connect(attempt));
        let limit = self.patience(&endpoint, self.config.connect_timeout);
        self.state = State::Connecting { endpoint, deadline: self.now.after(limit.max(LEAST)) };
    }

    pub(super) fn establish(&mut self, connection: Connection, outbox: Outbox) {
        self.failover.connected(self.now);
        self.replay.subscriptions.begin_connection();
        let (state, mut cx) = self.split();
        *state = State::Connected(Box::new(Link::new(connection, outbox, &mut cx)));
        if let Some(rebalancing) = &mut self.rebalancing {
            rebalancing.note_connected(self.now);
        }
        self.arrive();
        self.continue_ending();
    }

    /// Loses the connection, or the attempt at one, and plans the next. `open` says whether the transport is still there to
    /// be closed.
    pub(super) fn lose(&mut self, reason: Lost, open: bool) {
        let is_over = self.ending.is_some() && self.replay.kept.len() == 0;
        match &self.state {
            State::Waiting { .. } | State::Closed if !is_over => {}
            State::Disconnecting(_) if self.departs() => self.depart(false, open),
            State::Disconnecting(link) => self.end(link.parting(&reason), &reason, open),
            _ if is_over => self.end(Parting::Unconfirmed, &reason, open),
            State::Connecting { endpoint, .. } | State::Handshake { endpoint, .. } => {
                self.lose_attempt(endpoint.clone(), reason, open);
            }
            _ => self.lose_connection(reason, open),
        }
    }

    /// Whether the end of a connection on which DISCONNECT was said is followed by another one.
    pub(super) fn departs(&self) -> bool {
        self.is_leaving() && (self.ending.is_none() || self.replay.kept.len() > 0)
    }

    fn lose_attempt(&mut self, endpoint: Endpoint, reason: Lost, open: bool) {
        let profile = self.config.profile_for(&endpoint).unwrap_or(&Profile::UNKNOWN);
        let failure = verdict::failure(&reason, profile, &self.config.versions);
        self.failover.failed(failure, &reason, self.now);
        self.events.push(Event::ConnectFailed { endpoint: endpoint.clone(), reason: reason.clone() });
        self.leave(&reason, open);
        self.try_next(Some(Box::new(endpoint)), reason);
    }

    fn lose_connection(&mut self, reason: Lost, open: bool) {
        let told = self.with_link(|link, cx| {
            let stood = cx.now.since(link.since);
            (link.explain(reason, cx), stood, link.connection.endpoint.clone())
        });
        let Some(((reason, suspects), stood, broker)) = told else { return };
        if let Lost::Protocol(error) = &reason
            && self.failover.is_loop(error, self.now)
        {
            return self.give_up(Closed::ProtocolErrorLoop(error.clone()), &reason, open);
        }
        let lasted = self.has_lasted(stood, &reason);
        self.short_lived = if lasted { 0 } else { self.short_lived.saturating_add(1) };
        self.failover.lost(lasted, stood, self.now);
        self.leave(&reason, open);
        let is_short_lived = self.short_lived >= 2;
        let others = self.failover.another_stood(&broker, LATELY, self.now);
        let close = Close { broker: &broker, others, now: self.now };
        suspects.blame(&reason, is_short_lived, close, &mut self.split().1);
        if !self.go_on(false, &broker) {
            self.try_next(Some(Box::new(broker)), reason);
        }
    }

    /// Whether a connection lasted long enough for its loss to count as the first again. A broker that promises
    /// heart-beats and sends none is lost after each silence, however long that is.
    fn has_lasted(&self, stood: Duration, reason: &Lost) -> bool {
        let is_mute = matches!(reason, Lost::NoHeartBeats(_));
        matches!(reason, Lost::Left) || (!is_mute && self.failover.was_stable(stood))
    }

    /// The broker that the connection is to, or the attempt.
    pub(super) fn broker(&self) -> Option<&Endpoint> {
        match &self.state {
            State::Connecting { endpoint, .. }
            | State::Handshake { endpoint, .. }
            | State::Waiting { endpoint, .. } => Some(endpoint),
            State::Connected(link) | State::Disconnecting(link) => Some(&link.connection.endpoint),
            State::Closed => None,
        }
    }

    /// Leaves the connection: what waits for it is told, what was queued on it is dropped.
    pub(super) fn leave(&mut self, reason: &Lost, open: bool) {
        if open {
            self.actions.push_back(Action::Close);
        }
        let (state, mut cx) = self.split();
        if let Some(link) = state.take_link() {
            link.end(reason, &mut cx);
            cx.replay.subscriptions.end_connection();
        }
    }

    /// Plans the next attempt, or ends.
    pub(super) fn try_next(&mut self, broker: Option<Box<Endpoint>>, last: Lost) {
        match self.failover.next(self.now) {
            Next::Dial { endpoint, delay, again } => {
                if again {
                    self.events.push(Event::Reconnecting { endpoint: endpoint.clone(), delay });
                }
                self.state = State::Waiting { endpoint, retry_at: self.now.after(delay) };
            }
            Next::GiveUp { .. } if self.ending.is_some() => self.end(Parting::Unconfirmed, &last, false),
            Next::GiveUp { attempts, words } => {
                let said = words.filter(|_| !matches!(last, Lost::ServerError(_))).map(|said| *said);
                let (broker, last) =
                    said.map_or((broker, last), |(broker, words)| (Some(Box::new(broker)), words));
                self.give_up(Closed::GaveUp { attempts, broker, last: last.clone() }, &last, false);
            }
        }
    }

    /// Ends the session by itself.
    fn give_up(&mut self, closed: Closed, reason: &Lost, open: bool) {
        self.leave(reason, open);
        self.replay.end_all(reason, &mut self.events);
        (self.ending, self.moving) = (None, None);
        self.events.push(Event::Closed(closed));
    }

    /// Ends the session as its owner has asked. `open` says whether there is a transport to be closed.
    pub(super) fn end(&mut self, parting: Parting, reason: &Lost, open: bool) {
        self.leave(reason, open);
        self.replay.end_all(reason, &mut self.events);
        self.moving = None;
        if self.ending.take().is_some() {
            let closed = self.events.end_farewell(parting);
            self.events.push(Event::Closed(closed));
        }
    }
}
