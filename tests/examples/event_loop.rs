//! Tests an event loop around the session with proptest and the embedded broker, in virtual time.

use std::{
    error::Error,
    io::{self, ErrorKind, Read, Write},
};

use proptest::test_runner::{Config, TestRunner};
use stomp_session::{
    Action, Attempt, AttemptId, Event, Input, Lost, Session, Timestamp,
    proto::bytes::{Buf as _, Bytes},
};
use stomp_testkit::{
    arbitrary::{self, EventLoop, Socket},
    broker::BrokerConfig,
};

/// An event loop over non-blocking sockets. With `mio`, `S` is a `TcpStream`, and whoever calls [`turn`](Loop::turn) waits for
/// the stream and for the time that it returns.
pub(crate) struct Loop<S> {
    pub(crate) session: Session,
    dial: Dial<S>,
    link: Option<Link<S>>,
}

/// Opens a connection to the broker of an attempt.
type Dial<S> = Box<dyn FnMut(&Attempt) -> io::Result<S>>;

/// A connection.
struct Link<S> {
    attempt: AttemptId,
    stream: S,
    input: Input,
    /// What the session has handed over and the stream has not taken. It ends with the connection.
    unsent: Bytes,
}

impl<S: Read + Write> Loop<S> {
    pub(crate) fn new(session: Session, dial: impl FnMut(&Attempt) -> io::Result<S> + 'static) -> Self {
        Self { session, dial: Box::new(dial), link: None }
    }

    /// Does all that can be done without waiting. Returns the time of the next turn.
    pub(crate) fn turn(
        &mut self,
        now: Timestamp,
        application: &mut dyn FnMut(&mut Session, Event),
    ) -> Option<Timestamp> {
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            while let Some(event) = self.next_event(now) {
                application(&mut self.session, event);
                goes_on = true;
            }
            while let Some(action) = self.session.poll_action() {
                self.obey(action, now);
                goes_on = true;
            }
            goes_on |= self.exchange(now);
            // Only where nothing is left to read: what the broker has said counts before its silence does.
            if !goes_on && self.session.poll_timeout().is_some_and(|at| at <= now) {
                self.session.handle_timeout(now);
                goes_on = true;
            }
        }
        self.session.poll_timeout()
    }

    fn next_event(&mut self, now: Timestamp) -> Option<Event> {
        match &mut self.link {
            Some(link) => self.session.next_event(&mut link.input, now),
            None => self.session.poll_event(),
        }
    }

    fn obey(&mut self, action: Action, now: Timestamp) {
        self.link = None;
        let Action::Connect(attempt) = action else { return };
        match (self.dial)(&attempt) {
            Ok(stream) => {
                let input = self.session.handle_connected(attempt.id, None, now);
                let link = |input| Link { attempt: attempt.id, stream, input, unsent: Bytes::new() };
                self.link = input.map(link);
            }
            Err(error) => {
                let lost = Lost::DialFailed { reason: (&error).into(), permanent: false };
                self.session.handle_disconnected(attempt.id, lost, now);
            }
        }
    }

    /// Reads, and writes where there is nothing to read. Whether anything has happened.
    fn exchange(&mut self, now: Timestamp) -> bool {
        let Some(link) = &mut self.link else { return false };
        let moved = match link.read() {
            Ok(0) => Err(Lost::Eof),
            Err(error) if error.kind() == ErrorKind::WouldBlock => link.write(&mut self.session, now),
            outcome => outcome.map_err(|error| Lost::Io((&error).into())),
        };
        let lost = match moved {
            Ok(count) => return count > 0,
            Err(lost) => lost,
        };
        // Everything that was read before has been looked at: otherwise there would have been no exchange.
        let attempt = link.attempt;
        self.link = None;
        self.session.handle_disconnected(attempt, lost, now);
        true
    }
}

impl<S: Read + Write> Link<S> {
    fn read(&mut self) -> io::Result<usize> {
        let count = self.stream.read(self.input.space())?;
        self.input.commit(count);
        Ok(count)
    }

    /// Writes until all is gone or the stream takes no more. Returns how much it has taken.
    fn write(&mut self, session: &mut Session, now: Timestamp) -> Result<usize, Lost> {
        let mut written = 0;
        loop {
            if self.unsent.is_empty() {
                let Some(next) = session.poll_transmit(now) else { return Ok(written) };
                self.unsent = next;
            }
            match self.stream.write(&self.unsent) {
                Ok(count) => {
                    self.unsent.advance(count);
                    written += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(written),
                Err(error) => return Err(Lost::Io((&error).into())),
            }
        }
    }
}

/// What the check needs to know of the loop.
impl EventLoop for Loop<Socket> {
    fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    fn turn(
        &mut self,
        now: Timestamp,
        application: &mut dyn FnMut(&mut Session, Event),
    ) -> Option<Timestamp> {
        Self::turn(self, now, application)
    }
}

/// The test: whatever the application, the broker and the network do, the loop keeps the laws.
fn main() -> Result<(), Box<dyn Error>> {
    let config = Config { failure_persistence: None, ..Config::with_cases(500) };
    TestRunner::new(config).run(&arbitrary::plan(), |plan| {
        let session = Session::new(arbitrary::config(), Timestamp::ZERO);
        let create = |network: arbitrary::Network| Loop::new(session, move |attempt| network.dial(attempt));
        arbitrary::check(&plan, BrokerConfig::rabbitmq(), create)?;
        Ok(())
    })?;
    println!("the loop has kept the laws in 500 plans");
    Ok(())
}
