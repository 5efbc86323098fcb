//! Whose behaviour a broker follows, as data: what the presets answer where the specification leaves it open.

use core::time::Duration;

use stomp_proto::{Command, HeartBeat, Version};

use super::{
    refusal::{ErrorClass, Refusal},
    selector::SelectorError,
};

/// The broker that a configuration follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    ActiveMq,
    Artemis,
    /// The specification, and nothing beyond it.
    #[default]
    Plain,
    RabbitMq,
}

impl Dialect {
    /// How many of the promised periods a client may be silent. RabbitMQ and ActiveMQ were measured; the specification
    /// says "an error margin is acceptable" (1.2, "Heart-beating").
    pub(super) const fn silent_periods(self) -> u32 {
        match self {
            Self::ActiveMq | Self::RabbitMq => 3,
            Self::Artemis | Self::Plain => 2,
        }
    }

    /// The heart-beats that are offered to a client that asks for these. RabbitMQ counts in seconds.
    pub(super) fn mirrored(self, asked: HeartBeat) -> HeartBeat {
        let rounded = |period: u64| match (self, period) {
            (Self::RabbitMq, 1..) => (period / 1_000 * 1_000).max(1_000),
            _ => period,
        };
        HeartBeat { outgoing: rounded(asked.incoming), incoming: rounded(asked.outgoing) }
    }

    /// Whether CONNECTED names heart-beats.
    pub(super) fn shows_heart_beat(self, version: Version, is_asked: bool) -> bool {
        match self {
            Self::Artemis => is_asked && version > Version::V1_0,
            Self::ActiveMq | Self::RabbitMq => true,
            Self::Plain => version > Version::V1_0,
        }
    }

    /// How long a connection may take to log in.
    pub(super) const fn login_timeout(self) -> Option<Duration> {
        match self {
            Self::Artemis | Self::RabbitMq => Some(Duration::from_secs(10)),
            Self::ActiveMq | Self::Plain => None,
        }
    }

    /// Whether an ack mode that there is not means `auto`.
    pub(super) const fn knows_any_ack_mode(self) -> bool {
        matches!(self, Self::ActiveMq | Self::Artemis)
    }

    /// Whether the `id` of a subscription is optional in every version, and its destination does instead.
    pub(super) const fn needs_no_id(self) -> bool {
        matches!(self, Self::Artemis | Self::RabbitMq)
    }

    /// What is said of a SEND or SUBSCRIBE with an empty destination. Artemis receipts the SEND, and its message is gone.
    pub(super) fn without_destination(self, command: Command) -> Option<Refusal> {
        let bad = Refusal::bad("destination");
        match self {
            Self::ActiveMq if command == Command::Send => Some(bad.silent()),
            Self::ActiveMq => {
                let words = "Invalid empty or 'null' Destination header";
                let detail = format!("org.apache.activemq.transport.stomp.ProtocolException: {words}");
                Some(bad.saying(words, detail))
            }
            Self::Artemis if command == Command::Send => None,
            Self::RabbitMq => Some(bad.saying("Invalid destination", "Destination cannot be blank")),
            Self::Artemis | Self::Plain => Some(bad),
        }
    }

    /// What is said of a selector that cannot be understood.
    pub(super) fn without_selector(self, selector: &str, is_topic: bool, error: SelectorError) -> Refusal {
        let bad = Refusal::new(ErrorClass::BadHeader, String::new());
        match self {
            Self::ActiveMq if is_topic => {
                let words = "Couldn't create TopicSubscription";
                bad.saying(words, format!("javax.jms.JMSException: {words}"))
            }
            Self::ActiveMq => {
                bad.saying(words(selector), format!("javax.jms.InvalidSelectorException: {selector}"))
            }
            Self::Artemis if selector.is_empty() => bad.saying("Selector cannot be empty", "").bare(),
            Self::Artemis => bad.saying(words(&format!("Invalid selector \"{selector}\"")), selector),
            Self::Plain | Self::RabbitMq => bad.saying("Bad header", format!("{error}\n")),
        }
    }
}

/// A text as it can stand in a header of any version.
fn words(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
