//! How brokers behave, as far as they differ.

use super::{Layout, WebSocket};
use std::io;

/// The behaviour of a broker, as far as brokers differ.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The versions of the protocol that the broker speaks, oldest first: `1.0`, `1.1`, `1.2`.
    pub versions: &'static [&'static str],
    /// What the broker cannot do, each with the reason in words. What needs it is not tried.
    pub lacks: &'static [(Feature, &'static str)],
    /// The `host` header that CONNECT needs.
    pub virtual_host: &'static str,
    /// Whether CONNECTED has a `server` header in 1.0, too.
    pub names_itself_in_1_0: bool,
    /// How the header values of CONNECT are read.
    pub connect_values: ConnectValues,
    /// What a NACK without further headers does to its message.
    pub nack: Nack,
    /// How messages are dead-lettered.
    pub dead_letter: DeadLetter,
    /// Which messages an ACK with ack mode `client` covers.
    pub cumulative_ack: AckReach,
    /// What an ERROR frame does to the connection.
    pub error: OnError,
    /// Whether an ERROR has the `receipt-id` of the frame that caused it.
    pub error_names_receipt: bool,
    /// Whether RECEIPTs are sent in the order of the frames that asked for them.
    pub receipts_in_order: bool,
    /// Whether the broker omits RECEIPTs that are still due when it gets a DISCONNECT.
    pub disconnect_loses_receipts: bool,
    /// Whether an UNSUBSCRIBE returns unacknowledged messages to their queue. Otherwise only the end of the connection
    /// does.
    pub unsubscribe_returns_messages: bool,
    /// Whether a message that is delivered again says so (`redelivered:true`).
    pub marks_redelivery: bool,
    /// What DISCONNECT is answered with.
    pub disconnect: OnDisconnect,
    /// A destination to which SENDs are refused. Empty if the broker lacks [`Feature::Refusals`].
    pub refused_destination: &'static str,
    /// The header of SUBSCRIBE that limits the number of unacknowledged messages.
    pub prefetch_header: &'static str,
    /// Whether a reply to a requester that has just gone may end the connection, without an ERROR.
    pub late_reply_ends_connection: bool,
    /// Whether messages in transit with ack mode `auto` survive if the client does not read for more than half a
    /// minute.
    pub auto_survives_stall: bool,
    /// Words of the reason with which a connection may end instead of the answer to DISCONNECT, seldom: what the broker did
    /// last was to fail while it ended its own side, after everything that had come before. Empty if that was never seen.
    pub farewell_failures: &'static [&'static str],
    /// Raises and clears the memory alarm of the broker, during which it does not read from clients that have sent
    /// messages. `None` if the broker has no such alarm.
    pub memory_alarm: Option<fn(&Layout, raised: bool) -> io::Result<()>>,
    /// Has the broker write down which queues there are. `None` if a queue that the broker has confirmed survives a kill
    /// at once.
    pub write_queues: Option<fn(&Layout) -> io::Result<()>>,
    /// What a frame may hold.
    pub limits: FrameLimits,
    /// The quorum queues of the broker. `None` if it has none.
    pub quorum: Option<Quorum>,
    /// How the broker is reached over a WebSocket. `None` if it is not.
    pub web_socket: Option<WebSocket>,
}

impl Behaviour {
    /// Returns why the broker cannot do that, or `None` if it can.
    #[must_use]
    pub fn lacks(&self, feature: Feature) -> Option<&'static str> {
        self.lacks.iter().find(|(lacked, _)| *lacked == feature).map(|(_, reason)| *reason)
    }
}

