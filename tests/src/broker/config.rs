//! The configuration of a broker: who may log in, what it offers, and which broker's behaviour it follows.

use std::collections::BTreeSet;

use stomp_proto::{HeartBeat, Limits, Version};

use super::{
    DeliveryLimit, ErrorClass, Feature, dialect::Dialect, habits::Habits, inspect::Recording, login::Logins,
};

/// What RabbitMQ 4 reads of one frame.
const FRAME: usize = 4 * MIB;
const MIB: usize = 1024 * 1024;

/// What RabbitMQ was seen to send after an UNSUBSCRIBE.
const STRAYS: usize = 200;

/// What RabbitMQ passes on to a quorum queue before it must hear from it.
const SETTLEMENTS: usize = 32;

/// The configuration of a [`Broker`](super::Broker).
///
/// The default follows the specification: every ERROR ends its connection, and a NACK dead-letters the message. The
/// presets [`rabbitmq`](Self::rabbitmq), [`activemq`](Self::activemq) and [`artemis`](Self::artemis) follow the
/// behaviour of these brokers as a client can observe it. Each preset can be changed further.
///
/// ```
/// use stomp_testkit::broker::{BrokerConfig, NackPolicy};
///
/// let config = BrokerConfig::activemq().nack(NackPolicy::Requeue).user("alice", "secret").recording();
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct BrokerConfig {
    pub(super) ignored: BTreeSet<Feature>,
    pub(super) dialect: Dialect,
    pub(super) server: String,
    pub(super) versions: Vec<Version>,
    pub(super) heart_beat: Option<HeartBeat>,
    pub(super) logins: Logins,
    pub(super) errors: ErrorPolicy,
    pub(super) nack: NackPolicy,
    pub(super) acks_whole_connection: bool,
    pub(super) relays_all: bool,
    pub(super) durable_only: bool,
    pub(super) records: Recording,
    pub(super) flow_control: Option<usize>,
    pub(super) output_window: Option<usize>,
    pub(super) limits: Limits,
    pub(super) habits: Habits,
    pub(super) web_sockets: bool,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            dialect: Dialect::Plain,
            ignored: BTreeSet::new(),
            server: concat!("stomp-testkit/", env!("CARGO_PKG_VERSION")).to_owned(),
            versions: Version::ALL.to_vec(),
            heart_beat: None,
            logins: Logins::default(),
            errors: ErrorPolicy::close(),
            nack: NackPolicy::DeadLetter,
            acks_whole_connection: false,
            relays_all: false,
            durable_only: false,
            records: Recording::Nothing,
            flow_control: None,
            output_window: None,
            limits: Limits::default(),
            habits: Habits::default(),
            web_sockets: true,
        }
    }
}

impl BrokerConfig {
    /// Creates a configuration that follows RabbitMQ 3.10 with its STOMP plugin.
    ///
    /// - A NACK requeues the message at once.
    /// - A cumulative ACK covers the whole connection.
    /// - An ERROR has no `receipt-id`, and in most cases leaves the connection open.
    /// - The ids of deliveries count from 1 on each connection, and the broker looks at nothing else in them. An ACK
    ///   that arrives on a later connection therefore acknowledges another message.
    /// - Messages that are unacknowledged at an UNSUBSCRIBE stay with the connection.
    /// - A subscription with `exclusive:true` locks its queue for other connections.
    pub fn rabbitmq() -> Self {
        let errors = ErrorPolicy::stay_open()
            .closing_on(ErrorClass::DuplicateSubscription)
            .closing_on(ErrorClass::UnknownAck)
            .closing_on(ErrorClass::Impossible)
            .closing_on(ErrorClass::Locked)
            .without_receipt_id();
        let config = Self::default().server("RabbitMQ/3.10.8").errors(errors).nack(NackPolicy::Requeue);
        let habits = Habits {
            counts_acks: true,
            exclusive_queues: true,
            unsubscribe_keeps: true,
            ..Habits::default()
        };
        let mut limits = config.limits.clone();
        (limits.header_line, limits.header_block, limits.headers) = (2 * MIB, 16 * MIB, 10_000);
        Self {
            dialect: Dialect::RabbitMq,
            limits,
            acks_whole_connection: true,
            relays_all: true,
            habits,
            ..config
        }
    }

    /// Creates a configuration that follows ActiveMQ "Classic".
    ///
    /// - A NACK dead-letters the message.
    /// - An ERROR leaves the connection open, unless it refuses the CONNECT.
    /// - A SEND to the reply queue of a client that has gone (`/remote-temp-queue/…`) is refused.
    pub fn activemq() -> Self {
        let errors =
            ErrorPolicy::stay_open().closing_on(ErrorClass::BadLogin).closing_on(ErrorClass::NoCommonVersion);
        let config = Self::default().server("ActiveMQ/5.17.2").errors(errors).nack(NackPolicy::DeadLetter);
        let habits = Habits { exclusive_clients: true, refuses_dead_replies: true, ..Habits::default() };
        let logins = config.logins.refusing_as_activemq();
        Self { dialect: Dialect::ActiveMq, relays_all: true, logins, habits, ..config }
    }

