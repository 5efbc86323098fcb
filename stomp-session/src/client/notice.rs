//! The notices that listeners return, and those that they have not read yet.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    task::Waker,
    time::Duration,
};

use stomp_proto::{Excess, Frame};

use super::error::SendError;
use crate::{
    Attempt, Closed, Connection, ConnectionId, Ended, Endpoint, Event, Lost, Moved, Outcome, ReceiptId,
    ServerError, SubscriptionId,
};

/// Something that happened in a session, returned by a [`Listener`](super::Listener).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The client begins an attempt to connect.
    Connecting(Attempt),
    /// The session leaves its connection for another one, because [`reconnect`](super::Client::reconnect) was called, or
    /// by itself, to [rebalance](super::Builder::rebalance).
    Moving {
        /// The connection that is left, or `None` if there is none.
        connection: Option<ConnectionId>,
        /// The reason that was given to [`reconnect`](super::Client::reconnect), or `rebalance`.
        reason: String,
    },
    /// A move has ended, and the next connection is established.
    Moved(Box<Moved>),
    /// An attempt to connect failed.
    ConnectFailed {
        /// The broker.
        endpoint: Endpoint,
        /// The reason.
        reason: Lost,
    },
    /// The client waits for this delay before its next attempt to connect.
    Reconnecting {
        /// The broker that will be dialled.
        endpoint: Endpoint,
        /// The time until then.
        delay: Duration,
    },
    /// A connection is established, and the subscriptions have been sent on it again.
    Connected(Connection),
    /// An established connection has ended.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
        /// The reason.
        reason: Lost,
    },
    /// The broker has accepted a SUBSCRIBE. This notice comes once for each connection.
    Subscribed(SubscriptionId),
    /// The application has unsubscribed.
    Unsubscribed(SubscriptionId),
    /// A subscription has ended, but not because the application unsubscribed. It is not sent again.
    SubscriptionEnded {
        /// The subscription.
        id: SubscriptionId,
        /// The reason.
        reason: Ended,
    },
    /// The broker has refused or cancelled a subscription that it had accepted before. It is sent again after this
    /// delay.
    Resubscribing {
        /// The subscription.
        id: SubscriptionId,
        /// The reason why it is not active.
        reason: Ended,
        /// The time until it is sent again.
        delay: Duration,
    },
    /// The time was reported too late for a heart-beat. The program, its runtime or the machine was suspended.
    LocalStall {
        /// The delay with which the time was reported.
        late: Duration,
    },
    /// The outcome of a frame that asked for a RECEIPT is known.
    Receipt {
        /// The id of the frame's receipt.
        id: ReceiptId,
        /// The outcome.
        outcome: Outcome,
    },
    /// The broker sent an ERROR that ended neither a connection nor a subscription. Any other ERROR is the reason in
    /// the notice of what it ended.
    Error(ServerError),
    /// A message was over the [limits](super::Builder::limits) and was read past.
    TooLarge {
        /// The subscription to which the message belongs.
        subscription: SubscriptionId,
        /// The part of the message that was over the limits.
        excess: Excess,
    },
    /// The broker sent a MESSAGE for an unknown subscription, or a RECEIPT that nothing waits for or that has no id.
    Unroutable(Frame),
    /// A frame came. This notice precedes those that follow from the frame.
    ///
    /// Only [`Client::trace`](super::Client::trace) reports it.
    Received(Frame),
    /// A frame was handed to the transport. CONNECT is shown without its passcode.
    ///
    /// Only [`Client::trace`](super::Client::trace) reports it.
    Sent(Frame),
    /// A heart-beat came. Only [`Client::trace`](super::Client::trace) reports it.
    HeartBeatReceived,
    /// A heart-beat was handed to the transport. Only [`Client::trace`](super::Client::trace) reports it.
    HeartBeatSent,
    /// A handler succeeded after the connection of its message had ended. The message could not be acknowledged, and
    /// the broker delivers it again.
    AckLost {
        /// The subscription to which the message belongs.
        subscription: SubscriptionId,
    },
    /// The connection has not been read for 5 s, because messages wait that are not taken, or ACKs that the broker does
    /// not read.
    ///
    /// RabbitMQ resets a connection that is not read for 30 s. A smaller prefetch is better than a long pause.
    Stalled {
        /// The subscription whose waiting messages have the most octets.
        subscription: Option<SubscriptionId>,
    },
    /// A [buffered](super::SendBuilder::buffered) message was not sent. Nothing else reports this.
    SendFailed(SendError),
    /// The session is being disconnected and takes no more commands.
    Disconnecting,
    /// The listener was too slow and has missed this number of notices, between the previous notice and the next one.
    Missed(u64),
    /// The session has ended. This is the last notice.
    Closed(Closed),
}

