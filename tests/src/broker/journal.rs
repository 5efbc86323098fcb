//! A journal of what happens to messages, for tests that account for each of them.

use std::sync::Arc;

use bytes::Bytes;
use stomp_proto::Command;

use super::{Broker, ConnectionId, Return, content::Content};

/// Something that happened to a message, which is identified by its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// An ACK was accepted, and its connection ended before it took effect: the message comes again.
    AckLost {
        /// The connection of the consumer.
        connection: ConnectionId,
        /// The body of the message.
        body: Bytes,
        /// How the connection ended.
        by: Return,
    },
    /// The message was removed by an ACK of its consumer.
    Acknowledged {
        /// The connection of the consumer.
        connection: ConnectionId,
        /// The body of the message.
        body: Bytes,
    },
    /// The message was moved to a dead letter queue.
    DeadLettered(Bytes),
    /// The message was delivered to a consumer.
    Delivered {
        /// The connection of the consumer.
        connection: ConnectionId,
        /// The body of the message.
        body: Bytes,
        /// Whether the broker has removed the message, which it does with ack mode `auto`.
        settled: bool,
    },
    /// The message was destroyed because it had come back too often.
    Destroyed {
        /// The body of the message.
        body: Bytes,
        /// Why it came back the last time.
        by: Return,
        /// How many of the returns that count were wanted by a consumer: by NACK, UNSUBSCRIBE or DISCONNECT.
        orderly: u32,
    },
    /// The message was destroyed because its time was over.
    Expired(Bytes),
    /// The message was destroyed by a NACK.
    Discarded(Bytes),
    /// The message was destroyed by a crash.
    Forgotten(Bytes),
    /// A SEND or SUBSCRIBE was refused, or closed its connection without an ERROR.
    Refused {
        /// The connection on which the frame arrived.
        connection: ConnectionId,
        /// The command, SEND or SUBSCRIBE.
        command: Command,
        /// The `id` of a SUBSCRIBE, otherwise empty.
        id: String,
        /// The body of a SEND, otherwise empty.
        body: Bytes,
    },
    /// The message was accepted.
    Stored {
        /// The destination of the message.
        destination: Arc<str>,
        /// The body of the message.
        body: Bytes,
    },
}

impl Broker {
    /// Removes and returns the oldest entry of the journal, or returns `None` if it is empty.
    ///
    /// Entries are written only with [`BrokerConfig::journaling`](super::BrokerConfig::journaling).
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    pub(super) fn note(&mut self, fact: impl FnOnce() -> Fact) {
        if self.config.habits.journals {
            self.facts.push_back(fact());
        }
    }

    /// Accepts a message, now or later, and returns the numbers of its places.
    pub(super) fn keep(&mut self, content: Content) -> core::ops::Range<u64> {
        let Some(mut content) = self.postpone(content) else { return 0..0 };
        self.stamp(&mut content);
        self.note(|| Fact::Stored { destination: content.destination.clone(), body: content.body.clone() });
        self.records.note_accepted(&content.destination);
        self.store.publish(content)
    }
}
