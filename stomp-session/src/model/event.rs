//! The events of a session, and what its owner has not been told yet.

use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::time::Duration;

use bytes::Bytes;
use stomp_proto::{Excess, Frame, Item};

use super::{
    connection::{Connection, Moved},
    endpoint::Endpoint,
    error::{Closed, Ended, Lost, Outcome, ServerError},
    ids::{ConnectionId, ReceiptId, SubscriptionId},
    message::Message,
};

/// Something that happened in a [`Session`](crate::Session).
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection is established, and the subscriptions have been sent on it again.
    Connected(Connection),
    /// An established connection has ended.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
        /// The reason.
        reason: Lost,
        /// The number of SENDs without a receipt that were not handed to the transport, or not to their last octet. The
        /// broker does not have them.
        unsent: u64,
        /// The number of SENDs without a receipt that were handed to the transport after the last frame whose RECEIPT
        /// came. It is unknown whether the broker has even received them. (STOMP 1.2, "RECEIPT": a RECEIPT says that
        /// the frames before it were received.)
        unconfirmed: u64,
    },
    /// The session leaves its connection for another one, because [`reconnect`](crate::Session::reconnect) was called, or
    /// by itself, to [rebalance](crate::Reconnect::rebalance).
    Moving {
        /// The connection that is left, or `None` if there is none.
        connection: Option<ConnectionId>,
        /// The reason that was given to [`reconnect`](crate::Session::reconnect), or `rebalance`.
        reason: String,
    },
    /// A move has ended, and the next connection is established. This event follows the `Connected` of that connection.
    Moved(Moved),
    /// An attempt to connect failed.
    ConnectFailed {
        /// The broker.
        endpoint: Endpoint,
        /// The reason.
        reason: Lost,
    },
    /// The session waits for this delay before its next attempt to connect.
    Reconnecting {
        /// The broker that will be dialled.
        endpoint: Endpoint,
        /// The time until then.
        delay: Duration,
    },
    /// The time was reported too late for a heart-beat, either the client's or the broker's. The program, its runtime
    /// or the machine was suspended.
    ///
    /// The broker may have ended the connection in the meantime. It is given the same time again to be heard.
    LocalStall {
        /// The delay with which the time was reported.
        late: Duration,
    },
    /// A message came.
    Message(Message),
    /// The outcome of a frame that asked for a RECEIPT is known. This event comes exactly once for each of them.
    Receipt {
        /// The id that was returned when the frame was sent.
        id: ReceiptId,
        /// The outcome.
        outcome: Outcome,
    },
    /// The broker has accepted a SUBSCRIBE. This event comes once for each connection.
    Subscribed(SubscriptionId),
    /// The broker has answered an UNSUBSCRIBE, or had already ended the subscription. Its id is free.
    ///
    /// This event comes for subscriptions with a [chosen id](crate::Subscribe::id) and for those that were
    /// [unsubscribed with confirmation](crate::Session::unsubscribe_confirmed). It comes twice if the broker had to be
    /// asked twice, as RabbitMQ must be when messages were on their way.
    Unsubscribed(SubscriptionId),
    /// The broker has refused or cancelled a subscription that it had accepted before, or has closed the connection in
    /// silence when it was asked to subscribe again.
    ///
    /// The subscription is sent again, at the earliest after this delay. See
    /// [`Subscribe::retry`](crate::Subscribe::retry).
    Resubscribing {
        /// The subscription.
        id: SubscriptionId,
        /// The reason why it is not active.
        reason: Ended,
        /// The time until it may be sent again.
        delay: Duration,
    },
    /// A subscription has ended, but not because the application unsubscribed. It is not sent again.
    SubscriptionEnded {
        /// The subscription.
        id: SubscriptionId,
        /// The reason.
        reason: Ended,
    },
    /// The broker sent an ERROR that names a frame or a subscription for which nothing is pending any more. The
    /// connection goes on.
    Error(ServerError),
    /// A message was over the [limits](crate::Config::limits) and was read past. This event comes only if the limits
    /// say that such a message is to be read past.
    ///
    /// The message can be settled like any other.
    TooLarge {
        /// The rest of the message. It has no body. If its headers were over a limit, it has only the headers that the
        /// protocol defines.
        message: Message,
        /// The part of the message that was over the limits.
        excess: Excess,
    },
    /// The broker sent a MESSAGE for an unknown subscription, or a RECEIPT that nothing waits for.
    Unroutable(Frame),
    /// A frame came. This event carries a copy and precedes the events that follow from the frame.
    ///
    /// It comes only if [frames are traced](crate::Session::trace_frames).
    FrameReceived(Frame),
    /// A whole frame was handed to the transport. This event carries a copy, in which CONNECT has no passcode.
    ///
    /// It comes only if [frames are traced](crate::Session::trace_frames).
    FrameSent(Frame),
    /// A heart-beat came. This event comes only if [frames are traced](crate::Session::trace_frames).
    HeartBeatReceived,
    /// A heart-beat was handed to the transport. This event comes only if [frames are
    /// traced](crate::Session::trace_frames).
    HeartBeatSent,
    /// The session has ended. This is its last event.
    Closed(Closed),
}

