//! Passes the session's events on to what waits for them.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use stomp_proto::{Command, Excess};

use super::{
    error::RequestError,
    notice::Notice,
    pressure::Stall,
    receipts::Settled,
    requests::Requests,
    shared::{After, Inbox, Inner, Shared},
    telemetry::is_on,
    waits::For,
};
use crate::{
    Closed, ConnectionId, Ended, Event, Input, Lost, Message, Outcome, ReceiptId, SubscriptionId, Timestamp,
    Unknown,
};

impl Shared {
    /// Hands on the session's events: the driver does, and whoever is about to report something to listeners that comes
    /// after these events.
    pub(super) fn dispatch_in(&self, inner: &mut Inner) {
        while let Some(event) = inner.session.poll_event() {
            self.hand_on(inner, event);
        }
    }

    /// Hands on what came out of the input. The driver's business.
    pub(super) fn pull(&self, inner: &mut Inner, input: &mut Input, now: Timestamp) {
        while let Some(event) = self.deliver_next(inner, input, now) {
            self.hand_on(inner, event);
        }
    }

    /// Delivers messages up to the next event that is none. No listener is told of a message.
    fn deliver_next(&self, inner: &mut Inner, input: &mut Input, now: Timestamp) -> Option<Event> {
        let Inner { session, inboxes, requests, after, .. } = inner;
        // Counted once for all: nobody can take one of them before.
        let (mut count, mut octets) = (0_usize, 0_usize);
        let event = session.next_event_with(input, now, |frame, arrival| {
            count = count.saturating_add(1);
            octets = octets.saturating_add(deliver(inboxes, requests, after, Message::new(frame, arrival)));
            None
        });
        self.counters.count_received(count);
        self.pressure.count_in(octets);
        event
    }

    fn hand_on(&self, inner: &mut Inner, event: Event) {
        self.counters.note(&event);
        if (!inner.listeners.is_empty() || is_on(&event))
            && let Some(notice) = Notice::of(&event)
        {
            inner.note(&notice);
        }
        self.dispatch_one(inner, event);
    }

    fn dispatch_one(&self, inner: &mut Inner, event: Event) {
        match event {
            Event::Message(message) => {
                let Inner { inboxes, requests, after, .. } = inner;
                self.pressure.count_in(deliver(inboxes, requests, after, message));
            }
            Event::Receipt { id, outcome } => {
                inner.note_outcome(id, &outcome);
                inner.resolve(id, outcome);
            }
            Event::Connected(connection) => {
                self.connection.store(connection.id.0.value, Ordering::Release);
                let stands = inner.session.shared_connection().filter(|stands| stands.id == connection.id);
                let newest = stands.map(Arc::clone).unwrap_or_else(|| Arc::new(connection));
                inner.stood = (inner.stood.0.saturating_add(1), Some(newest));
                inner.wake_all(For::Connection);
                inner.changed();
            }
            Event::Disconnected { connection, reason, .. } => self.end_connection(inner, connection, reason),
            Event::Resubscribing { id, .. } => _ = self.forget(inner, id, |_| true),
            Event::Moving { .. } => inner.changed(),
            Event::Moved(moved) => inner.end_move(moved),
            Event::Unsubscribed(id) => {
                let waker = inner.unanswered.end(id);
                inner.after.wake(waker);
            }
            Event::Subscribed(id) => inner.update_inbox(id, |inbox| inbox.confirmed = true),
            Event::SubscriptionEnded { id, reason } => {
                if inner.requests.end_queue(id) {
                    inner.fail_requests(|_| true, &RequestError::Subscribe(reason.clone().into()));
                }
                inner.update_inbox(id, |inbox| inbox.ended = Some(reason.into()));
            }
            // A RECEIPT that nobody waits for is nothing strange, unless it names none.
            Event::Unroutable(frame)
                if frame.command() == Command::Message || !frame.headers().contains("receipt-id") =>
            {
                inner.count_unroutable();
            }
            Event::TooLarge { message, excess } => self.deliver_too_large(inner, message, excess),
            Event::Closed(closed) => inner.ended = Some(closed.into()),
            Event::ConnectFailed { .. }
            | Event::LocalStall { .. }
            | Event::Reconnecting { .. }
            | Event::Error(_)
            | Event::Unroutable(_)
            | Event::FrameReceived(_)
            | Event::FrameSent(_)
            | Event::HeartBeatReceived
            | Event::HeartBeatSent => {}
        }
    }

