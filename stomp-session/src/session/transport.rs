//! What the owner of the transport and of the clock reports.

use alloc::{boxed::Box, string::String};
use core::time::Duration;

use stomp_proto::{Command, Frame, Item, Version};

use super::{Session, state::State};
use crate::{
    link::{
        Link, Reaction, handshake,
        input::Input,
        outbox::{Kind, Outbox},
    },
    model::{
        connection::Connection,
        endpoint::{Endpoint, Login},
        error::{Lost, ServerError},
        event::{Event, Parting},
        ids::AttemptId,
        mask::Mask,
        message::{Arrival, Message},
        time::Timestamp,
        transport_failure::TransportFailure,
    },
};

/// The least time that an attempt gets, so that time always moves on.
pub(super) const LEAST: Duration = Duration::from_millis(1);

impl Session {
    /// Reports that the transport of this attempt is open, TLS included, and begins the STOMP handshake.
    ///
    /// `login` is the login of a provider of credentials for this attempt. Without it, the login of the endpoint or the
    /// configuration is used.
    ///
    /// Returns the parser of the connection, which the owner of the stream keeps. Returns `None` if the attempt is no
    /// longer the current one or was reported before; then close the stream.
    #[must_use = "without a parser the stream is to be closed"]
    pub fn handle_connected(
        &mut self,
        attempt: AttemptId,
        login: Option<Login>,
        now: Timestamp,
    ) -> Option<Input> {
        self.set_now(now);
        let State::Connecting { endpoint, .. } = &self.state else { return None };
        if !self.failover.is_current(attempt) {
            return None;
        }
        let endpoint = endpoint.clone();
        let input = Input::new(self.ids.connection(), &self.config.limits);
        match self.begin_handshake(endpoint, login) {
            Ok(state) => self.state = state,
            Err(lost) => self.lose(lost, true),
        }
        Some(input)
    }

    fn begin_handshake(&mut self, endpoint: Endpoint, login: Option<Login>) -> Result<State, Lost> {
        let is_provided = login.is_some();
        let login = login.or_else(|| self.config.login_for(&endpoint));
        self.failover.log_in(login.as_ref(), is_provided, self.now)?;
        let frame = handshake::connect(&self.config, &endpoint, login.as_ref());
        let permanent = |reason: String| Lost::DialFailed { reason: reason.into(), permanent: true };
        if frame.headers().contains("client-id") && self.config.send_beat.is_zero() {
            let reason =
                "a client-id needs heart-beats: the broker would never notice that an old connection is dead";
            return Err(permanent(reason.into()));
        }
        let newest = self.config.versions.iter().max().copied().unwrap_or(Version::V1_0);
        let mut outbox = Outbox::numbered(self.ids.outbox());
        outbox.trace(self.events.traces_frames());
        outbox.push(&frame, newest, Kind::Quiet).map_err(|error| {
            permanent(alloc::format!("the login or virtual host cannot be sent: {error}"))
        })?;
        let limit = self.patience(&endpoint, self.config.connected_timeout);
        let deadline = self.now.after(limit.max(LEAST));
        let has_backslash = login.is_some_and(|login| login.has_backslash());
        let backslash = has_backslash.then(|| handshake::escaping(&self.config, &endpoint));
        Ok(State::Handshake { endpoint, deadline, outbox: Box::new(outbox), backslash })
    }

    /// Reports how many addresses the host name of this attempt's broker has.
    ///
    /// Call this when a connection to one of them was made, whether TLS succeeded on it or not, and before reporting
    /// how the attempt ended. If the attempt fails, the other addresses are tried before the next delay. Without this
    /// call, one address is assumed.
    pub fn handle_addresses(&mut self, attempt: AttemptId, count: u32) {
        self.failover.note_addresses(attempt, count);
    }

