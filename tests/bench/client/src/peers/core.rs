//! The session alone, in a loop that blocks: no runtime, no handles, no lock.

use std::{
    hint::black_box,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use stomp_proto::{AckMode, Command, Frame};
use stomp_session::{Action, AttemptId, Config, Event, Input, Session, Subscribe, Timestamp};

use super::{CONNECTED, DESTINATION, Letter, RECEIVED, SENT, SUBSCRIPTION, order};
use crate::{contest::Peer, sink::BLAST};

/// Octets of unsent frames that are written at once.
const FLUSH: usize = 64 * 1024;

pub(crate) struct Core {
    session: Session,
    input: Input,
    stream: TcpStream,
    started: Instant,
    /// Read once for each read of the socket.
    now: Timestamp,
    letter: Letter,
    is_confirmed: bool,
    is_acked: bool,
}

impl Core {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::sending(address, false).await
    }

    pub(crate) async fn sending(address: SocketAddr, is_confirmed: bool) -> Self {
        let now = Timestamp::ZERO;
        let config = Config::new(format!("tcp://{address}").parse().expect(CONNECTED));
        let mut session = Session::new(config, now);
        session.handle_timeout(now);
        let stream = TcpStream::connect(address).expect(CONNECTED);
        stream.set_nodelay(true).expect(CONNECTED);
        let attempt = attempt(&mut session);
        let input = session.handle_connected(attempt, None, now).expect(CONNECTED);
        let (letter, started) = (Letter::small(), Instant::now());
        let mut core = Self { session, input, stream, started, now, letter, is_confirmed, is_acked: false };
        while !matches!(core.event(), Event::Connected(_)) {}
        core
    }

    fn send(&self) -> Frame {
        let frame = Frame::new(Command::Send).with_header("destination", DESTINATION);
        let headers = self.letter.headers.iter();
        let frame = headers.fold(frame, |frame, (name, value)| frame.with_header(name, value));
        frame.with_body(self.letter.body.clone())
    }

    fn write(&mut self) {
        while let Some(octets) = self.session.poll_transmit(self.now) {
            self.stream.write_all(&octets).expect(SENT);
        }
    }

    /// The next event. What is unsent leaves before anything is waited for.
    fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.session.next_event(&mut self.input, self.now) {
                return event;
            }
            self.write();
            let count = self.stream.read(self.input.space()).expect(RECEIVED);
            self.input.commit(count);
            self.now = Timestamp::from_start(self.started.elapsed());
            if self.session.poll_timeout().is_some_and(|at| at <= self.now) {
                self.session.handle_timeout(self.now);
            }
        }
    }
}

fn attempt(session: &mut Session) -> AttemptId {
    let Some(Action::Connect(attempt)) = session.poll_action() else { panic!("{CONNECTED}") };
    attempt.id
}

impl Peer for Core {
    async fn subscribe(&mut self, is_acked: bool) {
        self.is_acked = is_acked;
        let mode = if is_acked { AckMode::ClientIndividual } else { AckMode::Auto };
        self.session.subscribe(Subscribe::new(DESTINATION).id(SUBSCRIPTION).ack(mode)).expect(CONNECTED);
        while !matches!(self.event(), Event::Subscribed { .. }) {}
    }

    async fn order(&mut self, messages: usize, octets: usize) {
        let frame = Frame::new(Command::Send).with_header("destination", BLAST);
        let headers = order(messages, octets);
        let frame = headers.iter().fold(frame, |frame, (name, value)| frame.with_header(name, value));
        self.session.send(&frame).expect(SENT);
        self.write();
    }

    async fn take(&mut self) {
        loop {
            let Event::Message(mut message) = self.event() else { continue };
            black_box(message.body());
            if self.is_acked {
                self.session.ack(&mut message).expect(SENT);
            }
            return;
        }
    }

    async fn feed(&mut self) {
        let frame = self.send();
        if self.is_confirmed {
            self.session.send_confirmed(frame).expect(SENT);
        } else {
            self.session.send(&frame).expect(SENT);
        }
        if self.session.unsent() >= FLUSH {
            self.write();
        }
    }

    async fn flush(&mut self) {
        self.write();
    }

    async fn receipt(&mut self) {
        while !matches!(self.event(), Event::Receipt { .. }) {}
    }

    async fn drain(&mut self) {
        self.session.send_confirmed(self.send()).expect(SENT);
        self.receipt().await;
    }
}
