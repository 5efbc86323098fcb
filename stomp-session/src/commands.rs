//! What the application commands: checked against the state, tracked, and encoded straight into the outbox.

use alloc::vec::Vec;
use core::time::Duration;

use stomp_proto::AckMode;

use crate::{
    CommandError, Connection, Ended, Event, Session, Subscribe, SubscriptionId,
    connected::Connected,
    isolation::Push,
    receipts::Awaited,
    session::State,
    unsettled::{Form, Unsettled},
};

/// Commands. Each either does all it says or nothing, at once; none waits.
impl Session {
    /// Subscribes. The subscription lives until [`unsubscribe`](Self::unsubscribe) or the broker's refusal: it is sent on
    /// this connection, if one stands, and on each one that follows.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn subscribe(&mut self, subscribe: Subscribe) -> Result<SubscriptionId, CommandError> {
        if self.is_ending() {
            return Err(CommandError::Closed);
        }
        self.check_exclusive(&subscribe)?;
        let id = self.subscriptions.add(subscribe)?;
        self.subscriptions.share(id, self.config.prefetch_budget);
        if let Err(error) = self.send_subscribe(id, Connected::push_awaited) {
            self.subscriptions.remove(id);
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

    /// Sends the table of subscriptions.
    pub(crate) fn replay(&mut self) {
        let ids: Vec<_> = self.subscriptions.ready().collect();
        ids.into_iter().for_each(|id| self.resubscribe(id, Connected::push_awaited));
    }

    /// Sends a subscription of the table, if it is still there.
    pub(crate) fn resubscribe(&mut self, id: SubscriptionId, push: Push) {
        match self.send_subscribe(id, push) {
            Ok(()) | Err(CommandError::Unsubscribed) => {}
            Err(error) => {
                // Written before, but not in the version of this connection.
                self.subscriptions.remove(id);
                self.events.push_back(Event::SubscriptionEnded { id, reason: Ended::Unwritable(error) });
            }
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

    fn send_subscribe(&mut self, id: SubscriptionId, push: Push) -> Result<(), CommandError> {
        let receipt = self.next_receipt();
        let State::Connected(connected) = &mut self.state else { return Ok(()) };
        let subscription = self.subscriptions.get(id).ok_or(CommandError::Unsubscribed)?;
        if subscription.subscribe.expected {
            return Ok(());
        }
        let Connection { version, profile, .. } = &connected.connection;
        let asked = subscription.subscribe.ack_mode;
        let form = Form::of(asked, subscription.mode_on_wire(*version, profile));
        let frame = subscription.frame(*version, profile, receipt);
        // It lives longer than any wait: only the broker's time for the RECEIPT counts.
        push(connected, &frame, receipt, Awaited::Subscribe(id), Duration::MAX)?;
        if asked != AckMode::Auto {
            connected.unsettled.insert(id, Unsettled::new(form, connected.deliveries));
        }
        if let Some(held) = self.subscriptions.get_mut(id) {
            held.asked = Some(receipt);
        }
        Ok(())
    }

    /// The connection, if commands may be given on it.
    pub(crate) fn open(&mut self) -> Result<&mut Connected, CommandError> {
        match &mut self.state {
            _ if self.ending.is_some() => Err(CommandError::Closed),
            State::Connected(connected) => Ok(connected),
            State::Disconnecting(_) | State::Closed => Err(CommandError::Closed),
            _ => Err(CommandError::NotConnected),
        }
    }
}
