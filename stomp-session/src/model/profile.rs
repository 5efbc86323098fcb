//! What brokers mean by the same frames, as data: there is no `if rabbit` anywhere.

use alloc::string::String;

use memchr::memmem;
use stomp_proto::AckMode;

/// How a broker reads what the specification leaves open.
///
/// It is chosen by the `server` header of CONNECTED, or set: for all brokers in
/// [`Config::profile`](crate::Config::profile), for one by [`Endpoint::with_profile`](crate::Endpoint::with_profile).
/// [`Connection::profile`](crate::Connection::profile) shows which one holds. Artemis names itself from 1.1 on only, and
/// nobody does before CONNECTED: who speaks 1.0 to it, or has a backslash in a passcode there, must set it.
///
/// A profile of your own begins with one of these:
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
    /// The broker's name, for people.
    pub name: &'static str,
    /// How backslashes in CONNECT are written.
    pub connect_escaping: ConnectEscaping,
    /// The SUBSCRIBE headers that limit how much may be out unacknowledged. They are always sent with a number: on RabbitMQ
    /// a subscription without one inherits that of an earlier one.
    pub prefetch: &'static [Prefetch],
    /// How many messages may be out unacknowledged for a subscription that does not say how many. 10 where the end of a
    /// connection counts as a delivery for each of them and a message is destroyed or dead-lettered after a few deliveries
    /// (RabbitMQ's quorum queues, Artemis), and where nothing is known; 100 on ActiveMQ: enough that one round trip does not
    /// leave a consumer idle, few enough that a slow one does not hold up what others could do.
    pub default_prefetch: u32,
    /// What a plain NACK does.
    pub nack: Nack,
    /// The headers that make a NACK [`Nack::DeadLetter`] where a plain one does something else.
    pub dead_letter: &'static [(&'static str, &'static str)],
    /// Which messages an ACK or NACK in mode `client` may touch.
    pub cumulative: Cumulative,
    /// Whether `client-individual` is understood in 1.0, which does not have it. Elsewhere `client` is sent instead.
    pub individual_in_1_0: bool,
    /// What UNSUBSCRIBE does with the messages that were sent and not settled.
    pub unsubscribe: Unsubscribe,
    /// The SUBSCRIBE headers by which a queue goes when its last consumer does. It is not subscribed again to give back what
    /// was on its way: RabbitMQ makes a queue once for each connection, and ends one that subscribes it when it is gone.
    pub temporary: &'static [(&'static str, &'static str)],
    /// The SUBSCRIBE headers that name a durable subscription: UNSUBSCRIBE with the same ones deletes it, and without them
    /// only leaves it.
    pub durable: &'static [&'static str],
    /// The headers by which a SEND reaches a queue whose name says nothing about its kind.
    pub send_to_queue: &'static [(&'static str, &'static str)],
    /// How a client gets a queue for the replies to its requests.
    pub reply_queue: ReplyQueue,
    /// The header by which the broker knows a SEND that it has stored before. Brokers that know none ignore it.
    pub deduplication_header: &'static str,
    /// Texts in the `message` header or the body of an ERROR, in capitals or not, and what they mean. Any other refusal may
    /// pass: ActiveMQ says "already connected" until it notices that the old connection is gone.
    pub phrases: &'static [(&'static str, Meaning)],
    /// Whether a durable subscription is kept for a `client-id` alone. Without one ActiveMQ makes a subscription that goes
    /// with its connection, and says nothing.
    pub durable_needs_client_id: bool,
    /// Whether a durable subscription is deleted only once it has been unsubscribed: ActiveMQ refuses to delete one that has
    /// a consumer. Then two UNSUBSCRIBEs are sent.
    pub deletes_unsubscribed: bool,
    /// A header of SUBSCRIBE that makes it look at a queue and take nothing, and the header and value of the MESSAGE behind
    /// the last one, which is none.
    pub browse_end: Option<(&'static str, (&'static str, &'static str))>,
    /// Whether the connection goes on after an ERROR that names nobody. (1.1 and 1.2, "ERROR", say that it is closed.)
    pub stays_open: bool,
    /// ERRORs that answer nothing we still wait for.
    pub strays: &'static [Stray],
    /// Whether the broker wants to hear something even where no heart-beats can be agreed on (1.0): Artemis ends every
    /// connection that is silent for a minute.
    pub unasked_beats: bool,
}

