//! A client without a network for `session` and `ack` rows: a session, and what came of what it was fed.

use std::{mem, time::Duration};

use stomp_proto::{Command, Frame, Item, Limits, Parser, Sender, Version};
use stomp_session::{
    Action, AttemptId, Brokers, Config, Connection, Endpoint, Event, Input, Lost, Message, Outcome,
    ReceiptId, Session, Subscribe, SubscriptionId, Timestamp,
};

/// How octets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Whole,
    Bytewise,
}

/// A session and all that it told.
pub(super) struct Client {
    pub(super) session: Session,
    pub(super) events: Vec<Event>,
    cut: Cut,
    now: Timestamp,
    input: Option<Input>,
    dialling: bool,
    attempt: Option<AttemptId>,
    written: Vec<u8>,
}

/// One broker, and everything else as a user would have it.
pub(super) fn config(versions: Vec<Version>, send_beat: u64, receive_beat: u64) -> Config {
    let mut config = Config::new(Brokers::one(Endpoint::plain("broker", 61613)));
    config.versions = versions;
    config.send_beat = Duration::from_millis(send_beat);
    config.receive_beat = Duration::from_millis(receive_beat);
    config
}

impl Client {
    /// A client whose connection is open and whose CONNECT has left.
    pub(super) fn dialled(config: Config, cut: Cut) -> Result<Self, String> {
        let mut client = Self {
            session: Session::new(config, Timestamp::ZERO),
            events: Vec::new(),
            cut,
            now: Timestamp::ZERO,
            input: None,
            dialling: false,
            attempt: None,
            written: Vec::new(),
        };
        client.dial()?;
        Ok(client)
    }

    /// Lets time pass until the session wants a connection, and gives it one.
    fn dial(&mut self) -> Result<(), String> {
        self.collect();
        while !mem::take(&mut self.dialling) {
            let due = self.session.poll_timeout().ok_or("the session does not want to connect")?;
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.collect();
        }
        self.take_written();
        let attempt = self.attempt.ok_or("no dial")?;
        self.input = self.session.handle_connected(attempt, None, self.now);
        self.collect();
        let first = self.take_written();
        if first.starts_with(b"CONNECT\n") { Ok(()) } else { Err("CONNECT is not what is sent first".into()) }
    }

    /// The broker's end closes.
    pub(super) fn lose(&mut self) {
        if let (Some(_), Some(attempt)) = (self.input.take(), self.attempt) {
            self.session.handle_disconnected(attempt, Lost::Eof, self.now);
            self.collect();
        }
    }

    /// The connection is lost and another one is made, where the broker says the same.
    pub(super) fn reconnect(&mut self, answer: &[u8]) -> Result<(), String> {
        self.lose();
        self.dial()?;
        self.feed(answer);
        self.take_written();
        Ok(())
    }