/// What most brokers can do, and some cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// A message is kept until somebody subscribes to its queue.
    Keeping,
    /// A persistent message that was confirmed survives the broker.
    Persistence,
    /// A message that was not acknowledged comes again when its connection ends.
    Redelivery,
    /// Several messages may be unacknowledged on one connection at the same time.
    Prefetch,
    /// A message that the consumer refuses goes where it can be looked at, or back.
    Refusing,
    /// A SEND can be refused.
    Refusals,
    /// Topics collect messages for subscribers that are away.
    Durable,
    /// A queue that belongs to one connection.
    TemporaryQueues,
    /// TLS with client certificates.
    Tls,
    /// A login is checked.
    Logins,
    /// A consumer that does not read holds up nobody, and loses nothing but what [`Behaviour::auto_survives_stall`]
    /// says.
    BackPressure,
    /// Whoever sends is not read from while memory is short.
    MemoryAlarm,
    /// Queues that several nodes agree on.
    QuorumQueues,
    /// A consumer of a quorum queue can give messages back, in a way that does not count towards their delivery limit.
    FreeReturns,
    /// A limit to frames that a test can meet.
    FrameLimit,
    /// Every frame that asks for a RECEIPT is answered with one.
    Receipts,
    /// Messages are acknowledged.
    Acknowledgements,
    /// The broker is reached over a WebSocket.
    WebSocket,
    /// Binary messages are read there.
    BinaryMessages,
    /// The same with TLS.
    SecureWebSocket,
}

/// What DISCONNECT is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// The RECEIPT that was asked for, and then the end of the connection.
    Receipt,
    /// The end of the connection alone.
    Closes,
}

/// What a frame may hold. `None`: more than any test tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The most octets of a body. One octet more, or little more, ends the connection.
    pub body: Option<usize>,
    /// The most headers.
    pub headers: Option<usize>,
}

impl FrameLimits {
    /// No limits that a test would meet.
    pub const NONE: Self = Self { body: None, headers: None };
}

/// How quorum queues count the deliveries of a message. Beyond the limit the message is destroyed, or dead-lettered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The headers of SEND and SUBSCRIBE that make a queue one.
    pub headers: &'static [(&'static str, &'static str)],
    /// How often a message is delivered again at most, unless its queue says otherwise. `None`: always again.
    pub delivery_limit: Option<u32>,
    /// Whether the end of a connection counts for each message that was out.
    pub counts_disconnects: bool,
    /// Whether a NACK that requeues counts.
    pub counts_nacks: bool,
}

/// How the header values of CONNECT are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectValues {
    /// They are unescaped, contrary to the specification, so a backslash must be written twice.
    Unescaped,
    /// They are taken literally.
    Literal,
}

/// What a NACK does to its message.
#[derive(Clone, Copy, Debug)]
pub enum Nack {
    /// The message returns to its queue, and may be delivered again at once.
    Requeue,
    /// The message moves to a dead letter queue. The function returns its destination for the name of a queue.
    DeadLetter(fn(queue: &str) -> String),
    /// The message is destroyed.
    Destroy,
}

/// How messages are dead-lettered. The argument of each function is the plain name of a queue.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter {
    /// Returns the destination with the dead letters of a queue. Subscribing to it creates it.
    pub destination: fn(queue: &str) -> String,
    /// Returns the headers that each SEND and SUBSCRIBE for the queue needs so that its messages are dead-lettered.
    pub queue_headers: fn(queue: &str) -> Vec<(&'static str, String)>,
    /// The headers with which a NACK dead-letters its message.
    pub nack_headers: &'static [(&'static str, &'static str)],
}

/// Which messages an ACK with ack mode `client` covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckReach {
    /// Its own and earlier messages of the same subscription, as specified.
    Subscription,
    /// Its own and earlier messages of all subscriptions of the connection.
    Connection,
}

/// What an ERROR frame does to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The connection is closed in 1.2, as specified. In earlier versions it stays open.
    ClosesFrom1_2,
    /// The connection is closed after errors of the broker's core, such as a refused access or a missing exchange, but
    /// not after invalid commands.
    ClosesWhenGrave,
    /// The connection stays open, unless frames were malformed or the login was refused.
    StaysOpen,
}
