//! What still comes for a subscription after the RECEIPT of its UNSUBSCRIBE.

use stomp_proto::Version;

use super::{Broker, ConnectionId, ack_id, connection::DeliveryId, subscription::SubscriptionName, write};

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
        let Some(ending) = peer.subscriptions.get(name).and_then(|key| subscriptions.get(key)) else {
            return;
        };
        let waiting = || store.ready(&ending.terms.destination);
        for message in waiting().take(config.habits.late_messages) {
            let delivery = DeliveryId { connection, number: peer.next_delivery() };
            let ids = ack_id::Ids { delivery, counted: config.habits.counts_acks, subscription: name };
            // What this version cannot express was never on its way.
            _ = write::message(message, ids, true, version, &mut peer.afterwards);
        }
        let refusal = ack_id::no_subscription(&ack_id::tag(name));
        for _ in waiting().take(config.habits.stray_errors) {
            _ = write::error(&refusal, None, version, &mut peer.afterwards);
        }
    }

    pub(super) fn write_afterwards(&mut self, connection: ConnectionId) {
        let now = self.now;
        let Some(peer) = self.connections.get_mut(&connection).filter(|peer| !peer.afterwards.is_empty())
        else {
            return;
        };
        let octets = peer.afterwards.split();
        peer.write_octets(&octets, now);
        self.outputs.insert(connection);
    }
}
