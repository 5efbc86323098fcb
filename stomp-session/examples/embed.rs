//! The session in a hand-written loop over `std::net`, without any runtime: `embed [URI]`.
//!
//! It subscribes, sends three messages with receipts, takes and acknowledges them, and disconnects. Without a URI it does so
//! with a broker in this process.

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
    proto::{Command, Frame},
};
use stomp_testkit::{broker::BrokerConfig, server::Server};

const DESTINATION: &str = "/queue/embed";
const COUNT: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let embedded =
        if std::env::args().len() > 1 { None } else { Some(Server::start(BrokerConfig::default())?) };
    let uri = std::env::args().nth(1).or_else(|| embedded.as_ref().map(Server::uri)).unwrap_or_default();
    let clock = Instant::now();
    let mut session = Session::new(Config::new(uri.parse()?), Timestamp::ZERO);
    session.subscribe(Subscribe::new(DESTINATION))?;
    let mut job = Job { clock, session, link: None, confirmed: 0, received: 0 };
    let closed = job.run()?;
    println!("{} confirmed, {} received", job.confirmed, job.received);
    match closed {
        Closed::Disconnected { .. } => Ok(()),
        closed => Err(closed.into()),
    }
}

struct Job {
    clock: Instant,
    session: Session,
    link: Option<(AttemptId, TcpStream, Input)>,
    confirmed: usize,
    received: usize,
}

impl Job {
    fn now(&self) -> Timestamp {
        Timestamp::from_start(self.clock.elapsed())
    }

    /// One turn: events, actions, bytes out, bytes in, time.
    fn run(&mut self) -> Result<Closed, Box<dyn Error>> {
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
                for number in 0..COUNT {
                    let frame = Frame::new(Command::Send).with_header("destination", DESTINATION);
                    self.session.send_confirmed(frame.with_body(format!("message {number}")))?;
                }
            }
            Event::Receipt { .. } => self.confirmed += 1,
            Event::Message(mut message) => {
                println!("{}", message.body().escape_ascii());
                self.session.ack(&mut message)?;
                self.received += 1;
            }
            other => println!("{other:?}"),
        }
        if (self.confirmed, self.received) == (COUNT, COUNT) {
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
                self.link = input.map(|input| (attempt.id, stream, input));
            }
            Err(error) => {
                let lost = Lost::DialFailed { reason: error.to_string(), permanent: false };
                self.session.handle_disconnected(attempt.id, lost, now);
            }
        }
    }

    /// What happened: what is known already, then what follows from the next frame that was read.
    fn next_event(&mut self) -> Option<Event> {
        let now = self.now();
        match &mut self.link {
            Some((_, _, input)) => self.session.next_event(input, now),
            None => self.session.poll_event(),
        }
    }

    /// Writes what there is, then reads until something comes or the next deadline is there.
    fn exchange(&mut self) {
        let now = self.now();
        let Some((attempt, stream, input)) = &mut self.link else {
            return std::thread::park_timeout(until(self.session.poll_timeout(), now));
        };
        let attempt = *attempt;
        let mut outcome = Ok(0);
        while let (Ok(_), Some(bytes)) = (&outcome, self.session.poll_transmit(now)) {
            outcome = stream.write_all(&bytes).map(|()| 0);
        }
        let outcome = outcome.and_then(|_| read(stream, input, until(self.session.poll_timeout(), now)));
        let now = Timestamp::from_start(self.clock.elapsed());
        match outcome {
            Ok(0) => self.lose(attempt, Lost::Eof, now),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => self.lose(attempt, Lost::Io(error.to_string()), now),
        }
    }

    fn lose(&mut self, attempt: AttemptId, lost: Lost, now: Timestamp) {
        self.link = None;
        self.session.handle_disconnected(attempt, lost, now);
    }
}

fn dial(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let address =
        (endpoint.host(), endpoint.port()).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

fn read(stream: &mut TcpStream, input: &mut Input, limit: Duration) -> io::Result<usize> {
    stream.set_read_timeout(Some(limit))?;
    let count = stream.read(input.space())?;
    input.commit(count);
    Ok(count)
}

/// The time to the deadline: at least a millisecond, since a socket takes no zero for a limit.
fn until(deadline: Option<Timestamp>, now: Timestamp) -> Duration {
    deadline.map_or(Duration::from_secs(1), |at| at.since(now)).max(Duration::from_millis(1))
}
