//! Refusals that a test puts in force, for a command and for one destination or all, with or without an ERROR, until
//! they are lifted.

use core::fmt;
use std::sync::Arc;

use stomp_proto::{Command, Frame};

use super::{
    Broker, ConnectionId,
    journal::Fact,
    matcher::{self, Matcher},
    refusal::{ErrorClass, Refusal},
    stub::{Answer, Stub, StubId},
    write,
};

/// The id of a refusal in force. Ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DenialId(StubId);

/// A refusal: which frames the broker refuses, and how.
///
/// ```
/// use stomp_testkit::broker::{Broker, BrokerConfig, Denial, proto::Command};
///
/// let mut broker = Broker::new(BrokerConfig::rabbitmq());
/// let words = "NOT_FOUND - home node 'rabbit@a' of durable queue 'a' in vhost '/' is down or inaccessible\n";
/// let denial = broker.deny(Denial::of(Command::Subscribe).at("/queue/a").saying("not_found", words).closing());
/// broker.lift(denial);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "it is handed to `Broker::deny`"]
pub struct Denial {
    commands: Vec<Command>,
    destination: Option<Arc<str>>,
    words: Option<(String, String)>,
    closes: bool,
    receipts: bool,
    stores: bool,
    reads_on: bool,
}

impl Denial {
    /// Creates a refusal that closes, without an ERROR, every connection on which a frame with this command arrives.
    ///
    /// RabbitMQ behaves like this when its reader crashes while a quorum queue elects its leader. CONNECT includes
    /// STOMP.
    pub fn of(command: Command) -> Self {
        Self {
            commands: vec![command],
            destination: None,
            words: None,
            closes: true,
            receipts: false,
            stores: false,
            reads_on: false,
        }
    }

    /// Creates a refusal that closes, without an ERROR, every connection on which a SEND or SUBSCRIBE for this queue
    /// arrives: its replicas elect a leader, and RabbitMQ's reader crashes when the queue says so.
    pub fn election(destination: &str) -> Self {
        Self::of(Command::Send).and(Command::Subscribe).at(destination)
    }

    /// Refuses this command as well.
    pub fn and(mut self, command: Command) -> Self {
        self.commands.push(command);
        self
    }

    /// Refuses only frames with this destination.
    pub fn at(mut self, destination: &str) -> Self {
        self.destination = Some(destination.into());
        self
    }

    /// Sends an ERROR with this `message` header and this body, and leaves the connection open.
    ///
    /// The ERROR has a `receipt-id` if the other ERRORs of the broker do.
    pub fn saying(mut self, message: &str, detail: &str) -> Self {
        self.words = Some((message.to_owned(), detail.to_owned()));
        self.closes = false;
        self
    }

    /// Makes the ERROR close the connection.
    pub const fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Sends the RECEIPT for which the frame asked after the ERROR, as RabbitMQ 3.10 sometimes does.
    pub const fn receipting(mut self) -> Self {
        self.receipts = true;
        self
    }

    /// Stores the message of a SEND before the connection is closed without an ERROR, as a queue does that has passed it
    /// on before it lost its leader. A client that sends it again sends a copy.
    pub const fn storing(mut self) -> Self {
        self.stores = true;
        self
    }

    /// Closes the connection only when everything that has arrived with the frame has been read and answered, since the
    /// queue's answer comes later than the next frames.
    pub const fn reading_on(mut self) -> Self {
        self.reads_on = true;
        self
    }

    /// The stub that does so. Both are the same to the broker.
    fn into_stub(self) -> Stub {
        let mut commands = self.commands.into_iter();
        let matcher = matcher::frame(commands.next().unwrap_or(Command::Connect));
        let matcher = commands.fold(matcher, Matcher::or);
        let matcher = self.destination.iter().fold(matcher, |matcher, name| matcher.to(name));
        let answer = match self.words {
            Some((message, detail)) => Answer::refuse(message, detail, self.closes, self.receipts),
            None => Answer::close_in_silence(self.stores, self.reads_on),
        };
        Stub::new(matcher).reply(answer)
    }
}

/// Shows the refusal without the body of its ERROR, which may be long.
impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.words.as_ref().map_or("", |(message, _)| message);
        write!(f, "{:?} at {:?}: {message:?}", self.commands, self.destination)
    }
}

/// The point at which the broker ends a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeEnd {
    /// In the middle of the octets of CONNECTED.
    WithinConnected,
    /// Immediately after CONNECTED.
    AfterConnected,
    /// After CONNECTED, with an ERROR that has this `message` header.
    WithError(String),
}

impl Broker {
    /// Puts a refusal in force until it is [lifted](Self::lift). If several apply to a frame, or [stubs](Self::stub) do, the
    /// oldest counts.
    ///
    /// # Panics
    /// Panics if the refusal is [receipting](Denial::receipting) without an ERROR, or [storing](Denial::storing) or
    /// [reading on](Denial::reading_on) with one.
    pub fn deny(&mut self, denial: Denial) -> DenialId {
        let Denial { words, receipts, stores, reads_on, .. } = &denial;
        let is_sound = if words.is_some() { !stores && !reads_on } else { !receipts };
        assert!(
            is_sound,
            "with an ERROR a refusal may be receipted, without one it may store or read on: {denial:?}"
        );
        DenialId(self.stub(denial.into_stub()))
    }

    /// Lifts a refusal. Does nothing if it has been lifted before.
    pub fn lift(&mut self, id: DenialId) {
        self.remove_stub(id.0);
    }

    /// Sets the point at which handshakes end from now on. With `None` they succeed.
    pub fn end_handshakes(&mut self, end: Option<HandshakeEnd>) {
        self.handshakes_end = end;
    }

    /// Records a SEND or SUBSCRIBE that was refused in the journal.
    pub(super) fn note_refused(&mut self, connection: ConnectionId, frame: &Frame) {
        let command = frame.command();
        if matches!(command, Command::Send | Command::Subscribe) {
            let id = frame.header("id").map_or_else(String::new, |id| id.to_string());
            self.note(|| Fact::Refused { connection, command, id, body: frame.body_bytes() });
        }
    }

    /// Ends a handshake whose answer begins at `before` in the output.
    pub(super) fn end_handshake(&mut self, connection: ConnectionId, before: usize) {
        let Some(end) = self.handshakes_end.clone() else { return };
        match end {
            HandshakeEnd::AfterConnected => {}
            HandshakeEnd::WithinConnected => {
                self.connections.get_mut(&connection).into_iter().for_each(|peer| peer.halve_output(before));
            }
            HandshakeEnd::WithError(message) => {
                let refusal = Refusal::new(ErrorClass::Scripted, String::new());
                let refusal = Refusal { message: Some(message), ..refusal };
                self.write(connection, |version, out| write::error(&refusal, None, version, out));
            }
        }
        self.finish(connection);
    }
}
