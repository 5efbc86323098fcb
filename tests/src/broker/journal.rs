//! What became of messages, for a test that keeps accounts.

use std::sync::Arc;

use bytes::Bytes;
use stomp_proto::Command;

use super::{Broker, ConnectionId, store::Content};

/// Something that happened to a message, which is known by its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A consumer's ACK has removed it.
    Acknowledged {
        /// Whose ACK.
        connection: ConnectionId,
        /// The message.
        body: Bytes,
    },
    /// It was moved to a dead letter queue.
    DeadLettered(Bytes),
    /// It was handed to a consumer.
    Delivered {
        /// On which connection.
        connection: ConnectionId,
        /// The message.
        body: Bytes,
        /// Whether it is gone from the broker: with ack mode `auto`.
        settled: bool,
    },
    /// A NACK has destroyed it.
    Discarded(Bytes),
    /// A crash has destroyed it.
    Forgotten(Bytes),
    /// A SEND or SUBSCRIBE was refused, or ended its connection without a word.
    Refused {
        /// On which connection.
        connection: ConnectionId,
        /// Which of the two.
        command: Command,
        /// The `id` of a SUBSCRIBE.
        id: String,
        /// The body of a SEND.
        body: Bytes,
    },
    /// It was accepted.
    Stored {
        /// Where to.
        destination: Arc<str>,
        /// The message.
        body: Bytes,
    },
}

impl Broker {
    /// The next entry of the journal, oldest first, with [`BrokerConfig::journaling`](super::BrokerConfig::journaling).
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    pub(super) fn note(&mut self, fact: impl FnOnce() -> Fact) {
        if self.config.habits.journals {
            self.facts.push_back(fact());
        }
    }

    /// Accepts a message. Gives the numbers of its places.
    pub(super) fn keep(&mut self, content: Content) -> core::ops::Range<u64> {
        self.note(|| Fact::Stored { destination: content.destination.clone(), body: content.body.clone() });
        self.store.publish(content)
    }
}
