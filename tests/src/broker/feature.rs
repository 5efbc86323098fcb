//! What a broker does with features that STOMP does not define: it has them, it ignores them as the real one does, or it
//! refuses them. None is accepted and not done.

use super::{
    BrokerConfig,
    dialect::Dialect,
    refusal::{ErrorClass, Refusal},
    selector::Typing,
    wildcard::Wildcards,
};

/// A feature of real brokers that STOMP does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// `browser:true` on SUBSCRIBE: the messages that wait are shown and stay.
    Browsing,
    /// Several destinations in one, separated by commas.
    Composites,
    /// `expires` on SEND, in milliseconds since 1970. On RabbitMQ it is `expiration`, in milliseconds from now on.
    Expiry,
    /// `JMSXGroupID` on SEND: the messages of a group go to one consumer.
    Groups,
    /// `priority` on SEND: a message with a higher one overtakes others.
    Priorities,
    /// `AMQ_SCHEDULED_REPEAT`, `AMQ_SCHEDULED_PERIOD` or `AMQ_SCHEDULED_CRON` on SEND.
    Repetition,
    /// `AMQ_SCHEDULED_DELAY` on SEND: the message is accepted later, in milliseconds.
    Scheduling,
    /// `selector` on SUBSCRIBE: a condition about the headers of the messages.
    Selectors,
    /// Destinations that begin with `/temp-queue/` or `/temp-topic/` and belong to one connection.
    Temporaries,
    /// SUBSCRIBE to all destinations whose names have a pattern.
    Wildcards,
}

/// What a broker does with a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    Done,
    Ignored,
    Refused,
}

use Support::{Done, Ignored, Refused};

impl Feature {
    /// What the broker that is followed does with it. RabbitMQ 3.10, ActiveMQ 5.17 and Artemis 2.44 were asked.
    pub(super) const fn support(self, dialect: Dialect) -> Support {
        let [plain, rabbitmq, activemq, artemis] = match self {
            Self::Browsing => [Done, Ignored, Done, Ignored],
            Self::Composites => [Refused, Ignored, Done, Ignored],
            Self::Expiry => [Done, Done, Done, Done],
            Self::Groups => [Refused, Ignored, Refused, Refused],
            Self::Priorities => [Ignored, Ignored, Ignored, Done],
            Self::Repetition => [Refused, Ignored, Refused, Refused],
            Self::Scheduling => [Refused, Ignored, Done, Done],
            Self::Selectors => [Done, Ignored, Done, Done],
            Self::Temporaries => [Done, Done, Done, Ignored],
            Self::Wildcards => [Refused, Done, Done, Done],
        };
        match dialect {
            Dialect::ActiveMq => activemq,
            Dialect::Artemis => artemis,
            Dialect::Plain => plain,
            Dialect::RabbitMq => rabbitmq,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Browsing => "browsing",
            Self::Composites => "composite destinations",
            Self::Expiry => "expiry",
            Self::Groups => "message groups",
            Self::Priorities => "priorities",
            Self::Repetition => "repeated delivery",
            Self::Scheduling => "scheduled delivery",
            Self::Selectors => "selectors",
            Self::Temporaries => "temporary destinations",
            Self::Wildcards => "wildcards",
        }
    }
}

impl BrokerConfig {
    /// Ignores a feature, whatever the broker that is followed does with it.
    ///
    /// Without this, a frame that asks for a feature is obeyed, or refused with an ERROR such as "this test double does not
    /// do wildcards", or the feature is ignored where the real broker ignores it: a test does not pass because a broker for
    /// tests has less than the one in production. A table in the documentation of [this module](crate::broker) shows which.
    ///
    /// ```
    /// use stomp_testkit::broker::{BrokerConfig, Feature};
    ///
    /// let config = BrokerConfig::activemq().ignoring(Feature::Groups);
    /// # let _ = config;
    /// ```
    pub fn ignoring(mut self, feature: Feature) -> Self {
        self.ignored.insert(feature);
        self
    }

    pub(super) fn does(&self, feature: Feature) -> bool {
        self.support(feature) == Done
    }

    fn support(&self, feature: Feature) -> Support {
        if self.ignored.contains(&feature) { Ignored } else { feature.support(self.dialect) }
    }

    /// Whether to do what a frame asks for.
    pub(super) fn admit(&self, feature: Feature) -> Result<bool, Refusal> {
        match self.support(feature) {
            Done => Ok(true),
            Ignored => Ok(false),
            Refused => Err(not_done(feature.name())),
        }
    }

    /// What headers are compared with in a selector.
    pub(super) const fn typing(&self) -> Typing {
        match self.dialect {
            Dialect::Artemis => Typing::Texts,
            Dialect::ActiveMq | Dialect::Plain | Dialect::RabbitMq => Typing::Converted,
        }
    }

    /// The words that are wildcards in a destination.
    pub(super) const fn wildcards(&self) -> Wildcards {
        match self.dialect {
            Dialect::ActiveMq | Dialect::Plain => Wildcards { one: "*", many: ">", of_queues: true },
            Dialect::Artemis => Wildcards { one: "*", many: "#", of_queues: true },
            Dialect::RabbitMq => Wildcards { one: "*", many: "#", of_queues: false },
        }
    }
}

/// The refusal of something that the real broker has.
pub(super) fn not_done(name: &str) -> Refusal {
    let detail =
        format!("Use a real broker, or BrokerConfig::ignoring if the test does not depend on {name}.\n");
    Refusal::new(ErrorClass::NotSupported, String::new())
        .saying(format!("this test double does not do {name}"), detail)
}
