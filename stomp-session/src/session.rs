//! The session: what it is told, what it tells, and the state between.

#[cfg(feature = "client")]
use alloc::vec::Vec;
use alloc::{boxed::Box, collections::VecDeque};
use core::{mem, time::Duration};

use bytes::Bytes;

use crate::{
    Action, AttemptId, Brokers, Config, ConnectEscaping, Connection, ConnectionId, Endpoint, Event, Input,
    Login, Lost, ReceiptId, Timestamp,
    at_least_once::Deliveries,
    connected::Connected,
    disconnect::Ending,
    failover::{Failover, Rules},
    handshake,
    heart_beats::Silence,
    outbox::{Kind, Outbox},
    random::Random,
    subscriptions::Subscriptions,
    suspects::Clock,
};

/// A STOMP conversation over any number of connections, as a pure state machine.
///
/// - the transport's owner reports: [`handle_connected`](Self::handle_connected),
///   [`handle_input`](Self::handle_input), [`handle_disconnected`](Self::handle_disconnected),
///   [`pause_input`](Self::pause_input), [`resume_input`](Self::resume_input)
/// - the clock's owner reports: [`handle_timeout`](Self::handle_timeout)
/// - the application commands: [`send`](Self::send), [`send_confirmed`](Self::send_confirmed),
///   [`send_at_least_once`](Self::send_at_least_once), [`cancel`](Self::cancel), [`subscribe`](Self::subscribe),
///   [`unsubscribe`](Self::unsubscribe), [`ack`](Self::ack), [`nack`](Self::nack), [`give_back`](Self::give_back),
///   [`begin`](Self::begin), [`send_in`](Self::send_in), [`ack_in`](Self::ack_in), [`commit`](Self::commit), [`abort`](Self::abort),
///   [`disconnect`](Self::disconnect), [`reconnect`](Self::reconnect), [`add_broker`](Self::add_broker),
///   [`remove_broker`](Self::remove_broker), [`leave_broker`](Self::leave_broker)
/// - everybody collects, every turn and in this order: [`poll_event`](Self::poll_event),
///   [`poll_action`](Self::poll_action), [`poll_transmit`](Self::poll_transmit), [`poll_timeout`](Self::poll_timeout)
///
/// `now` never runs back. A spurious call with the time of the last one is harmless.
#[derive(Debug)]
pub struct Session {
    pub(crate) config: Config,
    pub(crate) state: State,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) deliveries: Deliveries,
    pub(crate) ending: Option<Ending>,
    /// Why the next connection begins with a careful replay, if it does.
    pub(crate) careful: Option<Lost>,
    /// When what ends connections is tried again.
    pub(crate) clock: Clock,
    /// The broker of the newest connection.
    pub(crate) last_broker: Option<Box<Endpoint>>,
    /// Counts outboxes.
    pub(crate) outboxes: u64,
    pub(crate) random: Random,
    /// Connections in a row that did not last.
    pub(crate) short_lived: u32,
    pub(crate) events: VecDeque<Event>,
    pub(crate) traces_frames: bool,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) failover: Failover,
    /// The number of the newest connection.
    pub(crate) connection: ConnectionId,
    next_receipt: u64,
    pub(crate) late_messages: u64,
    pub(crate) stray_errors: u64,
    /// The newest time that was handed in.
    pub(crate) now: Timestamp,
    /// Bodies that are done with, where the owner wants to drop them himself.
    #[cfg(feature = "client")]
    pub(crate) discarded: Option<Vec<Bytes>>,
}