/// A SUBSCRIBE header that limits what may be out unacknowledged, and what its number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prefetch {
    /// Messages.
    Messages(&'static str),
    /// Octets; a message is taken for 1 KiB. With `auto` it is told to be without limit: Artemis counts what it sends even
    /// then, never gives any of it back, and sends nothing more when the limit is reached.
    Octets(&'static str),
    /// Messages to one broker and octets to another. With `auto` it is not told, for the same reason.
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

/// A queue for the replies to one client's requests, which goes when its connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyQueue {
    /// What its name begins with, in `reply-to` as in SUBSCRIBE.
    pub prefix: &'static str,
    /// Whether it is subscribed. RabbitMQ makes it, and a consumer of it, when it sees the first `reply-to`; the replies come
    /// under its name as their `subscription`.
    pub subscribes: bool,
    /// Headers of the SUBSCRIBE.
    pub headers: &'static [(&'static str, &'static str)],
}

/// What a broker does with a NACKed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nack {
    /// Unknown.
    Unknown,
    /// It is delivered again, at once.
    Requeue,
    /// It goes to a dead letter queue, if one is configured; on RabbitMQ it is destroyed otherwise.
    DeadLetter,
    /// It is destroyed.
    Discard,
}

/// Which messages an ACK or NACK in mode `client` may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cumulative {
    /// Those of its subscription that came before, as the specification says.
    Subscription,
    /// Those of the whole connection: it destroys what others have not handled. There `client` is subscribed as
    /// `client-individual`, and an ACK or NACK is written out, one frame for each message.
    Connection,
}

/// What UNSUBSCRIBE does with the messages that were sent and not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsubscribe {
    /// They go back to the queue.
    Returns,
    /// They stay out until the connection ends. Those that nobody has settled are refused in a transaction that is begun
    /// before the UNSUBSCRIBE and committed after it: outside of one they would come again at once. What was on its way
    /// then, stray ERRORs included, is known by its number, and given back in the same way.
    Strands(DeliveryIds),
}

/// How a broker names what it delivers: by the subscription, its own name for the session, and a number that counts over
/// the whole connection, as `T_0@@session-x@@7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryIds {
    /// What stands before the id of the subscription.
    pub before_id: &'static str,
    /// What stands between the parts.
    pub separator: &'static str,
}

impl DeliveryIds {
    /// Ids whose first part begins with `before_id`, with that separator between the parts.
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

/// An ERROR that follows from something which is over. It fails nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// Its `message` header.
    pub message: &'static str,
    /// What stands in its body before the id of a subscription that was unsubscribed on this connection.
    pub before_id: &'static str,
    /// What stands behind that id.
    pub after_id: &'static str,
}

impl Stray {
    /// A stray with that `message` header, whose body has the id of the subscription between these two texts.
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

/// What a phrase in an ERROR says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// The broker is about to end the connection, or cannot serve anybody: no frame of ours is to blame.
    Connection,
    /// A subscription that stood is over for now: its queue, or its node, has gone.
    Cancelled,
    /// The SUBSCRIBE can never be accepted as it is: its selector cannot be parsed, or the queue was declared otherwise.
    Invalid,
    /// The login, the virtual host or the client is refused.
    Login,
    /// The login may not do that. A directory that is out of reach says so too: it may pass.
    Permission,
    /// Something is in the way that passes.
    Passing,
}

/// How backslashes in CONNECT are written. The specification sends the values raw, but RabbitMQ and ActiveMQ unescape
/// them, and RabbitMQ drops a connection over a raw backslash without a word. Artemis takes them literally.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectEscaping {
    /// `\` as `\\` when 1.1 or later is offered.
    #[default]
    Backslash,
    /// As they are, as the specification says and Artemis wants.
    Literal,
}

