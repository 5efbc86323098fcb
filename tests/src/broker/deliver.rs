//! From the queues to the consumers: who gets the next message, and what stops it.

use stomp_proto::AckMode;

use super::{
    Broker, ConnectionId, Death, ack_id,
    connection::{DeliveryId, Unacked},
    journal::Fact,
    source::{Source, SubscriptionKey},
    store::Message,
    write,
};

impl Broker {
    /// Hands out what can be handed out.
    pub(super) fn dispatch(&mut self) {
        self.expire();
        while let Some(source) = self.store.next_touched() {
            while let Some((key, message)) = self.take(&source) {
                self.deliver(&source, key, message);
            }
            let limit = self.config.flow_control.unwrap_or(usize::MAX);
            while let Some((connection, receipt)) = self.store.release(&source, limit) {
                self.confirm(connection, Some(&receipt));
            }
        }
    }

    /// Says that a connection may have room again.
    pub(super) fn touch(&mut self, connection: ConnectionId) {
        let Some(peer) = self.connections.get(&connection) else { return };
        peer.subscriptions.values().for_each(|key| self.store.touch_consumer(*key));
    }

    fn take(&mut self, source: &Source) -> Option<(SubscriptionKey, Message)> {
        let Self { store, subscriptions, connections, config, .. } = self;
        let window = config.output_window.unwrap_or(usize::MAX);
        store.take(source, |key| {
            let Some(subscription) = subscriptions.get(&key) else { return false };
            let peer = connections.get(&subscription.connection);
            peer.is_some_and(|peer| peer.is_open() && peer.pending() < window) && subscription.has_room()
        })
    }

    /// Sends a message. One that the consumer's version cannot express is dead-lettered: put back, it would be met for
    /// ever.
    fn deliver(&mut self, source: &Source, key: SubscriptionKey, message: Message) {
        let (counted, dialect) = (self.config.habits.counts_acks, self.config.dialect);
        let Some(subscription) = self.subscriptions.get(&key) else { return };
        let connection = subscription.connection;
        self.write_afterwards(connection);
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        let Some(peer) = self.connections.get_mut(&connection) else { return };
        let delivery = DeliveryId { connection, number: peer.next_delivery() };
        let terms = &subscription.terms;
        let body = message.content.body.clone();
        let needs_ack = terms.ack_mode != AckMode::Auto;
        let before = peer.output_len();
        let names = core::mem::take(&mut peer.temporaries);
        let written = peer.write(self.now, |version, out| {
            let ids = ack_id::Ids { delivery, counted, dialect, subscription: &terms.name };
            write::message(&message, ids, &names, needs_ack, version, out)
        });
        peer.temporaries = names;
        if written.is_err() {
            self.records.unwritable += 1;
            return self.dead_letter(&message, Death::Unwritable);
        }
        self.outputs.insert(connection);
        if needs_ack {
            subscription.in_flight += 1;
            let source = source.clone();
            peer.unacked.insert(delivery.number, Unacked { subscription: key, source, message });
        }
        self.note(|| Fact::Delivered { connection, body, settled: !needs_ack });
        self.reach_message(connection, before);
    }
}
