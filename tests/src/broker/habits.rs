//! Behaviour of real brokers that the specification does not describe, and that a client has to cope with.

use super::BrokerConfig;

/// The habits of a broker, none of which is on by default.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    pub(super) acks_in_transactions_count_at_once: bool,
    pub(super) counts_acks: bool,
    pub(super) defers: bool,
    pub(super) delivery_limit: Option<u32>,
    pub(super) exclusive_clients: bool,
    pub(super) exclusive_queues: bool,
    pub(super) forgives_unknown_transactions: bool,
    pub(super) journals: bool,
    pub(super) late_messages: usize,
    pub(super) reads_on: bool,
    pub(super) receipts_no_subscribe: bool,
    pub(super) refuses_dead_replies: bool,
    pub(super) remembers_duplicates: bool,
    pub(super) stray_errors: usize,
    pub(super) unsubscribe_keeps: bool,
}

impl BrokerConfig {
    /// Processes SEND and COMMIT in two steps, as RabbitMQ does.
    ///
    /// A message is stored and receipted, and a transaction is carried out, only when the owner calls
    /// [`Broker::complete`](super::Broker::complete), which it may do in any order. A crash before this call destroys
    /// the message or the effect of the transaction. A COMMIT is receipted at once nevertheless.
    pub const fn deferring(mut self) -> Self {
        self.habits.defers = true;
        self
    }

    /// Dead-letters a message instead of returning it to its queue more than this number of times.
    ///
    /// A message is returned if its connection or subscription ends, or if its consumer refuses it.
    pub const fn delivery_limit(mut self, returns: u32) -> Self {
        self.habits.delivery_limit = Some(returns);
        self
    }

    /// Refuses a CONNECT with the `client-id` of an open connection, as ActiveMQ does.
    pub const fn exclusive_clients(mut self) -> Self {
        self.habits.exclusive_clients = true;
        self
    }

    /// Keeps a journal of what happens to messages, for [`Broker::poll_fact`](super::Broker::poll_fact).
    pub const fn journaling(mut self) -> Self {
        self.habits.journals = true;
        self
    }

    /// Sends up to this number of messages of a subscription after the RECEIPT of its UNSUBSCRIBE, as ActiveMQ does
    /// with messages that are already on their way. They are delivered again later.
    pub const fn late_messages(mut self, most: usize) -> Self {
        self.habits.late_messages = most;
        self
    }

    /// Sends up to this number of ERRORs "Subscription not found" after the RECEIPT of an UNSUBSCRIBE, one for each
    /// message that the UNSUBSCRIBE has overtaken, as RabbitMQ does.
    ///
    /// The ERRORs name the subscription only in their bodies and do not close the connection. The messages stay
    /// unacknowledged. The broker then also delivers messages only after it has read everything that has arrived.
    pub const fn stray_errors(mut self, most: usize) -> Self {
        self.habits.stray_errors = most;
        self
    }

    /// Never sends the RECEIPT for which a SUBSCRIBE asks, like some brokers. Messages are delivered nevertheless.
    pub const fn without_subscribe_receipts(mut self) -> Self {
        self.habits.receipts_no_subscribe = true;
        self
    }
}
