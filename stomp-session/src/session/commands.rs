//! What the application commands: checked, and handed on. Each command either does all it says or nothing, at once; none waits.

use core::time::Duration;

use stomp_proto::{AckMode, Command, Frame};

use super::{Session, state::State};
use crate::{
    link::{Cx, Link, UnsubscribeOptions},
    model::{
        arrival::Arrived,
        error::CommandError,
        ids::{ReceiptId, SubscriptionId, TransactionId},
        message::Settle,
        profile::Nack,
        subscribe::{Oversized, Subscribe},
    },
};

/// Subscribing.
impl Session {
    /// Subscribes. The subscription lives until [`unsubscribe`](Self::unsubscribe): it is sent on this connection, if one
    /// stands, and on each one that follows. A broker that refuses the first SUBSCRIBE ends it; one that stood once is tried
    /// again when it is refused or cancelled later, as [`Subscribe::retry`] says.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn subscribe(&mut self, subscribe: Subscribe) -> Result<SubscriptionId, CommandError> {
        if self.is_ending() {
            return Err(CommandError::Closed);
        }
        self.check_exclusive(&subscribe)?;
        // It would settle what its owner has not handled.
        if subscribe.ack_mode == AckMode::Client && subscribe.oversized != Oversized::Leave {
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

    /// Expects messages under that subscription id, which is never subscribed, and acknowledges none of them. RabbitMQ sends
    /// the replies to a `reply-to:/temp-queue/…` so.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn expect(&mut self, id: &str) -> Result<SubscriptionId, CommandError> {
        let subscribe = Subscribe::new(id).id(id).ack(AckMode::Auto);
        self.subscribe(Subscribe { expected: true, ..subscribe })
    }

    /// Ends a subscription: it is not sent again. Messages that still come for it are dropped; those that were delivered may
    /// still be settled: UNSUBSCRIBE leaves when all of them are, or were [given back](Self::give_back), and at the latest
    /// after [`Config::unsubscribe_timeout`](crate::Config::unsubscribe_timeout). Then acknowledgements are
    /// [`CommandError::Unsubscribed`], and what was not acknowledged goes back to the broker: where it would keep that until
    /// the connection ends (RabbitMQ), it is made to return it, but for what was on its way to a queue that is
    /// [`temporary`](crate::Profile::temporary), and in 1.0, which has no NACK. With ack mode `auto` what still comes is
    /// dropped, and is gone.
    ///
    /// A durable subscription is only left: the broker goes on to collect messages for it.
    ///
    /// # Errors
    /// [`CommandError::Unsubscribed`] when there is none; [`CommandError::OtherSession`].
    pub fn unsubscribe(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        self.unsubscribe_as(id, UnsubscribeOptions::default()).map(|_| ())
    }

