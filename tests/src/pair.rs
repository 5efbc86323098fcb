//! A session and a broker connected to each other, in virtual time and without asynchronous code.

use std::time::Duration;

use bytes::Bytes;
use stomp_proto::{Command, Frame, Item, Limits, Parser, Sender, Version};
use stomp_session::{Action, Attempt, AttemptId, Config, Event, Input, Lost, Session, Timestamp};

use crate::broker::{Broker, BrokerConfig, ConnectionId, Output};

/// A [`Session`] and a [`Broker`] that are connected to each other.
///
/// Octets take no time, and time passes only when the test advances it.
///
/// A pair also checks invariants and panics if one does not hold. What the session writes must be accepted by a strict
/// parser and begin with CONNECT, and nothing may follow DISCONNECT. After a deadline was handled, the next one must be
/// later.
///
/// ```
/// use stomp_session::{Config, Subscribe};
/// use stomp_testkit::{broker::BrokerConfig, pair::Pair};
///
/// let mut pair = Pair::new(Config::new("tcp://broker".parse()?), BrokerConfig::default());
/// pair.session.subscribe(Subscribe::new("/queue/a"))?;
/// pair.drive();
/// assert_eq!(pair.frames()[1].header("destination").unwrap(), "/queue/a");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pair {
    /// The session, to which a test gives commands.
    pub session: Session,
    /// The broker, which a test can inspect and interfere with.
    pub broker: Broker,
    now: Timestamp,
    link: Option<(AttemptId, Input, ConnectionId)>,
    written: Vec<Transcript>,
    attempts: Vec<Attempt>,
    door: Door,
    events: Vec<Event>,
}

/// What a dial meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a dial succeeds, fails or never ends")]
pub enum Door {
    /// A connection.
    #[default]
    Open,
    /// A refusal.
    Refusing,
    /// Nothing, for ever.
    Stuck,
}

impl Pair {
    /// Creates a pair at time zero. The session wants to connect.
    #[must_use]
    pub fn new(config: Config, broker: BrokerConfig) -> Self {
        Self {
            session: Session::new(config, Timestamp::ZERO),
            broker: Broker::new(broker),
            now: Timestamp::ZERO,
            link: None,
            written: Vec::new(),
            attempts: Vec::new(),
            door: Door::Open,
            events: Vec::new(),
        }
    }

    /// Creates a pair and connects it. Events up to this point are discarded.
    ///
    /// # Panics
    /// Panics if the session does not connect.
    #[must_use]
    pub fn connected(config: Config, broker: BrokerConfig) -> Self {
        let mut pair = Self::new(config, broker);
        pair.drive();
        assert!(pair.session.connection().is_some(), "no connection: {:?}", pair.events);
        pair.events.clear();
        pair
    }

    /// Returns the current time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Sets how the broker answers the next attempts to connect.
    pub const fn set_door(&mut self, door: Door) {
        self.door = door;
    }

