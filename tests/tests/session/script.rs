//! A session whose broker is a script: the test writes what it says, and reads what the session writes.

use std::time::Duration;

use stomp_proto::{Command, Frame, Version};
use stomp_session::{
    Action, Attempt, AttemptId, Config, Event, Input, Login, Lost, Message, Session, Timestamp,
};
use stomp_testkit::pair::Transcript;

/// The settings of most tests: one broker, tried for ever, without jitter, and no heart-beats.
pub(crate) fn config() -> Config {
    let uri = "failover:(tcp://broker)?startupMaxReconnectAttempts=-1&reconnectDelayJitter=0";
    let mut config = Config::new(uri.parse().unwrap());
    (config.send_beat, config.receive_beat) = (Duration::ZERO, Duration::ZERO);
    config.identity = Some(7);
    config
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn send_frame(destination: &str, body: &str) -> Frame {
    Frame::new(Command::Send).with_header("destination", destination).with_body(body.to_owned())
}

/// A session and the octets that go in and out.
pub(crate) struct Script {
    pub(crate) session: Session,
    pub(crate) now: Timestamp,
    /// The newest attempt.
    attempt: Option<AttemptId>,
    input: Option<Input>,
    transcript: Transcript,
    wire: String,
    /// What came out of the input and was not looked at.
    pulled: Vec<Event>,
}

impl Script {
    /// A session that wants to dial.
    pub(crate) fn new(config: Config) -> Self {
        let session = Session::new(config, Timestamp::ZERO);
        let mut script = Self {
            session,
            now: Timestamp::ZERO,
            attempt: None,
            input: None,
            transcript: Transcript::new(),
            wire: String::new(),
            pulled: Vec::new(),
        };
        script.pass(Duration::ZERO);
        script
    }

    /// A session that has sent CONNECT.
    pub(crate) fn dialled(config: Config) -> Self {
        let mut script = Self::new(config);
        script.dial();
        script
    }

    /// A connection in that version, what was said on the way forgotten.
    pub(crate) fn connected(config: Config, version: Version) -> Self {
        let mut script = Self::dialled(config);
        script.accept(version);
        script.events();
        script.said();
        script
    }

    /// Lets the next dial succeed.
    pub(crate) fn dial(&mut self) -> Attempt {
        self.dial_as(None)
    }

    /// Lets the next dial succeed, with what a provider says.
    pub(crate) fn dial_as(&mut self, login: Option<Login>) -> Attempt {
        let attempt = self.attempt();
        self.connect_as(&attempt, login);
        attempt
    }

    /// The newest dial succeeds.
    pub(crate) fn connect(&mut self, attempt: &Attempt) {
        self.connect_as(attempt, None);
    }

    fn connect_as(&mut self, attempt: &Attempt, login: Option<Login>) {
        self.input = self.session.handle_connected(attempt.id, login, self.now);
        assert!(self.input.is_some(), "it is the newest attempt");
        self.transcript = Transcript::new();
        self.collect();
    }

    /// Lets a dial succeed if the session asks for one.
    pub(crate) fn dial_if_asked(&mut self) -> bool {
        while let Some(action) = self.session.poll_action() {
            if let Action::Connect(attempt) = action {
                self.attempt = Some(attempt.id);
                self.input = self.session.handle_connected(attempt.id, None, self.now);
                self.transcript = Transcript::new();
                self.said();
                return true;
            }
            self.input = None;
        }
        false
    }

    /// The dial that the session asks for, now or when its time comes.
    pub(crate) fn attempt(&mut self) -> Attempt {
        let mut asked = None;
        loop {
            match (self.session.poll_action(), asked.take()) {
                (Some(Action::Connect(attempt)), _) => asked = Some(attempt),
                (Some(_), _) => self.input = None,
                (None, Some(attempt)) => {
                    self.attempt = Some(attempt.id);
                    return attempt;
                }
                (None, None) => {
                    let due = self.due_in().expect("a dial");
                    self.pass(due);
                }
            }
        }
    }

    pub(crate) fn accept(&mut self, version: Version) {
        self.hear(format!("CONNECTED\nversion:{version}\n\n\0"));
    }

    /// Dials and is accepted.
    pub(crate) fn reconnect(&mut self, version: Version) {
        self.dial();
        self.said();
        self.accept(version);
    }

    /// The broker says that, and what follows from it is asked for.
    pub(crate) fn hear(&mut self, octets: impl AsRef<[u8]>) {
        self.read(octets);
        self.pull();
    }

    /// The broker says that; nobody has asked what follows.
    pub(crate) fn read(&mut self, octets: impl AsRef<[u8]>) {
        self.input.as_mut().expect("a connection").feed(octets.as_ref());
    }

    /// Asks what follows from what was read.
    pub(crate) fn pull(&mut self) {
        let Some(input) = self.input.as_mut() else { return };
        self.pulled.extend(std::iter::from_fn(|| self.session.next_event(input, self.now)));
    }

    /// The broker says that, unless the connection has ended.
    pub(crate) fn hear_while_connected(&mut self, octets: &str) {
        if self.session.connection().is_some() {
            self.hear(octets);
        }
    }

    /// The newest attempt, or the connection that it became, ends.
    pub(crate) fn report(&mut self, reason: Lost) {
        let attempt = self.attempt.expect("an attempt");
        self.session.handle_disconnected(attempt, reason, self.now);
    }

    /// The connection ends, and the time comes for the next dial.
    pub(crate) fn lose(&mut self, reason: Lost) {
        self.report(reason);
        self.input = None;
        if let Some(at) = self.session.poll_timeout() {
            self.pass(at.since(self.now));
        }
    }

    /// Lets time pass, without stopping on the way.
    pub(crate) fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        self.session.handle_timeout(self.now);
    }

    /// How long until something is due.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        self.session.poll_timeout().map(|at| at.since(self.now))
    }

    /// What the session has written since the last call.
    pub(crate) fn said(&mut self) -> String {
        self.collect();
        std::mem::take(&mut self.wire)
    }

    /// The commands that the session has written since the last call.
    pub(crate) fn commands(&mut self) -> Vec<String> {
        let said = self.said();
        let frames = said.split('\0').map(|frame| frame.trim_start_matches('\n'));
        frames.filter_map(|frame| frame.lines().next()).map(str::to_owned).collect()
    }

    /// Answers the newest frame with that body, or with that destination and none.
    pub(crate) fn answer(&mut self, answer: &str, what: &str) {
        let is_meant = |frame: &&Frame| {
            let names =
                frame.body().is_empty() && frame.header("destination").is_some_and(|name| name == *what);
            frame.body() == what.as_bytes() || names
        };
        let frame = self.transcript.frames().iter().rev().find(is_meant).expect("a frame that was written");
        let receipt = frame.header("receipt").expect("a frame that asks for a RECEIPT").to_string();
        self.hear(format!("{answer}\nreceipt-id:{receipt}\n\n\0"));
    }

    pub(crate) fn confirm(&mut self, what: &str) {
        self.answer("RECEIPT", what);
    }

    fn collect(&mut self) {
        while let Some(octets) = self.session.poll_transmit(self.now) {
            let version = self.session.connection().map(|connection| connection.version);
            self.transcript.note(&octets, version);
            self.wire.push_str(std::str::from_utf8(&octets).expect("what tests send is text"));
        }
    }

    pub(crate) fn raw_events(&mut self) -> Vec<Event> {
        let pulled = std::mem::take(&mut self.pulled);
        pulled.into_iter().chain(std::iter::from_fn(|| self.session.poll_event())).collect()
    }

    /// What has happened since the last call, briefly.
    pub(crate) fn events(&mut self) -> Vec<String> {
        self.raw_events().iter().map(brief).collect()
    }

    /// The messages that have come; everything else that happened is forgotten.
    pub(crate) fn messages(&mut self) -> Vec<Message> {
        let message = |event| if let Event::Message(message) = event { Some(message) } else { None };
        self.raw_events().into_iter().filter_map(message).collect()
    }

    /// Whether the session wants the connection closed. Other actions are forgotten.
    pub(crate) fn closes(&mut self) -> bool {
        std::iter::from_fn(|| self.session.poll_action()).any(|action| matches!(action, Action::Close))
    }
}

