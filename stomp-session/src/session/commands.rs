//! The commands of the application: checked, and passed on. Each command does either all that it says or nothing, at
//! once; none waits.

use core::time::Duration;

use stomp_proto::{AckMode, Command, Frame};

use super::{Session, state::State};
use crate::{
    link::{Cx, Link, UnsubscribeOptions},
    model::{
        error::CommandError,
        ids::{ReceiptId, SubscriptionId, TransactionId},
        message::{Arrived, Settle},
        profile::Nack,
        subscribe::{Oversized, Subscribe},
    },
};

/// Subscriptions.
impl Session {
    /// Creates a subscription, which lasts until [`unsubscribe`](Self::unsubscribe).
    ///
    /// The SUBSCRIBE is sent on the current connection, if there is one, and on each later one. If the broker refuses
    /// the first SUBSCRIBE, the subscription ends. If it refuses or cancels the subscription after it had accepted it,
    /// the session tries again, as set by [`Subscribe::retry`].
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the subscription is not possible. Nothing was sent.
    pub fn subscribe(&mut self, subscribe: Subscribe) -> Result<SubscriptionId, CommandError> {
        if self.is_ending() {
            return Err(CommandError::Closed);
        }
        self.check_exclusive(&subscribe)?;
        // It would settle what its owner has not handled.
        if subscribe.ack_mode == AckMode::Client
            && matches!(subscribe.oversized, Oversized::Acknowledge | Oversized::DeadLetter)
        {
            return Err(CommandError::CumulativeOversized);
        }
        let id = self.replay.subscriptions.add(subscribe, self.config.prefetch_budget)?;
        if self.note_unwritten(id) {
            return Ok(id);
        }
        let (state, mut cx) = self.split();
        if let State::Connected(link) = state
            && let Err(error) = link.subscribe_new(id, &mut cx)
        {
            self.replay.subscriptions.remove(id);
            return Err(error);
        }
        Ok(id)
    }

    /// Without heart-beats no broker notices that a client is gone, and an exclusive consumer that is gone keeps out all others.
    fn check_exclusive(&self, subscribe: &Subscribe) -> Result<(), CommandError> {
        let exclusive =
            ["exclusive", "activemq.exclusive"].into_iter().find(|name| subscribe.headers.contains(name));
        match exclusive.filter(|_| self.config.send_beat.is_zero()) {
            Some(header) => Err(CommandError::NeedsHeartBeats(header)),
            None => Ok(()),
        }
    }

    /// Creates a subscription for messages with this subscription id, without a SUBSCRIBE. Its messages are not
    /// acknowledged.
    ///
    /// RabbitMQ sends the replies to a `reply-to:/temp-queue/…` in this way.
    ///
    /// # Errors
    /// Returns the same errors as [`subscribe`](Self::subscribe).
    pub fn expect(&mut self, id: &str) -> Result<SubscriptionId, CommandError> {
        let subscribe = Subscribe::new(id).id(id).ack(AckMode::Auto);
        self.subscribe(Subscribe { expected: true, ..subscribe })
    }

    /// Ends a subscription. It is not sent again.
    ///
    /// Messages that still come for it are dropped. Messages that were delivered may still be settled: the UNSUBSCRIBE
    /// is sent when all of them are settled or [given back](Self::give_back), and at the latest after
    /// [`Config::unsubscribe_timeout`](crate::Config::unsubscribe_timeout). After that, acknowledgements fail with
    /// [`CommandError::Unsubscribed`].
    ///
    /// Messages that were not acknowledged go back to the broker. A broker that would keep them until the connection
    /// ends (RabbitMQ) is made to return them. There are two exceptions: messages that were on their way to a queue
    /// that is [`temporary`](crate::Profile::temporary), and STOMP 1.0, which has no NACK. With ack mode `auto`,
    /// messages that still come are dropped and lost.
    ///
    /// A durable subscription is only left: the broker goes on collecting messages for it.
    ///
    /// # Errors
    /// Returns [`CommandError::Unsubscribed`] if there is no such subscription, and [`CommandError::OtherSession`] if
    /// it belongs to another session.
    pub fn unsubscribe(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        self.unsubscribe_as(id, UnsubscribeOptions::default()).map(|_| ())
    }

    /// Ends a subscription as [`unsubscribe`](Self::unsubscribe) does, and asks the broker for an answer.
    ///
    /// Returns `true` if there will be an answer: then either [`Event::Unsubscribed`](crate::Event::Unsubscribed)
    /// comes, or the connection ends first. Returns `false` if the broker does not know the subscription.
    ///
    /// # Errors
    /// Returns the same errors as [`unsubscribe`](Self::unsubscribe).
    pub fn unsubscribe_confirmed(&mut self, id: SubscriptionId) -> Result<bool, CommandError> {
        self.unsubscribe_as(id, UnsubscribeOptions { asks: true, ..UnsubscribeOptions::default() })
    }

