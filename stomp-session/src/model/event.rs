//! What a session tells.

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

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection stands. The subscriptions have been sent again.
    Connected(Connection),
    /// A connection that stood has ended.
    Disconnected {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        reason: Lost,
        /// SENDs without a receipt that were not handed over, or not to the last octet: the broker does not have them.
        unsent: u64,
        /// SENDs without a receipt that were handed over behind the last frame whose RECEIPT came: whether the broker
        /// has even received them is unknown. (1.2, "RECEIPT": the frames before it were received.)
        unconfirmed: u64,
    },
    /// The session leaves its connection for another one, as its owner has [asked](crate::Session::reconnect).
    Moving {
        /// The connection that is left; nothing where none stands.
        connection: Option<ConnectionId>,
        /// Why, in the words of who has asked.
        reason: String,
    },
    /// The next connection stands, and the move has come to its end. It follows the `Connected` of that connection.
    Moved(Moved),
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
    /// Time was reported that much too late for a heart-beat, ours or the broker's: the program, its runtime or the machine
    /// stood still. The broker may have ended the connection meanwhile, and gets as long again to be heard.
    LocalStall {
        /// How late.
        late: Duration,
    },
    /// A message.
    Message(Message),
    /// What became of a frame that asked for a RECEIPT. Once for each.
    Receipt {
        /// The frame.
        id: ReceiptId,
        /// Its outcome.
        outcome: Outcome,
    },
    /// The broker has taken a SUBSCRIBE: once for each connection.
    Subscribed(SubscriptionId),
    /// The broker has answered an UNSUBSCRIBE, or had ended the subscription before: its id is free. Told for subscriptions
    /// with a [chosen id](crate::Subscribe::id), and for those that were [unsubscribed with
    /// confirmation](crate::Session::unsubscribe_confirmed). It comes twice where the broker had to be asked twice, as
    /// RabbitMQ has when messages were on their way.
    Unsubscribed(SubscriptionId),
    /// The broker has refused or cancelled a subscription that stood once, or closed the connection without a word when it
    /// was asked to subscribe. It is sent again after that delay at the earliest: see
    /// [`Subscribe::retry`](crate::Subscribe::retry).
    Resubscribing {
        /// The subscription.
        id: SubscriptionId,
        /// Why it does not stand.
        reason: Ended,
        /// How long until then.
        delay: Duration,
    },
    /// A subscription has ended, not by our UNSUBSCRIBE. It is not sent again.
    SubscriptionEnded {
        /// The subscription.
        id: SubscriptionId,
        /// Why.
        reason: Ended,
    },
    /// An ERROR that named a frame or a subscription which nobody waits for any more. The connection goes on.
    Error(ServerError),
    /// A message that was over the [limits](crate::Config::limits) and was read past, where they say so. It can be settled
    /// as any other.
    TooLarge {
        /// What is left of the message: no body, and of headers over a limit those of the protocol alone.
        message: Message,
        /// What of it was over.
        excess: Excess,
    },
    /// A MESSAGE for a subscription that is not known here, or a RECEIPT that nobody waits for.
    Unroutable(Frame),
    /// A frame came: before what follows from it, and only if [frames are traced](crate::Session::trace_frames). A copy.
    FrameReceived(Frame),
    /// A frame was handed over whole, if [frames are traced](crate::Session::trace_frames). A copy; CONNECT without its
    /// passcode.
    FrameSent(Frame),
    /// A heart-beat came, if [frames are traced](crate::Session::trace_frames).
    HeartBeatReceived,
    /// A heart-beat was handed over, if [frames are traced](crate::Session::trace_frames).
    HeartBeatSent,
    /// The session has ended. Nothing comes after it.
    Closed(Closed),
}
