//! A connection between a client and a broker, as long as either believes in it.

use bytes::Bytes;
use stomp_session::{AttemptId, Input, Timestamp};
use stomp_testkit::broker::ConnectionId;

use super::{pipe::Pipe, plan::Setting, watch::Watch};

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: usize,
    /// The place of the broker in the list, and the model that it is a node of.
    pub(super) node: usize,
    pub(super) model: usize,
    pub(super) connection: ConnectionId,
    pub(super) attempt: AttemptId,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    pub(super) input: Input,
    /// What the session has handed over and the pipe had no room for.
    pub(super) leftover: Bytes,
    pub(super) watch: Watch,
    /// Whether the client still has it.
    pub(super) held: bool,
    /// Whether the broker still has it.
    pub(super) served: bool,
    /// Since when the broker could not write.
    pub(super) blocked_since: Option<Timestamp>,
}

impl Link {
    pub(super) fn new(
        (client, node, model, connection): (usize, usize, usize, ConnectionId),
        attempt: AttemptId,
        input: Input,
        setting: &Setting,
        now: Timestamp,
    ) -> Self {
        Self {
            client,
            node,
            model,
            connection,
            attempt,
            up: Pipe::new(setting.capacity),
            down: Pipe::new(setting.capacity),
            input,
            leftover: Bytes::new(),
            watch: Watch::new(now),
            held: true,
            served: true,
            blocked_since: None,
        }
    }
}