    /// Returns the next event, or `None` if the input contains no further whole frame.
    ///
    /// Events that are known already come first, oldest first. Then the input is parsed, one frame at a time. No input
    /// is parsed unless this method is called.
    ///
    /// The owner of the stream calls this method until it returns `None`, in each turn and before
    /// [`handle_timeout`](Self::handle_timeout). It does so once more when the stream has ended, before it reports the
    /// end, since frames that came before the end still count. The input of an earlier connection yields no events, and
    /// from then on keeps no data.
    #[must_use = "an event that is not looked at is lost"]
    pub fn next_event(&mut self, input: &mut Input, now: Timestamp) -> Option<Event> {
        self.next_event_with(input, now, |frame, arrival| Some(Event::Message(Message::new(frame, arrival))))
    }

    /// As [`next_event`](Self::next_event), but messages that come first are passed to `take`, and this goes on where it
    /// returns `None`. A frame is large: so it is moved once, to where it is kept.
    #[inline]
    pub(crate) fn next_event_with(
        &mut self,
        input: &mut Input,
        now: Timestamp,
        mut take: impl FnMut(Frame, Arrival) -> Option<Event>,
    ) -> Option<Event> {
        self.set_now(now);
        self.stamp();
        if input.is_fresh() && self.is_current(input) && input.take_fresh() {
            self.with_link(|link, cx| link.heard(cx.now));
        }
        while self.events.is_empty() {
            if !self.is_current(input) {
                self.retire(input);
                return None;
            }
            match input.next_item() {
                // By far the most that comes.
                Ok(Some(Item::Frame(frame))) if self.is_for_application(&frame) => {
                    let Some(arrival) = self.accept(&frame) else { continue };
                    if !self.events.is_empty() {
                        self.events.push(Event::Message(Message::new(frame, arrival)));
                    } else if let Some(event) = take(frame, arrival) {
                        return Some(event);
                    }
                }
                Ok(Some(Item::Frame(frame))) if self.confirm_command(&frame) => {}
                Ok(Some(item)) => self.handle_item(item, input),
                Ok(None) => return None,
                Err(error) => {
                    let reason = without_secrets(Lost::Protocol(error), &self.mask());
                    self.lose(reason, true);
                }
            }
        }
        self.events.pop()
    }

    /// The input of an earlier connection; that of another session is left as it is.
    #[cold]
    fn retire(&self, input: &mut Input) {
        if self.check_own(input.connection.0).is_ok() {
            input.retire();
        }
    }

    /// Whether that is a message, on a connection that stands.
    fn is_for_application(&self, frame: &Frame) -> bool {
        frame.command() == Command::Message
            && matches!(self.state, State::Connected(_) | State::Disconnecting(_))
    }

    /// Takes a message, if somebody is there for it.
    fn accept(&mut self, frame: &Frame) -> Option<Arrival> {
        self.events.trace_frame(frame);
        let arrival = self.with_link(|link, cx| link.accept(frame, cx)).flatten();
        self.continue_ending();
        // What followed from the input has its time now, however it was cut.
        self.stamp();
        arrival
    }

    /// Whether that was the RECEIPT of a command.
    fn confirm_command(&mut self, frame: &Frame) -> bool {
        let is_command = frame.command() == Command::Receipt
            && self.with_link(|link, cx| link.confirm_command(frame, cx)).unwrap_or_default();
        if is_command {
            self.continue_ending();
            self.stamp();
        }
        is_command
    }

    fn handle_item(&mut self, item: Item, input: &mut Input) {
        let event = self.react(item, input);
        self.stamp();
        self.events.extend(event);
    }

    fn react(&mut self, item: Item, input: &mut Input) -> Option<Event> {
        self.events.trace(&item);
        if matches!(item, Item::HeartBeat) {
            input.skip_heart_beats();
        }
        let reaction = match self.split() {
            (State::Connected(link) | State::Disconnecting(link), mut cx) => link.handle_item(item, &mut cx),
            (State::Handshake { .. }, _) => self.handle_answer(item, input),
            _ => return None,
        };
        let event = match reaction {
            Ok(Reaction::None) => None,
            Ok(Reaction::Tell(event)) => Some(event),
            Ok(Reaction::Finished) if self.departs() => {
                self.depart(true, true);
                None
            }
            Ok(Reaction::Finished) => {
                self.end(Parting::Confirmed, &Lost::Disconnected, true);
                None
            }
            Err(reason) => {
                self.lose(reason, true);
                None
            }
        };
        self.continue_ending();
        event
    }

