//! The three kinds of model brokers: the embedded broker with the habits of a real one.

use stomp_testkit::broker::{BrokerConfig, DeliveryLimit};

use super::plan::Setting;

/// How many ACKs and NACKs RabbitMQ passes on at once, at least.
const SETTLEMENTS: usize = 16;

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

    /// What it was and has become, the oldest first.
    pub(super) fn edition(self, number: usize) -> BrokerConfig {
        match (self, number) {
            (Self::ActiveMq, 0) => BrokerConfig::activemq(),
            (Self::ActiveMq, _) => BrokerConfig::activemq_6(),
            (Self::Artemis, 0) => BrokerConfig::artemis(),
            (Self::Artemis, _) => BrokerConfig::artemis_2_57(),
            (Self::RabbitMq, 0) => BrokerConfig::rabbitmq(),
            (Self::RabbitMq, 1) => BrokerConfig::rabbitmq_4_0(),
            (Self::RabbitMq, _) => BrokerConfig::rabbitmq_4_3(),
        }
    }

    /// What counts towards that limit of returns: RabbitMQ destroys, from 4.0 on, and counts no NACKs from 4.3 on.
    fn limit(self, edition: usize, returns: u32) -> DeliveryLimit {
        let limit = DeliveryLimit::new(returns);
        match (self, edition) {
            (Self::RabbitMq, 1) => limit.destroying(),
            (Self::RabbitMq, 2..) => limit.destroying().ignoring_nacks(),
            (Self::Artemis, 1..) => limit.ignoring_unsubscribes(),
            _ => limit,
        }
    }

    /// What it calls itself in that edition.
    pub(super) const fn server(self, number: usize) -> &'static str {
        match (self, number) {
            (Self::ActiveMq, 0) => "ActiveMQ/5.17.2",
            (Self::ActiveMq, _) => "ActiveMQ/6.3.1",
            (Self::Artemis, 0) => "ActiveMQ-Artemis/2.44.0",
            (Self::Artemis, _) => "ActiveMQ-Artemis/2.57.0 ActiveMQ Artemis Messaging Engine",
            (Self::RabbitMq, 0) => "RabbitMQ/3.10.8",
            (Self::RabbitMq, 1) => "RabbitMQ/4.0.5",
            (Self::RabbitMq, _) => "RabbitMQ/4.3.6",
        }
    }

    /// Its habits: the table is in the module's documentation.
    pub(super) fn config(self, setting: &Setting) -> BrokerConfig {
        let config = match self {
            Self::ActiveMq => self.edition(setting.edition).late_messages(3).exclusive_clients(),
            Self::Artemis => self.edition(setting.edition),
            // The fewest that clients count on, so that a few ACKs in a row are too many.
            Self::RabbitMq if setting.edition > 0 => {
                self.edition(setting.edition).deferring().stray_errors(3).settles_at_once(SETTLEMENTS)
            }
            Self::RabbitMq => self.edition(setting.edition).deferring().stray_errors(3),
        };
        let config =
            config.journaling().numbering_deliveries().without_anonymous().output_window(setting.capacity);
        let config = if setting.durable_only { config.durable_only() } else { config };
        let config = match setting.delivery_limit {
            Some(limit) => config.delivery_limit(self.limit(setting.edition, limit)),
            None => config,
        };
        if setting.mum { config.without_subscribe_receipts() } else { config }
    }

    /// Whether it reads nothing while it cannot write.
    pub(super) const fn blocks(self) -> bool {
        matches!(self, Self::RabbitMq)
    }
}