    /// Ends a subscription as [`unsubscribe`](Self::unsubscribe) does, and asks the broker for its answer. Returns whether there
    /// will be one: then [`Event::Unsubscribed`](crate::Event::Unsubscribed) comes, or the connection ends first. There is
    /// none where the broker knows nothing of the subscription.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    pub fn unsubscribe_confirmed(&mut self, id: SubscriptionId) -> Result<bool, CommandError> {
        self.unsubscribe_as(id, UnsubscribeOptions { asks: true, deletes: false })
    }

    /// Ends a durable subscription as [`unsubscribe`](Self::unsubscribe) does, and deletes it at the broker with all that it
    /// has collected.
    ///
    /// # Errors
    /// [`CommandError::Unsubscribed`] when there is none; [`CommandError::NotDurable`] when its SUBSCRIBE has none of the
    /// headers that make it durable on this broker; [`CommandError::NotConnected`]. Nothing was sent.
    pub fn delete_durable(&mut self, id: SubscriptionId) -> Result<(), CommandError> {
        self.check_own(id.0)?;
        let held = self.replay.subscriptions.get(id).ok_or(CommandError::Unsubscribed)?;
        let link = self.state.link().ok_or(CommandError::NotConnected)?;
        if !link.is_durable(held) {
            return Err(CommandError::NotDurable);
        }
        self.on_link(|_, _| Ok(()))?;
        self.unsubscribe_as(id, UnsubscribeOptions { deletes: true, asks: false }).map(|_| ())
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

/// Settling.
impl Session {
    /// Acknowledges a message. With ack mode `client` all before it as well.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent. Above all [`CommandError::Stale`] when its connection has ended, and
    /// [`CommandError::OtherSession`] when it came to another session.
    pub fn ack(&mut self, message: &mut impl Settle) -> Result<(), CommandError> {
        self.settle(message, |link, message, cx| link.ack(message, cx))
    }

    /// Tells the broker that a message was not consumed. What follows differs: RabbitMQ delivers it again at once,
    /// ActiveMQ moves it to a dead letter queue.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and [`CommandError::NackDiscards`] on Artemis, which would destroy the message.
    pub fn nack(&mut self, message: &mut impl Settle) -> Result<(), CommandError> {
        self.settle(message, |link, message, cx| link.nack(message, cx))
    }

    /// Tells the broker that a message was not consumed, and what to do with it: only what is wanted, or nothing.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and [`CommandError::NackCannot`] where the broker's [`Profile`](crate::Profile) has no NACK
    /// that does that.
    pub fn nack_as(&mut self, message: &mut impl Settle, wanted: Nack) -> Result<(), CommandError> {
        self.settle(message, |link, message, cx| link.nack_as(message, wanted, cx))
    }

    /// Acknowledges a message as [`ack`](Self::ack) does, and asks for its RECEIPT: [`Event::Receipt`](crate::Event::Receipt)
    /// comes exactly once, within [`Config::timeout`](crate::Config::timeout) from here and
    /// [`Config::receipt_timeout`](crate::Config::receipt_timeout) from the moment the ACK has left.
    ///
    /// The message counts as settled from here on, and the ACK leaves whether or not anybody waits for its answer:
    /// [`cancel`](Self::cancel) does not take it back. An ACK that means several messages, and had to be spelled out in several
    /// frames, is confirmed when all of them are. When the time is over the outcome is
    /// [`Outcome::Unknown`](crate::Outcome::Unknown), even if the ACK has not left; when the connection ends first, and it has
    /// not left, [`Outcome::NotSent`](crate::Outcome::NotSent). Unless it was confirmed, the broker may deliver the message
    /// again.
    ///
    /// In 1.0 an ACK of ack mode `client-individual` waits for those of the messages before it, and its time runs
    /// meanwhile. An acknowledgement in a transaction is confirmed by the [`commit`](Self::commit) and has no answer of its
    /// own.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
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

    /// Says that nobody will settle a message: it was dropped, or never taken. Nothing is sent and the broker keeps it for
    /// us, but an UNSUBSCRIBE does not wait for it any more, and where it would strand the message it brings it back. One
    /// that was settled is left alone, as is one of another session.
    pub fn give_back(&mut self, message: &impl Settle) {
        self.with_link(|link, cx| link.give_back(message, cx.ids));
    }
}

/// Transactions.
///
/// A transaction belongs to its connection: when that ends it is over, every later use is
/// [`CommandError::TransactionLost`], and nothing of it is ever sent on another. What brokers make of them differs:
///
/// - RabbitMQ answers a COMMIT before it has stored anything, and the SENDs in it after the COMMIT; and it stores the others
///   if one is impossible. [`commit`](Session::commit) is confirmed only when every frame was answered, but all or nothing
///   is not to be had there.
/// - On Artemis an ACK in a transaction is not undone by its ABORT.
/// - What was acknowledged in a transaction that was aborted stays with the broker as delivered. It cannot be settled again:
///   RabbitMQ and ActiveMQ deliver it again when the connection, or the subscription, has ended.
impl Session {
    /// Begins a transaction.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn begin(&mut self) -> Result<TransactionId, CommandError> {
        self.on_link(|link, cx| link.begin(cx.ids))
    }

    /// Sends a SEND in a transaction. Its RECEIPT may come only after the COMMIT: the outcome is that of
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn send_in(&mut self, transaction: TransactionId, frame: &Frame) -> Result<(), CommandError> {
        super::sending::check_send(frame)?;
        self.in_transaction(transaction, |link, cx| link.send_in(transaction, frame, cx.ids))
    }

    /// Acknowledges a message in a transaction.
    ///
    /// # Errors
    /// As [`ack`](Self::ack), and [`CommandError::TransactionLost`]; nothing was sent.
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
    /// As [`nack`](Self::nack), and [`CommandError::TransactionLost`]; nothing was sent.
    pub fn nack_in(
        &mut self,
        transaction: TransactionId,
        message: &mut impl Settle,
    ) -> Result<(), CommandError> {
        self.check_own(message.connection().0)?;
        self.in_transaction(transaction, |link, cx| link.settle_in(transaction, Command::Nack, message, cx))
    }

    /// Commits. [`Event::Receipt`](crate::Event::Receipt) comes exactly once: confirmed when the RECEIPTs of the COMMIT and of
    /// every frame before it are in; rejected when the COMMIT was, or a frame before it, after which the transaction is
    /// aborted instead; else not sent, after which it is aborted too while its connection stands, or unknown. It is never sent
    /// twice. `timeout` runs from here.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn commit(
        &mut self,
        transaction: TransactionId,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        self.in_transaction(transaction, |link, cx| link.commit(transaction, timeout, cx))
    }

    /// Aborts.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
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