/// Events, oldest first, and what became of the frames whose senders waited when the end began.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    traces_frames: bool,
    farewell: Option<Box<Told>>,
    departure: Option<Box<Told>>,
    /// Bodies that are done with, where the owner wants to drop them.
    discarded: Option<Vec<Bytes>>,
}

/// What became of things since somebody began to count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) receipted: usize,
    pub(crate) unreceipted: usize,
    /// Messages that were not handed out.
    pub(crate) returned: usize,
}

/// How the broker answered the DISCONNECT.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parting {
    /// With its RECEIPT.
    Confirmed,
    /// By closing the connection in good order. Whether it has received this many SENDs is unknown.
    Closed { unknown: usize },
    /// Not at all, or with an error.
    Unconfirmed,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    pub(crate) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        self.queue.extend(events);
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Gives memory back that a quiet session does not need.
    pub(crate) fn shrink(&mut self) {
        self.queue.shrink_to_fit();
    }

    /// Tells the outcome of a frame to whoever has sent it.
    pub(crate) fn tell(&mut self, id: ReceiptId, outcome: Outcome) {
        for told in self.farewell.iter_mut().chain(&mut self.departure) {
            let count = match outcome {
                Outcome::Confirmed => &mut told.receipted,
                _ => &mut told.unreceipted,
            };
            *count = count.saturating_add(1);
        }
        self.push(Event::Receipt { id, outcome });
    }

    /// Counts outcomes from here on.
    pub(crate) fn begin_farewell(&mut self) {
        self.farewell = Some(Box::default());
    }

    /// What the end of a session says that its owner has asked for.
    pub(crate) fn end_farewell(&mut self, parting: Parting) -> Closed {
        let Told { receipted, unreceipted, .. } = *self.farewell.take().unwrap_or_default();
        let (confirmed, unknown) = match parting {
            Parting::Confirmed => (true, None),
            Parting::Closed { unknown } => (false, Some(unknown)),
            Parting::Unconfirmed => (false, None),
        };
        let unreceipted = unreceipted.saturating_add(unknown.unwrap_or_default());
        Closed::Disconnected { confirmed, closed: unknown.is_some(), receipted, unreceipted }
    }

    /// Counts what becomes of things until a connection is left.
    pub(crate) fn begin_departure(&mut self) {
        self.departure = Some(Box::default());
    }

    /// What had become of things when a connection was left.
    pub(crate) fn end_departure(&mut self) -> Told {
        *self.departure.take().unwrap_or_default()
    }

    /// Counts a message that is not handed out, since its connection is being left.
    pub(crate) fn count_returned(&mut self) {
        if let Some(told) = &mut self.departure {
            told.returned = told.returned.saturating_add(1);
        }
    }

    pub(crate) const fn trace_frames(&mut self, traces: bool) {
        self.traces_frames = traces;
    }

    pub(crate) const fn traces_frames(&self) -> bool {
        self.traces_frames
    }

    /// Tells that something came, if that is wanted.
    pub(crate) fn trace(&mut self, item: &Item) {
        match item {
            Item::Frame(frame) | Item::TooLarge { frame, .. } => self.trace_frame(frame),
            _ if self.traces_frames => self.push(Event::HeartBeatReceived),
            _ => {}
        }
    }

    #[inline]
    pub(crate) fn trace_frame(&mut self, frame: &Frame) {
        if self.traces_frames {
            self.push_received(frame);
        }
    }

    #[cold]
    fn push_received(&mut self, frame: &Frame) {
        self.push(Event::FrameReceived(frame.clone().into_owned()));
    }

    /// Drops bodies, or keeps them for the owner: they are not ours, and dropping one may run anything.
    pub(crate) fn discard(&mut self, bodies: impl IntoIterator<Item = Bytes>) {
        match &mut self.discarded {
            Some(discarded) => discarded.extend(bodies),
            None => bodies.into_iter().for_each(drop),
        }
    }

    /// From here on bodies are kept for the owner. Takes those that were.
    #[cfg(feature = "client")]
    pub(crate) fn take_discarded(&mut self) -> Vec<Bytes> {
        self.discarded.replace(Vec::new()).unwrap_or_default()
    }
}