    /// Ends a durable subscription as [`unsubscribe`](Self::unsubscribe) does, and deletes it at the broker with all
    /// messages that it has collected.
    ///
    /// # Errors
    /// - Returns [`CommandError::Unsubscribed`] if there is no such subscription.
    /// - Returns [`CommandError::NotDurable`] if its SUBSCRIBE has none of the headers that make it durable on this
    ///   broker.
    /// - Returns [`CommandError::NotConnected`] if there is no connection.
    /// - Returns [`CommandError::Closed`] if the session is disconnecting.
    /// - Returns [`CommandError::OtherSession`] if the subscription belongs to another session.
    ///
    /// Nothing was sent in any of these cases.
    pub fn delete_durable(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        self.check_own(id.0)?;
        let held = self.replay.subscriptions.get(id).ok_or(CommandError::Unsubscribed)?;
        let link = self.state.link().ok_or(CommandError::NotConnected)?;
        if !link.is_durable(held) {
            return Err(CommandError::NotDurable);
        }
        self.on_link(|_, _| Ok(()))?;
        self.unsubscribe_as(id, UnsubscribeOptions { deletes: true, ..UnsubscribeOptions::default() })
            .map(|_| ())
    }

    fn unsubscribe_as(&mut self, id: SubscriptionId, how: UnsubscribeOptions) -> Result<bool, CommandError> {
        self.check_own(id.0)?;
        let stands = !self.replay.subscriptions.waits(id);
        let subscription = self.replay.subscriptions.remove(id).ok_or(CommandError::Unsubscribed)?;
        let is_unwritten = self.take_unwritten(id);
        if !stands || is_unwritten || self.is_ending() {
            return Ok(false);
        }
        let asked = self.with_connected(|link, cx| link.unsubscribe(id, subscription, how, cx));
        Ok(asked.unwrap_or_default())
    }
}

/// Acknowledgements.
impl Session {
    /// Acknowledges a message. With ack mode `client`, this acknowledges all messages before it too.
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the message cannot be acknowledged, in particular [`CommandError::Stale`] if its
    /// connection has ended, and [`CommandError::OtherSession`] if it came to another session. Nothing was sent.
    pub fn ack(&mut self, message: &mut impl Settle) -> Result<(), CommandError> {
        self.settle(message, |link, message, cx| link.ack(message, cx))
    }

    /// Tells the broker that a message was not consumed.
    ///
    /// The effect differs: RabbitMQ delivers the message again at once, and ActiveMQ moves it to a dead letter queue.
    ///
    /// # Errors
    /// Returns the same errors as [`ack`](Self::ack), and [`CommandError::NackDiscards`] on Artemis, which would
    /// destroy the message.
    pub fn nack(&mut self, message: &mut impl Settle) -> Result<(), CommandError> {
        self.settle(message, |link, message, cx| link.nack(message, cx))
    }

    /// Tells the broker that a message was not consumed, and what to do with it. A NACK with any other effect is not
    /// sent.
    ///
    /// # Errors
    /// Returns the same errors as [`ack`](Self::ack), and [`CommandError::NackCannot`] if the broker's
    /// [`Profile`](crate::Profile) has no NACK with this effect.
    pub fn nack_as(&mut self, message: &mut impl Settle, wanted: Nack) -> Result<(), CommandError> {
        self.settle(message, |link, message, cx| link.nack_as(message, wanted, cx))
    }

    /// Acknowledges a message as [`ack`](Self::ack) does, and asks for a RECEIPT.
    ///
    /// [`Event::Receipt`](crate::Event::Receipt) follows exactly once, within [`Config::timeout`](crate::Config::timeout)
    /// from this call and [`Config::receipt_timeout`](crate::Config::receipt_timeout) from the moment the ACK has left.
    ///
    /// The message counts as settled at once, and the ACK is sent in any case: [`cancel`](Self::cancel) does not take it
    /// back. If one acknowledgement is written as several ACK frames, it is confirmed when all of them are. When the time is
    /// over, the outcome is [`Outcome::Unknown`](crate::Outcome::Unknown), even if the ACK has not left. If the connection
    /// ends before the ACK has left, the outcome is [`Outcome::NotSent`](crate::Outcome::NotSent). Unless the ACK was
    /// confirmed, the broker may deliver the message again. RabbitMQ may do so even then, if the connection is lost within
    /// moments of many acknowledgements; see [`Profile::returns_at_once`](crate::Profile::returns_at_once).
    ///
    /// In 1.0, an ACK with ack mode `client-individual` waits for the ACKs of the messages before it, and its time runs in
    /// the meantime. An acknowledgement in a transaction is confirmed by [`commit`](Self::commit) and has no answer of its
    /// own.
    ///
    /// # Errors
    /// Returns the same errors as [`ack`](Self::ack).
    pub fn ack_confirmed(&mut self, message: &mut impl Settle) -> Result<ReceiptId, CommandError> {
        let timeout = self.config.timeout;
        self.settle(message, |link, message, cx| link.ack_confirmed(message, timeout, cx))
    }