    fn is_current(&self, input: &Input) -> bool {
        let open =
            matches!(self.state, State::Handshake { .. } | State::Connected(_) | State::Disconnecting(_));
        open && self.ids.is_newest(input.connection)
    }

    /// The answer to CONNECT: CONNECTED or ERROR, and nothing else.
    fn handle_answer(&mut self, item: Item, input: &mut Input) -> Result<Reaction, Lost> {
        let (Item::Frame(frame) | Item::TooLarge { frame, .. }) = item else { return Ok(Reaction::None) };
        match frame.command() {
            Command::Connected => {
                self.handle_agreement(&frame, input)
                    .map_err(|reason| without_secrets(reason, &self.mask()))?;
                Ok(Reaction::None)
            }
            Command::Error => Err(self.refused(Lost::Refused(ServerError::new(frame, &self.mask())))),
            other => Err(Lost::UnexpectedFrame(other)),
        }
    }

    /// What an end means while CONNECT has no answer, or that answer. What the transport says of itself stays said.
    fn refused(&self, reason: Lost) -> Lost {
        let State::Handshake { backslash, .. } = &self.state else { return reason };
        match (*backslash, reason) {
            (Some(sent), Lost::Refused(error)) => {
                Lost::BackslashRefused { error: Some(error), broke: None, sent }
            }
            (Some(sent), Lost::Io(text)) => Lost::BackslashRefused { error: None, broke: Some(text), sent },
            (Some(sent), Lost::Eof) => Lost::BackslashRefused { error: None, broke: None, sent },
            (None, Lost::Io(text)) => Lost::BrokeBeforeConnected(text),
            (None, Lost::Eof) => Lost::ClosedBeforeConnected,
            (_, reason) => reason,
        }
    }

    /// What nothing that is shown may repeat.
    fn mask(&self) -> Mask {
        Mask::of(self.failover.login())
    }

    fn handle_agreement(&mut self, frame: &Frame, input: &mut Input) -> Result<(), Lost> {
        let State::Handshake { endpoint, outbox, .. } = &mut self.state else { return Ok(()) };
        let (agreed, profile) = handshake::connected(&self.config, endpoint, frame)?;
        input.agree(agreed.version, self.config.limits.clone());
        let (endpoint, outbox) = (endpoint.clone(), core::mem::take(&mut **outbox));
        let mask = self.mask();
        let hide = |text: String| mask.hide(&text).unwrap_or(text);
        let connection = Connection {
            id: input.connection,
            endpoint,
            version: agreed.version,
            heart_beat: agreed.heart_beat,
            server: agreed.server.map(hide),
            session: agreed.session.map(hide),
            profile,
        };
        self.establish(connection, outbox);
        Ok(())
    }

    /// Reports that the transport of this attempt has ended or could not be opened.
    ///
    /// A report for an attempt that is no longer the current one is ignored, as is any report after
    /// [`Action::Close`](crate::Action::Close).
    pub fn handle_disconnected(&mut self, attempt: AttemptId, reason: Lost, now: Timestamp) {
        self.set_now(now);
        if !self.failover.is_current(attempt) {
            return;
        }
        match (&self.state, reason) {
            (State::Waiting { .. } | State::Closed, _) => {}
            (_, Lost::NoCredentials(text)) => self.lose(Lost::NoCredentials(self.hide_known(text)), false),
            (_, Lost::LoginRefused(reason)) => self.lose_login(None, reason),
            // The peer has worded it.
            (_, Lost::Io(reason)) if reason.code().is_some() => {
                let reason = Lost::Io(reason.reworded(|text| self.hide_known(text)));
                self.lose(self.refused(reason), false);
            }
            (_, reason) => self.lose(self.refused(reason), false),
        }
    }

