//! What the application commands on a connection, and what of it a broker refuses that answers no frame but DISCONNECT.

use alloc::{borrow::Cow, vec::Vec};
use core::time::Duration;

use bytes::Bytes;
use stomp_proto::{AckMode, Command, Frame, PreparedFrame};

use super::{
    Link,
    context::{Cx, Parts},
    outbox::Kind,
    receipts::{Awaited, Pending},
    settlement::with_command,
    unsubscribing::UnsubscribeOptions,
};
use crate::{
    model::{
        config::Config,
        error::{CommandError, Outcome},
        ids::{Ids, ReceiptId, SubscriptionId, TransactionId},
        message::Arrived,
        profile::Nack,
    },
    replay::{Replay, Subscription},
};

/// More messages than any broker passes on at a time: what a cumulative acknowledgement may be spelled out in.
const MANY: usize = 1000;

impl Link {
    pub(crate) fn send(&mut self, frame: &Frame) -> Result<(), CommandError> {
        self.wire().push(frame, Kind::Send)
    }

    pub(crate) fn confirm(
        &mut self,
        frame: &Frame,
        timeout: Duration,
        ids: &mut Ids,
    ) -> Result<ReceiptId, CommandError> {
        self.check_receipts()?;
        let id = ids.receipt();
        self.wire().push_awaited(frame, id, Awaited::Command, timeout)?;
        Ok(id)
    }

    /// Sends a prepared SEND, which is written for this connection's version then.
    pub(crate) fn send_prepared(
        &mut self,
        send: &mut PreparedFrame,
        body: &Bytes,
        receipt: Option<(ReceiptId, Duration)>,
    ) -> Result<(), CommandError> {
        receipt.map_or(Ok(()), |_| self.check_receipts())?;
        send.set_version(self.connection.version)?;
        self.wire().push_prepared(send, body, receipt)
    }

    pub(crate) fn ack(&mut self, message: &mut dyn Arrived, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        self.settle(Command::Ack, message, &[], cx)
    }

    /// Acknowledges a message, and asks for the RECEIPT of that.
    pub(crate) fn ack_confirmed(
        &mut self,
        message: &mut dyn Arrived,
        timeout: Duration,
        cx: &mut Cx<'_>,
    ) -> Result<ReceiptId, CommandError> {
        self.check_receipts()?;
        self.check_settle(message, cx.replay)?;
        let id = self.settlement.confirm(message, timeout, &mut self.wire, cx.ids)?;
        self.note_settled(message, cx);
        self.proceed_unsubscribing(message.arrival().subscription(), cx.ids);
        Ok(id)
    }

    pub(crate) fn nack(&mut self, message: &mut dyn Arrived, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        self.check_nack()?;
        self.settle(Command::Nack, message, &[], cx)
    }

    pub(crate) fn nack_as(
        &mut self,
        message: &mut dyn Arrived,
        wanted: Nack,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        let profile = &self.connection.profile;
        let headers = profile.nack_headers(wanted);
        let headers = headers.ok_or(CommandError::NackCannot { broker: profile.name, wanted })?;
        self.settle(Command::Nack, message, headers, cx)
    }

    /// A plain NACK is not written where it destroys.
    fn check_nack(&self) -> Result<(), CommandError> {
        let profile = &self.connection.profile;
        match profile.nack {
            Nack::Discard => Err(CommandError::NackDiscards { broker: profile.name }),
            _ => Ok(()),
        }
    }

    fn settle(
        &mut self,
        command: Command,
        message: &mut dyn Arrived,
        headers: &[(&str, &str)],
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        self.check_settle(message, cx.replay)?;
        let headers = headers.iter().map(|(name, value)| (*name, Cow::Borrowed(value.as_bytes())));
        let headers: Vec<_> = headers.collect();
        self.settlement.settle(command, message, &headers, &mut self.wire)?;
        self.note_settled(message, cx);
        self.proceed_unsubscribing(message.arrival().subscription(), cx.ids);
        Ok(())
    }

    fn note_settled(&mut self, message: &mut dyn Arrived, cx: &Cx<'_>) {
        let arrival = message.arrival_mut();
        arrival.settled = true;
        if self.connection.profile.returns_at_once.is_some() {
            self.burst.add(if arrival.is_cumulative() { MANY } else { 1 }, cx.now);
        }
    }

    /// Whether a message can be settled on this connection.
    fn check_settle(&self, message: &dyn Arrived, replay: &Replay) -> Result<(), CommandError> {
        let arrival = message.arrival();
        arrival.check_settle()?;
        if arrival.connection() != self.connection.id || self.giving_back.is_some() {
            return Err(CommandError::Stale { came: arrival.connection() });
        }
        let id = arrival.subscription();
        let stands = replay.subscriptions.get(id).is_some() && !replay.subscriptions.waits(id);
        match (stands && self.settlement.owns(arrival)) || self.unsubscribing.waits(id) {
            true => Ok(()),
            false => Err(CommandError::Unsubscribed),
        }
    }

    /// Says that nobody will settle a message.
    pub(crate) fn give_back(&mut self, message: &dyn Arrived, ids: &mut Ids) {
        let arrival = message.arrival();
        if arrival.connection() == self.connection.id {
            self.settlement.give_back(arrival.subscription(), arrival.delivery);
            self.proceed_unsubscribing(arrival.subscription(), ids);
        }
    }

