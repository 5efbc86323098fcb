//! An event loop with a bug.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read as _, Write as _},
};

use stomp_session::{
    Action, Attempt, AttemptId, Event, Input, Lost, Outcome, Session, Timestamp,
    proto::bytes::{Buf as _, Bytes},
};
use stomp_testkit::arbitrary::{self, EventLoop, Network, Socket};

/// What the loop does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// What a short write has left is forgotten.
    ForgetsTheRest,
    /// What a short write has left goes out on the next connection, if its own has ended.
    KeepsTheRest,
    /// The loop never says when it wants to be called.
    ForgetsTheTime,
    /// The end of a connection is reported before what came before it is looked at.
    ReportsTheEndFirst,
    /// What the session has closed stays open until the next dial.
    HoldsTheSocket,
    /// The outcome of a frame is not passed on.
    SwallowsOutcomes,
    /// What is unknown is passed on as confirmed.
    ConfirmsTheUnknown,
    /// The end of the session is not passed on.
    SwallowsTheEnd,
    /// What the socket does not take at all is forgotten.
    DropsWhatIsRefused,
    /// An ACK that was written last goes out again on the next connection: who knows whether it has arrived.
    RepeatsAnAck,
    /// The loop asks to be called at once.
    NeverRests,
}

pub(crate) struct Planted {
    bug: Option<Bug>,
    network: Network,
    session: Session,
    link: Option<(AttemptId, Socket, Input)>,
    unsent: Bytes,
    /// Whether nothing of it has left.
    is_whole: bool,
    /// The ACK that was taken from the session last, if nothing has followed it.
    last: Bytes,
    /// What goes out on the next connection, though it should not.
    late: Bytes,
    events: VecDeque<Event>,
}

impl Planted {
    pub(crate) fn new(bug: Option<Bug>, network: Network) -> Self {
        let session = Session::new(arbitrary::config(), Timestamp::ZERO);
        Self {
            bug,
            network,
            session,
            link: None,
            unsent: Bytes::new(),
            is_whole: false,
            last: Bytes::new(),
            late: Bytes::new(),
            events: VecDeque::new(),
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Takes what the session has to tell.
    fn collect(&mut self, now: Timestamp) -> bool {
        let before = self.events.len();
        let Self { session, link, .. } = self;
        self.events.extend(std::iter::from_fn(|| match link {
            Some((_, _, input)) => session.next_event(input, now),
            None => session.poll_event(),
        }));
        if self.events.range(before..).any(|event| matches!(event, Event::Connected(_))) {
            (self.unsent, self.is_whole) = (std::mem::take(&mut self.late), false);
        }
        self.events.len() > before
    }

    fn obey(&mut self, action: Action, now: Timestamp) {
        match action {
            Action::Connect(attempt) => self.connect(&attempt, now),
            _ if self.has(Bug::HoldsTheSocket) => {}
            _ => self.hang_up(),
        }
    }

    fn connect(&mut self, attempt: &Attempt, now: Timestamp) {
        self.hang_up();
        match self.network.dial(attempt) {
            Ok(socket) => {
                let input = self.session.handle_connected(attempt.id, None, now);
                self.link = input.map(|input| (attempt.id, socket, input));
            }
            Err(error) => self.session.handle_disconnected(
                attempt.id,
                Lost::DialFailed { reason: (&error).into(), permanent: false },
                now,
            ),
        }
    }

    fn hang_up(&mut self) {
        self.link = None;
        if !self.last.is_empty() {
            self.late = std::mem::take(&mut self.last);
        }
        if !self.has(Bug::KeepsTheRest) {
            self.unsent.clear();
        }
    }

    fn lose(&mut self, lost: Lost, now: Timestamp) {
        if !self.has(Bug::ReportsTheEndFirst) {
            self.collect(now);
        }
        let attempt = self.link.as_ref().map(|(attempt, ..)| *attempt);
        self.hang_up();
        attempt.into_iter().for_each(|attempt| self.session.handle_disconnected(attempt, lost.clone(), now));
    }

    /// Reads all there is.
    fn read(&mut self) -> Result<bool, Lost> {
        let Some((_, socket, input)) = &mut self.link else { return Ok(false) };
        let mut moved = false;
        loop {
            match socket.read(input.space()) {
                Ok(0) => return Err(Lost::Eof),
                Ok(count) => input.commit(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(moved),
                Err(error) => return Err(Lost::Io((&error).into())),
            }
            moved = true;
        }
    }

    fn write(&mut self, now: Timestamp) -> Result<bool, Lost> {
        let mut moved = false;
        loop {
            let Some((_, socket, _)) = &mut self.link else { return Ok(moved) };
            if self.unsent.is_empty() {
                let Some(next) = self.session.poll_transmit(now) else { return Ok(moved) };
                if self.bug == Some(Bug::RepeatsAnAck) {
                    self.last = if next.starts_with(b"ACK") { next.clone() } else { Bytes::new() };
                }
                (self.unsent, self.is_whole) = (next, true);
            }
            match socket.write(&self.unsent) {
                Ok(_) if self.bug == Some(Bug::ForgetsTheRest) => self.unsent.clear(),
                Ok(count) => {
                    self.unsent.advance(count);
                    self.is_whole = false;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.is_whole && self.bug == Some(Bug::DropsWhatIsRefused) {
                        self.unsent.clear();
                    }
                    return Ok(moved);
                }
                Err(error) => return Err(Lost::Io((&error).into())),
            }
            moved = true;
        }
    }

    /// Does what there is to do once. Whether there was anything.
    fn step(&mut self, now: Timestamp) -> bool {
        let mut goes_on = false;
        let moved = self.read().and_then(|read| Ok(self.write(now)? | read));
        match moved {
            Ok(moved) => goes_on |= moved,
            Err(lost) => {
                self.lose(lost, now);
                goes_on = true;
            }
        }
        goes_on |= self.collect(now);
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
            goes_on = true;
        }
        while let Some(action) = self.session.poll_action() {
            self.obey(action, now);
            goes_on = true;
        }
        goes_on
    }
}

impl EventLoop for Planted {
    fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    fn turn(
        &mut self,
        now: Timestamp,
        application: &mut dyn FnMut(&mut Session, Event),
    ) -> Option<Timestamp> {
        while self.step(now) {}
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Receipt { .. } if self.has(Bug::SwallowsOutcomes) => {}
                Event::Receipt { id, outcome: Outcome::Unknown(_) } if self.has(Bug::ConfirmsTheUnknown) => {
                    application(&mut self.session, Event::Receipt { id, outcome: Outcome::Confirmed });
                }
                Event::Closed(_) if self.has(Bug::SwallowsTheEnd) => {}
                event => application(&mut self.session, event),
            }
        }
        if self.has(Bug::NeverRests) {
            return Some(now);
        }
        self.session.poll_timeout().filter(|_| !self.has(Bug::ForgetsTheTime))
    }
}
