//! What still comes for a subscription after the RECEIPT of its UNSUBSCRIBE.

use core::time::Duration;

use stomp_proto::{AckMode, Version};

use super::{
    Broker, ConnectionId, ack_id,
    connection::{DeliveryId, Unacked},
    subscription::SubscriptionName,
    write,
};

/// How much later something comes, where it does not follow at once.
const MOMENT: Duration = Duration::from_millis(1);

impl Broker {
    /// Writes down what the habits leave of a subscription that is about to end: messages, or ERRORs.
    pub(super) fn prepare_afterwards(
        &mut self,
        connection: ConnectionId,
        name: &SubscriptionName,
        version: Version,
    ) {
        let Self { connections, subscriptions, store, config, .. } = self;
        let Some(peer) = connections.get_mut(&connection) else { return };
        let Some(key) = peer.subscriptions.get(name).copied() else { return };
        let Some(ending) = subscriptions.get_mut(&key) else { return };
        for message in store.ready(&ending.terms.destination).take(config.habits.late_messages) {
            let delivery = DeliveryId { connection, number: peer.next_delivery() };
            let counted = config.habits.counts_acks;
            let ids = ack_id::Ids { delivery, counted, dialect: config.dialect, subscription: name };
            // What this version cannot express was never on its way.
            _ = write::message(message, ids, &peer.temporaries, true, version, &mut peer.afterwards);
        }
        let refusal = ack_id::no_subscription(&ack_id::tag(name));
        for _ in 0..config.habits.stray_errors {
            let has_room =
                |other| other == key && ending.terms.ack_mode != AckMode::Auto && ending.has_room();
            let mut sources = store.sources(key).into_iter();
            let taken = sources.find_map(|source| Some((store.take(&source, has_room)?.1, source)));
            let Some((message, source)) = taken else { break };
            ending.in_flight += 1;
            let number = peer.next_delivery();
            peer.unacked.insert(number, Unacked { subscription: key, source, message });
            _ = write::error(&refusal, None, version, &mut peer.afterwards);
        }
    }

    /// The answer to the frame at hand was written: the rest follows it, or comes a moment later.
    pub(super) fn follow_up(&mut self, connection: ConnectionId) {
        let (is_later, at) = (self.config.habits.strays_come_later, self.now + MOMENT);
        match self.connections.get_mut(&connection).filter(|peer| is_later && !peer.afterwards.is_empty()) {
            Some(peer) => _ = peer.afterwards_at.get_or_insert(at),
            None => self.write_afterwards(connection),
        }
    }

    /// Writes what was to come a moment later.
    pub(super) fn write_due_afterwards(&mut self) {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= self.now);
        let due = self.connections.iter().filter(|(_, peer)| is_due(peer.afterwards_at));
        let due: Vec<_> = due.map(|(connection, _)| *connection).collect();
        due.into_iter().for_each(|connection| self.write_afterwards(connection));
    }

    pub(super) fn write_afterwards(&mut self, connection: ConnectionId) {
        let now = self.now;
        let Some(peer) = self.connections.get_mut(&connection).filter(|peer| !peer.afterwards.is_empty())
        else {
            return;
        };
        peer.afterwards_at = None;
        let octets = peer.afterwards.split();
        if !peer.is_open() {
            return;
        }
        peer.write_octets(&octets, now);
        self.outputs.insert(connection);
    }
}
