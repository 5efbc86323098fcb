//! ACK and NACK: which messages they cover, and what becomes of those.

use std::collections::BTreeMap;

use stomp_proto::{AckMode, Frame, Version};

use super::{
    Broker, ConnectionId, Death, NackPolicy, ack_id,
    connection::{Connection, Unacked},
    delivery_limit::Return,
    habits::Habits,
    journal::Fact,
    refusal::Refusal,
    source::{Source, SubscriptionKey},
    store::Message,
    subscription::SubscriptionName,
    transaction::Step,
    value,
};

/// What becomes of a message that its consumer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Acknowledge,
    DeadLetter,
    Discard,
    Requeue,
}

impl Verdict {
    pub(super) fn of_nack(nack: &Frame, policy: NackPolicy) -> Self {
        match policy {
            NackPolicy::DeadLetter => Self::DeadLetter,
            NackPolicy::Discard => Self::Discard,
            NackPolicy::Requeue if nack.header("requeue").is_some_and(|value| value == "false") => {
                Self::DeadLetter
            }
            NackPolicy::Requeue => Self::Requeue,
        }
    }
}

impl Broker {
    /// Obeys an ACK or NACK, at once or with its transaction.
    pub(super) fn acknowledge(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        version: Version,
        verdict: Verdict,
    ) -> Result<(), Refusal> {
        let by_message = self.names_messages() && version < Version::V1_2;
        let Some(peer) = self.connections.get_mut(&connection) else { return Ok(()) };
        let Habits { counts_acks, acks_in_transactions_count_at_once, .. } = self.config.habits;
        let find = match (counts_acks, by_message) {
            (true, _) => find_counted,
            (false, true) => find_by_message,
            (false, false) => find_exact,
        };
        if peer.has_browsed(connection, frame, version) {
            return Ok(());
        }
        let delivery = find(connection, peer, frame, version)?;
        match peer.transaction(frame)?.filter(|_| !acks_in_transactions_count_at_once) {
            Some(transaction) => transaction.steps.push(Step::Settle { delivery, verdict }),
            None => self.settle(connection, delivery, verdict),
        }
        Ok(())
    }

    /// Settles a delivery and, in the cumulative mode, those before it. One that is settled already is left alone.
    pub(super) fn settle(&mut self, connection: ConnectionId, delivery: u64, verdict: Verdict) {
        let is_limited = self.config.habits.settles_at_once.is_some();
        // All that one frame settles in a queue goes on together.
        let mut passes = BTreeMap::new();
        for delivery in self.covered(connection, delivery) {
            let peer = self.connections.get_mut(&connection);
            let Some(Unacked { subscription, source, message }) =
                peer.and_then(|peer| peer.unacked.remove(&delivery))
            else {
                continue;
            };
            self.make_room(subscription, &source);
            let passes = !is_limited
                || *passes.entry(source.clone()).or_insert_with(|| self.passes_on(connection, &source));
            if passes {
                self.conclude(connection, &source, message, verdict);
            } else {
                self.hold_up(connection, &source, message, verdict);
            }
        }
    }

    /// 1.1 and 1.2, "SUBSCRIBE Ack Modes": an ACK of `client` covers the subscription's messages up to its own. On
    /// RabbitMQ it covers those of the other subscriptions too.
    fn covered(&self, connection: ConnectionId, delivery: u64) -> Vec<u64> {
        let Some(peer) = self.connections.get(&connection) else { return Vec::new() };
        let Some(key) = peer.unacked.get(&delivery).map(|unacked| unacked.subscription) else {
            return Vec::new();
        };
        let mode = self.subscriptions.get(&key).map(|subscription| subscription.terms.ack_mode);
        if mode != Some(AckMode::Client) {
            return vec![delivery];
        }
        let whole = self.config.acks_whole_connection;
        let before = peer.unacked.range(..=delivery);
        before
            .filter(|(_, unacked)| whole || unacked.subscription == key)
            .map(|(number, _)| *number)
            .collect()
    }