impl Notice {
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Connected(connection) => Self::Connected(connection.clone()),
            Event::Disconnected { connection, reason, .. } => {
                Self::Disconnected { connection: *connection, reason: reason.clone() }
            }
            Event::Moving { connection, reason } => {
                Self::Moving { connection: *connection, reason: reason.clone() }
            }
            Event::ConnectFailed { endpoint, reason } => {
                Self::ConnectFailed { endpoint: endpoint.clone(), reason: reason.clone() }
            }
            Event::Reconnecting { endpoint, delay } => {
                Self::Reconnecting { endpoint: endpoint.clone(), delay: *delay }
            }
            Event::LocalStall { late } => Self::LocalStall { late: *late },
            Event::Receipt { id, outcome } => Self::Receipt { id: *id, outcome: outcome.clone() },
            Event::Subscribed(id) => Self::Subscribed(*id),
            Event::SubscriptionEnded { id, reason } => {
                Self::SubscriptionEnded { id: *id, reason: reason.clone() }
            }
            Event::Resubscribing { id, reason, delay } => {
                Self::Resubscribing { id: *id, reason: reason.clone(), delay: *delay }
            }
            Event::Error(error) => Self::Error(error.clone()),
            Event::TooLarge { message, excess } => {
                Self::TooLarge { subscription: message.subscription(), excess: *excess }
            }
            // Copies: whoever is slow must not hold up a read buffer.
            Event::Unroutable(frame) => Self::Unroutable(frame.clone().into_owned()),
            Event::FrameReceived(frame) => Self::Received(frame.clone()),
            Event::FrameSent(frame) => Self::Sent(frame.clone()),
            Event::HeartBeatReceived => Self::HeartBeatReceived,
            Event::HeartBeatSent => Self::HeartBeatSent,
            // The end is told once, whoever brings it about.
            // So is what a move came to, once all of it is known.
            Event::Closed(_) | Event::Message(_) | Event::Moved(_) | Event::Unsubscribed(_) => return None,
        })
    }

    pub(super) const fn is_traced(&self) -> bool {
        matches!(self, Self::Received(_) | Self::Sent(_) | Self::HeartBeatReceived | Self::HeartBeatSent)
    }

    /// The number of octets that the notice counts in its queue.
    pub(super) fn size(&self) -> usize {
        let octets = match self {
            Self::Received(frame) | Self::Sent(frame) | Self::Unroutable(frame) => frame.size(),
            _ => 0,
        };
        octets.saturating_add(size_of::<Self>())
    }
}

/// The notices that one listener has not read yet.
#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice>,
    octets: usize,
    missed: u64,
    traces: bool,
    waker: Option<Waker>,
}

/// The octets of notices that may wait for their listener. Beyond them, the listener misses notices.
const BUDGET: usize = 256 * 1024;

impl Queue {
    fn push(&mut self, notice: &Notice) {
        if notice.is_traced() && !self.traces {
            return;
        }
        let size = notice.size();
        // The end is told whatever else was missed.
        if self.octets.saturating_add(size) > BUDGET && !matches!(notice, Notice::Closed(_)) {
            self.missed = self.missed.saturating_add(1);
            return;
        }
        self.confess();
        self.notices.push_back(notice.clone());
        self.octets = self.octets.saturating_add(size);
    }

    /// Adds a notice of what was missed, once there is room again.
    fn confess(&mut self) {
        if let missed @ 1.. = mem::take(&mut self.missed) {
            self.notices.push_back(Notice::Missed(missed));
            self.octets = self.octets.saturating_add(size_of::<Notice>());
        }
    }

    fn pop(&mut self) -> Option<Notice> {
        if self.notices.is_empty() {
            self.confess();
        }
        let notice = self.notices.pop_front()?;
        self.octets = self.octets.saturating_sub(notice.size());
        Some(notice)
    }
}

/// All listeners of a session.
#[derive(Default)]
pub(super) struct Listeners {
    queues: BTreeMap<u64, Queue>,
    next: u64,
}

impl Listeners {
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(super) fn any_traces(&self) -> bool {
        self.queues.values().any(|queue| queue.traces)
    }

    /// Adds a listener. If the session has ended, this is its first notice.
    pub(super) fn add(&mut self, traces: bool, closed: Option<&Closed>) -> u64 {
        let id = self.next;
        self.next = id.saturating_add(1);
        let mut queue = Queue { traces, ..Queue::default() };
        if let Some(closed) = closed {
            queue.push(&Notice::Closed(closed.clone()));
        }
        self.queues.insert(id, queue);
        id
    }

    /// Adds a notice to all queues. `wake` gets the wakers of listeners that have something to read.
    pub(super) fn tell(&mut self, notice: &Notice, mut wake: impl FnMut(Option<Waker>)) {
        for queue in self.queues.values_mut() {
            queue.push(notice);
            if !queue.notices.is_empty() {
                wake(queue.waker.take());
            }
        }
    }

    /// Takes the next notice of this listener, or stores the waker. Also returns a waker that is no longer needed.
    pub(super) fn take(&mut self, id: u64, waker: Waker) -> (Option<Notice>, Option<Waker>) {
        let Some(queue) = self.queues.get_mut(&id) else { return (None, Some(waker)) };
        match queue.pop() {
            Some(notice) => (Some(notice), Some(waker)),
            None => (None, queue.waker.replace(waker)),
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Waker> {
        self.queues.remove(&id)?.waker
    }
}