    /// A message without its body is dropped, unless the subscription asked for it.
    fn deliver_too_large(&self, inner: &mut Inner, mut message: Message, excess: Excess) {
        if inner.session.delivers_oversized(message.subscription()) {
            message.set_excess(excess);
            let Inner { inboxes, requests, after, .. } = inner;
            return self.pressure.count_in(deliver(inboxes, requests, after, message));
        }
        inner.session.give_back(&message);
        inner.count_unroutable();
    }

    /// Ends what does not outlive that connection.
    fn end_connection(&self, inner: &mut Inner, connection: ConnectionId, reason: Lost) {
        inner.end_flushes(&reason);
        inner.fail_requests(|of| of == connection, &RequestError::Lost(reason));
        self.connection.store(0, Ordering::Release);
        let returned = self.forget_stale(inner, connection);
        inner.release_runners(returned);
        inner.stall = Stall::default();
        inner.wake_all(For::Loss);
        inner.fail_in_transactions();
        inner.end_unanswered();
        let wakers = inner.publishers.note_lost();
        wakers.into_iter().for_each(|waker| inner.wake(waker));
        inner.changed();
    }

    /// The broker delivers unacknowledged messages again, so those of a connection that has ended are dropped. Returns their
    /// number.
    fn forget_stale(&self, inner: &mut Inner, connection: ConnectionId) -> usize {
        let ids: Vec<_> = inner.inboxes.keys().copied().collect();
        let is_meant = |message: &Message| message.connection() == connection;
        let left: usize = inner.inboxes.values().map(|inbox| inbox.left.load(Ordering::Relaxed)).sum();
        ids.into_iter().map(|id| self.forget(inner, id, is_meant)).fold(left, usize::saturating_add)
    }

    /// Drops messages of a subscription that can no longer be acknowledged, unless the subscription keeps them. Returns
    /// their number.
    fn forget(&self, inner: &mut Inner, id: SubscriptionId, is_meant: impl Fn(&Message) -> bool) -> usize {
        if inner.session.keeps_stale(id) {
            return 0;
        }
        let Some(inbox) = inner.inboxes.get_mut(&id) else { return 0 };
        let (stale, kept): (VecDeque<_>, _) = mem::take(&mut inbox.messages)
            .into_iter()
            .partition(|message: &Message| message.needs_ack() && is_meant(message));
        inbox.messages = kept;
        inbox.octets = inbox.octets.saturating_sub(self.pressure.count_out(&stale));
        let count = stale.len();
        inner.after.drop_messages(stale);
        count
    }
}

/// Gives a message to whoever waits for it. Returns what it counts in the budget of octets that are not taken.
fn deliver(
    inboxes: &mut BTreeMap<SubscriptionId, Box<Inbox>>,
    requests: &mut Requests,
    after: &mut After,
    message: Message,
) -> usize {
    let subscription = message.subscription();
    let message = match requests.has_queue(subscription) {
        false => message,
        true => match requests.route(message, |waker| after.wake(waker)) {
            Some(message) => message,
            None => return 0,
        },
    };
    let Some(inbox) = inboxes.get_mut(&subscription) else {
        after.drop_messages(VecDeque::from([message]));
        return 0;
    };
    let octets = message.size();
    inbox.octets = inbox.octets.saturating_add(octets);
    inbox.messages.push_back(message);
    inbox.used = true;
    if let Some(waker) = inbox.waker.take() {
        after.wake(Some(waker));
    }
    octets
}

/// How often the room of inboxes is looked at, at most: there may be thousands.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