    /// A subscription may have another message.
    fn make_room(&mut self, subscription: SubscriptionKey, source: &Source) {
        self.store.touch_consumer(subscription);
        if let Some(subscription) = self.subscriptions.get_mut(&subscription) {
            subscription.in_flight = subscription.in_flight.saturating_sub(1);
        }
        self.store.touch(source);
    }

    /// Does with a message what was said of it.
    pub(super) fn conclude(
        &mut self,
        connection: ConnectionId,
        source: &Source,
        message: Message,
        verdict: Verdict,
    ) {
        let body = || message.content.body.clone();
        match verdict {
            Verdict::Acknowledge => self.note(|| Fact::Acknowledged { connection, body: body() }),
            Verdict::DeadLetter => self.dead_letter(&message, Death::Refused),
            Verdict::Discard => {
                self.records.discarded += 1;
                self.note(|| Fact::Discarded(body()));
            }
            Verdict::Requeue => self.give_back(source, message, Return::Nack),
        }
    }

    /// Puts back what a connection has not acknowledged, of those subscriptions.
    pub(super) fn take_back(
        &mut self,
        connection: ConnectionId,
        by: Return,
        ended: impl Fn(&Unacked) -> bool,
    ) {
        let Some(peer) = self.connections.get_mut(&connection) else { return };
        let unacked = core::mem::take(&mut peer.unacked).into_iter();
        let (back, kept) = unacked.partition(|(_, unacked)| ended(unacked));
        peer.unacked = kept;
        BTreeMap::into_values(back).for_each(|unacked| self.give_back(&unacked.source, unacked.message, by));
    }
}

/// The delivery that a frame names by its count, whichever connection its id was for. Its subscription must exist.
fn find_counted(_: ConnectionId, peer: &Connection, frame: &Frame, version: Version) -> Result<u64, Refusal> {
    let (tag, number) = ack_id::counted(frame, version)?;
    if !peer.subscriptions.keys().any(|name| ack_id::tag(name) == tag) {
        return Err(ack_id::over(frame, version));
    }
    peer.unacked.get(&number).map(|_| number).ok_or_else(|| ack_id::unknown(&number.to_string()))
}

/// ActiveMQ in 1.0 and 1.1: the delivery of the message that a frame names, whoever else has that.
fn find_by_message(
    _: ConnectionId,
    peer: &Connection,
    frame: &Frame,
    version: Version,
) -> Result<u64, Refusal> {
    let id = value(frame, "message-id")?.ok_or_else(|| Refusal::missing("message-id"))?;
    let name = value(frame, "subscription")?.map(SubscriptionName::Id);
    if name.is_none() && version > Version::V1_0 {
        return Err(Refusal::missing("subscription"));
    }
    let key =
        name.map(|name| peer.subscriptions.get(&name).ok_or_else(|| ack_id::unknown(&id))).transpose()?;
    let mut unacked = peer.unacked.iter();
    let found = unacked.find(|(_, unacked)| {
        unacked.message.content.id.as_ref() == Some(&id) && key.is_none_or(|key| *key == unacked.subscription)
    });
    found.map(|(number, _)| *number).ok_or_else(|| ack_id::unknown(&id))
}

/// The delivery that a frame names. 1.1, "ACK": `subscription` is required, and 1.0 allows it.
fn find_exact(
    connection: ConnectionId,
    peer: &Connection,
    frame: &Frame,
    version: Version,
) -> Result<u64, Refusal> {
    let delivery = ack_id::delivery(frame, version)?;
    let unknown = || ack_id::unknown(&format!("{}:{}", delivery.connection, delivery.number));
    let unacked = peer.unacked.get(&delivery.number).filter(|_| delivery.connection == connection);
    let found = unacked.ok_or_else(unknown)?;
    if version >= Version::V1_2 {
        return Ok(delivery.number);
    }
    match value(frame, "subscription")?.map(SubscriptionName::Id) {
        None if version > Version::V1_0 => Err(Refusal::missing("subscription")),
        Some(name) if peer.subscriptions.get(&name) != Some(&found.subscription) => Err(unknown()),
        _ => Ok(delivery.number),
    }
}
