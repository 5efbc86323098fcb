//! The events of a session.

use alloc::string::String;
use core::time::Duration;

use stomp_proto::{Excess, Frame};

use super::{
    connection::Connection,
    endpoint::Endpoint,
    error::{Closed, Ended, Lost, Outcome, ServerError},
    ids::{ConnectionId, ReceiptId, SubscriptionId},
    message::Message,
    moving::Moved,
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
