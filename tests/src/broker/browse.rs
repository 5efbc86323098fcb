//! Browsing: what waits in a queue is shown and stays.

use std::sync::Arc;

use stomp_proto::{AckMode, Frame, Version};

use super::{
    Broker, ConnectionId, ack_id,
    connection::{Connection, DeliveryId},
    consumers::Wishes,
    source::Source,
    store::Message,
    subscription::Terms,
    write,
};

impl Connection {
    /// Whether a frame acknowledges a message that was only shown.
    pub(super) fn has_browsed(&self, connection: ConnectionId, frame: &Frame, version: Version) -> bool {
        let is_shown = |delivery: DeliveryId| {
            delivery.connection == connection && self.browsed.contains_key(&delivery.number)
        };
        let names = |id: &Option<Arc<str>>| {
            id.as_ref().is_some_and(|id| frame.header("message-id").is_some_and(|value| value == **id))
        };
        if version < Version::V1_2 && self.browsed.values().any(names) {
            return true;
        }
        !self.browsed.is_empty() && ack_id::delivery(frame, version).is_ok_and(is_shown)
    }
}

impl Broker {
    /// Shows what the subscription that was just made browses, behind its RECEIPT.
    pub(super) fn write_browsed(&mut self, connection: ConnectionId) {
        let Some((key, wishes)) = self.browsed_afterwards.take() else { return };
        if let Some(terms) = self.subscriptions.get(&key).map(|subscription| subscription.terms.clone()) {
            self.browse(connection, &terms, &wishes);
        }
    }

    /// Sends all messages of a queue, those that somebody has and has not acknowledged too, and then one that says that they
    /// were all.
    fn browse(&mut self, connection: ConnectionId, terms: &Terms, wishes: &Wishes) {
        let mut shown: Vec<_> =
            self.waiting(wishes).into_iter().filter(|message| wishes.accepts(&message.content)).collect();
        shown.sort_by_key(|message| message.number);
        let (counted, dialect) = (self.config.habits.counts_acks, self.config.dialect);
        let (now, needs_ack) = (self.now, terms.ack_mode != AckMode::Auto);
        let Some(peer) = self.connections.get_mut(&connection).filter(|peer| peer.is_open()) else { return };
        for message in shown {
            let number = peer.next_delivery();
            let delivery = DeliveryId { connection, number };
            let names = core::mem::take(&mut peer.temporaries);
            let written = peer.write(now, |version, out| {
                let ids = ack_id::Ids { delivery, counted, dialect, subscription: &terms.name };
                write::message(&message, ids, &names, needs_ack, version, out)
            });
            peer.temporaries = names;
            if written.is_ok() && needs_ack {
                peer.browsed.insert(number, message.content.id.clone());
            }
        }
        _ = peer.write(now, |version, out| write::browse_end(terms, version, out));
        self.outputs.insert(connection);
    }

    /// The messages of the queues that a subscription names.
    fn waiting(&self, wishes: &Wishes) -> Vec<Message> {
        let names = self.store.queue_names().filter(|name| wishes.targets.iter().any(|it| it.matches(name)));
        let waiting = names.flat_map(|name| self.store.ready(name).cloned());
        let out = self.connections.values().flat_map(|peer| peer.unacked.values());
        let is_there = |source: &Source| match source {
            Source::Queue(name) => wishes.targets.iter().any(|target| target.matches(name)),
            Source::Topic(_) | Source::Durable(_) => false,
        };
        let out = out.filter(|unacked| is_there(&unacked.source)).map(|unacked| unacked.message.clone());
        waiting.chain(out).collect()
    }
}
