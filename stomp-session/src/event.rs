//! What a session tells (events), and what it wants done (actions).

use alloc::{boxed::Box, string::String};
use core::{fmt, time::Duration};

use stomp_proto::{Frame, HeartBeat, Version};

use crate::{Closed, Ended, Endpoint, Login, Lost, Message, Outcome, Profile, ServerError};

/// Counts the connections of a session: what came on one has no meaning on the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// Names an attempt to connect, and the connection that it becomes: what is reported of another one is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub(crate) u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {}", self.0)
    }
}

/// Names a frame that asked for a RECEIPT. Never used twice in a session, so that a late RECEIPT confirms nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId(pub(crate) u64);

impl ReceiptId {
    /// As it stands in `receipt` and `receipt-id`.
    pub(crate) fn wire(self) -> String {
        alloc::format!("{}", self.0)
    }
}

/// Names a subscription, over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(crate) u64);

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
        /// Messages that had come and were not collected, dropped because no acknowledgement of them can count any more:
        /// the broker delivers them again. See [`Subscribe::keep_stale`](crate::Subscribe::keep_stale).
        skipped: usize,
    },
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
    /// The broker has refused or cancelled a subscription that stood once, or closed the connection without a word when it
    /// was asked to subscribe. It is sent again after that delay at the earliest: see [`Subscribe::retry`](crate::Subscribe::retry).
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
    /// A message whose body was over [`Limits::body`](crate::proto::Limits::body) and was read past, where the limits say
    /// so. Its body is empty; it can be settled as any other.
    TooLarge {
        /// The message without its body.
        message: Message,
        /// The length of the body.
        length: u64,
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

/// A connection that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The broker.
    pub endpoint: Endpoint,
    /// The version that was agreed on.
    pub version: Version,
    /// What was agreed on for heart-beats, in milliseconds; 0 for none.
    pub heart_beat: HeartBeat,
    /// The `server` header of CONNECTED.
    pub server: Option<String>,
    /// The `session` header of CONNECTED.
    pub session: Option<String>,
    /// What the broker is taken for.
    pub profile: Box<Profile>,
}

/// What the transport's owner has to do, at once and in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Close the connection, or stop dialling. Nothing that is reported of it counts any more.
    Close,
    /// Dial that broker, then report [`handle_connected`](crate::Session::handle_connected) or
    /// [`handle_disconnected`](crate::Session::handle_disconnected) with the attempt's id.
    Connect(Attempt),
}

/// An attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Its name, for the reports.
    pub id: AttemptId,
    /// The broker.
    pub endpoint: Endpoint,
    /// What it answered the last CONNECT with, if that was an ERROR: a provider of credentials may want fresh ones.
    pub refused: Option<ServerError>,
    /// Counts the attempts to reach this broker, from 0: a dial that begins with another address each time lets no frozen
    /// address win for ever.
    pub number: u32,
    /// The login that this broker has refused, and how long it must not see it again.
    pub(crate) held_back: Option<Box<(Login, Duration)>>,
}

impl Attempt {
    /// Whether that login may be sent: what to report instead of dialling if it may not. The session asks as well before it
    /// sends CONNECT, but then a connection was made for nothing.
    ///
    /// # Errors
    /// [`Lost::LoginHeldBack`] for a login that this broker has refused, for a minute, doubling to 15: many accounts are
    /// locked after a few wrong logins.
    pub fn check(&self, login: &Login) -> Result<(), Lost> {
        match self.held_back.as_deref() {
            Some((held, wait)) if held == login => Err(Lost::LoginHeldBack(*wait)),
            _ => Ok(()),
        }
    }
}
