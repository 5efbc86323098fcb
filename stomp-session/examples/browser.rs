//! The session as it is embedded in a page of a browser: one thread, callbacks, and somebody else's WebSocket.
//!
//! Nothing here waits, blocks or spawns. The browser calls `on_open`, `on_message`, `on_close` and `on_timer`; each tells the
//! session what has happened and ends with the same turn, which sends what is to be sent and asks to be called again in time.
//! In WebAssembly these are closures that are given to `web_sys::WebSocket` and to `setTimeout`, and the page is an
//! `Rc<RefCell<Page>>`. Here the browser is played: its WebSocket leads to a broker in memory, and its clock is virtual.

use std::{error::Error, time::Duration};

use stomp_session::{
    Action, Attempt, AttemptId, Closed, Config, Event, Input, Lost, Session, Subscribe, Timestamp,
    proto::{Command, Frame, bytes::Bytes},
};
use stomp_testkit::broker::{Broker, BrokerConfig, ConnectionId, Output};

const DESTINATION: &str = "/queue/page";
const MESSAGES: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut browser = Browser::new();
    let page = browser.run(Page::new("wss://guest:guest@broker.example/ws")?)?;
    println!("{} confirmed, {} received", page.confirmed, page.received.len());
    match page.closed {
        Some(Closed::Disconnected { confirmed: true, .. }) if page.received.len() == MESSAGES => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// What a page asks of its browser.
enum Ask {
    /// `new WebSocket(url, ["v12.stomp", "v11.stomp", "v10.stomp"])`, with `binaryType = "arraybuffer"`
    Open(String),
    /// `socket.send(data)`
    Send(Bytes),
    /// `socket.close()`
    Close,
}

/// The application and its session.
struct Page {
    session: Session,
    attempt: Option<AttemptId>,
    /// The parser of the connection, once it is open.
    input: Option<Input>,
    asks: Vec<Ask>,
    confirmed: usize,
    received: Vec<String>,
    closed: Option<Closed>,
}

impl Page {
    fn new(uri: &str) -> Result<Self, Box<dyn Error>> {
        let mut session = Session::new(Config::new(uri.parse()?), Timestamp::ZERO);
        session.subscribe(Subscribe::new(DESTINATION))?;
        let (asks, received) = (Vec::new(), Vec::new());
        Ok(Self { session, attempt: None, input: None, asks, confirmed: 0, received, closed: None })
    }

    fn on_open(&mut self, now: Timestamp) {
        self.input = self.attempt.and_then(|attempt| self.session.handle_connected(attempt, None, now));
        self.turn(now);
    }

    /// A message holds a part of a frame, or several: that does not matter here.
    fn on_message(&mut self, mut data: &[u8], now: Timestamp) {
        while let Some(input) = self.input.as_mut().filter(|_| !data.is_empty()) {
            let room = input.space();
            let count = room.len().min(data.len());
            room[..count].copy_from_slice(&data[..count]);
            input.commit(count);
            data = &data[count..];
            self.turn(now);
        }
    }

    fn on_close(&mut self, now: Timestamp) {
        self.input = None;
        self.attempt.take().into_iter().for_each(|it| self.session.handle_disconnected(it, Lost::Eof, now));
        self.turn(now);
    }

    fn on_timer(&mut self, now: Timestamp) {
        self.session.handle_timeout(now);
        self.turn(now);
    }

    /// Whatever has happened: events, actions, octets. The deadline is [`Session::poll_timeout`].
    fn turn(&mut self, now: Timestamp) {
        while let Some(event) = self.next_event(now) {
            self.handle(event);
        }
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Connect(Attempt { id, endpoint, .. }) => {
                    self.attempt = Some(id);
                    // What is shown of an endpoint has no query, which may hold a token.
                    let scheme = if endpoint.is_tls() { "wss" } else { "ws" };
                    let resource = endpoint.web_socket().unwrap_or("/");
                    let url = format!("{scheme}://{}:{}{resource}", endpoint.host(), endpoint.port());
                    self.asks.push(Ask::Open(url));
                }
                _ => {
                    (self.input, self.attempt) = (None, None);
                    self.asks.push(Ask::Close);
                }
            }
        }
        while let Some(octets) = self.input.as_ref().and_then(|_| self.session.poll_transmit(now)) {
            self.asks.push(Ask::Send(octets));
        }
    }

    fn next_event(&mut self, now: Timestamp) -> Option<Event> {
        match &mut self.input {
            Some(input) => self.session.next_event(input, now),
            None => self.session.poll_event(),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Connected(_) => {
                for number in 0..MESSAGES {
                    let frame = Frame::new(Command::Send).with_header("destination", DESTINATION);
                    let sent = self.session.send_confirmed(frame.with_body(format!("message {number}")));
                    sent.expect("there is room for it");
                }
            }
            Event::Receipt { .. } => self.confirmed += 1,
            Event::Message(mut message) => {
                self.session.ack(&mut message).expect("its connection stands");
                self.received.push(String::from_utf8_lossy(message.body()).into_owned());
            }
            Event::Closed(closed) => self.closed = Some(closed),
            _ => {}
        }
        if self.confirmed == MESSAGES && self.received.len() == MESSAGES {
            self.session.disconnect();
        }
    }
}

/// The browser, whose WebSocket leads to a broker in memory. Each message takes a millisecond.
struct Browser {
    broker: Broker,
    socket: Option<ConnectionId>,
    now: Duration,
}

impl Browser {
    fn new() -> Self {
        Self { broker: Broker::new(BrokerConfig::default()), socket: None, now: Duration::ZERO }
    }

    /// The event loop, until the page's session has ended.
    fn run(&mut self, mut page: Page) -> Result<Page, Box<dyn Error>> {
        page.turn(self.time());
        while page.closed.is_none() {
            let asks = std::mem::take(&mut page.asks);
            asks.into_iter().for_each(|ask| self.obey(ask, &mut page));
            self.now += Duration::from_millis(1);
            self.broker.handle_timeout(self.now);
            match self.broker.poll_output() {
                Some(Output::Send { bytes, .. }) => page.on_message(&bytes, self.time()),
                Some(Output::Close { .. }) => page.on_close(self.time()),
                // Nothing to do but to wait: time passes.
                None if page.asks.is_empty() => {
                    let at = page.session.poll_timeout().ok_or("nothing will ever happen")?;
                    self.now = self.now.max(at.since_start());
                    page.on_timer(self.time());
                }
                None => {}
            }
        }
        Ok(page)
    }

    fn obey(&mut self, ask: Ask, page: &mut Page) {
        match ask {
            Ask::Open(url) => {
                println!("opening {url}");
                self.socket = Some(self.broker.connect(self.now));
                page.on_open(self.time());
            }
            Ask::Send(data) => {
                self.socket.into_iter().for_each(|socket| self.broker.receive(socket, &data, self.now));
            }
            Ask::Close => {
                let closed = self.socket.take();
                closed.into_iter().for_each(|socket| self.broker.disconnected(socket, self.now));
            }
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_start(self.now)
    }
}
