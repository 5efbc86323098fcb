//! A STOMP broker for tests, without a socket, a thread or a clock. Octets and times go in, and octets come out.
//!
//! A NACK moves its message to a dead letter queue by default, so that a test that expects it to come again waits in vain;
//! under the presets it does what that broker does: [`rabbitmq`](BrokerConfig::rabbitmq) requeues,
//! [`activemq`](BrokerConfig::activemq) dead-letters, [`artemis`](BrokerConfig::artemis) destroys. [`BrokerConfig::nack`]
//! sets it.
//!
//! [`Server`](crate::server::Server) runs it on a TCP port. It supports STOMP 1.0, 1.1 and 1.2:
//!
//! | | |
//! | --- | --- |
//! | queues | every destination that is not a topic; messages are stored, and consumers get them in turn |
//! | topics | `/topic/…`; a copy for each current subscriber, nothing for later ones |
//! | durable subscriptions | of topics, with the headers of any of the three brokers, until an UNSUBSCRIBE with them; known by name alone, whatever the `client-id` |
//! | ACK | `auto`, `client` (cumulative for its subscription), `client-individual` |
//! | NACK | dead-letters, requeues or discards, as [`NackPolicy`] says |
//! | unacknowledged messages | return to their queue, in order, at UNSUBSCRIBE or disconnection, with `redelivered:true` |
//! | prefetch | `prefetch-count` or `activemq.prefetchSize` on SUBSCRIBE; no bound if it is 0 or missing |
//! | transactions | SEND, ACK and NACK, carried out together at the COMMIT |
//! | receipts | for every frame except CONNECT |
//! | heart-beats | in both directions; a client that is silent for twice the agreed interval is disconnected, under the RabbitMQ and ActiveMQ presets for three times |
//! | ERROR | closes the connection or not, and has a `receipt-id` or not, as [`ErrorPolicy`] says |
//!
//! What real brokers have beyond STOMP is done, ignored as the real broker ignores it, or refused with an ERROR such as "this test
//! double does not do wildcards". Nothing is accepted and then not done. [`BrokerConfig::ignoring`] ignores a [`Feature`].
//!
//! | | default | RabbitMQ | ActiveMQ | Artemis |
//! | --- | --- | --- | --- | --- |
//! | `selector` | done | ignored | done | done, with texts alone |
//! | wildcards in SUBSCRIBE | refused | topics: `*` and `#` | `*` and `>` | `*` and `#` |
//! | `browser:true` | done | ignored: it consumes | done | ignored: it consumes |
//! | composite destinations | refused | ignored: a name like any other | done | ignored: a name like any other |
//! | `/temp-queue/…` | as on ActiveMQ | in `reply-to` alone; replies come unasked | one for each connection | an ordinary destination |
//! | a reply that comes too late | receipted and gone | receipted and gone | refused | stored |
//! | `expires` | destroyed | ignored; `expiration` destroys | dead-lettered | moved to `/queue/ExpiryQueue` |
//! | `priority` | ignored | ignored | ignored | done |
//! | `AMQ_SCHEDULED_DELAY` | refused | ignored | done | done |
//! | other `AMQ_SCHEDULED_…` | refused | ignored | refused | refused |
//! | `JMSXGroupID` | refused | ignored | refused | refused |
//!
//! `expires` is the time since 1970, which [`Broker::set_wall_clock`] is about. A message that nobody's selector accepts waits in
//! its queue. On Artemis a consumer of many queues gets what they hold already, too, which the real broker leaves there.

use core::{fmt, time::Duration};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use stomp_proto::{Frame, Item};

mod accept;
mod ack_id;
mod afterwards;
mod browse;
mod config;
mod connection;
mod consumers;
mod content;
mod crash;
mod dead_letter;
mod death;
mod deferred;
mod deliver;
mod delivery_limit;
mod denial;
mod destination;
mod dialect;
mod ending;
mod expectation;
mod faults;
mod feature;
mod habits;
mod handshake;
mod heart_beat;
mod inspect;
mod journal;
mod login;
mod matcher;
mod octets;
mod oversize;
mod refusal;
mod request;
mod returns;
mod selector;
mod settle;
mod snapshot;
mod source;
mod store;
mod stub;
mod subscription;
mod temporary;
mod timed;
mod transaction;
mod wildcard;
mod words;
mod write;

