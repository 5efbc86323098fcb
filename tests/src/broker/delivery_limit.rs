//! How often a message may come back before it is given up, and which ways back count.

use super::{Broker, Death, journal::Fact, source::Source, store::Message};

/// How often a message may be returned to its queue before the broker gives it up.
///
/// Brokers count what they have handed to a client, whether or not a program has seen it: a message that was only
/// prefetched can reach the limit. RabbitMQ 4 limits every quorum queue to 20 returns unless told otherwise, and Artemis
/// every queue to 10.
///
/// ```
/// use stomp_testkit::broker::{BrokerConfig, DeliveryLimit};
///
/// // The quorum queues of RabbitMQ 4.3 without a dead letter exchange.
/// let limit = DeliveryLimit::new(20).ignoring_nacks().destroying();
/// let config = BrokerConfig::rabbitmq().delivery_limit(limit);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct DeliveryLimit {
    returns: u32,
    nacks: bool,
    unsubscribes: bool,
    destroys: bool,
}

impl DeliveryLimit {
    /// Creates a limit at which a message that would be returned once more is dead-lettered. Every return counts.
    pub const fn new(returns: u32) -> Self {
        Self { returns, nacks: true, unsubscribes: true, destroys: false }
    }

    /// Does not count what a NACK returns, as RabbitMQ 4.3.
    pub const fn ignoring_nacks(mut self) -> Self {
        self.nacks = false;
        self
    }

    /// Does not count what an UNSUBSCRIBE returns, as Artemis.
    pub const fn ignoring_unsubscribes(mut self) -> Self {
        self.unsubscribes = false;
        self
    }

    /// Destroys the message instead of dead-lettering it, as RabbitMQ does without a dead letter exchange.
    pub const fn destroying(mut self) -> Self {
        self.destroys = true;
        self
    }

    const fn counts(self, by: Return) -> bool {
        match by {
            Return::Nack => self.nacks,
            Return::Unsubscribe => self.unsubscribes,
            Return::Cancel | Return::Disconnect | Return::Loss => true,
        }
    }
}

impl From<u32> for DeliveryLimit {
    fn from(returns: u32) -> Self {
        Self::new(returns)
    }
}

/// Why a message is returned to its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Return {
    /// The broker has cancelled the subscription.
    Cancel,
    /// The client has disconnected in good order.
    Disconnect,
    /// The connection has ended without a DISCONNECT.
    Loss,
    /// The client has refused the message.
    Nack,
    /// The client has unsubscribed.
    Unsubscribe,
}

impl Return {
    /// Whether the client has wanted it, in good order.
    const fn is_orderly(self) -> bool {
        matches!(self, Self::Disconnect | Self::Nack | Self::Unsubscribe)
    }
}

impl Broker {
    /// Puts a message back in its place, or away if it came back too often.
    pub(super) fn give_back(&mut self, source: &Source, mut message: Message, by: Return) {
        let Some(limit) = self.config.habits.delivery_limit.filter(|limit| limit.counts(by)) else {
            return self.store.put_back(source, message);
        };
        message.returns += 1;
        message.orderly_returns += u32::from(by.is_orderly());
        if message.returns <= limit.returns {
            return self.store.put_back(source, message);
        }
        if !limit.destroys {
            return self.dead_letter(&message, Death::ReturnedTooOften);
        }
        let (body, orderly) = (message.content.body.clone(), message.orderly_returns);
        self.note(|| Fact::Destroyed { body, by, orderly });
    }
}
