//! Whose behaviour a broker follows, as data: what the presets answer where the specification leaves it open.

use stomp_proto::Command;

use super::refusal::Refusal;

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

    /// What is said of a SEND or SUBSCRIBE with an empty destination.
    pub(super) fn without_destination(self, command: Command) -> Refusal {
        let bad = Refusal::bad("destination");
        match self {
            Self::ActiveMq if command == Command::Send => bad.silent(),
            Self::ActiveMq => bad.saying("Invalid empty or 'null' Destination header", ""),
            Self::RabbitMq => bad.saying("Invalid destination", "Destination cannot be blank"),
            Self::Artemis | Self::Plain => bad,
        }
    }
}