pub use config::{BrokerConfig, ErrorPolicy, NackPolicy};
pub use crash::CrashPoint;
pub use dead_letter::dead_letter_queue;
pub use death::Death;
pub use delivery_limit::{DeliveryLimit, Return};
pub use denial::{Denial, DenialId, HandshakeEnd};
pub use expectation::{ExpectationId, Unmet};
pub use feature::Feature;
pub use journal::Fact;
pub use matcher::{Matcher, ack, connect, frame, nack, send, subscribe};
pub use refusal::ErrorClass;
pub use snapshot::{ConnectionState, DestinationState, MessageState, Snapshot, SubscriptionState};
#[doc(no_inline)]
pub use stomp_proto as proto;
pub use stub::{Answer, Stub, StubId};

use connection::Connection;
use consumers::Wishes;
use deferred::Deferred;
use expectation::Expectations;
use inspect::{Recording, Records};
use refusal::Refusal;
use settle::Verdict;
use source::SubscriptionKey;
use store::Store;
use stub::Stubs;
use subscription::Subscription;
use timed::Schedule;

/// The id of a connection. Ids are ordered by the time at which connections were made, and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that the owner of the connections has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "an owner that does not know an output cannot do it")]
pub enum Output {
    /// Write these octets.
    Send {
        /// The connection to write to.
        connection: ConnectionId,
        /// Whole frames, as many as were ready.
        bytes: Bytes,
    },
    /// Write all earlier output, then close the connection. Nothing more needs to be reported about it.
    Close {
        /// The connection to close.
        connection: ConnectionId,
    },
}

/// A broker for tests, with queues, topics, acknowledgements, transactions and heart-beats in STOMP 1.0, 1.1 and 1.2,
/// and with faults on demand.
///
/// It is deterministic: the same calls produce the same octets, in virtual time or in real time.
///
/// - The owner of the connections reports with [`connect`](Self::connect), [`receive`](Self::receive),
///   [`sent`](Self::sent) and [`disconnected`](Self::disconnected).
/// - The owner of the clock reports with [`handle_timeout`](Self::handle_timeout). A time is the `Duration` since a
///   start that the owner chooses, and never decreases.
/// - After each report, call [`poll_output`](Self::poll_output) until it returns `None`, then
///   [`poll_timeout`](Self::poll_timeout).
/// - A test inspects the broker with [`depth`](Self::depth), [`unacked`](Self::unacked), [`messages`](Self::messages),
///   [`frames`](Self::frames), …
/// - A test interferes with [`publish`](Self::publish), [`silence`](Self::silence),
///   [`drop_receipts`](Self::drop_receipts), [`crash`](Self::crash), …
///
/// Destinations that begin with `/topic/` are topics, and all others are queues. Messages are kept in memory, without a
/// bound.
///
/// ```
/// use std::time::Duration;
/// use stomp_testkit::broker::{Broker, BrokerConfig, Output};
///
/// let now = Duration::ZERO;
/// let mut broker = Broker::new(BrokerConfig::default());
/// let connection = broker.connect(now);
/// broker.receive(connection, b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0", now);
/// broker.receive(connection, b"SEND\ndestination:/queue/a\n\nhello\0", now);
///
/// let Some(Output::Send { bytes, .. }) = broker.poll_output() else { panic!("CONNECT is answered") };
/// assert!(bytes.starts_with(b"CONNECTED\nversion:1.2\n"));
/// assert_eq!(broker.messages("/queue/a"), ["hello"]);
/// ```
#[derive(Debug)]
pub struct Broker {
    config: BrokerConfig,
    now: Duration,
    connections: BTreeMap<ConnectionId, Connection>,
    subscriptions: BTreeMap<SubscriptionKey, Subscription>,
    store: Store,
    /// The connections for which there is something to do.
    outputs: BTreeSet<ConnectionId>,
    records: Records,
    facts: VecDeque<Fact>,
    /// SENDs and COMMITs that were accepted and not carried out yet.
    deferred: Vec<Deferred>,
    /// The de-duplication ids of earlier messages.
    duplicates: BTreeSet<Arc<str>>,
    armed: Option<CrashPoint>,
    crashes: u64,
    drops_receipts: bool,
    silences_new: bool,
    next_connection: u64,
    next_subscription: u64,
    handshakes_end: Option<HandshakeEnd>,
    stubs: Stubs,
    expectations: Expectations,
    /// What the clock on the wall shows, since 1970, when that of the broker shows zero.
    epoch: Duration,
    /// Whether a test has said so.
    has_epoch: bool,
    schedule: Schedule,
    next_message: u64,
    /// What the SUBSCRIBE at hand browses.
    browsed_afterwards: Option<(SubscriptionKey, Wishes)>,
}

