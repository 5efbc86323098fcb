//! What a broker is told before it starts: who may come in, what it offers, and whose habits it has.

use std::collections::BTreeSet;

use stomp_proto::{HeartBeat, Limits, Version};

use super::{ErrorClass, habits::Habits, login::Logins};

/// How a [`Broker`](super::Broker) behaves.
///
/// The default keeps to the specification: every ERROR ends its connection, NACK dead-letters. The presets
/// [`rabbitmq`](Self::rabbitmq), [`activemq`](Self::activemq) and [`artemis`](Self::artemis) take on the habits of
/// those brokers, as far as a client can tell; each of them can be changed further.
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
    pub(super) server: String,
    pub(super) versions: Vec<Version>,
    pub(super) heart_beat: Option<HeartBeat>,
    pub(super) logins: Logins,
    pub(super) errors: ErrorPolicy,
    pub(super) nack: NackPolicy,
    pub(super) acks_whole_connection: bool,
    pub(super) relays_all: bool,
    pub(super) durable_only: bool,
    pub(super) records: bool,
    pub(super) flow_control: Option<usize>,
    pub(super) output_window: Option<usize>,
    pub(super) limits: Limits,
    pub(super) habits: Habits,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            server: concat!("stomp-testkit/", env!("CARGO_PKG_VERSION")).to_owned(),
            versions: Version::ALL.to_vec(),
            heart_beat: None,
            logins: Logins::default(),
            errors: ErrorPolicy::close(),
            nack: NackPolicy::DeadLetter,
            acks_whole_connection: false,
            relays_all: false,
            durable_only: false,
            records: false,
            flow_control: None,
            output_window: None,
            limits: Limits::default(),
            habits: Habits::default(),
        }
    }
}

impl BrokerConfig {
    /// The habits of RabbitMQ 3.10 with its STOMP plugin: NACK requeues at once, a cumulative ACK covers the whole
    /// connection, an ERROR names no receipt and mostly leaves the connection open. Ids of deliveries count from 1 on each
    /// connection and nothing else of them is looked at: an ACK that comes too late acknowledges another message. What is
    /// unacknowledged at an UNSUBSCRIBE stays with the connection. A queue that is subscribed with `exclusive:true` is locked
    /// for other connections.
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
        Self { acks_whole_connection: true, relays_all: true, habits, ..config }
    }

    /// The habits of ActiveMQ "classic": NACK dead-letters, and an ERROR leaves the connection open unless it refuses
    /// the CONNECT. A SEND to the reply queue of a client that is gone (`/remote-temp-queue/…`) is refused.
    pub fn activemq() -> Self {
        let errors =
            ErrorPolicy::stay_open().closing_on(ErrorClass::BadLogin).closing_on(ErrorClass::NoCommonVersion);
        let config = Self::default().server("ActiveMQ/5.17.2").errors(errors).nack(NackPolicy::DeadLetter);
        let habits = Habits { refuses_dead_replies: true, ..Habits::default() };
        Self { relays_all: true, logins: config.logins.refusing_as_activemq(), habits, ..config }
    }

    /// The habits of ActiveMQ Artemis: NACK destroys the message, every ERROR closes once all that has arrived was
    /// read and receipted, and CONNECT is taken literally. An
    /// ACK in a transaction counts at once, a SEND in an unknown one is receipted and gone, and what has the `_AMQ_DUPL_ID`
    /// of an earlier message is receipted and dropped.
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
        Self { relays_all: true, logins, habits, ..config }
    }

    /// The `server` header of CONNECTED, so that the broker can pose as another one.
    ///
    /// # Panics
    /// If it holds anything but printable ASCII: CONNECTED could not be written.
    pub fn server(mut self, name: &str) -> Self {
        let printable = !name.is_empty() && name.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        assert!(printable, "the server header must be printable ASCII: {name:?}");
        name.clone_into(&mut self.server);
        self
    }

    /// The versions it speaks; all of them unless told otherwise.
    pub fn versions(mut self, versions: &[Version]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    /// Offers that in CONNECTED. Without it the broker answers what it was asked, as RabbitMQ and ActiveMQ do.
    pub const fn heart_beat(mut self, offer: HeartBeat) -> Self {
        self.heart_beat = Some(offer);
        self
    }

    /// Lets that user in, beside `guest` with the passcode `guest`.
    pub fn user(mut self, login: &str, passcode: &str) -> Self {
        self.logins.add(login, passcode);
        self
    }

    /// Refuses a CONNECT without a `login`.
    pub const fn without_anonymous(mut self) -> Self {
        self.logins.anonymous = false;
        self
    }

    /// What an ERROR says and does.
    pub fn errors(mut self, policy: ErrorPolicy) -> Self {
        self.errors = policy;
        self
    }

    /// What NACK does.
    pub const fn nack(mut self, policy: NackPolicy) -> Self {
        self.nack = policy;
        self
    }

    /// A queue that holds more than this number of messages keeps back the RECEIPTs of what is sent to it, until consumers have
    /// taken enough. What is sent is stored all the same; producers that wait for receipts are slowed down.
    pub const fn flow_control(mut self, messages: usize) -> Self {
        self.flow_control = Some(messages);
        self
    }

    /// Keeps a copy of what each client sent, for [`Broker::frames`](super::Broker::frames).
    pub const fn recording(mut self) -> Self {
        self.records = true;
        self
    }

    /// Lets a crash destroy what was not sent with `persistent:true`.
    pub const fn durable_only(mut self) -> Self {
        self.durable_only = true;
        self
    }

    /// How many octets may wait for one connection before no more messages are dispatched to it. The owner must then
    /// report with [`Broker::sent`](super::Broker::sent) what has left. Without a window what was polled has left.
    pub const fn output_window(mut self, octets: usize) -> Self {
        self.output_window = Some(octets);
        self
    }

    /// What a client may make the broker hold.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// What becomes of a message that its consumer refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NackPolicy {
    /// It goes to the queue that [`dead_letter_queue`](super::dead_letter_queue) names, as on ActiveMQ.
    #[default]
    DeadLetter,
    /// It is gone, as on Artemis.
    Discard,
    /// It takes its old place in its queue, as on RabbitMQ; with `requeue:false` it is dead-lettered.
    Requeue,
}

/// What an ERROR says, and whether it ends the connection.
///
/// The specification lets every ERROR close (1.2, "ERROR"); RabbitMQ and ActiveMQ keep most connections open. An ERROR
/// about octets that are no STOMP always closes: such a stream has no next frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ErrorPolicy {
    closing: BTreeSet<ErrorClass>,
    pub(super) receipt_id: bool,
}

impl ErrorPolicy {
    /// Every ERROR closes.
    pub fn close() -> Self {
        Self { closing: ErrorClass::ALL.into_iter().collect(), receipt_id: true }
    }

    /// No ERROR closes.
    pub const fn stay_open() -> Self {
        Self { closing: BTreeSet::new(), receipt_id: true }
    }

    /// The policy, but such an ERROR closes.
    pub fn closing_on(mut self, class: ErrorClass) -> Self {
        self.closing.insert(class);
        self
    }

    /// The policy, but such an ERROR leaves the connection open.
    pub fn staying_open_on(mut self, class: ErrorClass) -> Self {
        self.closing.remove(&class);
        self
    }

    /// The policy, but an ERROR never names the receipt of the frame that failed, as on RabbitMQ.
    pub const fn without_receipt_id(mut self) -> Self {
        self.receipt_id = false;
        self
    }

    pub(super) fn closes(&self, class: ErrorClass) -> bool {
        class == ErrorClass::Malformed || self.closing.contains(&class)
    }
}
