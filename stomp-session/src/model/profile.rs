//! What brokers mean by the same frames, and what they limit of those that they read, as data: there is no `if rabbit`
//! anywhere.

use alloc::string::String;
use core::fmt;

use memchr::memmem;
use stomp_proto::AckMode;

/// A description of how a broker interprets what the specification leaves open.
///
/// The profile is chosen by the `server` header of CONNECTED, or set: for all brokers in
/// [`Config::profile`](crate::Config::profile), for one broker by
/// [`Endpoint::with_profile`](crate::Endpoint::with_profile). [`Connection::profile`](crate::Connection::profile) shows
/// which one is in use.
///
/// Artemis names itself only from 1.1 on, and no broker does before CONNECTED. Set the profile to speak 1.0 to Artemis,
/// or to use a passcode with a backslash there.
///
/// To write a profile for another broker, begin with one of the constants:
///
/// ```
/// use stomp_session::{Meaning, Prefetch, Profile};
///
/// let mut profile = Profile::UNKNOWN;
/// profile.name = "ours";
/// profile.prefetch = &[Prefetch::Messages("max-inflight")];
/// profile.phrases = &[("no such tenant", Meaning::Login)];
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The broker's name, for display.
    pub name: &'static str,
    /// How backslashes in CONNECT are written.
    pub connect_escaping: ConnectEscaping,
    /// The SUBSCRIBE headers that limit how much may be unacknowledged at the same time.
    ///
    /// They are always sent with a number: on RabbitMQ, a subscription without one inherits the limit of an earlier
    /// subscription.
    pub prefetch: &'static [Prefetch],
    /// The number of messages that may be unacknowledged at the same time for a subscription that sets none.
    ///
    /// It is 10 where the end of a connection counts as a delivery of each such message and a message is destroyed or
    /// dead-lettered after a few deliveries (RabbitMQ's quorum queues, Artemis), and for an unknown broker. It is 100
    /// on ActiveMQ. This is enough to keep a consumer busy during a round trip, and small enough that a slow consumer
    /// does not hold up messages that others could handle.
    pub default_prefetch: u32,
    /// The effect of a plain NACK.
    pub nack: Nack,
    /// The headers that give a NACK the effect [`Nack::DeadLetter`] where a plain one does something else.
    pub dead_letter: &'static [(&'static str, &'static str)],
    /// The messages that an ACK or NACK in mode `client` may affect.
    pub cumulative: Cumulative,
    /// Whether the broker understands `client-individual` in 1.0, which does not define it. If not, `client` is sent
    /// instead.
    pub individual_in_1_0: bool,
    /// What UNSUBSCRIBE does with messages that were sent and are not settled.
    pub unsubscribe: Unsubscribe,
    /// The SUBSCRIBE headers that make a queue disappear with its last consumer.
    ///
    /// Such a queue is not subscribed again to return messages that were on their way. RabbitMQ creates such a queue
    /// once for each connection, and ends a connection that subscribes to it when it is gone.
    pub temporary: &'static [(&'static str, &'static str)],
    /// The SUBSCRIBE headers that make a subscription durable. An UNSUBSCRIBE with the same headers deletes the durable
    /// subscription, and one without them only leaves it.
    pub durable: &'static [&'static str],
    /// The headers that direct a SEND to a queue if the destination's name does not say that it is a queue.
    pub send_to_queue: &'static [(&'static str, &'static str)],
    /// The headers by which a SUBSCRIBE says that its destination is a queue. With them, every other destination is a
    /// topic; without them, the destination's name says what it is.
    pub subscribe_to_queue: &'static [(&'static str, &'static str)],
    /// How a client gets a queue for the replies to its requests.
    pub reply_queue: ReplyQueue,
    /// The header by which the broker recognises a SEND that it has stored before. Brokers that have none ignore the
    /// header.
    pub deduplication_header: &'static str,
    /// Texts in the `message` header or the body of an ERROR, compared without regard to case, and what they mean.
    ///
    /// Any other refusal is considered temporary: ActiveMQ says "already connected" until it notices that the old
    /// connection is gone.
    pub phrases: &'static [(&'static str, Meaning)],
    /// Whether the broker keeps a durable subscription only for a `client-id`. Without one, ActiveMQ creates a
    /// subscription that ends with its connection, and does not report that.
    pub durable_needs_client_id: bool,
    /// Whether a durable subscription can be deleted only after it has been unsubscribed. Two UNSUBSCRIBEs are then
    /// sent. ActiveMQ refuses to delete a durable subscription that has a consumer.
    pub deletes_unsubscribed: bool,
    /// The SUBSCRIBE header that browses a queue without consuming from it, and the header and value that mark the end
    /// of browsing. The mark comes in an additional MESSAGE frame after the last message of the queue.
    pub browse_end: Option<(&'static str, (&'static str, &'static str))>,
    /// Whether the end of a connection counts as a delivery of each message that is then not settled, against a limit that
    /// queues have by default.
    ///
    /// A quorum queue of RabbitMQ 4 destroys a message at its 21st delivery, or dead-letters it, unless it was declared with
    /// another `x-delivery-limit`. What was prefetched counts, whether or not the application has seen it. A connection that
    /// is left in good order therefore gives back first what is not settled, if that does not count.
    pub end_counts: bool,
    /// Whether a message that is given back by a NACK counts as delivered once more: on RabbitMQ 4.0, but not on 4.3.
    pub requeue_counts: bool,
    /// The number of messages that a client may settle or give back in a row before the broker must have heard from the queue.
    ///
    /// A RabbitMQ channel passes on only 32 ACKs and NACKs at a time to a quorum queue. It passes on the rest when the queue has
    /// answered, or not at all if the connection ends before: then the messages come again, even if each ACK had its RECEIPT. A
    /// connection that is left in good order waits for this: it unsubscribes before DISCONNECT if more were settled within the last
    /// second.
    pub returns_at_once: Option<usize>,
    /// The largest frames that the broker reads. It closes the connection at a larger one without a word, so that larger ones
    /// are refused with [`CommandError::FrameTooLarge`](crate::CommandError::FrameTooLarge).
    ///
    /// ```
    /// use stomp_session::{FrameLimit, Profile};
    ///
    /// // `stomp.max_frame_size = 16777216`
    /// const LIMITS: &[FrameLimit] = &[FrameLimit::octets(16 << 20).of("stomp.max_frame_size")];
    /// let mut profile = Profile::RABBITMQ_4;
    /// profile.frame_limits = LIMITS;
    /// ```
    pub frame_limits: &'static [FrameLimit],
    /// Whether the connection stays open after an ERROR that names no frame. (STOMP 1.1 and 1.2, "ERROR", say that the
    /// server closes it.)
    pub stays_open: bool,
    /// Whether the broker answers every frame that asks for a RECEIPT. Otherwise it answers DISCONNECT alone, as Spring's simple
    /// broker does.
    ///
    /// Without RECEIPTs, a SUBSCRIBE or UNSUBSCRIBE counts as accepted when all of it was handed to the transport. What is of no use
    /// without one is refused with [`CommandError::NoReceipts`](crate::CommandError::NoReceipts): confirmed sends and
    /// acknowledgements, sends at least once, and transactions.
    pub receipts: bool,
    /// The number of octets above which a frame is sent in several WebSocket messages, unless the configuration of WebSockets
    /// sets it. It is known before the connection is made only if the profile was set.
    pub message_limit: Option<usize>,
    /// The ERRORs that are no answer to anything still pending.
    pub strays: &'static [Stray],
    /// Whether the broker expects heart-beats even in 1.0, where none can be agreed on. Artemis ends every connection
    /// that is silent for a minute.
    pub unasked_beats: bool,
}

