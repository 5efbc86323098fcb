//! The network of a check: sockets that take and give as little as the plan says, and connections that end at any octet.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    io::{self, ErrorKind, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use stomp_session::Attempt;

use super::{
    law::Law,
    plan::Fault,
    wire::{Ending, Wire},
};
use crate::broker::{Broker, ConnectionId, Output, StubId};

/// The network of a [`check`](super::check()). It leads to the embedded broker, whatever the endpoint of an attempt is.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

impl Network {
    pub(super) fn new(broker: Broker, reads: &[usize], writes: &[usize]) -> Self {
        Self(Arc::new(Mutex::new(State::new(broker, reads, writes))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a connection, at once, as a non-blocking `connect` on the loopback interface does.
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionRefused`](ErrorKind::ConnectionRefused) where the plan says so.
    pub fn dial(&self, _: &Attempt) -> io::Result<Socket> {
        let connection = self.lock().dial()?;
        Ok(Socket { network: self.clone(), connection })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

/// A non-blocking socket. Where one of the system would wait, its methods return [`WouldBlock`](ErrorKind::WouldBlock).
///
/// Dropping it closes the connection.
#[derive(Debug)]
pub struct Socket {
    network: Network,
    connection: ConnectionId,
}

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.network.lock().read(self.connection, space)
    }
}

impl Write for Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.network.lock().write(self.connection, octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.network.lock().drop_socket(self.connection);
    }
}

/// Sizes that come again and again, or no bound.
struct Sizes(VecDeque<usize>);

impl Sizes {
    fn next(&mut self) -> usize {
        let Some(size) = self.0.pop_front() else { return usize::MAX };
        self.0.push_back(size);
        size.max(1)
    }
}

/// The broker, the connection to it, and the faults in force.
pub(super) struct State {
    pub(super) broker: Broker,
    pub(super) now: Duration,
    /// The newest connection.
    wire: Option<Wire>,
    reads: Sizes,
    writes: Sizes,
    /// What the socket still takes before the next millisecond.
    room: usize,
    /// When it takes more, if the loop has been told that it takes no more.
    writable_at: Option<Duration>,
    /// Whether it takes more since then, and the loop has not been called.
    is_writable: bool,
    close_after: Option<usize>,
    reset_after: Option<usize>,
    refusals: usize,
    ignored: usize,
    repeats: usize,
    pub(super) stubs: Vec<StubId>,
    /// How often anything has moved.
    pub(super) moves: u64,
    /// The first law that was broken.
    pub(super) broken: Option<(Law, String)>,
    /// The RECEIPTs that the loop has read.
    pub(super) receipts: BTreeSet<String>,
    /// By what the messages of earlier connections are acknowledged.
    earlier: BTreeSet<String>,
}

impl State {
    fn new(broker: Broker, reads: &[usize], writes: &[usize]) -> Self {
        let mut writes = Sizes(writes.iter().copied().collect());
        Self {
            broker,
            now: Duration::ZERO,
            wire: None,
            reads: Sizes(reads.iter().copied().collect()),
            room: writes.next(),
            writes,
            writable_at: None,
            is_writable: false,
            close_after: None,
            reset_after: None,
            refusals: 0,
            ignored: 0,
            repeats: 0,
            stubs: Vec::new(),
            moves: 0,
            broken: None,
            receipts: BTreeSet::new(),
            earlier: BTreeSet::new(),
        }
    }

    /// The connection, if the broker has not ended it.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.wire.as_ref().filter(|wire| wire.ending.is_none()).map(|wire| wire.connection)
    }

    /// What the loop has written on its newest connection, in words.
    pub(super) fn told(&self) -> String {
        self.wire.as_ref().map_or_else(|| "it has no socket".to_owned(), Wire::told)
    }

    /// Whether the loop still holds a socket.
    pub(super) fn is_held(&self) -> bool {
        self.wire.is_some()
    }

    /// Whether the loop has a reason to be called: it can read, or write again.
    pub(super) fn is_ready(&self) -> bool {
        self.is_writable || self.wire.as_ref().is_some_and(Wire::is_readable)
    }

    /// The loop is called now.
    pub(super) const fn note_turn(&mut self) {
        self.is_writable = false;
    }

    /// When anything happens by itself.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.broker.poll_timeout().into_iter().chain(self.writable_at).min()
    }

    /// Sets the time, and does what has become due.
    pub(super) fn advance(&mut self, now: Duration) {
        if now > self.now {
            self.room = self.writes.next();
        }
        self.now = now;
        if self.writable_at.take_if(|at| *at <= now).is_some() {
            self.is_writable = true;
        }
        if self.broker.poll_timeout().is_some_and(|at| at <= now) {
            self.broker.handle_timeout(now);
        }
        self.carry_down();
    }

    pub(super) fn suffer(&mut self, fault: &Fault) {
        match *fault {
            Fault::Close { after } => self.close_after = Some(after),
            Fault::Reset { after } => self.reset_after = Some(after),
            Fault::RefuseConnections { count } => self.refusals = count,
            Fault::IgnoreConnections { count } => self.ignored = count,
            Fault::RepeatReceipt => self.repeats += 1,
            _ => self.make_broker_fail(fault),
        }
        self.end_where_due();
        self.carry_down();
    }

    /// Lifts all faults but the silence of a connection, which lasts as long as that.
    pub(super) fn heal(&mut self) {
        (self.close_after, self.reset_after) = (None, None);
        (self.refusals, self.ignored, self.repeats) = (0, 0, 0);
        self.lift_broker_faults();
    }

    fn dial(&mut self) -> io::Result<ConnectionId> {
        self.moves += 1;
        if self.connection().is_some() {
            self.blame(Law::OneConnection, "it dials while its earlier connection is open");
        }
        if self.refusals > 0 {
            self.refusals -= 1;
            return Err(ErrorKind::ConnectionRefused.into());
        }
        self.lift_connection_faults();
        self.broker.silence_new_connections(self.ignored > 0);
        self.ignored = self.ignored.saturating_sub(1);
        let connection = self.broker.connect(self.now);
        let earlier = self.wire.replace(Wire::new(connection));
        self.earlier.extend(earlier.into_iter().flat_map(|wire| wire.messages));
        (self.writable_at, self.is_writable) = (None, false);
        self.end_where_due();
        Ok(connection)
    }

    fn drop_socket(&mut self, connection: ConnectionId) {
        let Some(wire) = self.wire.take_if(|wire| wire.connection == connection) else { return };
        self.earlier.extend(wire.messages);
        if wire.ending.is_none() {
            self.moves += 1;
            self.broker.disconnected(connection, self.now);
        }
    }

    fn read(&mut self, connection: ConnectionId, space: &mut [u8]) -> io::Result<usize> {
        let wire = self.wire.as_mut().filter(|wire| wire.connection == connection);
        let wire = wire.ok_or(ErrorKind::ConnectionAborted)?;
        if wire.incoming.is_empty() {
            self.moves += u64::from(wire.tell_end());
            return wire.ending.map_or_else(|| Err(ErrorKind::WouldBlock.into()), Ending::read);
        }
        let most = self.reads.next().min(self.close_after.unwrap_or(usize::MAX));
        let count = space.len().min(most).min(wire.incoming.len());
        wire.read(&mut space[..count]);
        let heard = wire.heard();
        self.moves += 1;
        self.close_after = self.close_after.map(|left| left - count);
        self.note_heard(connection, heard);
        self.end_where_due();
        Ok(count)
    }

    /// Remembers what the loop has read, and sends a RECEIPT again if it is to come twice.
    fn note_heard(&mut self, connection: ConnectionId, receipts: Vec<(String, Vec<u8>)>) {
        for (id, octets) in receipts {
            self.receipts.insert(id);
            if self.repeats > 0 {
                self.repeats -= 1;
                self.broker.send_octets(connection, &octets);
            }
        }
        self.carry_down();
    }

    fn write(&mut self, connection: ConnectionId, octets: &[u8]) -> io::Result<usize> {
        let wire = self.wire.as_mut().filter(|wire| wire.connection == connection);
        let wire = wire.ok_or(ErrorKind::ConnectionAborted)?;
        if let Some(ending) = wire.ending {
            self.moves += u64::from(wire.tell_end());
            return ending.write();
        }
        let most = octets.len().min(self.reset_after.unwrap_or(usize::MAX));
        let count = most.min(self.room);
        self.room -= if self.room == usize::MAX { 0 } else { count };
        if count < octets.len() {
            self.writable_at = Some(self.now + MILLISECOND);
        }
        if count == 0 && most > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.moves += 1;
        self.reset_after = self.reset_after.map(|left| left - count);
        self.carry_up(connection, &octets[..count]);
        self.end_where_due();
        Ok(count)
    }

    fn carry_up(&mut self, connection: ConnectionId, octets: &[u8]) {
        let version = self.broker.version(connection);
        let earlier = &self.earlier;
        let said = self.wire.as_mut().map_or(Ok(()), |wire| wire.note_written(octets, version, earlier));
        self.broker.receive(connection, octets, self.now);
        if let Err((law, what)) = said {
            self.blame(law, &what);
        }
        self.carry_down();
    }

    /// Takes what the broker has to send.
    pub(super) fn carry_down(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            self.moves += 1;
            let (Output::Send { connection, .. } | Output::Close { connection }) = output;
            let wire = self.wire.as_mut().filter(|wire| wire.connection == connection);
            let Some(wire) = wire else { continue };
            match output {
                Output::Send { bytes, .. } => wire.incoming.extend(&bytes),
                Output::Close { .. } => wire.end(Ending::Closed),
            }
        }
    }

    /// Ends the connection where a fault has its number of octets.
    fn end_where_due(&mut self) {
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.ending.is_none()) else { return };
        let ending = if self.reset_after == Some(0) { Ending::Reset } else { Ending::Closed };
        let is_due = self.reset_after.take_if(|left| *left == 0).is_some()
            | self.close_after.take_if(|left| *left == 0).is_some();
        if is_due {
            wire.incoming.clear();
            wire.end(ending);
            let connection = wire.connection;
            self.broker.disconnected(connection, self.now);
            self.moves += 1;
        }
    }

    fn blame(&mut self, law: Law, what: &str) {
        self.broken.get_or_insert_with(|| (law, what.to_owned()));
    }
}

/// The time after which a socket takes more.
const MILLISECOND: Duration = Duration::from_millis(1);
