//! The three kinds of model brokers: the embedded broker with the habits of a real one.

use super::plan::Setting;
use crate::broker::BrokerConfig;

/// Which broker a model is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "these are the models there are")]
pub enum Kind {
    /// ActiveMQ "classic".
    ActiveMq,
    /// ActiveMQ Artemis.
    Artemis,
    /// RabbitMQ with its STOMP plugin.
    RabbitMq,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ActiveMq, Self::Artemis, Self::RabbitMq];

    /// Its habits: the table is in the module's documentation.
    pub(super) fn config(self, setting: &Setting) -> BrokerConfig {
        let config = match self {
            Self::ActiveMq => BrokerConfig::activemq().late_messages(3).exclusive_clients(),
            Self::Artemis => BrokerConfig::artemis(),
            Self::RabbitMq => BrokerConfig::rabbitmq().deferring().stray_errors(3),
        };
        let config = config.journaling().without_anonymous().output_window(setting.capacity);
        let config = if setting.durable_only { config.durable_only() } else { config };
        let config = match setting.delivery_limit {
            Some(limit) => config.delivery_limit(limit),
            None => config,
        };
        if setting.mum { config.without_subscribe_receipts() } else { config }
    }

    /// Whether it reads nothing while it cannot write.
    pub(super) const fn blocks(self) -> bool {
        matches!(self, Self::RabbitMq)
    }
}
