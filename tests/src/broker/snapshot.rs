//! The state of a broker at one moment, to be looked at and to be printed.

use core::fmt;

use bytes::Bytes;
use stomp_proto::{AckMode, Headers, HeartBeat, Version};

use super::{
    Broker, ConnectionId, Death,
    connection::{Connection, Unacked},
    store::Message,
    subscription::Subscription,
};

/// The state of a [`Broker`]: its connections and destinations.
///
/// It is a copy, and shows itself as text that can be read, without passcodes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The open connections, oldest first.
    pub connections: Vec<ConnectionState>,
    /// The destinations that hold messages, have consumers, or were sent messages, by name.
    pub destinations: Vec<DestinationState>,
}

/// The state of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionState {
    /// The id of the connection.
    pub id: ConnectionId,
    /// The `login` of its CONNECT.
    pub login: Option<String>,
    /// The `client-id` of its CONNECT.
    pub client_id: Option<String>,
    /// The version of CONNECTED, or `None` before it.
    pub version: Option<Version>,
    /// What the broker sends and expects, in milliseconds, as was agreed on.
    pub heart_beat: HeartBeat,
    /// Its subscriptions, by name.
    pub subscriptions: Vec<SubscriptionState>,
    /// The names of its open transactions.
    pub transactions: Vec<String>,
}

/// The state of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionState {
    /// Its id, which STOMP 1.0 does not require.
    pub id: Option<String>,
    /// Its destination.
    pub destination: String,
    /// Its ack mode.
    pub ack_mode: AckMode,
    /// The number of messages that may be delivered and not acknowledged, or `None` if there is no bound.
    pub prefetch: Option<u64>,
    /// The number of messages that are delivered and not acknowledged.
    pub unacked: u64,
}

/// The state of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationState {
    /// Its name.
    pub name: String,
    /// The number of messages that it was sent since the broker was created.
    pub accepted: u64,
    /// The number of its consumers.
    pub consumers: usize,
    /// The messages that wait, oldest first, then those that are delivered and not acknowledged.
    pub messages: Vec<MessageState>,
}

/// The state of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageState {
    /// Its headers, without those that a MESSAGE gets at its delivery.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
    /// Whether it has been delivered before, and came back.
    pub redelivered: bool,
    /// How often it came back in a way that counts towards the [`DeliveryLimit`](super::DeliveryLimit).
    pub returns: u32,
    /// Why it is in a dead letter queue, or `None` if it is in another.
    pub dead: Option<Death>,
    /// The connection that has it and has not acknowledged it, or `None` if it waits.
    pub out_to: Option<ConnectionId>,
}

impl Broker {
    /// Returns a copy of the state of the broker.
    ///
    /// ```
    /// use stomp_testkit::broker::{Broker, BrokerConfig};
    ///
    /// let mut broker = Broker::new(BrokerConfig::default());
    /// broker.publish("/queue/a", "hello", &[("k", "v")]);
    /// let state = broker.snapshot();
    ///
    /// assert_eq!(state.destinations[0].messages[0].body, "hello");
    /// assert_eq!(state.to_string(), "no connection\n/queue/a: 1 sent, 0 consumers\n  waits: \"hello\" k:v\n");
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let open = self.connections.iter().filter(|(_, peer)| !peer.closing);
        let connections = open.map(|(id, peer)| self.connection_state(*id, peer)).collect();
        let names = self.destinations();
        let destinations = names.into_iter().map(|name| self.destination_state(name)).collect();
        Snapshot { connections, destinations }
    }

    fn connection_state(&self, id: ConnectionId, peer: &Connection) -> ConnectionState {
        let subscriptions = peer.subscriptions.values().filter_map(|key| self.subscriptions.get(key));
        ConnectionState {
            id,
            login: peer.login.as_deref().map(str::to_owned),
            client_id: peer.client_id.as_deref().map(str::to_owned),
            version: peer.version,
            heart_beat: peer.heart_beats.agreed(),
            subscriptions: subscriptions.map(Subscription::state).collect(),
            transactions: peer.transactions.keys().cloned().collect(),
        }
    }

    fn destination_state(&self, name: &str) -> DestinationState {
        let waiting = self.store.ready(name).map(|message| message.state(None));
        let out = self.connections.iter().flat_map(|(id, peer)| {
            let here = peer.unacked.values().filter(|unacked| *unacked.message.content.destination == *name);
            here.map(|Unacked { message, .. }| message.state(Some(*id)))
        });
        DestinationState {
            name: name.to_owned(),
            accepted: self.accepted(name),
            consumers: self.subscribers(name),
            messages: waiting.chain(out).collect(),
        }
    }
}

impl Subscription {
    fn state(&self) -> SubscriptionState {
        SubscriptionState {
            id: self.terms.name.id().map(str::to_owned),
            destination: self.terms.destination.to_string(),
            ack_mode: self.terms.ack_mode,
            prefetch: self.terms.prefetch,
            unacked: self.in_flight,
        }
    }
}

impl Message {
    fn state(&self, out_to: Option<ConnectionId>) -> MessageState {
        MessageState {
            headers: self.content.headers.clone(),
            body: self.content.body.clone(),
            redelivered: self.redelivered,
            returns: self.returns,
            dead: self.content.death,
            out_to,
        }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.connections.is_empty() {
            writeln!(f, "no connection")?;
        }
        self.connections.iter().try_for_each(|connection| write!(f, "{connection}"))?;
        self.destinations.iter().try_for_each(|destination| write!(f, "{destination}"))
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.id)?;
        match self.version {
            Some(version) => write!(f, ": {version}")?,
            None => f.write_str(": before CONNECTED")?,
        }
        if let Some(login) = &self.login {
            write!(f, ", login {login:?}")?;
        }
        if let Some(client_id) = &self.client_id {
            write!(f, ", client-id {client_id:?}")?;
        }
        if self.heart_beat != HeartBeat::default() {
            write!(f, ", heart-beats {} ms", self.heart_beat)?;
        }
        writeln!(f)?;
        self.subscriptions.iter().try_for_each(|subscription| writeln!(f, "  {subscription}"))?;
        self.transactions.iter().try_for_each(|name| writeln!(f, "  transaction {name:?}"))
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, destination, ack_mode, prefetch, unacked } = self;
        let id = id.as_deref().unwrap_or_default();
        write!(f, "subscription {id:?} of {destination}, {ack_mode}, {unacked} unacknowledged")?;
        prefetch.map_or(Ok(()), |prefetch| write!(f, " of {prefetch}"))
    }
}

impl fmt::Display for DestinationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} sent, {} consumers", self.name, self.accepted, self.consumers)?;
        self.messages.iter().take(SHOWN).try_for_each(|message| writeln!(f, "  {message}"))?;
        match self.messages.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            hidden => writeln!(f, "  and {hidden} more"),
        }
    }
}

/// How many messages of a destination, and octets of a body, are shown.
const SHOWN: usize = 20;
const SHOWN_OCTETS: usize = 80;

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.out_to {
            Some(connection) => write!(f, "with connection {connection}: ")?,
            None => f.write_str("waits: ")?,
        }
        let shown = self.body.get(..SHOWN_OCTETS).unwrap_or(&self.body);
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.body.len() {
            write!(f, "… ({} octets)", self.body.len())?;
        }
        if self.redelivered {
            write!(f, ", redelivered, {} returns", self.returns)?;
        }
        if let Some(death) = self.dead {
            write!(f, ", {death}")?;
        }
        self.headers.iter().try_for_each(|(name, value)| {
            write!(f, " {}:{}", name.octets().escape_ascii(), value.octets().escape_ascii())
        })
    }
}
