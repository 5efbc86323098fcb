//! Which clusters there are, and what the load has to know of each.

use std::time::Duration;

use stomp_testkit::real::{
    ACTIVEMQ_5_17_NETWORK, ACTIVEMQ_5_17_PAIR, ACTIVEMQ_6_3_NETWORK, ACTIVEMQ_6_3_PAIR, ARTEMIS_2_44_PAIR,
    ARTEMIS_2_57_PAIR, Description, RABBITMQ_4_0_CLUSTER, RABBITMQ_4_3_CLUSTER, RABBITMQ_CLUSTER,
};

use super::blow::Blow;

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

/// Three nodes of RabbitMQ with a quorum queue.
const fn quorum(name: &'static str, description: &'static Description) -> Kind {
    Kind { name, description, shape: Shape::Quorum, destination: QUEUE, headers: QUORUM_QUEUE, blows: QUORUM }
}

/// Two nodes of which one waits, and says so in its log.
const fn pair(name: &'static str, description: &'static Description, waits: &'static [&'static str]) -> Kind {
    Kind { name, description, shape: Shape::Pair(waits), destination: QUEUE, headers: &[], blows: PAIR }
}

/// Two nodes with a bridge.
const fn network(name: &'static str, description: &'static Description) -> Kind {
    Kind { name, description, shape: Shape::Network, destination: QUEUE, headers: &[], blows: NETWORK }
}

const QUEUE: &str = "/queue/clusters";

/// How ActiveMQ waits for the lock of a store.
const LOCKED: &[&str] = &["is locked"];
/// How Artemis does, as the primary and as the backup.
const BACKUP: &[&str] = &["AMQ221034", "AMQ221032", "AMQ221109"];

/// All kinds.
pub static KINDS: [Kind; 9] = [
    quorum("rabbitmq-3.10", &RABBITMQ_CLUSTER),
    quorum("rabbitmq-4.0", &RABBITMQ_4_0_CLUSTER),
    quorum("rabbitmq-4.3", &RABBITMQ_4_3_CLUSTER),
    pair("activemq-5.17-pair", &ACTIVEMQ_5_17_PAIR, LOCKED),
    pair("activemq-6.3-pair", &ACTIVEMQ_6_3_PAIR, LOCKED),
    network("activemq-5.17-network", &ACTIVEMQ_5_17_NETWORK),
    network("activemq-6.3-network", &ACTIVEMQ_6_3_NETWORK),
    pair("artemis-2.44-pair", &ARTEMIS_2_44_PAIR, BACKUP),
    pair("artemis-2.57-pair", &ARTEMIS_2_57_PAIR, BACKUP),
];

const QUORUM: &[Blow] = &[
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
];

const NETWORK: &[Blow] = &[
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
];

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

/// Returns the kinds whose names begin with that.
#[must_use]
pub fn kinds(name: &str) -> Vec<&'static Kind> {
    KINDS.iter().filter(|kind| kind.name.starts_with(name)).collect()
}