    /// Creates a configuration that follows ActiveMQ Artemis.
    ///
    /// - A NACK destroys the message.
    /// - Every ERROR closes the connection, after all frames that have arrived were read and receipted.
    /// - The headers of CONNECT are taken literally, without undoing escapes.
    /// - An ACK in a transaction takes effect at once.
    /// - A SEND in an unknown transaction is receipted, and its message is lost.
    /// - A message with the `_AMQ_DUPL_ID` of an earlier one is receipted and dropped.
    pub fn artemis() -> Self {
        let config = Self::default().server("ActiveMQ-Artemis/2.44.0").nack(NackPolicy::Discard);
        let logins = config.logins.refusing_as_activemq().literal();
        let habits = Habits {
            acks_in_transactions_count_at_once: true,
            forgives_unknown_transactions: true,
            reads_on: true,
            remembers_duplicates: true,
            ..Habits::default()
        };
        Self { dialect: Dialect::Artemis, relays_all: true, logins, habits, ..config }
    }

    /// Creates a configuration that follows RabbitMQ 4.0 with quorum queues: as [`rabbitmq`](Self::rabbitmq), and
    ///
    /// - A message that came back 20 times is destroyed the next time. NACKs and ends of connections count.
    /// - A frame of more than 4 MiB closes the connection without an ERROR.
    /// - ERRORs about messages that an UNSUBSCRIBE has overtaken come a moment after its RECEIPT.
    /// - Of the ACKs and NACKs of a connection, 32 at a time go on at once. The others are lost if the connection ends within
    ///   that moment.
    pub fn rabbitmq_4_0() -> Self {
        let limit = DeliveryLimit::new(20).destroying();
        let config = Self::rabbitmq().server("RabbitMQ/4.0.5").delivery_limit(limit);
        let config = config.stray_errors(STRAYS).straying_later().settles_at_once(SETTLEMENTS);
        config.frame_limits(FRAME, usize::MAX)
    }

    /// Creates a configuration that follows RabbitMQ 4.3 with quorum queues: as [`rabbitmq_4_0`](Self::rabbitmq_4_0), and
    ///
    /// - NACKs do not count towards the number of returns.
    /// - A frame with more than 100 headers closes the connection without an ERROR.
    pub fn rabbitmq_4_3() -> Self {
        let limit = DeliveryLimit::new(20).ignoring_nacks().destroying();
        let config = Self::rabbitmq_4_0().server("RabbitMQ/4.3.6").delivery_limit(limit);
        config.frame_limits(FRAME, 100)
    }

    /// Creates a configuration that follows ActiveMQ 6: as [`activemq`](Self::activemq), from which it differs by nothing but
    /// its name.
    pub fn activemq_6() -> Self {
        Self::activemq().server("ActiveMQ/6.3.1")
    }

    /// Creates a configuration that follows Artemis 2.57: as [`artemis`](Self::artemis), and
    ///
    /// - A message that came back 10 times is dead-lettered the next time. Ends of connections count, UNSUBSCRIBEs do not.
    pub fn artemis_2_57() -> Self {
        let limit = DeliveryLimit::new(10).ignoring_unsubscribes();
        let server = "ActiveMQ-Artemis/2.57.0 ActiveMQ Artemis Messaging Engine";
        Self::artemis().server(server).delivery_limit(limit)
    }

    /// Sets the `server` header of CONNECTED, by which clients recognize a broker.
    ///
    /// # Panics
    /// Panics if `name` is empty or contains anything but printable ASCII, since CONNECTED could not be written.
    pub fn server(mut self, name: &str) -> Self {
        check_server(name);
        name.clone_into(&mut self.server);
        self
    }

    /// Sets the versions that the broker supports. The default is all of them.
    ///
    /// # Panics
    /// Panics if `versions` is empty: nobody could connect, and the ERROR that says so could name no version.
    pub fn versions(mut self, versions: &[Version]) -> Self {
        assert!(!versions.is_empty(), "a broker that supports no version answers nobody");
        self.versions = versions.to_vec();
        self
    }

    /// Sets the heart-beats that the broker offers in CONNECTED.
    ///
    /// By default it offers what the client asked for, as RabbitMQ and ActiveMQ do.
    pub const fn heart_beat(mut self, offer: HeartBeat) -> Self {
        self.heart_beat = Some(offer);
        self
    }

    /// Adds a user who may log in, besides `guest` with the passcode `guest`.
    ///
    /// # Panics
    /// Panics if `login` is empty.
    pub fn user(mut self, login: &str, passcode: &str) -> Self {
        assert!(!login.is_empty(), "a user needs a login");
        self.logins.add(login, passcode);
        self
    }