/// A SUBSCRIBE header that limits how much may be unacknowledged, and the unit in which it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prefetch {
    /// The header counts messages.
    Messages(&'static str),
    /// The header counts octets. A message is estimated at 1 KiB.
    ///
    /// With ack mode `auto`, the header asks for no limit. Artemis counts what it sends even then, never gives any of
    /// it back, and stops sending when the limit is reached.
    Octets(&'static str),
    /// The header counts messages on one broker and octets on another. With ack mode `auto` it is not sent, for the
    /// same reason.
    Either(&'static str),
}

impl Prefetch {
    /// The name of the header.
    pub(crate) const fn name(self) -> &'static str {
        let (Self::Messages(name) | Self::Octets(name) | Self::Either(name)) = self;
        name
    }

    /// The header for that many messages.
    pub(crate) fn header(self, messages: u32, ack_mode: AckMode) -> Option<(&'static str, i64)> {
        let number = match (self, ack_mode) {
            (Self::Either(_), AckMode::Auto) => return None,
            (Self::Octets(_), AckMode::Auto) => -1,
            (Self::Octets(_), _) => i64::from(messages).saturating_mul(1024),
            (Self::Messages(_) | Self::Either(_), _) => messages.into(),
        };
        Some((self.name(), number))
    }
}

/// A queue for the replies to the requests of one client, which disappears with the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyQueue {
    /// The beginning of the queue's name, both in `reply-to` and in SUBSCRIBE.
    pub prefix: &'static str,
    /// Whether the client subscribes to the queue.
    ///
    /// RabbitMQ creates the queue and a consumer for it when it sees the first `reply-to`. The replies carry the
    /// queue's name as their `subscription`.
    pub subscribes: bool,
    /// The additional headers of the SUBSCRIBE.
    pub headers: &'static [(&'static str, &'static str)],
}