    /// Reports that the broker of this attempt has refused its login before CONNECT was written, as in the handshake of a
    /// WebSocket with the HTTP status 401 or 403.
    ///
    /// `login` is the one that the application was asked for. Without it, the login of the endpoint or the configuration
    /// is meant. It is not sent again for a while, as a login that is refused after CONNECT. A report for an attempt that
    /// is no longer the current one is ignored.
    pub fn handle_login_refused(
        &mut self,
        attempt: AttemptId,
        login: Option<Login>,
        reason: TransportFailure,
        now: Timestamp,
    ) {
        self.set_now(now);
        if self.failover.is_current(attempt) && matches!(self.state, State::Connecting { .. }) {
            self.lose_login(login, reason);
        }
    }

    fn lose_login(&mut self, login: Option<Login>, reason: TransportFailure) {
        let is_provided = login.is_some();
        let configured = || self.broker().and_then(|endpoint| self.config.login_for(endpoint));
        let login = login.or_else(configured);
        self.failover.note_login(login.as_ref(), is_provided);
        self.lose(Lost::LoginRefused(reason), false);
    }

    /// A text of somebody else, without the passcodes that are known.
    fn hide_known(&self, text: String) -> String {
        let own = self.broker().and_then(|endpoint| self.config.login_for(endpoint));
        let mask = Mask::of(own.as_ref().into_iter().chain(self.failover.last_login()));
        mask.hide(&text).unwrap_or(text)
    }

    /// Reports that the owner of the stream has stopped reading.
    ///
    /// From now on, the broker's silence is not held against it.
    pub fn pause_input(&mut self) {
        self.with_link(|link, _| link.pause());
    }

    /// Reports that the owner of the stream reads again.
    pub fn resume_input(&mut self, now: Timestamp) {
        self.set_now(now);
        self.with_link(|link, cx| link.resume(cx.now));
    }

    /// Does everything that is due.
    ///
    /// Afterwards, [`poll_timeout`](Self::poll_timeout) returns `None` or a time later than `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.set_now(now);
        self.stamp();
        self.expire();
        // Losing and dialling may each leave something that is due at once; a dial never does.
        while self.poll_timeout().is_some_and(|at| at <= self.now) {
            self.stamp();
            self.expire();
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        while let Some(id) = self.replay.kept.used().and_then(|kept| kept.overdue(now)) {
            self.expire_kept(id);
        }
        self.proceed();
        self.expire_ending();
        self.expire_moving();
        self.expire_rebalancing();
        match &self.state {
            State::Waiting { endpoint, retry_at } if *retry_at <= now => self.dial(endpoint.clone()),
            State::Connecting { deadline, .. } if *deadline <= now => {
                self.lose(Lost::ConnectTimeout(self.time_limit(self.config.connect_timeout)), true);
            }
            State::Handshake { deadline, .. } if *deadline <= now => {
                self.lose(Lost::ConnectedTimeout(self.time_limit(self.config.connected_timeout)), true);
            }
            _ => self.tick(),
        }
    }

    /// The timers of a connection that stands.
    fn tick(&mut self) {
        // A quiet session keeps no room for much.
        self.events.shrink();
        self.replay.kept.used().into_iter().for_each(|kept| kept.shrink());
        let said_all = matches!(self.state, State::Disconnecting(_));
        match self.with_link(|link: &mut Link, cx| link.tick(said_all, cx)) {
            Some(Err(reason)) => self.lose(reason, true),
            Some(Ok(())) => self.continue_ending(),
            None => {}
        }
    }
}

/// Why a connection is lost, without what the broker repeats of our passcode.
fn without_secrets(reason: Lost, mask: &Mask) -> Lost {
    match reason {
        Lost::VersionMismatch(text) => Lost::VersionMismatch(mask.hide(&text).unwrap_or(text)),
        Lost::InvalidHeartBeat(text) => Lost::InvalidHeartBeat(mask.hide(&text).unwrap_or(text)),
        Lost::Protocol(mut error) => {
            if let Some(excerpt) = mask.hide_octets(&error.excerpt) {
                error.excerpt = excerpt;
            }
            if let Some(destination) = error.destination.as_ref().and_then(|text| mask.hide(text)) {
                error.destination = Some(destination);
            }
            Lost::Protocol(error)
        }
        reason => reason,
    }
}
