//! What consumers are served from, and how they are named.

use std::sync::Arc;

/// Names a subscription among all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SubscriptionKey(pub(super) u64);

/// What consumers are served from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Queue(Arc<str>),
    /// What a topic has for that subscription alone.
    Topic(SubscriptionKey),
    /// What a topic has for the durable subscription of that name, whether it has a consumer or not.
    Durable(Arc<str>),
}

/// What the names begin with by which others know temporary destinations.
const REMOTE: [&str; 3] = [REMOTE_QUEUE, REMOTE_TOPIC, REPLIES];
pub(super) const REMOTE_QUEUE: &str = "/remote-temp-queue/";
pub(super) const REMOTE_TOPIC: &str = "/remote-temp-topic/";
/// RabbitMQ's.
pub(super) const REPLIES: &str = "/reply-queue/";

/// Whether a destination belongs, or has belonged, to one connection.
pub(super) fn is_remote(name: &str) -> bool {
    REMOTE.into_iter().any(|prefix| name.starts_with(prefix))
}
