//! The session in a hand-written loop over `std::net`, without any runtime: `embed [URI]`.
//!
//! It subscribes, sends three messages with receipts, takes and acknowledges them, and disconnects. Without a URI it does so
//! with a broker in this process.
//!
//! A socket may take a part of what it is given, or nothing for a while. What it has not taken is kept ([`Link::unsent`])
//! and goes out first the next time: a peer that misses the middle of a frame reads garbage from there on. Meanwhile the
//! loop goes on reading, or two sides that both write and do not read would wait for each other for ever.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the owner of a session brings socket and clock"
)]

use std::{
    error::Error,
    io::{self, Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use stomp_session::{
    Action, Attempt, AttemptId, Closed, Config, Endpoint, Event, Input, Lost, Session, Subscribe, Timestamp,
    proto::{
        Command, Frame,
        bytes::{Buf as _, Bytes},
    },
};
use stomp_testkit::{broker::BrokerConfig, server::Server};

const DESTINATION: &str = "/queue/embed";
/// How long a socket that takes nothing is waited for before the loop looks at the other direction. With mio or epoll one
/// would wait for both at once.
const BRIEFLY: Duration = Duration::from_millis(10);

fn main() -> Result<(), Box<dyn Error>> {
    let embedded =
        if std::env::args().len() > 1 { None } else { Some(Server::start(BrokerConfig::default())?) };
    let uri = std::env::args().nth(1).or_else(|| embedded.as_ref().map(Server::uri)).unwrap_or_default();
    let mut job = Job::new(&uri, (0..3).map(|number| format!("message {number}").into()).collect())?;
    let closed = job.run()?;
    for body in &job.received {
        println!("{}", body.escape_ascii());
    }
    println!("{} confirmed, {} received", job.confirmed, job.received.len());
    match closed {
        Closed::Disconnected { .. } => Ok(()),
        closed => Err(closed.into()),
    }
}

pub(crate) struct Job {
    clock: Instant,
    session: Session,
    link: Option<Link>,
    bodies: Vec<Bytes>,
    pub(crate) confirmed: usize,
    pub(crate) received: Vec<Bytes>,
    /// Writes of which the socket took a part, or nothing.
    pub(crate) short_writes: usize,
}

/// A connection.
struct Link {
    attempt: AttemptId,
    stream: TcpStream,
    input: Input,
    /// What the session has handed over and the socket has not taken. It ends with the connection: what is to be sent again
    /// on the next one the session knows.
    unsent: Bytes,
}

impl Job {
    pub(crate) fn new(uri: &str, bodies: Vec<Bytes>) -> Result<Self, Box<dyn Error>> {
        let mut session = Session::new(Config::new(uri.parse()?), Timestamp::ZERO);
        session.subscribe(Subscribe::new(DESTINATION))?;
        let clock = Instant::now();
        Ok(Self { clock, session, link: None, bodies, confirmed: 0, received: Vec::new(), short_writes: 0 })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_start(self.clock.elapsed())
    }

    /// One turn: events, actions, bytes out, bytes in, time.
    pub(crate) fn run(&mut self) -> Result<Closed, Box<dyn Error>> {
        loop {
            while let Some(event) = self.next_event() {
                if let Event::Closed(closed) = event {
                    return Ok(closed);
                }
                self.handle(event)?;
            }
            while let Some(action) = self.session.poll_action() {
                match action {
                    Action::Connect(attempt) => self.connect(&attempt),
                    _ => self.link = None,
                }
            }
            self.exchange();
            let now = self.now();
            if self.session.poll_timeout().is_some_and(|at| at <= now) {
                self.session.handle_timeout(now);
            }
        }
    }

    /// The application.
    fn handle(&mut self, event: Event) -> Result<(), Box<dyn Error>> {
        match event {
            Event::Connected(connection) => {
                println!("connected to {} with STOMP {}", connection.endpoint, connection.version);
                for body in &self.bodies {
                    let frame = Frame::new(Command::Send).with_header("destination", DESTINATION);
                    self.session.send_confirmed(frame.with_body(body.clone()))?;
                }
            }
            Event::Receipt { .. } => self.confirmed += 1,
            Event::Message(mut message) => {
                self.session.ack(&mut message)?;
                self.received.push(Bytes::copy_from_slice(message.body()));
            }
            other => println!("{other:?}"),
        }
        if (self.confirmed, self.received.len()) == (self.bodies.len(), self.bodies.len()) {
            self.session.disconnect();
        }
        Ok(())
    }

    fn connect(&mut self, attempt: &Attempt) {
        let dialled = dial(&attempt.endpoint);
        let now = self.now();
        match dialled {
            Ok(stream) => {
                let input = self.session.handle_connected(attempt.id, None, now);
                self.link = input.map(|input| Link::new(attempt.id, stream, input));
            }
            Err(error) => {
                let lost = Lost::DialFailed { reason: (&error).into(), permanent: false };
                self.session.handle_disconnected(attempt.id, lost, now);
            }
        }
    }

    /// What happened: what is known already, then what follows from the next frame that was read.
    fn next_event(&mut self) -> Option<Event> {
        let now = self.now();
        match &mut self.link {
            Some(link) => self.session.next_event(&mut link.input, now),
            None => self.session.poll_event(),
        }
    }

    /// Writes what the socket takes, then reads until something comes or the next deadline is there.
    fn exchange(&mut self) {
        let now = self.now();
        let Some(link) = &mut self.link else {
            return std::thread::park_timeout(until(self.session.poll_timeout(), now));
        };
        let attempt = link.attempt;
        let outcome = link.write(&mut self.session, now).and_then(|all| {
            self.short_writes += usize::from(!all);
            let limit = until(self.session.poll_timeout(), now);
            link.read(if all { limit } else { limit.min(BRIEFLY) })
        });
        let now = Timestamp::from_start(self.clock.elapsed());
        match outcome {
            Ok(0) => self.lose(attempt, Lost::Eof, now),
            Ok(_) => {}
            Err(error) if is_later(&error) => {}
            Err(error) => self.lose(attempt, Lost::Io((&error).into()), now),
        }
    }

    fn lose(&mut self, attempt: AttemptId, lost: Lost, now: Timestamp) {
        self.link = None;
        self.session.handle_disconnected(attempt, lost, now);
    }
}

impl Link {
    const fn new(attempt: AttemptId, stream: TcpStream, input: Input) -> Self {
        Self { attempt, stream, input, unsent: Bytes::new() }
    }

    /// Writes until all is gone or the socket takes no more for now. Whether all is gone.
    fn write(&mut self, session: &mut Session, now: Timestamp) -> io::Result<bool> {
        loop {
            if self.unsent.is_empty() {
                // Only now: what the session still has it may withdraw, when its time is over.
                let Some(next) = session.poll_transmit(now) else { return Ok(true) };
                self.unsent = next;
            }
            match self.stream.write(&self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.unsent.advance(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_later(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
            if !self.unsent.is_empty() {
                return Ok(false);
            }
        }
    }

    fn read(&mut self, limit: Duration) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(limit))?;
        let count = self.stream.read(self.input.space())?;
        self.input.commit(count);
        Ok(count)
    }
}

/// Whether nothing is wrong and it only would have to wait: Unix and Windows say so in two ways.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn dial(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let address =
        (endpoint.host(), endpoint.port()).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(BRIEFLY))?;
    Ok(stream)
}

/// The time to the deadline: at least a millisecond, since a socket takes no zero for a limit.
fn until(deadline: Option<Timestamp>, now: Timestamp) -> Duration {
    deadline.map_or(Duration::from_secs(1), |at| at.since(now)).max(Duration::from_millis(1))
}