impl Broker {
    /// Creates a broker without connections and messages.
    #[must_use]
    pub fn new(config: BrokerConfig) -> Self {
        let store = Store::new(config.does(Feature::Priorities));
        Self {
            config,
            now: Duration::ZERO,
            connections: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            store,
            outputs: BTreeSet::new(),
            records: Records::default(),
            facts: VecDeque::new(),
            deferred: Vec::new(),
            duplicates: BTreeSet::new(),
            armed: None,
            crashes: 0,
            drops_receipts: false,
            silences_new: false,
            next_connection: 0,
            next_subscription: 0,
            handshakes_end: None,
            stubs: Stubs::default(),
            expectations: Expectations::default(),
            epoch: Duration::ZERO,
            has_epoch: false,
            schedule: Schedule::default(),
            next_message: 0,
            browsed_afterwards: None,
        }
    }

    /// Reports that a client has connected, and returns the id of the connection.
    pub fn connect(&mut self, now: Duration) -> ConnectionId {
        self.advance(now);
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let mut peer = Connection::new(self.config.limits.clone());
        peer.silent = self.silences_new;
        let timeout = self.config.dialect.login_timeout();
        peer.heart_beats.await_login(timeout.map(|timeout| now.saturating_add(timeout)));
        self.connections.insert(connection, peer);
        self.reach(CrashPoint::Accepted);
        connection
    }

    /// Gives the CONNECTED of a connection another `server` header, as of a node whose version differs from the others'.
    ///
    /// # Panics
    /// Panics if `name` is empty or contains anything but printable ASCII, since CONNECTED could not be written.
    pub fn name_server(&mut self, connection: ConnectionId, name: &str) {
        config::check_server(name);
        if let Some(peer) = self.connections.get_mut(&connection) {
            peer.server = Some(name.into());
        }
    }

    /// Reports octets that a client has sent, cut anywhere. Octets of a closed connection are ignored.
    pub fn receive(&mut self, connection: ConnectionId, octets: &[u8], now: Duration) {
        self.advance(now);
        let Some(peer) = self.open_connection(connection) else { return };
        peer.heart_beats.note_heard(now);
        peer.parser.feed(octets);
        self.catch_up_by_time();
        self.write_afterwards(connection);
        while let Some(item) = self.next_item(connection) {
            self.handle_item(connection, item);
            if self.config.habits.stray_errors == 0 {
                self.dispatch();
            }
        }
        self.finish_doomed(connection);
        self.dispatch();
    }

    /// Reports that octets of [`Output::Send`] have been written. This is needed only with
    /// [`BrokerConfig::output_window`].
    pub fn sent(&mut self, connection: ConnectionId, octets: usize) {
        let Some(window) = self.config.output_window else { return };
        let Some(peer) = self.connections.get_mut(&connection) else { return };
        let was_full = peer.pending() >= window;
        peer.note_left(octets);
        if was_full && peer.pending() < window {
            self.touch(connection);
            self.dispatch();
        }
    }

    /// Reports that a connection has ended or was reset.
    ///
    /// Its unacknowledged messages return to their queues, in order, marked as redelivered.
    pub fn disconnected(&mut self, connection: ConnectionId, now: Duration) {
        self.advance(now);
        self.end(connection, Return::Loss);
        self.connections.remove(&connection);
        self.dispatch();
    }

