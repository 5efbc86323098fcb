//! Behaviour of real brokers that the specification does not describe, and that a client has to cope with.

use super::{BrokerConfig, delivery_limit::DeliveryLimit, oversize::FrameLimits};

/// The habits of a broker, none of which is on by default.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    pub(super) acks_in_transactions_count_at_once: bool,
    pub(super) counts_acks: bool,
    pub(super) defers: bool,
    pub(super) delivery_limit: Option<DeliveryLimit>,
    pub(super) exclusive_clients: bool,
    pub(super) exclusive_queues: bool,
    pub(super) forgives_unknown_transactions: bool,
    pub(super) frame_limits: Option<FrameLimits>,
    pub(super) journals: bool,
    pub(super) late_messages: usize,
    pub(super) numbers_deliveries: bool,
    pub(super) reads_on: bool,
    pub(super) receipts_no_subscribe: bool,
    pub(super) refuses_dead_replies: bool,
    pub(super) remembers_duplicates: bool,
    pub(super) settles_at_once: Option<usize>,
    pub(super) stray_errors: usize,
    pub(super) strays_come_later: bool,
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

    /// Gives a message up instead of returning it to its queue more often than this. With a plain number, every return
    /// counts, and the message is dead-lettered.
    ///
    /// A message is returned if its connection or subscription ends, or if its consumer refuses it.
    pub fn delivery_limit(mut self, limit: impl Into<DeliveryLimit>) -> Self {
        self.habits.delivery_limit = Some(limit.into());
        self
    }

    /// Refuses a CONNECT with the `client-id` of an open connection, as ActiveMQ does.
    pub const fn exclusive_clients(mut self) -> Self {
        self.habits.exclusive_clients = true;
        self
    }

    /// Closes the connection, without an ERROR, at a frame that has more octets or more headers than this, as RabbitMQ 4
    /// does.
    ///
    /// Octets are counted from the command to the NUL. [`limits`](Self::limits) that are larger are set to these.
    ///
    /// # Panics
    /// Panics if either is 0, since every CONNECT would be over it.
    pub fn frame_limits(mut self, octets: usize, headers: usize) -> Self {
        assert!(octets > 0 && headers > 0, "every CONNECT is over a limit of 0");
        self.habits.frame_limits = Some(FrameLimits { octets, headers });
        self.limits.body = self.limits.body.min(octets as u64);
        self.limits.header_block = self.limits.header_block.min(octets);
        self.limits.headers = self.limits.headers.min(headers);
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

    /// Passes on no more than this number of ACKs and NACKs of a connection to one queue, as RabbitMQ does with quorum queues.
    /// The others are held up until the broker has caught up, though their RECEIPTs are sent.
    ///
    /// It catches up when the connection subscribes to the queue or unsubscribes from it, and otherwise a millisecond later.
    /// If the connection ends first, even by a DISCONNECT, the messages return with it, which a [`DeliveryLimit`] may count:
    /// what was acknowledged is delivered again.
    ///
    /// # Panics
    /// Panics if `most` is 0: a broker passes something on.
    pub const fn settles_at_once(mut self, most: usize) -> Self {
        assert!(most > 0, "a broker passes on at least one ACK or NACK at once");
        self.habits.settles_at_once = Some(most);
        self
    }

    /// Gives each delivery a `message-id` of its own, also under the ActiveMQ preset, which otherwise gives one to a message
    /// and keeps it when the message is delivered again. A test that accounts for deliveries can then tell them apart.
    pub const fn numbering_deliveries(mut self) -> Self {
        self.habits.numbers_deliveries = true;
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

    /// Sends what comes after the RECEIPT of an UNSUBSCRIBE not behind it but a moment later, as RabbitMQ often does: a
    /// millisecond later, or before the answers to what the broker reads next, or before the next MESSAGE.
    ///
    /// This applies to [`stray_errors`](Self::stray_errors) and [`late_messages`](Self::late_messages).
    pub const fn straying_later(mut self) -> Self {
        self.habits.strays_come_later = true;
        self
    }

    /// Never sends the RECEIPT for which a SUBSCRIBE asks, like some brokers. Messages are delivered nevertheless.
    pub const fn without_subscribe_receipts(mut self) -> Self {
        self.habits.receipts_no_subscribe = true;
        self
    }
}