    fn proceed_unsubscribing(&mut self, id: SubscriptionId, ids: &mut Ids) {
        let Self { unsubscribing, connection, wire, settlement, .. } = self;
        if let Some(unsubscribing) = unsubscribing.used() {
            unsubscribing.proceed(id, &mut Parts { connection, wire, settlement }, ids);
        }
    }

    /// Whether that subscription can be deleted at the broker.
    pub(crate) fn is_durable(&self, subscription: &Subscription) -> bool {
        subscription.is_durable(&self.connection.profile)
    }

    /// Ends a subscription that was taken out of the table, if its SUBSCRIBE was written. Whether it was.
    pub(crate) fn unsubscribe(
        &mut self,
        id: SubscriptionId,
        subscription: Subscription,
        how: UnsubscribeOptions,
        cx: &mut Cx<'_>,
    ) -> bool {
        // One that is only expected was never subscribed.
        if subscription.subscribe.expected {
            return false;
        }
        let waits = self.isolation.as_mut().is_some_and(|isolation| isolation.forget(id));
        if waits || self.passed_over.remove(&id) {
            return false;
        }
        // Its UNSUBSCRIBE has left already, with all others.
        if self.giving_back.is_some() && subscription.subscribe.ack_mode != AckMode::Auto {
            return false;
        }
        self.late.retain(|_, subscribed| *subscribed != id);
        if subscription.subscribe.id.is_some() {
            cx.replay.subscriptions.leave(id, &subscription.wire_id);
        }
        self.unsubscribing.add(id, subscription, how);
        self.proceed_unsubscribing(id, cx.ids);
        true
    }

    /// Writes the first SUBSCRIBE of a subscription. What comes late for an earlier one that had its id is not brought back by
    /// a SUBSCRIBE any more.
    pub(crate) fn subscribe_new(&mut self, id: SubscriptionId, cx: &mut Cx<'_>) -> Result<(), CommandError> {
        let held = cx.replay.subscriptions.get(id);
        if let Some(before) = held.and_then(|held| self.unsubscribing.of(&held.wire_id)) {
            let Self { unsubscribing, connection, wire, settlement, .. } = self;
            unsubscribing.forget(before, &mut Parts { connection, wire, settlement });
        }
        self.subscribe(id, cx)
    }

    pub(crate) fn begin(&mut self, ids: &mut Ids) -> Result<TransactionId, CommandError> {
        self.check_receipts()?;
        self.transactions.begin(&mut self.wire, ids)
    }

    pub(crate) fn send_in(
        &mut self,
        transaction: TransactionId,
        frame: &Frame,
        ids: &mut Ids,
    ) -> Result<(), CommandError> {
        self.transactions.check(transaction)?;
        let frame = frame.clone().with_header("transaction", transaction.wire());
        self.transactions.push(transaction, frame, &mut self.wire, ids)
    }

    pub(crate) fn settle_in(
        &mut self,
        transaction: TransactionId,
        command: Command,
        message: &mut dyn Arrived,
        cx: &mut Cx<'_>,
    ) -> Result<(), CommandError> {
        if command == Command::Nack {
            self.check_nack()?;
        }
        self.transactions.check(transaction)?;
        self.check_settle(message, cx.replay)?;
        let name = transaction.wire();
        for ack in self.settlement.take_settlement(message, self.connection.version)? {
            let frame = with_command(command, &ack, &[("transaction", &name)]);
            self.transactions.push(transaction, frame, &mut self.wire, cx.ids)?;
        }
        self.note_settled(message, cx);
        self.proceed_unsubscribing(message.arrival().subscription(), cx.ids);
        Ok(())
    }

    pub(crate) fn commit(
        &mut self,
        transaction: TransactionId,
        timeout: Duration,
        cx: &mut Cx<'_>,
    ) -> Result<ReceiptId, CommandError> {
        self.transactions.commit(transaction, timeout, &mut self.wire, cx)
    }

    pub(crate) fn abort(&mut self, transaction: TransactionId, ids: &mut Ids) -> Result<(), CommandError> {
        self.transactions.abort(transaction, &mut self.wire, ids)
    }
}

impl Link {
    /// Refuses what is of no use without a RECEIPT.
    pub(super) fn check_receipts(&self) -> Result<(), CommandError> {
        match self.connection.profile.receipts {
            true => Ok(()),
            false => Err(CommandError::NoReceipts { broker: self.connection.profile.name }),
        }
    }

    /// How long the broker has for a RECEIPT: where none will come, the wait is over when all of the frame was handed over.
    pub(super) fn receipt_timeout(&self, config: &Config) -> Duration {
        if self.connection.profile.receipts { config.receipt_timeout } else { Duration::ZERO }
    }

    /// The time of a wait is over. Where no RECEIPT can come, what was handed over counts as accepted until an ERROR names it.
    pub(super) fn end_wait(&mut self, id: ReceiptId, cx: &mut Cx<'_>) {
        if self.connection.profile.receipts || self.wire.receipts.is_queued(id) {
            return self.give_up(id, cx);
        }
        let Some((Pending { awaited, .. }, _)) = self.wire.forget(id) else { return };
        self.note_late(id, awaited);
        self.answer(id, awaited, Outcome::Confirmed, cx);
    }
}
