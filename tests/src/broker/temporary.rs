//! Destinations that belong to one connection and go with it. ActiveMQ gives each a name of its own for others; RabbitMQ makes
//! one for the replies to a request, and delivers them unasked.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use stomp_proto::AckMode;

use super::{
    Broker, ConnectionId, Subscription, SubscriptionKey,
    consumers::Wishes,
    source::{REMOTE_QUEUE, REMOTE_TOPIC, REPLIES, is_remote},
    subscription::{SubscriptionName, Terms},
    wildcard::Target,
};

const QUEUE: &str = "/temp-queue/";
const TOPIC: &str = "/temp-topic/";

/// The temporary destinations of a connection: what others call them, by what their owner calls them.
#[derive(Debug, Default)]
pub(super) struct Temporaries {
    names: BTreeMap<Arc<str>, Arc<str>>,
}

impl Temporaries {
    /// What the owner of these calls a destination.
    pub(super) fn local<'n>(&'n self, name: &'n str) -> Cow<'n, str> {
        if !is_remote(name) {
            return name.into();
        }
        let own = self.names.iter().find(|(_, other)| ***other == *name);
        match (name.strip_prefix(REPLIES), own) {
            // RabbitMQ's deliveries name the queue.
            (Some(queue), Some(_)) => format!("/queue/{queue}").into(),
            (None, Some((local, _))) => Cow::Borrowed(local),
            (_, None) => name.into(),
        }
    }
}

/// Whether a client means a destination of its own.
pub(super) fn is_local(name: &str) -> bool {
    name.starts_with(QUEUE) || name.starts_with(TOPIC)
}

impl Broker {
    /// What others call a temporary destination, which is made at its first use.
    pub(super) fn temporary(&mut self, connection: ConnectionId, local: &str) -> Arc<str> {
        let prefix = if local.starts_with(TOPIC) { REMOTE_TOPIC } else { REMOTE_QUEUE };
        self.named(connection, local, |number| format!("{prefix}ID:testkit-{connection}:{number}")).0
    }

    /// RabbitMQ: the queue for the replies to a request, to which its connection is subscribed from now on.
    pub(super) fn reply_queue(&mut self, connection: ConnectionId, local: &str) -> Arc<str> {
        let name = |number| format!("{REPLIES}amq.gen-{connection}-{number}");
        let (queue, is_new) = self.named(connection, local, name);
        if is_new {
            let key = SubscriptionKey(self.next_subscription);
            self.next_subscription += 1;
            let wishes = Wishes { targets: vec![Target::Name(queue.clone())], ..Wishes::default() };
            self.store.add_consumer(wishes, key);
            let name = SubscriptionName::Id(local.into());
            if let Some(peer) = self.connections.get_mut(&connection) {
                peer.subscriptions.insert(name.clone(), key);
            }
            let terms = Terms::automatic(name, queue.clone());
            self.subscriptions.insert(key, Subscription { connection, terms, in_flight: 0 });
        }
        queue
    }

    fn named(
        &mut self,
        connection: ConnectionId,
        local: &str,
        make: impl FnOnce(usize) -> String,
    ) -> (Arc<str>, bool) {
        let Some(peer) = self.connections.get_mut(&connection) else { return (local.into(), false) };
        let names = &mut peer.temporaries.names;
        if let Some(name) = names.get(local) {
            return (name.clone(), false);
        }
        let name: Arc<str> = make(names.len() + 1).into();
        names.insert(local.into(), name.clone());
        self.store.add_temporary(name.clone());
        (name, true)
    }

    /// Deletes the temporary destinations of a connection, with their messages.
    pub(super) fn delete_temporaries(&mut self, connection: ConnectionId) {
        let Some(peer) = self.connections.get_mut(&connection) else { return };
        for name in core::mem::take(&mut peer.temporaries.names).into_values() {
            self.store.delete_temporary(&name);
        }
    }

    /// Whether a destination belonged to a connection that is gone.
    pub(super) fn is_dead(&self, destination: &str) -> bool {
        is_remote(destination) && !self.store.is_temporary(destination)
    }
}

impl Terms {
    /// The terms of a subscription for which nobody has asked.
    fn automatic(name: SubscriptionName, destination: Arc<str>) -> Self {
        Self {
            name,
            destination,
            ack_mode: AckMode::Auto,
            prefetch: None,
            exclusive: true,
            durable: None,
            browses: false,
            selector: None,
        }
    }
}