/// Where a session stands: see [`Session::phase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase<'a> {
    /// It waits until it dials that broker.
    Waiting {
        /// The broker.
        endpoint: &'a Endpoint,
        /// When it is dialled.
        until: Timestamp,
    },
    /// That broker is dialled, or asked to let us in.
    Connecting(&'a Endpoint),
    /// A connection stands.
    Connected(&'a Connection),
    /// DISCONNECT was said on that connection.
    Disconnecting(&'a Connection),
    /// The session has ended.
    Closed,
}

/// ```text
///            ┌──────────────────────── lost, or failed ◄───────────────────────────┐
///            ▼                                                                     │
///         Waiting ──time──► Connecting ──dialled──► Handshake ──CONNECTED──► Connected
///            │                  │                       │                        │ disconnect
///            └──────────────────┴──────────────────────────────► Closed ◄── Disconnecting
///                                                 given up, or disconnected
/// ```
/// With an [`Ending`] it goes the same way, but takes no commands, and connects only for what is to be sent at least once.
#[derive(Debug)]
pub(crate) enum State {
    Waiting {
        endpoint: Endpoint,
        retry_at: Timestamp,
    },
    Connecting {
        endpoint: Endpoint,
        deadline: Timestamp,
    },
    Handshake {
        endpoint: Endpoint,
        deadline: Timestamp,
        outbox: Outbox,
        /// How a backslash in the credentials was written, if there was one.
        backslash: Option<ConnectEscaping>,
    },
    Connected(Box<Connected>),
    /// DISCONNECT was said; nothing follows it.
    Disconnecting(Box<Connected>),
    Closed,
}

impl State {
    /// In the order in which their frames leave.
    fn outboxes(&mut self) -> impl Iterator<Item = &mut Outbox> {
        let (first, second) = match self {
            Self::Handshake { outbox, .. } => (Some(outbox), None),
            Self::Connected(connected) | Self::Disconnecting(connected) => {
                let Connected { outbox, isolation, .. } = &mut **connected;
                (isolation.as_mut().map(|isolation| &mut isolation.outbox), Some(outbox))
            }
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// The least time that an attempt gets, so that time always moves on.
pub(crate) const LEAST: Duration = Duration::from_millis(1);

impl Session {
    /// A session that wants to connect at once.
    #[must_use]
    pub fn new(mut config: Config, now: Timestamp) -> Self {
        // From here on the failover has the list.
        let endpoints = mem::take(&mut config.brokers.endpoints);
        let brokers = Brokers { endpoints, ..config.brokers.clone() };
        let rules = Rules {
            at_start: config.refused_at_start,
            later: config.refused_later,
            stable_after: config.stable_after,
        };
        let failover = Failover::new(brokers, config.seed, rules);
        // Another sequence than the schedule's.
        let random = Random::new(!config.seed);
        let mut session = Self {
            config,
            state: State::Closed,
            subscriptions: Subscriptions::default(),
            deliveries: Deliveries::default(),
            ending: None,
            careful: None,
            clock: Clock::default(),
            last_broker: None,
            outboxes: 0,
            random,
            short_lived: 0,
            events: VecDeque::new(),
            traces_frames: false,
            actions: VecDeque::new(),
            failover,
            connection: ConnectionId(0),
            next_receipt: 1,
            late_messages: 0,
            stray_errors: 0,
            now,
            #[cfg(feature = "client")]
            discarded: None,
        };
        session
            .try_next(None, Lost::DialFailed { reason: "no broker is configured".into(), permanent: true });
        session
    }

    /// The transport of that attempt is open, TLS included. `login` is the provider's word for this attempt; without it the
    /// endpoint's own or the configured one is used. Returns the connection's parser, which the owner of the stream keeps,
    /// or `None` if the attempt is not the current one any more, or was reported before: the stream is to be closed.
    #[must_use = "without a parser the stream is to be closed"]
    pub fn handle_connected(
        &mut self,
        attempt: AttemptId,
        login: Option<Login>,
        now: Timestamp,
    ) -> Option<Input> {
        self.now = now;
        let State::Connecting { endpoint, .. } = &self.state else { return None };
        if !self.failover.is_current(attempt) {
            return None;
        }
        self.connection = ConnectionId(self.connection.0.saturating_add(1));
        let input = Input::new(self.connection, self.config.limits.clone());
        let endpoint = endpoint.clone();
        self.begin_handshake(endpoint, login);
        Some(input)
    }

    fn begin_handshake(&mut self, endpoint: Endpoint, login: Option<Login>) {
        let provided = login.is_some();
        let login = login.or_else(|| self.config.login_for(&endpoint));
        if let Err(held_back) = self.failover.log_in(login.as_ref(), provided, self.now) {
            return self.fail(held_back, true);
        }
        let frame = handshake::connect(&self.config, &endpoint, login.as_ref());
        if frame.headers().contains("client-id") && self.config.send_beat.is_zero() {
            let reason =
                "a client-id needs heart-beats: the broker would never notice that an old connection is dead";
            return self.fail(Lost::DialFailed { reason: reason.into(), permanent: true }, true);
        }
        let newest = self.config.versions.iter().max().copied().unwrap_or(stomp_proto::Version::V1_0);
        let mut outbox = self.new_outbox();
        match outbox.push(&frame, newest, Kind::Quiet) {
            Ok(_) => {
                let deadline = self.now.after(self.config.connected_timeout.max(LEAST));
                let has_backslash = login.is_some_and(|login| login.has_backslash());
                let backslash = has_backslash.then(|| handshake::escaping(&self.config, &endpoint));
                self.state = State::Handshake { endpoint, deadline, outbox, backslash };
            }
            Err(error) => {
                let reason = alloc::format!("the login or virtual host cannot be sent: {error}");
                self.fail(Lost::DialFailed { reason, permanent: true }, true);
            }
        }
    }

    /// Takes the complete frames out of the input. One of an earlier connection is ignored.
    pub fn handle_input(&mut self, input: &mut Input, now: Timestamp) {
        self.now = now;
        self.stamp();
        let heard = input.take_fresh() && self.is_current(input);
        if let Some(connected) = self.connected_mut().filter(|_| heard) {
            connected.heart_beats.heard(now);
        }
        while self.is_current(input) {
            match input.next_item() {
                Ok(Some(item)) => self.handle_item(item, input),
                Ok(None) => break,
                Err(error) => {
                    let reason = self.mask().lost(Lost::Protocol(error));
                    self.fail(reason, true);
                }
            }
        }
        // What followed from the input has its time now, however it was cut.
        self.stamp();
    }

    fn is_current(&self, input: &Input) -> bool {
        let open =
            matches!(self.state, State::Handshake { .. } | State::Connected(_) | State::Disconnecting(_));
        open && input.connection == self.connection
    }

    /// The name of the broker of that attempt has so many addresses, and a connection to one of them was made, with TLS or
    /// not yet: if it comes to nothing the others are tried before the next delay. To be reported before how the attempt
    /// ended; without it there is one.
    pub fn handle_addresses(&mut self, attempt: AttemptId, count: u32) {
        self.failover.note_addresses(attempt, count);
    }

    /// The transport of that attempt has ended, or never came about. The report of an attempt that is not the current one
    /// any more is ignored: after [`Action::Close`] nothing of it counts.
    pub fn handle_disconnected(&mut self, attempt: AttemptId, reason: Lost, now: Timestamp) {
        self.now = now;
        if !self.failover.is_current(attempt) {
            return;
        }
        match (&self.state, reason) {
            (State::Waiting { .. } | State::Closed, _) => {}
            (State::Handshake { .. }, Lost::Eof | Lost::Io(_)) => {
                let reason = self.refused(None);
                self.fail(reason, false);
            }
            (_, reason) => self.fail(reason, false),
        }
    }

    /// Says that the owner has stopped reading: from here on the peer's silence is our doing.
    pub fn pause_input(&mut self) {
        if let Some(connected) = self.connected_mut() {
            connected.heart_beats.pause();
        }
    }

    /// Says that the owner reads again.
    pub fn resume_input(&mut self, now: Timestamp) {
        self.now = now;
        if let Some(connected) = self.connected_mut() {
            connected.heart_beats.resume(now);
        }
    }

    /// Does what is due. Afterwards [`poll_timeout`](Self::poll_timeout) is `None` or later than `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
        self.stamp();
        self.expire();
        // Failing and dialling may each leave something that is due at once; a dial never does.
        while self.poll_timeout().is_some_and(|at| at <= now) {
            self.stamp();
            self.expire();
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        while let Some(id) = self.deliveries.overdue(now) {
            self.expire_delivery(id);
        }
        self.proceed();
        self.expire_disconnect();
        match &mut self.state {
            State::Waiting { endpoint, retry_at } if *retry_at <= now => {
                let endpoint = endpoint.clone();
                self.dial(endpoint);
            }
            State::Connecting { deadline, .. } if *deadline <= now => {
                self.fail(Lost::ConnectTimeout(self.config.connect_timeout), true);
            }
            State::Handshake { deadline, .. } if *deadline <= now => {
                self.fail(Lost::ConnectedTimeout(self.config.connected_timeout), true);
            }
            _ => self.tick(),
        }
    }

    /// The timers of a connection that stands.
    fn tick(&mut self) {
        let now = self.now;
        // 1.2, "DISCONNECT": nothing follows it.
        let said_all = matches!(self.state, State::Disconnecting(_));
        // A quiet session keeps no room for much.
        self.events.shrink_to_fit();
        self.actions.shrink_to_fit();
        let Some(connected) = self.connected_mut() else { return };
        connected.outbox.shrink();
        connected.receipts.shrink();
        connected.leave_overdue(now);
        let silence = connected.heart_beats.silence(now);
        if connected.heart_beats.take_due(now) && connected.first_outbox().is_empty() && !said_all {
            connected.first_outbox().push_heart_beat();
        }
        match silence {
            Silence::None => {}
            Silence::Stall(late) => self.events.push_back(Event::LocalStall { late }),
            Silence::Dead(silence) => {
                let lost = connected.heart_beats.lost(silence);
                return self.fail(lost, true);
            }
            Silence::DeadAfterStall(late) => return self.fail(Lost::LocalStall(late), true),
        }
        while let Some(id) = self.connected().and_then(|connected| connected.receipts.overdue(now)) {
            self.give_up(id);
        }
        self.expire_isolation();
        self.proceed();
    }

    /// What happened, oldest first.
    #[must_use = "an event that is not looked at is lost"]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What to do, oldest first.
    #[must_use = "an action must be obeyed"]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next bytes to write, at most 64 KiB or one large body: ask when the transport takes some, and write all of
    /// them. The time of a RECEIPT begins here.
    #[must_use = "these bytes are not given twice"]
    pub fn poll_transmit(&mut self, now: Timestamp) -> Option<Bytes> {
        self.now = now;
        self.stamp();
        let receipt_timeout = self.config.receipt_timeout;
        let bytes = match &mut self.state {
            State::Handshake { outbox, .. } => outbox.take(|_, _| ()),
            State::Connected(connected) | State::Disconnecting(connected) => {
                let taken = connected.take(now, receipt_timeout, &mut self.deliveries);
                taken.or_else(|| self.take_behind(receipt_timeout))
            }
            _ => None,
        };
        self.events.extend(self.state.outboxes().flat_map(Outbox::take_traced));
        bytes
    }

    /// What is sent alone may have waited for what has left.
    fn take_behind(&mut self, receipt_timeout: Duration) -> Option<Bytes> {
        self.connected().filter(|connected| connected.isolation.is_some())?;
        self.proceed();
        let (now, State::Connected(connected)) = (self.now, &mut self.state) else { return None };
        connected.take(now, receipt_timeout, &mut self.deliveries)
    }

    /// Whether each frame and each heart-beat, both ways, is told as an event, for who looks for a fault.
    pub fn trace_frames(&mut self, traces: bool) {
        self.traces_frames = traces;
        self.state.outboxes().for_each(|outbox| outbox.trace(traces));
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let own = match &self.state {
            State::Waiting { retry_at, .. } => Some(*retry_at),
            State::Connecting { deadline, .. } | State::Handshake { deadline, .. } => Some(*deadline),
            State::Connected(_) | State::Disconnecting(_) | State::Closed => None,
        };
        let connected = self.connected();
        let receipts = connected.and_then(|connected| connected.receipts.deadline());
        let isolation = connected.and_then(|connected| connected.isolation.as_ref()?.deadline());
        let beats = connected.and_then(|connected| connected.heart_beats.deadline());
        let leaving = connected.and_then(Connected::leaving_deadline);
        let (ending, deliveries) = (self.ending.as_ref().map(Ending::deadline), self.deliveries.deadline());
        [own, ending, deliveries, receipts, isolation, beats, leaving, self.suspects_deadline()]
            .into_iter()
            .flatten()
            .min()
            .filter(|at| *at < Timestamp::MAX)
    }

    /// Where the session stands.
    #[must_use]
    pub fn phase(&self) -> Phase<'_> {
        match &self.state {
            State::Waiting { endpoint, retry_at } => Phase::Waiting { endpoint, until: *retry_at },
            State::Connecting { endpoint, .. } | State::Handshake { endpoint, .. } => {
                Phase::Connecting(endpoint)
            }
            State::Connected(connected) => Phase::Connected(&connected.connection),
            State::Disconnecting(connected) => Phase::Disconnecting(&connected.connection),
            State::Closed => Phase::Closed,
        }
    }

    /// When something that waits may be tried again on the connection that stands.
    fn suspects_deadline(&self) -> Option<Timestamp> {
        let State::Connected(connected) = &self.state else { return None };
        let clock = self.clock.next();
        let (kept, kept_alone) = self.deliveries.deadlines(clock);
        let (subscribe, subscribe_alone) = match self.ending {
            Some(_) => (None, None),
            None => self.subscriptions.deadlines(clock),
        };
        let alone = kept_alone.into_iter().chain(subscribe_alone).filter(|_| connected.isolation.is_none());
        alone.chain(kept).chain(subscribe).min()
    }

    /// The connection that stands, if one does.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        self.connected().map(|connected| &connected.connection)
    }

    /// Octets that wait for the transport.
    #[must_use]
    pub fn unsent(&self) -> usize {
        let connected = self.connected();
        let alone = connected.and_then(|connected| connected.isolation.as_ref());
        let alone = alone.map_or(0, |isolation| isolation.outbox.len());
        connected.map_or(0, |connected| connected.outbox.len()).saturating_add(alone)
    }

    /// Frames that wait for a RECEIPT, those included that are kept until they can be sent.
    #[must_use]
    pub fn awaited_receipts(&self) -> usize {
        let awaited = self.connected().map_or(0, |connected| connected.receipts.len());
        awaited.saturating_add(self.deliveries.waiting())
    }

    /// Whether the session has ended.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Octets of ACKs and NACKs that wait for the transport.
    #[cfg(feature = "client")]
    pub(crate) fn unsent_acknowledgements(&self) -> usize {
        self.connected().map_or(0, |connected| {
            let alone = connected.isolation.as_ref().map_or(0, |isolation| isolation.outbox.unanswered());
            connected.outbox.unanswered().saturating_add(alone)
        })
    }

    /// Whether the command gate has closed.
    #[cfg(feature = "client")]
    pub(crate) const fn is_disconnecting(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether a connection stands on which messages are handed out.
    #[cfg(feature = "client")]
    pub(crate) const fn takes_messages(&self) -> bool {
        matches!(self.state, State::Connected(_)) && self.ending.is_none()
    }

    /// Whether messages are wanted that nobody can acknowledge any more.
    #[cfg(feature = "client")]
    pub(crate) fn keeps_stale(&self, id: crate::SubscriptionId) -> bool {
        self.subscriptions.keeps_stale(id)
    }

    /// Drops bodies, or keeps them for the owner: they are not ours, and dropping one may run anything.
    pub(crate) fn discard(&mut self, bodies: impl IntoIterator<Item = Bytes>) {
        #[cfg(feature = "client")]
        if let Some(discarded) = &mut self.discarded {
            return discarded.extend(bodies);
        }
        bodies.into_iter().for_each(drop);
    }

    pub(crate) fn connected(&self) -> Option<&Connected> {
        match &self.state {
            State::Connected(connected) | State::Disconnecting(connected) => Some(connected),
            _ => None,
        }
    }

    pub(crate) fn connected_mut(&mut self) -> Option<&mut Connected> {
        match &mut self.state {
            State::Connected(connected) | State::Disconnecting(connected) => Some(connected),
            _ => None,
        }
    }

    pub(crate) const fn next_receipt(&mut self) -> ReceiptId {
        let id = ReceiptId(self.next_receipt);
        self.next_receipt = self.next_receipt.saturating_add(1);
        id
    }

    /// Gives what was commanded since the last call its time.
    pub(crate) fn stamp(&mut self) {
        let now = self.now;
        let leaving_deadline = now.after(self.config.unsubscribe_timeout);
        self.deliveries.stamp(now);
        if let Some(ending) = &mut self.ending {
            ending.stamp(now);
        }
        if let Some(connected) = self.connected_mut() {
            connected.receipts.stamp(now);
            connected.stamp_leaving(leaving_deadline);
        }
    }
}
