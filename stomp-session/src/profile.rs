//! What brokers mean by the same frames, as data: there is no `if rabbit` anywhere else.

/// How a broker reads what the specification leaves open.
///
/// It is found by the `server` header of CONNECTED, or set in [`Config`](crate::Config) where a broker sends none
/// (Artemis in 1.0).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The broker's name.
    pub name: &'static str,
    /// The SUBSCRIBE headers that say how many messages may be out unacknowledged. They are always sent with a number:
    /// on RabbitMQ a subscription without one inherits that of an earlier one.
    pub prefetch_headers: &'static [&'static str],
    /// What NACK does.
    pub nack: Nack,
}

/// What a broker does with a NACKed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nack {
    /// Unknown.
    Unknown,
    /// It is delivered again, at once.
    Requeue,
    /// It goes to a dead letter queue.
    DeadLetter,
    /// It is destroyed.
    Discard,
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
    pub const RABBITMQ: Self =
        Self { name: "RabbitMQ", prefetch_headers: &["prefetch-count"], nack: Nack::Requeue };
    /// ActiveMQ "classic".
    pub const ACTIVEMQ: Self =
        Self { name: "ActiveMQ", prefetch_headers: &["activemq.prefetchSize"], nack: Nack::DeadLetter };
    /// ActiveMQ Artemis. Its window counts octets, 10 KiB unless a `consumer-window-size` header says otherwise, so that no
    /// number of messages is sent.
    pub const ARTEMIS: Self = Self { name: "Artemis", prefetch_headers: &[], nack: Nack::Discard };
    /// Any other broker.
    pub const UNKNOWN: Self = Self {
        name: "unknown",
        prefetch_headers: &["prefetch-count", "activemq.prefetchSize"],
        nack: Nack::Unknown,
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
}
