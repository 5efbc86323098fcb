//! Listeners: what happens in a session, in order, for whoever wants to see it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_core::Stream;
use stomp_proto::{Excess, Frame};

use super::{
    SendError,
    shared::{Inner, Shared},
};
use crate::{
    Attempt, Closed, Connection, ConnectionId, Ended, Endpoint, Event, Lost, Outcome, ReceiptId, ServerError,
    SubscriptionId,
};

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A broker is dialled.
    Connecting(Attempt),
    /// An attempt to connect failed.
    ConnectFailed {
        /// The broker.
        endpoint: Endpoint,
        /// Why.
        reason: Lost,
    },
    /// The next attempt comes after that delay.
    Reconnecting {
        /// The broker.
        endpoint: Endpoint,
        /// How long until then.
        delay: Duration,
    },
    /// A connection stands. The subscriptions have been sent again.
    Connected(Connection),
    /// A connection that stood has ended.
    Disconnected {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        reason: Lost,
    },
    /// The broker has taken a SUBSCRIBE: once for each connection.
    Subscribed(SubscriptionId),
    /// The owner of a subscription has ended it.
    Unsubscribed(SubscriptionId),
    /// A subscription has ended otherwise. It is not sent again.
    SubscriptionEnded {
        /// The subscription.
        id: SubscriptionId,
        /// Why.
        reason: Ended,
    },
    /// The broker has refused or cancelled a subscription that stood once. It is sent again after that delay.
    Resubscribing {
        /// The subscription.
        id: SubscriptionId,
        /// Why it does not stand.
        reason: Ended,
        /// How long until then.
        delay: Duration,
    },
    /// Time was reported that much too late for a heart-beat: the program, its runtime or the machine stood still.
    LocalStall {
        /// How late.
        late: Duration,
    },
    /// What became of a frame that asked for a RECEIPT.
    Receipt {
        /// The frame.
        id: ReceiptId,
        /// Its outcome.
        outcome: Outcome,
    },
    /// An ERROR that ended neither a connection nor a subscription. The others are the reasons of what they ended.
    Error(ServerError),
    /// A message that was over the [limits](crate::Config::limits) and was read past.
    TooLarge {
        /// For which subscription it came.
        subscription: SubscriptionId,
        /// What of it was over.
        excess: Excess,
    },
    /// A MESSAGE for a subscription that is not known here, or a RECEIPT that nobody waits for, or that names nothing.
    Unroutable(Frame),
    /// A frame came. Only [`Client::trace`](super::Client::trace) shows it, before what follows from it.
    Received(Frame),
    /// A frame was handed to the transport; CONNECT without its passcode. Only [`Client::trace`](super::Client::trace)
    /// shows it.
    Sent(Frame),
    /// A heart-beat came. Only [`Client::trace`](super::Client::trace) shows it.
    HeartBeatReceived,
    /// A heart-beat was handed to the transport. Only [`Client::trace`](super::Client::trace) shows it.
    HeartBeatSent,
    /// A handler succeeded whose connection had ended: the message could not be acknowledged, and the broker delivers it
    /// again.
    AckLost {
        /// For which subscription it came.
        subscription: SubscriptionId,
    },
    /// Nothing has been read for 5 s, since messages wait that nobody takes, or ACKs that the broker does not read. RabbitMQ
    /// resets a connection that is not read for 30 s: a smaller prefetch is better than a long pause.
    Stalled {
        /// Whose messages wait, most of all.
        subscription: Option<SubscriptionId>,
    },
    /// A [buffered](super::SendBuilder::buffered) message was not sent, and nobody else is told.
    SendFailed(SendError),
    /// The session takes no more commands: somebody disconnects it.
    Disconnecting,
    /// This listener was too slow, and missed that number of notices between the one before and the one after.
    Missed(u64),
    /// The session has ended. Nothing comes after it.
    Closed(Closed),
}

impl Notice {
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Connected(connection) => Self::Connected(connection.clone()),
            Event::Disconnected { connection, reason, .. } => {
                Self::Disconnected { connection: *connection, reason: reason.clone() }
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
            Event::Closed(_) | Event::Message(_) | Event::Unsubscribed(_) => return None,
        })
    }

    const fn is_traced(&self) -> bool {
        matches!(self, Self::Received(_) | Self::Sent(_) | Self::HeartBeatReceived | Self::HeartBeatSent)
    }

    /// What it counts in its queue.
    fn size(&self) -> usize {
        let octets = match self {
            Self::Received(frame) | Self::Sent(frame) | Self::Unroutable(frame) => frame.size(),
            _ => 0,
        };
        octets.saturating_add(size_of::<Self>())
    }
}

/// What one listener has not read.
#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice>,
    octets: usize,
    missed: u64,
    traces: bool,
    waker: Option<Waker>,
}

/// Octets of notices that wait for their listener; then it misses some.
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

    /// Tells what was missed, once there is room again.
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

    fn any_traces(&self) -> bool {
        self.queues.values().any(|queue| queue.traces)
    }
}

impl Inner {
    /// Tells all listeners.
    pub(super) fn note(&mut self, notice: &Notice) {
        for queue in self.listeners.queues.values_mut() {
            queue.push(notice);
            if !queue.notices.is_empty() {
                self.after.wake(queue.waker.take());
            }
        }
    }
}

/// Shows what happens in a session, from its making on and in order: a [`Stream`] of [`Notice`]s with a queue of its own,
/// read in the task of its owner. One that is slow harms nobody and [misses](Notice::Missed) some. It does not keep the
/// session alive; dropping it removes it.
///
/// ```
/// # async fn example(client: &stomp_session::client::Client) {
/// use stomp_session::client::Notice;
///
/// let mut listener = client.listen();
/// while let Some(notice) = listener.next().await {
///     if let Notice::Disconnected { reason, .. } = notice {
///         eprintln!("{reason}");
///     }
/// }
/// # }
/// ```
pub struct Listener {
    shared: Arc<Shared>,
    id: u64,
    ended: bool,
}

impl Listener {
    pub(super) fn new(shared: Arc<Shared>, traces: bool) -> Self {
        let id = shared.with(|inner| {
            // What happened before is not for the newcomer.
            shared.dispatch_in(inner);
            let id = inner.listeners.next;
            inner.listeners.next = id.saturating_add(1);
            let mut queue = Queue { traces, ..Queue::default() };
            if let Some(closed) = &inner.closed {
                queue.push(&Notice::Closed(closed.clone()));
            }
            inner.listeners.queues.insert(id, queue);
            inner.session.trace_frames(inner.listeners.any_traces());
            id
        });
        Self { shared, id, ended: false }
    }

    /// The next notice, or `None` after [`Notice::Closed`]. Cancel safe: none is lost.
    pub async fn next(&mut self) -> Option<Notice> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Listener {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let waker = cx.waker().clone();
        let id = self.id;
        let taken = self.shared.with(|inner| {
            let queue = inner.listeners.queues.get_mut(&id)?;
            let taken = queue.pop();
            let unused = if taken.is_some() { Some(waker) } else { queue.waker.replace(waker) };
            inner.after.discard(unused);
            taken
        });
        let Some(notice) = taken else { return Poll::Pending };
        self.ended = matches!(notice, Notice::Closed(_));
        Poll::Ready(Some(notice))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.with(|inner| {
            let waker = inner.listeners.queues.remove(&self.id).and_then(|queue| queue.waker);
            inner.discard(waker);
            inner.session.trace_frames(inner.listeners.any_traces());
        });
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("id", &self.id).finish_non_exhaustive()
    }
}
