//! The pending requests of a session, and the queue of their replies.

use std::{
    collections::BTreeMap,
    task::{Poll, Waker},
};

use super::error::RequestError;
use crate::{ConnectionId, Message, ReplyQueue, SubscriptionId};

/// The id of a request, which is its `correlation-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestId(pub(super) u64);

/// See the [module](self).
#[derive(Default)]
pub(super) struct Requests {
    queue: Option<Box<Queue>>,
    pending: BTreeMap<RequestId, Pending>,
    next: u64,
}

/// The queue of replies.
pub(super) struct Queue {
    pub(super) subscription: SubscriptionId,
    pub(super) kind: ReplyQueue,
    pub(super) reply_to: String,
}

struct Pending {
    connection: ConnectionId,
    waker: Option<Waker>,
    reply: Option<Result<Message, RequestError>>,
}

impl Requests {
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.queue.as_deref()
    }

    /// Removes a queue of another kind. The caller ends its subscription.
    pub(super) fn drop_other_queue(&mut self, kind: ReplyQueue) -> Option<SubscriptionId> {
        self.queue.take_if(|queue| queue.kind != kind).map(|queue| queue.subscription)
    }

    pub(super) fn set_queue(&mut self, queue: Queue) {
        self.queue = Some(Box::new(queue));
    }

    pub(super) fn add(&mut self, connection: ConnectionId) -> RequestId {
        let id = RequestId(self.next);
        self.next = id.0.saturating_add(1);
        self.pending.insert(id, Pending { connection, waker: None, reply: None });
        id
    }

    /// Whether that is the subscription of the queue.
    pub(super) fn has_queue(&self, subscription: SubscriptionId) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.subscription == subscription)
    }

    /// Stores a reply for its request, and passes the request's waker to `wake`. Returns a message that is no reply, or
    /// that comes too late.
    pub(super) fn route(&mut self, message: Message, wake: impl FnOnce(Option<Waker>)) -> Option<Message> {
        if !self.has_queue(message.subscription()) {
            return Some(message);
        }
        let id = message.header("correlation-id").and_then(|id| id.number()).map(RequestId);
        let pending = id.and_then(|id| self.pending.get_mut(&id));
        let Some(pending) = pending.filter(|pending| pending.reply.is_none()) else {
            return Some(message);
        };
        // It may wait for long, and the read buffer is not its own.
        pending.reply = Some(Ok(message.into_owned()));
        wake(pending.waker.take());
        None
    }

    /// Whether a reply is awaited that has not come.
    pub(super) fn await_replies(&self) -> bool {
        self.pending.values().any(|pending| pending.reply.is_none())
    }

    /// The subscription has ended. Returns whether it was that of the queue, which is then made anew for the next
    /// request.
    pub(super) fn end_queue(&mut self, subscription: SubscriptionId) -> bool {
        self.queue.take_if(|queue| queue.subscription == subscription).is_some()
    }

    /// Fails the requests for whose connection `is_meant` returns `true`.
    pub(super) fn fail(
        &mut self,
        is_meant: impl Fn(ConnectionId) -> bool,
        error: &RequestError,
        mut wake: impl FnMut(Option<Waker>),
    ) {
        for pending in self.pending.values_mut().filter(|pending| is_meant(pending.connection)) {
            pending.reply.get_or_insert_with(|| Err(error.clone()));
            wake(pending.waker.take());
        }
    }

    /// Takes the reply, or waits for it. Also returns a waker that is no longer needed.
    pub(super) fn poll(
        &mut self,
        id: RequestId,
        waker: Waker,
    ) -> (Poll<Result<Message, RequestError>>, Option<Waker>) {
        let Some(pending) = self.pending.get_mut(&id) else { return (Poll::Pending, Some(waker)) };
        match pending.reply.take() {
            Some(reply) => (Poll::Ready(reply), Some(waker)),
            None => (Poll::Pending, pending.waker.replace(waker)),
        }
    }

    /// The future of the request has been dropped. Returns what is left of it.
    pub(super) fn remove(&mut self, id: RequestId) -> (Option<Waker>, Option<Message>) {
        let Some(Pending { waker, reply, .. }) = self.pending.remove(&id) else { return (None, None) };
        (waker, reply.and_then(Result::ok))
    }
}
