//! What real brokers do that the specification does not say: traps for a client that trusts its letter.

use super::BrokerConfig;

/// The habits of a broker. None of them by default.
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
    /// Processes SEND and COMMIT in two steps, as RabbitMQ does: a SEND is on disk, and receipted, and a transaction
    /// carried out, when the owner calls [`Broker::complete`](super::Broker::complete), in any order. A crash before
    /// that destroys it; a COMMIT is receipted at once nevertheless.
    pub const fn deferring(mut self) -> Self {
        self.habits.defers = true;
        self
    }

    /// Dead-letters a message that came back so often, because its connection or its subscription ended or its consumer
    /// refused it.
    pub const fn delivery_limit(mut self, returns: u32) -> Self {
        self.habits.delivery_limit = Some(returns);
        self
    }

    /// Refuses a CONNECT with the `client-id` of a connection that stands, as ActiveMQ does.
    pub const fn exclusive_clients(mut self) -> Self {
        self.habits.exclusive_clients = true;
        self
    }

    /// Keeps a journal of what becomes of messages, for [`Broker::poll_fact`](super::Broker::poll_fact).
    pub const fn journaling(mut self) -> Self {
        self.habits.journals = true;
        self
    }

    /// After the RECEIPT of an UNSUBSCRIBE sends up to this number of messages that were on their way, as ActiveMQ does. They
    /// are delivered again.
    pub const fn late_messages(mut self, most: usize) -> Self {
        self.habits.late_messages = most;
        self
    }

    /// Delivers only when all that has arrived was read, and sends up to this number of messages that an UNSUBSCRIBE has overtaken
    /// as ERRORs "Subscription not found" behind its RECEIPT, as RabbitMQ does. They name nobody but in their body and do
    /// not close the connection; the messages stay unacknowledged.
    pub const fn stray_errors(mut self, most: usize) -> Self {
        self.habits.stray_errors = most;
        self
    }

    /// Never sends the RECEIPT that a SUBSCRIBE asks for, as some brokers do. Its messages come nevertheless.
    pub const fn without_subscribe_receipts(mut self) -> Self {
        self.habits.receipts_no_subscribe = true;
        self
    }
}