    pub(super) fn feed(&mut self, octets: &[u8]) {
        let size = if self.cut == Cut::Whole { octets.len().max(1) } else { 1 };
        for piece in octets.chunks(size) {
            let Some(input) = &mut self.input else { return };
            input.feed(piece);
            self.events.extend(std::iter::from_fn(|| self.session.next_event(input, self.now)));
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Connect(attempt) => (self.dialling, self.attempt) = (true, Some(attempt.id)),
                _ => self.input = None,
            }
        }
        while let Some(octets) = self.session.poll_transmit(self.now) {
            self.written.extend_from_slice(&octets);
        }
    }

    /// What was written since the last call.
    pub(super) fn take_written(&mut self) -> Vec<u8> {
        self.collect();
        mem::take(&mut self.written)
    }

    /// The connection that came about first.
    pub(super) fn connected(&self) -> Option<&Connection> {
        self.events.iter().find_map(|event| match event {
            Event::Connected(connection) => Some(connection),
            _ => None,
        })
    }

    /// Why the first attempt did not come about.
    pub(super) fn failed(&self) -> Option<&Lost> {
        self.events.iter().find_map(|event| match event {
            Event::ConnectFailed { reason, .. } => Some(reason),
            _ => None,
        })
    }

    /// Why the connection ended, and what was told after that.
    pub(super) fn lost(&self) -> Option<(&Lost, &[Event])> {
        self.events.iter().enumerate().find_map(|(at, event)| match event {
            Event::Disconnected { reason, .. } => Some((reason, &self.events[at + 1..])),
            _ => None,
        })
    }

    /// The first message that came; it is taken out of the events.
    pub(super) fn take_message(&mut self) -> Option<Message> {
        let at = self.events.iter().position(|event| matches!(event, Event::Message(_)))?;
        match self.events.remove(at) {
            Event::Message(message) => Some(message),
            _ => None,
        }
    }

    /// Subscribes to what that MESSAGE came for, under the id that it names.
    pub(super) fn subscribe_for(&mut self, message: &Frame, subscribe: Subscribe) -> Result<(), String> {
        let id = message.header("subscription");
        let number = id.and_then(|id| id.number()).filter(|number| *number < 100);
        let subscribe = match id.filter(|_| number.is_none()) {
            Some(id) => subscribe.id(id.text().map_err(|error| error.to_string())?),
            None => subscribe,
        };
        // Subscriptions without a name of their own are counted from 0.
        for other in 0..number.unwrap_or_default() {
            self.subscribe(Subscribe::new(format!("/queue/other-{other}")))?;
        }
        self.subscribe(subscribe).map(|_| ())
    }

    fn subscribe(&mut self, subscribe: Subscribe) -> Result<SubscriptionId, String> {
        self.session.subscribe(subscribe).map_err(|error| format!("SUBSCRIBE was refused: {error}"))
    }

    /// Sends a frame that wants a receipt: a SUBSCRIBE for a name that begins with "sub", else a SEND. Gives the frame
    /// and the receipt's name on the wire.
    pub(super) fn send_named(&mut self, name: &str) -> Result<(Sent, Vec<u8>), String> {
        self.take_written();
        let destination = format!("/queue/{name}");
        let sent = if name.starts_with("sub") {
            Sent::Subscribe(self.subscribe(Subscribe::new(destination))?)
        } else {
            let frame = Frame::new(Command::Send).with_header("destination", destination);
            let id = self.session.send_confirmed(frame);
            Sent::Send(id.map_err(|error| format!("SEND was refused: {error}"))?)
        };
        let written = self.take_written();
        let receipt = first_frame(Sender::Client, &written)
            .and_then(|(frame, _)| frame.header("receipt").map(|receipt| receipt.octets().into_owned()));
        Ok((sent, receipt.ok_or("no receipt was asked for")?))
    }

    /// What became of frames that were sent, in the order in which it was told.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (Sent, &Event)> {
        self.events.iter().filter_map(|event| match event {
            Event::Receipt { id, .. } => Some((Sent::Send(*id), event)),
            Event::Subscribed(id) | Event::SubscriptionEnded { id, .. } => {
                Some((Sent::Subscribe(*id), event))
            }
            _ => None,
        })
    }
}

/// A frame whose outcome is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Send(ReceiptId),
    Subscribe(SubscriptionId),
}

/// Whether an event confirms its frame.
pub(super) const fn confirms(event: &Event) -> bool {
    matches!(event, Event::Receipt { outcome: Outcome::Confirmed, .. } | Event::Subscribed(_))
}

/// The first frame of a stream, and how many octets it takes with all before it.
pub(super) fn first_frame(sender: Sender, octets: &[u8]) -> Option<(Frame, usize)> {
    let mut parser = Parser::new(sender, Limits::default());
    for (at, octet) in octets.iter().enumerate() {
        parser.feed(&[*octet]);
        while let Some(item) = parser.next_item().ok()? {
            if let Item::Frame(frame) = item {
                return Some((frame, at + 1));
            }
        }
    }
    None
}