    /// Returns the attempts to connect that the session has asked for.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Returns the frames that the session has written on the newest connection.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        self.written.last().map_or(&[], Transcript::frames)
    }

    /// Returns what the session has written, with one transcript for each connection.
    #[must_use]
    pub fn written(&self) -> &[Transcript] {
        &self.written
    }

    /// Returns the events of the session since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        self.collect_events();
        std::mem::take(&mut self.events)
    }

    /// Runs both until neither has anything to do at the current time.
    pub fn drive(&mut self) {
        while self.step() {}
    }

    /// Does one thing: carries out an action, carries octets in one direction, or reports a time that is due.
    ///
    /// Returns `false` if there was nothing to do.
    pub fn step(&mut self) -> bool {
        self.collect_events();
        if let Some(action) = self.session.poll_action() {
            self.obey(action);
            return true;
        }
        self.carry_up() || self.carry_down() || self.report_time()
    }

    /// Advances the time by this duration, and handles everything that becomes due.
    pub fn advance(&mut self, duration: Duration) {
        let until = self.now.after(duration);
        self.drive();
        while let Some(next) = self.deadline().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.drive();
        }
        self.now = until;
        self.drive();
    }

    /// Advances the time to the next deadline of either side.
    ///
    /// # Panics
    /// Panics if there is no deadline.
    pub fn advance_to_deadline(&mut self) {
        self.drive();
        let next = self.deadline().expect("a deadline");
        self.now = self.now.max(next);
        self.drive();
    }

    /// Breaks the connection, which both ends notice.
    ///
    /// # Panics
    /// Panics if there is no connection.
    pub fn cut(&mut self, reason: Lost) {
        let (attempt, _, connection) = self.link.take().expect("a connection to cut");
        self.broker.disconnected(connection, self.now.since_start());
        self.session.handle_disconnected(attempt, reason, self.now);
    }

    /// Returns the time of the next deadline of either side, or `None` if there is none.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let broker = self.broker.poll_timeout().map(Timestamp::from_start);
        self.session.poll_timeout().into_iter().chain(broker).min()
    }

    fn collect_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
    }

    fn obey(&mut self, action: Action) {
        match action {
            Action::Close => {
                if let Some((_, _, connection)) = self.link.take() {
                    self.broker.disconnected(connection, self.now.since_start());
                }
            }
            Action::Connect(attempt) => {
                let id = attempt.id;
                self.attempts.push(attempt);
                self.dial(id);
            }
            _ => unreachable!("the session has no other action"),
        }
    }

    fn dial(&mut self, attempt: AttemptId) {
        match self.door {
            Door::Open => {
                let input = self.session.handle_connected(attempt, None, self.now).expect("a dial of now");
                self.link = Some((attempt, input, self.broker.connect(self.now.since_start())));
                self.written.push(Transcript::new());
            }
            Door::Refusing => {
                let reason = Lost::DialFailed { reason: "connection refused".into(), permanent: false };
                self.session.handle_disconnected(attempt, reason, self.now);
            }
            Door::Stuck => {}
        }
    }

    fn carry_up(&mut self) -> bool {
        let Some((_, _, connection)) = &self.link else { return false };
        let version = self.session.connection().map(|connection| connection.version);
        let Some(octets) = self.session.poll_transmit(self.now) else { return false };
        self.written.last_mut().expect("a link has a transcript").note(&octets, version);
        self.broker.receive(*connection, &octets, self.now.since_start());
        true
    }

    fn carry_down(&mut self) -> bool {
        let Some(output) = self.broker.poll_output() else { return false };
        match output {
            Output::Send { connection, bytes } => self.hear(connection, &bytes),
            Output::Close { connection } => {
                if let Some((attempt, ..)) = self.link.take_if(|(_, _, linked)| *linked == connection) {
                    self.session.handle_disconnected(attempt, Lost::Eof, self.now);
                }
            }
        }
        true
    }

    fn hear(&mut self, connection: ConnectionId, octets: &Bytes) {
        if let Some((_, input, _)) = self.link.as_mut().filter(|(_, _, linked)| *linked == connection) {
            input.feed(octets);
            while let Some(event) = self.session.next_event(input, self.now) {
                self.events.push(event);
            }
        }
    }

    fn report_time(&mut self) -> bool {
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= self.now);
        let broker = is_due(self.broker.poll_timeout().map(Timestamp::from_start));
        let session = is_due(self.session.poll_timeout());
        if broker {
            self.broker.handle_timeout(self.now.since_start());
        }
        if session {
            self.session.handle_timeout(self.now);
            let next = self.session.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "due again at {next:?}, and it is {}", self.now);
        }
        broker || session
    }
}

/// What a client has written on one connection, read back with a strict parser.
#[derive(Debug)]
pub struct Transcript {
    parser: Parser,
    frames: Vec<Frame>,
    heart_beats: usize,
}

impl Transcript {
    /// Creates an empty transcript.
    #[must_use]
    pub fn new() -> Self {
        let parser = Parser::new(Sender::Client, Limits::default()).strict();
        Self { parser, frames: Vec::new(), heart_beats: 0 }
    }

    /// Adds octets that the client has written. `version` is the version that was agreed on, if any.
    ///
    /// # Panics
    /// Panics if the octets are not valid STOMP, or if anything precedes CONNECT or follows DISCONNECT.
    pub fn note(&mut self, octets: &[u8], version: Option<Version>) {
        self.try_note(octets, version).unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// As [`note`](Self::note), but returns what is wrong instead of panicking.
    #[doc(hidden)]
    pub fn try_note(&mut self, octets: &[u8], version: Option<Version>) -> Result<(), String> {
        version.into_iter().for_each(|version| self.parser.set_version(version));
        self.parser.feed(octets);
        let no_stomp = |error| format!("a client writes STOMP: {error}");
        while let Some(item) = self.parser.next_item().map_err(no_stomp)? {
            if self.frames.last().is_some_and(|last| last.command() == Command::Disconnect) {
                return Err(format!("after DISCONNECT came {item:?}"));
            }
            match item {
                Item::Frame(frame) => self.note_frame(frame)?,
                _ => self.note_heart_beat()?,
            }
        }
        Ok(())
    }

    /// Returns the frames, in order.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Returns the number of heart-beats.
    #[must_use]
    pub const fn heart_beats(&self) -> usize {
        self.heart_beats
    }

    fn note_frame(&mut self, frame: Frame) -> Result<(), String> {
        let opens = matches!(frame.command(), Command::Connect | Command::Stomp);
        if opens != self.frames.is_empty() {
            return Err(format!("number {} is {frame:?}", self.frames.len()));
        }
        self.frames.push(frame.into_owned());
        Ok(())
    }

    fn note_heart_beat(&mut self) -> Result<(), String> {
        if self.frames.is_empty() {
            return Err("a heart-beat came before CONNECT".to_owned());
        }
        self.heart_beats += 1;
        Ok(())
    }
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}