impl Profile {
    /// RabbitMQ with its STOMP plugin.
    pub const RABBITMQ: Self = Self {
        name: "RabbitMQ",
        connect_escaping: ConnectEscaping::Backslash,
        prefetch: &[Prefetch::Messages("prefetch-count")],
        nack: Nack::Requeue,
        dead_letter: &[("requeue", "false")],
        cumulative: Cumulative::Connection,
        individual_in_1_0: true,
        unsubscribe: Unsubscribe::Strands(DeliveryIds::new("T_", "@@")),
        temporary: &[("auto-delete", "true")],
        durable: &["durable"],
        reply_queue: ReplyQueue { prefix: "/temp-queue/", subscribes: false, headers: &[] },
        phrases: &[
            ("Access refused for user", Meaning::Login),
            ("access denied", Meaning::Login),
            ("inequivalent arg", Meaning::Invalid),
            // Of an ACK: nothing that is pending is meant.
            ("unknown delivery tag", Meaning::Connection),
            ("delivery acknowledgement on channel", Meaning::Connection),
            ("channel died", Meaning::Connection),
            ("home node", Meaning::Connection),
            ("access_refused", Meaning::Permission),
        ],
        strays: &[Stray::new("Subscription not found", "'T_", "'")],
        ..Self::UNKNOWN
    };
    /// ActiveMQ "classic".
    pub const ACTIVEMQ: Self = Self {
        name: "ActiveMQ",
        connect_escaping: ConnectEscaping::Backslash,
        prefetch: &[Prefetch::Messages("activemq.prefetchSize")],
        // It does not count what nobody has refused.
        default_prefetch: 100,
        nack: Nack::DeadLetter,
        cumulative: Cumulative::Subscription,
        durable: &["activemq.subscriptionName"],
        durable_needs_client_id: true,
        deletes_unsubscribed: true,
        browse_end: Some(("browser", ("browser", "end"))),
        phrases: &[
            ("or password is invalid", Meaning::Login),
            ("already connected", Meaning::Passing),
            ("InvalidSelectorException", Meaning::Invalid),
            ("is not authorized to", Meaning::Permission),
        ],
        stays_open: true,
        ..Self::UNKNOWN
    };
    /// ActiveMQ Artemis. Its window counts octets.
    pub const ARTEMIS: Self = Self {
        name: "Artemis",
        connect_escaping: ConnectEscaping::Literal,
        prefetch: &[Prefetch::Octets("consumer-window-size")],
        nack: Nack::Discard,
        cumulative: Cumulative::Subscription,
        durable: &["durable-subscription-name"],
        send_to_queue: &[("destination-type", "ANYCAST")],
        // It knows no temporary queues: this one goes when nobody has used it for a while.
        reply_queue: ReplyQueue {
            prefix: "",
            subscribes: true,
            headers: &[("subscription-type", "ANYCAST")],
        },
        phrases: &[
            ("or password is invalid", Meaning::Login),
            ("Invalid filter", Meaning::Invalid),
            ("does not have permission", Meaning::Permission),
            ("is full", Meaning::Passing),
        ],
        unasked_beats: true,
        ..Self::UNKNOWN
    };
    /// Any other broker: to each question the answer that does the least harm.
    pub const UNKNOWN: Self = Self {
        name: "unknown",
        // Two of three brokers want it, and one of them drops the connection otherwise.
        connect_escaping: ConnectEscaping::Backslash,
        prefetch: &[Prefetch::Messages("prefetch-count"), Prefetch::Either("activemq.prefetchSize")],
        default_prefetch: 10,
        nack: Nack::Unknown,
        dead_letter: &[],
        // One frame a message is right everywhere.
        cumulative: Cumulative::Connection,
        individual_in_1_0: false,
        // To refuse what nobody has taken could destroy it.
        unsubscribe: Unsubscribe::Returns,
        temporary: &[],
        durable: &["durable", "activemq.subscriptionName", "durable-subscription-name"],
        durable_needs_client_id: false,
        deletes_unsubscribed: false,
        browse_end: Some(("browser", ("browser", "end"))),
        send_to_queue: &[],
        reply_queue: ReplyQueue { prefix: "/temp-queue/", subscribes: true, headers: &[] },
        deduplication_header: "_AMQ_DUPL_ID",
        phrases: &[
            ("Access refused for user", Meaning::Login),
            ("access denied", Meaning::Login),
            ("or password is invalid", Meaning::Login),
        ],
        stays_open: false,
        strays: &[],
        // 1.0 allows an end of line between frames, but not all that speak 1.0 do.
        unasked_beats: false,
    };

    /// The profile of the broker that calls itself so in the `server` header.
    #[must_use]
    pub fn of_server(server: &str) -> Self {
        let known = [
            ("RabbitMQ/", Self::RABBITMQ),
            ("ActiveMQ-Artemis/", Self::ARTEMIS),
            ("ActiveMQ/", Self::ACTIVEMQ),
        ];
        let found = known.into_iter().find(|(prefix, _)| server.starts_with(prefix));
        found.map_or(Self::UNKNOWN, |(_, profile)| profile)
    }

    /// The profile of that name, as it is written in a URI: `rabbitmq`, `activemq` or `artemis`.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let known = [Self::RABBITMQ, Self::ACTIVEMQ, Self::ARTEMIS];
        known.into_iter().find(|profile| profile.name.eq_ignore_ascii_case(name))
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
