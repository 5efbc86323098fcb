//! The thread of the broker, which passes reports of the other threads to the broker and distributes its output.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpStream},
    ops::ControlFlow,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use super::{ServerEvent, line::Line, peer::Peer, shared::Shared};
use crate::broker::{Broker, ConnectionId, Output};

/// A report of another thread.
pub(super) enum Report {
    Accepted {
        socket: TcpStream,
        client: SocketAddr,
    },
    /// Close all connections, then send the answer.
    CloseAll(Sender<()>),
    ReaderEnded(ConnectionId),
    Received {
        connection: ConnectionId,
        buffer: Box<[u8]>,
        octets: usize,
    },
    Sent {
        connection: ConnectionId,
        octets: usize,
    },
    Stop,
    /// Somebody sleeps until the broker changes, or some time has come.
    Waiting,
    /// The broker may have been changed.
    Wake,
    WriterEnded(ConnectionId),
}

/// The number of reports taken in one turn. The output that they cause is written at once for each connection.
const TURN: usize = 256;

pub(super) struct Hub {
    shared: Arc<Shared>,
    received: Receiver<Report>,
    reports: Sender<Report>,
    peers: BTreeMap<ConnectionId, Peer>,
    observer: Box<dyn FnMut(ServerEvent) + Send>,
    /// Told after the broker's lock is given back: an observer may look into the broker.
    events: Vec<ServerEvent>,
    /// Whether this turn may have changed the broker.
    is_changed: bool,
    start: Instant,
    /// What the broker's clock showed at the start.
    offset: Duration,
}

impl Hub {
    pub(super) fn new(
        shared: Arc<Shared>,
        received: Receiver<Report>,
        reports: Sender<Report>,
        observer: Box<dyn FnMut(ServerEvent) + Send>,
    ) -> Self {
        let offset = shared.lock().now();
        let (peers, events, start) = (BTreeMap::new(), Vec::new(), Instant::now());
        Self { shared, received, reports, peers, observer, events, is_changed: false, start, offset }
    }

    pub(super) fn run(mut self) {
        let mut timeout = None;
        loop {
            let report = match timeout {
                Some(timeout) => self.received.recv_timeout(timeout),
                None => self.received.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            // When a time has come the broker changes, or somebody has waited for long enough.
            self.is_changed = report.is_err();
            let turn = self.turn(report.ok());
            self.events.drain(..).for_each(&mut self.observer);
            if self.is_changed {
                self.shared.notify();
            }
            let ControlFlow::Continue(next) = turn else { return };
            timeout = next.into_iter().chain(self.shared.next_deadline()).min();
        }
    }

    /// Takes what was reported and says how long to wait for more. What a matcher does meanwhile is a user's.
    fn turn(&mut self, report: Option<Report>) -> ControlFlow<(), Option<Duration>> {
        let shared = self.shared.clone();
        shared.enter(|broker| self.turn_with(broker, report))
    }

    fn turn_with(
        &mut self,
        broker: &mut Broker,
        report: Option<Report>,
    ) -> ControlFlow<(), Option<Duration>> {
        if let Some(report) = report {
            self.handle(broker, report)?;
        }
        for _ in 0..TURN {
            let Ok(report) = self.received.try_recv() else { break };
            self.handle(broker, report)?;
        }
        broker.handle_timeout(self.now());
        self.hand_out(broker);
        self.expire();
        let lingering = self.peers.values().filter_map(Peer::deadline);
        let deadline = broker.poll_timeout().into_iter().chain(lingering).min();
        ControlFlow::Continue(deadline.map(|deadline| deadline.saturating_sub(self.now())))
    }

    fn handle(&mut self, broker: &mut Broker, report: Report) -> ControlFlow<()> {
        self.is_changed |= !matches!(report, Report::Waiting);
        match report {
            Report::Accepted { socket, client } => self.accepted(broker, socket, client),
            Report::CloseAll(done) => {
                self.cut_all(broker);
                _ = done.send(());
            }
            Report::Received { connection, buffer, octets } => {
                let read = buffer.get(..octets).unwrap_or_default();
                broker.receive(connection, read, self.now());
                if let Some(peer) = self.peers.get_mut(&connection) {
                    peer.held.push(buffer);
                }
            }
            Report::ReaderEnded(connection) | Report::WriterEnded(connection) => {
                self.ended(broker, connection)
            }
            Report::Sent { connection, octets } => broker.sent(connection, octets),
            Report::Stop => {
                self.cut_all(broker);
                return ControlFlow::Break(());
            }
            Report::Waiting | Report::Wake => {}
        }
        ControlFlow::Continue(())
    }

    fn accepted(&mut self, broker: &mut Broker, socket: TcpStream, client: SocketAddr) {
        let connection = broker.connect(self.now());
        let line = Line::new(broker.takes_web_sockets());
        match Peer::start(socket, line, connection, &self.reports) {
            Ok(peer) => {
                self.peers.insert(connection, peer);
                self.events.push(ServerEvent::Opened { connection, client });
            }
            Err(_) => broker.disconnected(connection, self.now()),
        }
    }

    /// One of a connection's threads has ended. What was answered to the last octets still leaves.
    fn ended(&mut self, broker: &mut Broker, connection: ConnectionId) {
        self.hand_out(broker);
        broker.disconnected(connection, self.now());
        let now = self.now();
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.close(now);
        peer.ended += 1;
        if peer.has_ended() {
            self.peers.remove(&connection);
            self.events.push(ServerEvent::Closed { connection });
        }
    }

    /// Passes the output on, and gives readers their buffers back whose connections may go on.
    fn hand_out(&mut self, broker: &mut Broker) {
        let now = self.now();
        while let Some(output) = broker.poll_output() {
            match output {
                Output::Send { connection, bytes } => {
                    if let Some(peer) = self.peers.get(&connection) {
                        peer.send(bytes);
                    }
                }
                Output::Close { connection } => {
                    self.peers.get_mut(&connection).into_iter().for_each(|peer| peer.close(now));
                }
            }
        }
        for (connection, peer) in &mut self.peers {
            if broker.wants_input(*connection) {
                peer.release();
            }
        }
    }

    fn expire(&mut self) {
        let now = self.now();
        let late =
            self.peers.values_mut().filter(|peer| peer.deadline().is_some_and(|deadline| deadline <= now));
        late.for_each(Peer::cut);
    }

    fn cut_all(&mut self, broker: &mut Broker) {
        for (connection, mut peer) in std::mem::take(&mut self.peers) {
            broker.disconnected(connection, self.now());
            peer.cut();
            self.events.push(ServerEvent::Closed { connection });
        }
        while broker.poll_output().is_some() {}
    }

    fn now(&self) -> Duration {
        self.offset.saturating_add(self.start.elapsed())
    }
}

/// Nobody waits for a hub that has ended, least of all when a matcher has panicked.
impl Drop for Hub {
    fn drop(&mut self) {
        self.peers.clear();
        self.shared.stop();
    }
}