    /// Refuses any CONNECT without a `login`.
    pub const fn without_anonymous(mut self) -> Self {
        self.logins.anonymous = false;
        self
    }

    /// Sets what an ERROR contains, and whether it closes the connection.
    pub fn errors(mut self, policy: ErrorPolicy) -> Self {
        self.errors = policy;
        self
    }

    /// Sets what a NACK does with its message.
    pub const fn nack(mut self, policy: NackPolicy) -> Self {
        self.nack = policy;
        self
    }

    /// Delays the RECEIPTs of SENDs to a queue that holds more than this number of messages, until consumers have taken
    /// enough of them.
    ///
    /// The messages are stored nevertheless. Producers that wait for receipts are slowed down.
    pub const fn flow_control(mut self, messages: usize) -> Self {
        self.flow_control = Some(messages);
        self
    }

    /// Keeps a copy of each frame that clients send, for [`Broker::frames`](super::Broker::frames), without a bound.
    ///
    /// A [`Server`](crate::server::Server) keeps the latest frames anyway: up to 1,000 of each connection, in up to 1 MiB, of
    /// the latest 100 connections.
    pub const fn recording(mut self) -> Self {
        self.records = Recording::All;
        self
    }

    /// Makes a crash destroy the messages that were not sent with `persistent:true`.
    pub const fn durable_only(mut self) -> Self {
        self.durable_only = true;
        self
    }

    /// Sets the number of octets that may wait for one connection before no more messages are dispatched to it.
    ///
    /// The owner of the connections must then report written octets with [`Broker::sent`](super::Broker::sent). Without
    /// a window, octets count as written once they have been polled.
    ///
    /// # Panics
    /// Panics if `octets` is 0, with which no message would ever be dispatched.
    pub const fn output_window(mut self, octets: usize) -> Self {
        assert!(octets > 0, "with an output window of 0 no message is ever dispatched");
        self.output_window = Some(octets);
        self
    }

    /// Makes a [`Server`](crate::server::Server) take no WebSockets on its port: their handshakes are octets that are not
    /// valid STOMP, as on the port of a real broker that is for plain STOMP alone. Requires the feature `websocket`.
    #[cfg(feature = "websocket")]
    pub const fn without_web_sockets(mut self) -> Self {
        self.web_sockets = false;
        self
    }

    /// Sets the limits on what a client may send.
    ///
    /// # Panics
    /// Panics if a limit other than that of bodies is 0, or if that of commands is below the length of CONNECT: nobody could
    /// connect.
    pub const fn limits(mut self, limits: Limits) -> Self {
        let Limits { command, header_line, headers, header_block, .. } = limits;
        let connects = command >= "CONNECT".len() && header_line > 0 && headers > 0 && header_block > 0;
        assert!(connects, "with these limits nobody can connect");
        self.limits = limits;
        self
    }
}

/// Panics unless a `server` header can be written.
pub(super) fn check_server(name: &str) {
    let printable = !name.is_empty() && name.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    assert!(printable, "the server header must be printable ASCII: {name:?}");
}

/// What a NACK does with its message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NackPolicy {
    /// The message moves to the queue named by [`dead_letter_queue`](super::dead_letter_queue), as on ActiveMQ.
    #[default]
    DeadLetter,
    /// The message is destroyed, as on Artemis.
    Discard,
    /// The message returns to its previous place in its queue, as on RabbitMQ. If the NACK has `requeue:false`, it is
    /// dead-lettered.
    Requeue,
}

/// What an ERROR contains, and whether it closes the connection.
///
/// According to the specification every ERROR closes the connection (STOMP 1.2, "ERROR"). RabbitMQ and ActiveMQ keep
/// most connections open. An ERROR about octets that are not valid STOMP always closes, since such a stream has no next
/// frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ErrorPolicy {
    closing: BTreeSet<ErrorClass>,
    pub(super) receipt_id: bool,
}

impl ErrorPolicy {
    /// Creates a policy with which every ERROR closes the connection.
    pub fn close() -> Self {
        Self { closing: ErrorClass::ALL.into_iter().collect(), receipt_id: true }
    }

    /// Creates a policy with which no ERROR closes the connection.
    pub const fn stay_open() -> Self {
        Self { closing: BTreeSet::new(), receipt_id: true }
    }

    /// Makes ERRORs of this class close the connection.
    pub fn closing_on(mut self, class: ErrorClass) -> Self {
        self.closing.insert(class);
        self
    }

    /// Makes ERRORs of this class leave the connection open.
    pub fn staying_open_on(mut self, class: ErrorClass) -> Self {
        self.closing.remove(&class);
        self
    }

    /// Omits the `receipt-id` of the frame that failed from every ERROR, as RabbitMQ does.
    pub const fn without_receipt_id(mut self) -> Self {
        self.receipt_id = false;
        self
    }

    pub(super) fn closes(&self, class: ErrorClass) -> bool {
        class == ErrorClass::Malformed || self.closing.contains(&class)
    }
}