/// The effect of a NACK on its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nack {
    /// The effect is unknown.
    Unknown,
    /// The message is delivered again at once.
    Requeue,
    /// The message goes to a dead letter queue, if one is configured. On RabbitMQ it is destroyed otherwise.
    DeadLetter,
    /// The message is destroyed.
    Discard,
}

/// The messages that an ACK or NACK in mode `client` may affect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cumulative {
    /// The earlier messages of the same subscription, as the specification says.
    Subscription,
    /// The earlier messages of the whole connection. A cumulative ACK would destroy messages that other subscriptions
    /// have not handled.
    ///
    /// Therefore `client` is subscribed as `client-individual`, and a cumulative ACK or NACK is sent as one frame for
    /// each message.
    Connection,
}

/// What UNSUBSCRIBE does with messages that were sent and are not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsubscribe {
    /// The messages go back to the queue.
    Returns,
    /// The messages stay assigned to the client until the connection ends.
    ///
    /// Messages that were not settled are therefore refused in a transaction that begins before the UNSUBSCRIBE and is
    /// committed after it. Outside a transaction they would be delivered again at once. Messages that were on their way
    /// at that time, including those that are only known from a stray ERROR, are identified by their number and
    /// returned in the same way.
    Strands(DeliveryIds),
}

/// The format of the ids that a broker gives to deliveries: the subscription, the broker's name for the session, and a
/// number that counts over the whole connection, as in `T_0@@session-x@@7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryIds {
    /// The text before the id of the subscription.
    pub before_id: &'static str,
    /// The text between the parts.
    pub separator: &'static str,
}

impl DeliveryIds {
    /// Creates a format with this text before the id of the subscription and this separator between the parts.
    #[must_use]
    pub const fn new(before_id: &'static str, separator: &'static str) -> Self {
        Self { before_id, separator }
    }

    /// The number in a `message-id`.
    pub(crate) fn number(self, id: &str) -> Option<u64> {
        id.rsplit_once(self.separator)?.1.parse().ok()
    }

    /// The id of a delivery.
    pub(crate) fn id(self, subscription: &str, session: &str, number: u64) -> String {
        let Self { before_id, separator } = self;
        alloc::format!("{before_id}{subscription}{separator}{session}{separator}{number}")
    }
}