    /// Reports the current time, which may be that of [`poll_timeout`](Self::poll_timeout) or any other.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance(now);
        let due = |deadline: Option<Duration>| deadline.is_some_and(|deadline| deadline <= now);
        let connections: Vec<_> = self.connections.iter().filter(|(_, peer)| peer.is_open()).collect();
        let silent = connections.iter().filter(|(_, peer)| due(peer.heart_beats.silent_at()));
        let silent: Vec<_> = silent.map(|(connection, _)| **connection).collect();
        let beating = connections.iter().filter(|(_, peer)| due(peer.heart_beats.beat_at()));
        let beating: Vec<_> = beating.map(|(connection, _)| **connection).collect();
        // Without an ERROR, as RabbitMQ and ActiveMQ do.
        silent.into_iter().for_each(|connection| self.finish(connection));
        self.write_due_afterwards();
        self.catch_up_by_time();
        beating.into_iter().for_each(|connection| self.beat(connection));
        self.confirm_delayed();
        self.accept_scheduled();
        self.dispatch();
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) has to be called next, or `None` if there is
    /// none.
    ///
    /// After a call of `handle_timeout` it is later than the time of that call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let open = self.connections.values().filter(|peer| peer.is_open());
        open.filter_map(Connection::deadline).chain(self.stubs.deadline()).chain(self.timed_deadline()).min()
    }

    /// Returns the next thing to do for a connection, or `None` if there is nothing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            let connection = *self.outputs.first()?;
            let peer = self.connections.get_mut(&connection);
            if let Some(bytes) = peer.and_then(Connection::take_output) {
                self.note_polled(connection, bytes.len());
                return Some(Output::Send { connection, bytes });
            }
            self.outputs.remove(&connection);
            if self.connections.get(&connection).is_some_and(|peer| peer.closing) {
                self.connections.remove(&connection);
                return Some(Output::Close { connection });
            }
        }
    }

    /// Returns the number of octets that wait for a connection.
    ///
    /// These are the octets to be polled and, with [`BrokerConfig::output_window`], those polled and not yet reported
    /// as [`sent`](Self::sent).
    #[must_use]
    pub fn pending(&self, connection: ConnectionId) -> usize {
        self.connections.get(&connection).map_or(0, Connection::pending)
    }

    /// Returns `true` if the owner should continue to read from a connection.
    ///
    /// Without this check, the receipts for a client that sends and never reads would accumulate.
    #[must_use]
    pub fn wants_input(&self, connection: ConnectionId) -> bool {
        self.pending(connection)
            <= self.config.output_window.map_or(usize::MAX, |window| window.saturating_mul(2))
    }

    /// The latest reported time.
    pub(crate) const fn now(&self) -> Duration {
        self.now
    }

    pub(crate) const fn takes_web_sockets(&self) -> bool {
        self.config.web_sockets
    }

    /// Gives the broker an output window where its configuration has none.
    pub(crate) fn bound_output(&mut self, octets: usize) {
        self.config.output_window.get_or_insert(octets);
    }

    fn advance(&mut self, now: Duration) {
        debug_assert!(now >= self.now, "time ran back from {:?} to {now:?}", self.now);
        self.now = self.now.max(now);
    }

    fn open_connection(&mut self, connection: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&connection).filter(|peer| !peer.closing)
    }

    fn note_polled(&mut self, connection: ConnectionId, octets: usize) {
        if self.config.output_window.is_none()
            && let Some(peer) = self.connections.get_mut(&connection)
        {
            peer.note_left(octets);
        }
    }

    /// What the connection's client has sent next. A refusal of its octets is dealt with here.
    fn next_item(&mut self, connection: ConnectionId) -> Option<Item> {
        match self.open_connection(connection)?.parser.next_item() {
            Ok(item) => item,
            Err(error) => {
                if self.config.habits.frame_limits.is_some() && oversize::is_excess(&error.kind) {
                    self.finish(connection);
                    return None;
                }
                self.refuse(connection, None, &error.into());
                // A stream that is no STOMP stays so; a silent connection hides even that.
                None
            }
        }
    }

    fn handle_item(&mut self, connection: ConnectionId, item: Item) {
        match item {
            Item::Frame(frame) if self.is_oversized(&frame) => self.finish(connection),
            Item::Frame(frame) => self.handle_frame(connection, &frame),
            Item::TooLarge { .. } if self.config.habits.frame_limits.is_some() => self.finish(connection),
            Item::TooLarge { frame, excess } => {
                let receipt = request::receipt(&frame);
                self.refuse(connection, receipt.as_deref(), &Refusal::too_large(excess));
            }
            _ if self.config.records != Recording::Nothing => self.records.note_heart_beat(connection),
            _ => {}
        }
    }

    fn is_oversized(&self, frame: &Frame) -> bool {
        self.config.habits.frame_limits.is_some_and(|limits| limits.are_exceeded_by(frame))
    }

    /// Sends a heart-beat, unless output is waiting: that output proves the same when it arrives.
    fn beat(&mut self, connection: ConnectionId) {
        let Some(peer) = self.connections.get_mut(&connection).filter(|peer| !peer.closing) else { return };
        if peer.pending() > 0 {
            return peer.heart_beats.note_sent(self.now);
        }
        peer.write_octets(b"\n", self.now);
        self.outputs.insert(connection);
    }
}

/// The value of a header that has to be text.
fn value(frame: &Frame, name: &'static str) -> Result<Option<Arc<str>>, Refusal> {
    let text = frame.header(name).map(|value| value.text()).transpose().map_err(|_| Refusal::bad(name))?;
    Ok(text.map(Arc::from))
}