    fn settle<R>(
        &mut self,
        message: &mut impl Settle,
        run: impl FnOnce(&mut Link, &mut dyn Arrived, &mut Cx<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        let arrival = message.arrival();
        self.check_own(arrival.connection().0)?;
        arrival.check_settle()?;
        if self.connection().is_none_or(|connection| connection.id != arrival.connection()) {
            return Err(CommandError::Stale { came: arrival.connection() });
        }
        match self.split() {
            (State::Connected(link), mut cx) if cx.is_moving => run(link, message, &mut cx),
            // DISCONNECT was said.
            (_, cx) if cx.is_moving && !cx.is_ending => {
                Err(CommandError::Stale { came: message.arrival().connection() })
            }
            _ => self.on_link(|link, cx| run(link, message, cx)),
        }
    }

    /// Declares that a message will not be settled, because it was dropped or never taken.
    ///
    /// Nothing is sent, and the broker keeps the message for this client. But an UNSUBSCRIBE does not wait for the
    /// message any more, and returns it to the broker where it would otherwise be kept until the connection ends. This
    /// does nothing if the message is settled or belongs to another session.
    pub fn give_back(&mut self, message: &impl Settle) {
        self.with_link(|link, cx| link.give_back(message, cx.ids));
    }
}

/// Transactions.
///
/// A transaction belongs to its connection and ends with it. Every later use fails with
/// [`CommandError::TransactionLost`], and nothing of the transaction is ever sent on another connection. Brokers differ
/// in what a transaction does:
///
/// - RabbitMQ answers a COMMIT before it has stored anything, and answers the SENDs of the transaction after the
///   COMMIT. If one of them is impossible, it stores the others. The outcome of [`commit`](Session::commit) is
///   confirmed only when every frame was answered, but the transaction is not atomic there.
/// - On Artemis, an ABORT does not undo an ACK.
/// - Messages that were acknowledged in an aborted transaction count as delivered at the broker and cannot be settled
///   again. RabbitMQ and ActiveMQ deliver them again when the connection or the subscription has ended.
impl Session {
    /// Begins a transaction.
    ///
    /// # Errors
    /// Returns a [`CommandError`] if there is no connection or the session is ending. Nothing was sent.
    pub fn begin(&mut self) -> Result<TransactionId, CommandError> {
        self.on_link(|link, cx| link.begin(cx.ids))
    }

    /// Sends a SEND in a transaction.
    ///
    /// Its RECEIPT may come only after the COMMIT. Its outcome is therefore that of [`commit`](Self::commit).
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the frame cannot be sent, in particular [`CommandError::TransactionLost`] if the
    /// connection has ended. Nothing was sent.
    pub fn send_in(&mut self, transaction: TransactionId, frame: &Frame) -> Result<(), CommandError> {
        super::sending::check_send(frame)?;
        self.in_transaction(transaction, |link, cx| link.send_in(transaction, frame, cx.ids))
    }

    /// Acknowledges a message in a transaction.
    ///
    /// # Errors
    /// Returns the same errors as [`ack`](Self::ack), and [`CommandError::TransactionLost`] if the connection has
    /// ended. Nothing was sent.
    pub fn ack_in(
        &mut self,
        transaction: TransactionId,
        message: &mut impl Settle,
    ) -> Result<(), CommandError> {
        self.check_own(message.connection().0)?;
        self.in_transaction(transaction, |link, cx| link.settle_in(transaction, Command::Ack, message, cx))
    }

    /// Refuses a message in a transaction.
    ///
    /// # Errors
    /// Returns the same errors as [`nack`](Self::nack), and [`CommandError::TransactionLost`] if the connection has
    /// ended. Nothing was sent.
    pub fn nack_in(
        &mut self,
        transaction: TransactionId,
        message: &mut impl Settle,
    ) -> Result<(), CommandError> {
        self.check_own(message.connection().0)?;
        self.in_transaction(transaction, |link, cx| link.settle_in(transaction, Command::Nack, message, cx))
    }

    /// Commits a transaction. `timeout` is counted from this call.
    ///
    /// [`Event::Receipt`](crate::Event::Receipt) comes exactly once. The outcome is one of these:
    ///
    /// - Confirmed: the RECEIPTs of the COMMIT and of every frame before it have come.
    /// - Rejected: the broker has rejected the COMMIT, or it has rejected an earlier frame and the transaction is
    ///   aborted instead.
    /// - Not sent: nothing of the COMMIT was handed to the transport. If its connection still lasts, the transaction is
    ///   aborted.
    /// - Unknown: anything else.
    ///
    /// A COMMIT is never sent twice.
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the transaction cannot be committed. Nothing was sent.
    pub fn commit(
        &mut self,
        transaction: TransactionId,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        self.in_transaction(transaction, |link, cx| link.commit(transaction, timeout, cx))
    }

    /// Aborts a transaction.
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the transaction cannot be aborted. Nothing was sent.
    pub fn abort(&mut self, transaction: TransactionId) -> Result<(), CommandError> {
        self.in_transaction(transaction, |link, cx| link.abort(transaction, cx.ids))
    }

    fn in_transaction<R>(
        &mut self,
        transaction: TransactionId,
        run: impl FnOnce(&mut Link, &mut Cx<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        self.check_own(transaction.connection.0)?;
        self.on_link(run).map_err(|error| match error {
            CommandError::NotConnected => CommandError::TransactionLost { began: transaction.connection },
            error => error,
        })
    }
}