/// An ERROR that refers to something that is already over. No pending frame fails because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// The value of its `message` header.
    pub message: &'static str,
    /// The text in its body before the id of a subscription that was unsubscribed on this connection.
    pub before_id: &'static str,
    /// The text after that id.
    pub after_id: &'static str,
}

impl Stray {
    /// Creates the description of an ERROR with this `message` header, in whose body the id of the subscription stands
    /// between the two texts.
    #[must_use]
    pub const fn new(message: &'static str, before_id: &'static str, after_id: &'static str) -> Self {
        Self { message, before_id, after_id }
    }

    /// The id in the body of an ERROR.
    pub(crate) fn id(self, body: &[u8]) -> Option<&str> {
        let start = memmem::find(body, self.before_id.as_bytes())?.saturating_add(self.before_id.len());
        let rest = body.get(start..)?;
        core::str::from_utf8(rest.get(..memmem::rfind(rest, self.after_id.as_bytes())?)?).ok()
    }
}

/// The meaning of a phrase in an ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// The broker is about to end the connection, or cannot serve anybody. No frame of the client is at fault.
    Connection,
    /// A subscription that was active is over for now, because its queue or its node is gone.
    Cancelled,
    /// The SUBSCRIBE can never be accepted as it is: its selector cannot be parsed, or the queue was declared with
    /// other arguments.
    Invalid,
    /// The login, the virtual host or the client is refused.
    Login,
    /// The login lacks the permission. This may be temporary: a broker whose user directory is out of reach says the
    /// same.
    Permission,
    /// The refusal has a temporary cause.
    Passing,
}

/// How backslashes in CONNECT are written.
///
/// By the specification, the values are sent raw. But RabbitMQ and ActiveMQ unescape them, and RabbitMQ drops a
/// connection with a raw backslash in silence. Artemis takes them literally.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectEscaping {
    /// Writes `\` as `\\` if 1.1 or later is offered.
    #[default]
    Backslash,
    /// Writes the values unchanged, as the specification says and Artemis expects.
    Literal,
}

impl Profile {
    /// Whether messages go back before a connection is left: its end would count as a delivery of each, and a NACK does not.
    pub(crate) const fn gives_back(&self) -> bool {
        self.end_counts && !self.requeue_counts && matches!(self.unsubscribe, Unsubscribe::Strands(_))
    }

    /// The headers of a NACK that does that, if one can be written.
    pub(crate) fn nack_headers(&self, wanted: Nack) -> Option<&'static [(&'static str, &'static str)]> {
        match wanted {
            _ if wanted == self.nack => Some(&[]),
            Nack::DeadLetter if !self.dead_letter.is_empty() => Some(self.dead_letter),
            _ => None,
        }
    }
}

/// A limit of a broker on the frames that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameLimit {
    /// What is limited.
    pub unit: FrameUnit,
    /// The largest number.
    pub most: usize,
    /// The name of the broker's setting, if it has one.
    pub setting: Option<&'static str>,
}

/// What of a frame is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameUnit {
    /// The octets of the whole frame, as it is written.
    Octets,
    /// The headers, including those that the session adds.
    Headers,
}

impl FrameLimit {
    /// Creates a limit on the octets of a frame.
    #[must_use]
    pub const fn octets(most: usize) -> Self {
        Self { unit: FrameUnit::Octets, most, setting: None }
    }

    /// Creates a limit on the number of headers of a frame.
    #[must_use]
    pub const fn headers(most: usize) -> Self {
        Self { unit: FrameUnit::Headers, most, setting: None }
    }

    /// Sets the name of the broker's setting.
    #[must_use]
    pub const fn of(mut self, setting: &'static str) -> Self {
        self.setting = Some(setting);
        self
    }
}

impl fmt::Display for FrameLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.unit == FrameUnit::Octets { "octets" } else { "headers" };
        write!(f, "{} {unit}", self.most)?;
        self.setting.map_or(Ok(()), |setting| write!(f, ", its setting {setting}"))
    }
}