impl Inbox {
    /// Gives back its room, if nothing came since the last call and nothing waits.
    fn give_back_room(&mut self) {
        if !mem::take(&mut self.used) && self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }
}

impl Inner {
    /// Gives memory back that quiet subscriptions do not need. The driver's business, whenever something is due.
    pub(super) fn give_back_room(&mut self, now: Timestamp) {
        if now >= self.room_at.after(ROOM_INTERVAL) {
            self.room_at = now;
            self.inboxes.values_mut().for_each(|inbox| inbox.give_back_room());
        }
    }

    const fn count_unroutable(&mut self) {
        self.unroutable = self.unroutable.saturating_add(1);
    }

    /// The state of the session has changed. Wakes every task that watches it.
    pub(super) fn changed(&mut self) {
        self.changes = self.changes.saturating_add(1);
        self.wake_all(For::Change);
    }

    fn end_flushes(&mut self, reason: &Lost) {
        // That is the end of the session, which is told instead.
        if *reason == Lost::Disconnected {
            return;
        }
        let wakers = self.flushes.lose(reason);
        wakers.into_iter().for_each(|waker| self.wake(waker));
    }

    fn resolve(&mut self, id: ReceiptId, outcome: Outcome) {
        let settled = self.receipts.settle(id, outcome);
        settled.into_iter().for_each(|settled| self.note_settled(settled));
    }

    fn note_settled(&mut self, settled: Settled) {
        let waker = match settled {
            Settled::Future(waker) => waker,
            Settled::Published { publisher, number, outcome } => {
                self.publishers.settle(publisher, number, outcome)
            }
        };
        self.after.wake(waker);
    }

    fn update_inbox(&mut self, id: SubscriptionId, update: impl FnOnce(&mut Inbox)) {
        if let Some(inbox) = self.inboxes.get_mut(&id) {
            update(inbox);
            let waker = inbox.waker.take();
            self.after.wake(waker);
        }
    }

    pub(super) fn fail_requests(&mut self, is_meant: impl Fn(ConnectionId) -> bool, error: &RequestError) {
        let Self { requests, after, .. } = self;
        requests.fail(is_meant, error, |waker| after.wake(waker));
    }

    /// Ends every wait.
    pub(super) fn close(&mut self, closed: Closed) {
        for inbox in self.inboxes.values_mut() {
            inbox.ended.get_or_insert_with(|| Box::new(Ended::Closed(closed.clone())));
            self.after.wake(inbox.waker.take());
        }
        let settled = self.receipts.settle_all(&Outcome::Unknown(Unknown::Lost(Lost::DriverDropped)));
        settled.into_iter().for_each(|settled| self.note_settled(settled));
        let publishing = self.publishers.close();
        publishing.into_iter().for_each(|waker| self.wake(waker));
        self.end_unanswered();
        // On its way here the connection has ended.
        self.fail_requests(|_| true, &RequestError::Closed(closed.clone()));
        if self.closed.is_none() {
            self.close_parking(&closed);
            let flushes = self.flushes.close(&closed);
            flushes.into_iter().for_each(|waker| self.wake(waker));
            self.note(&Notice::Closed(closed.clone()));
            self.closed = Some(closed.into());
        }
        self.changes = self.changes.saturating_add(1);
        let wakers = self.waits.wake_all();
        wakers.into_iter().for_each(|waker| self.wake(waker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Command, Frame};

    #[test]
    fn an_inbox_keeps_its_room_only_while_messages_come() {
        let mut inbox = Inbox { messages: VecDeque::with_capacity(100), used: true, ..Inbox::default() };
        inbox.give_back_room();
        assert!(inbox.messages.capacity() >= 100, "one came since the last time");
        inbox.messages.push_back(Message::detached(Frame::new(Command::Message)));
        inbox.give_back_room();
        assert_eq!(inbox.messages.len(), 1, "it waits");
        inbox.messages.clear();
        inbox.give_back_room();
        assert_eq!(inbox.messages.capacity(), 0);
    }
}
