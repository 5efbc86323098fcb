//! The brokers whose profiles are known, and how one of them is recognized.

use alloc::sync::Arc;

use super::profile::{
    ConnectEscaping, Cumulative, DeliveryIds, FrameLimit, Meaning, Nack, Prefetch, Profile, ReplyQueue,
    Stray, Unsubscribe,
};

/// What Spring gathers of a frame by default.
const SPRING_FRAME: FrameLimit = FrameLimit::octets(64 << 10).of("messageSizeLimit");

/// What RabbitMQ 4 reads by default.
const RABBITMQ_FRAME: FrameLimit = FrameLimit::octets(4 << 20).of("stomp.max_frame_size");

impl Profile {
    /// The profile of RabbitMQ 3 with its STOMP plugin.
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
        // Its queues have no limit unless they are declared with one.
        requeue_counts: false,
        // Half of what it passes on.
        returns_at_once: Some(16),
        ..Self::UNKNOWN
    };
    /// The profile of RabbitMQ 4.0 to 4.2, whose quorum queues limit deliveries.
    pub const RABBITMQ_4: Self =
        Self { end_counts: true, requeue_counts: true, frame_limits: &[RABBITMQ_FRAME], ..Self::RABBITMQ };
    /// The profile of RabbitMQ from 4.3 on.
    pub const RABBITMQ_4_3: Self = Self {
        requeue_counts: false,
        frame_limits: &[RABBITMQ_FRAME, FrameLimit::headers(100)],
        ..Self::RABBITMQ_4
    };
    /// The profile of ActiveMQ "classic".
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
    /// The profile of ActiveMQ Artemis, whose prefetch counts octets.
    pub const ARTEMIS: Self = Self {
        name: "Artemis",
        connect_escaping: ConnectEscaping::Literal,
        prefetch: &[Prefetch::Octets("consumer-window-size")],
        nack: Nack::Discard,
        cumulative: Cumulative::Subscription,
        durable: &["durable-subscription-name"],
        send_to_queue: &[("destination-type", "ANYCAST")],
        subscribe_to_queue: &[("subscription-type", "ANYCAST")],
        // It knows no temporary queues: this one goes when nobody has used it for a while.
        reply_queue: ReplyQueue {
            prefix: "",
            subscribes: true,
            headers: &[("subscription-type", "ANYCAST")],
        },
        phrases: &[
            ("or password is invalid", Meaning::Login),
            ("Invalid filter", Meaning::Invalid),
            ("Invalid selector", Meaning::Invalid),
            ("does not have permission", Meaning::Permission),
            ("is full", Meaning::Passing),
        ],
        unasked_beats: true,
        ..Self::UNKNOWN
    };
    /// The profile of the simple broker of Spring, which does not name itself: it must be set. An application of Spring that
    /// relays to another broker has the profile of that one.
    ///
    /// It answers no frame but DISCONNECT with a RECEIPT, and knows neither acknowledgements nor transactions. Its
    /// subscriptions are best made with ack mode `auto`: in STOMP 1.2 its messages have no `ack` header.
    pub const SPRING: Self = Self {
        name: "Spring",
        prefetch: &[],
        durable: &[],
        browse_end: None,
        // Among the destinations that its guides configure.
        reply_queue: ReplyQueue { prefix: "/queue/reply-", subscribes: true, headers: &[] },
        frame_limits: &[SPRING_FRAME],
        receipts: false,
        // What Tomcat reads as binary: Spring makes room for text alone.
        message_limit: Some(8 << 10),
        ..Self::UNKNOWN
    };
    /// The profile of any other broker. Each field has the value that does the least harm.
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
        subscribe_to_queue: &[],
        reply_queue: ReplyQueue { prefix: "/temp-queue/", subscribes: true, headers: &[] },
        deduplication_header: "_AMQ_DUPL_ID",
        phrases: &[
            ("Access refused for user", Meaning::Login),
            ("access denied", Meaning::Login),
            ("or password is invalid", Meaning::Login),
            // Vert.x, and stompserver.
            ("Authentication failed", Meaning::Login),
            ("Invalid Login", Meaning::Login),
        ],
        end_counts: false,
        requeue_counts: true,
        returns_at_once: None,
        frame_limits: &[],
        stays_open: false,
        receipts: true,
        message_limit: None,
        strays: &[],
        // 1.0 allows an end of line between frames, but not all that speak 1.0 do.
        unasked_beats: false,
    };

    /// Returns the profile of the broker that sends this value in the `server` header, or [`Profile::UNKNOWN`].
    #[must_use]
    pub fn of_server(server: &str) -> Self {
        match server.split_once('/') {
            Some(("RabbitMQ", version)) => Self::of_rabbitmq(version),
            Some(("ActiveMQ-Artemis", _)) => Self::ARTEMIS,
            Some(("ActiveMQ", _)) => Self::ACTIVEMQ,
            _ => Self::UNKNOWN,
        }
    }

    /// A version that cannot be read is taken for one that has all limits and counts everything.
    fn of_rabbitmq(version: &str) -> Self {
        let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(..4), _) => Self::RABBITMQ,
            (Some(5..), _) | (Some(4), Some(3..)) => Self::RABBITMQ_4_3,
            _ => Self::RABBITMQ_4,
        }
    }

    /// Returns the profile with this name, or `None`. The name is written as in a URI: `rabbitmq`, `activemq`,
    /// `artemis` or `spring`, compared without regard to case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let known = [Self::RABBITMQ, Self::ACTIVEMQ, Self::ARTEMIS, Self::SPRING];
        known.into_iter().find(|profile| profile.name.eq_ignore_ascii_case(name))
    }

    /// One of its kind, where it is one of the constants: nearly all connections have one of these.
    #[cfg(feature = "client")]
    pub(crate) fn shared(self) -> Arc<Self> {
        static KNOWN: std::sync::OnceLock<[Arc<Profile>; 7]> = std::sync::OnceLock::new();
        let known = || {
            let [three, four, newest] = [Self::RABBITMQ, Self::RABBITMQ_4, Self::RABBITMQ_4_3];
            let known = [Self::UNKNOWN, three, four, newest, Self::ACTIVEMQ, Self::ARTEMIS, Self::SPRING];
            known.map(Arc::new)
        };
        let found = KNOWN.get_or_init(known).iter().find(|known| ***known == self).map(Arc::clone);
        found.unwrap_or_else(|| Arc::new(self))
    }

    /// Without the standard library nothing is made once for all.
    #[cfg(not(feature = "client"))]
    pub(crate) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}
