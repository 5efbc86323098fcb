//! Which clusters there are, and what the load has to know of each.

use std::time::Duration;

use super::blow::Blow;
use crate::real::{ACTIVEMQ_NETWORK, ACTIVEMQ_PAIR, ARTEMIS_PAIR, Description, RABBITMQ_CLUSTER};

/// What the nodes of a cluster are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All serve, as long as most of them do.
    Quorum,
    /// One serves, and the other waits for its store. One of the texts is in the log of the one that waits.
    Pair(&'static [&'static str]),
    /// Each serves by itself, with a store of its own.
    Network,
}

/// A kind of cluster.
#[derive(Debug)]
pub struct Kind {
    /// How it is called for.
    pub name: &'static str,
    /// The broker.
    pub description: &'static Description,
    /// What its nodes are to each other.
    pub shape: Shape,
    /// The queue of the load.
    pub destination: &'static str,
    /// The headers that each SEND and SUBSCRIBE needs for that queue.
    pub headers: &'static [(&'static str, &'static str)],
    /// The blows, one for each round, and again from the first one on.
    pub blows: &'static [Blow],
}

/// All kinds.
pub const KINDS: [&Kind; 4] = [&RABBITMQ_QUORUM, &ACTIVEMQ_SHARED, &ACTIVEMQ_JOINED, &ARTEMIS_SHARED];

const QUORUM_QUEUE: &[(&str, &str)] =
    &[("x-queue-type", "quorum"), ("durable", "true"), ("auto-delete", "false")];

/// Long enough that heart-beats are missed, and that most clients have found another node.
const LONG: Duration = Duration::from_secs(40);
/// Shorter than what heart-beats tolerate.
const SHORT: Duration = Duration::from_secs(12);
/// Longer than the minute and a quarter within which Erlang's nodes notice that they do not hear of each other.
const APART: Duration = Duration::from_secs(85);
/// What an operator takes.
const DOWN: Duration = Duration::from_secs(15);

/// Three RabbitMQ nodes with a quorum queue.
pub(super) static RABBITMQ_QUORUM: Kind = Kind {
    name: "rabbitmq",
    description: &RABBITMQ_CLUSTER,
    shape: Shape::Quorum,
    destination: "/queue/clusters",
    headers: QUORUM_QUEUE,
    blows: &[
        Blow::Kill,
        Blow::Kill,
        Blow::Kill,
        Blow::Freeze(LONG),
        Blow::Kill,
        Blow::Kill,
        Blow::Kill,
        Blow::BlackHole(LONG),
        Blow::Partition(APART),
        Blow::Kill,
        Blow::Kill,
        Blow::Kill,
        Blow::Freeze(SHORT),
        Blow::MostDown(DOWN),
        Blow::Rolling,
        Blow::Partition(APART),
        Blow::Full,
    ],
};

/// Two ActiveMQ nodes on one store.
pub(super) static ACTIVEMQ_SHARED: Kind = Kind {
    name: "activemq-pair",
    description: &ACTIVEMQ_PAIR,
    shape: Shape::Pair(&["is locked"]),
    destination: "/queue/clusters",
    headers: &[],
    blows: PAIR,
};

/// Two ActiveMQ nodes with a bridge.
pub(super) static ACTIVEMQ_JOINED: Kind = Kind {
    name: "activemq-network",
    description: &ACTIVEMQ_NETWORK,
    shape: Shape::Network,
    destination: "/queue/clusters",
    headers: &[],
    blows: &[
        Blow::Kill,
        Blow::Kill,
        Blow::Freeze(LONG),
        Blow::Kill,
        Blow::Kill,
        Blow::BlackHole(LONG),
        Blow::Partition(DOWN),
        Blow::Kill,
        Blow::Kill,
        Blow::Rolling,
        Blow::Full,
    ],
};

/// An Artemis primary and its backup on one store.
pub(super) static ARTEMIS_SHARED: Kind = Kind {
    name: "artemis-pair",
    description: &ARTEMIS_PAIR,
    shape: Shape::Pair(&["AMQ221034", "AMQ221032", "AMQ221109"]),
    destination: "/queue/clusters",
    headers: &[],
    blows: PAIR,
};

const PAIR: &[Blow] = &[
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Freeze(LONG),
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Freeze(SHORT),
    Blow::Rolling,
    Blow::Full,
];

/// Returns the kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.into_iter().find(|kind| kind.name == name)
}