/// An event in a few words.
pub(crate) fn brief(event: &Event) -> String {
    match event {
        Event::Connected(connection) => format!("connected: {}", connection.id),
        Event::Disconnected { connection, reason, unsent, .. } => {
            format!("disconnected: {connection}, {reason}, {unsent} unsent")
        }
        Event::Moving { reason, .. } => format!("moving: {reason}"),
        Event::Moved(moved) => format!("moved: {}", moved.connection.id),
        Event::ConnectFailed { endpoint, reason } => format!("failed: {}, {reason}", endpoint.host()),
        Event::Reconnecting { endpoint, delay } => format!("next: {} in {delay:?}", endpoint.host()),
        Event::Message(message) => format!("message: {:?}", String::from_utf8_lossy(message.body())),
        Event::Receipt { id, outcome } => format!("{id:?}: {outcome:?}"),
        Event::Subscribed(id) => format!("subscribed: {id:?}"),
        Event::Unsubscribed(id) => format!("unsubscribed: {id:?}"),
        Event::SubscriptionEnded { id, reason } => format!("ended: {id:?}, {reason}"),
        Event::Resubscribing { id, reason, .. } => format!("again: {id:?}, {reason}"),
        Event::LocalStall { late } => format!("stall: {late:?}"),
        Event::Error(error) => format!("error: {error}"),
        Event::Unroutable(_) => "unroutable".to_owned(),
        Event::Closed(closed) => format!("closed: {closed}"),
        _ => "another event".to_owned(),
    }
}
