//! Wrong calls: mine.

use alloc::{boxed::Box, string::String};
use core::{fmt, ops::Deref};

use stomp_proto::{Command, EncodeError, Frame};

use super::{ids::ConnectionId, profile::Nack};

/// You called wrongly. Nothing happened and nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Too many SENDs, or too much, is kept until it is confirmed: see
    /// [`Config::at_least_once_messages`](crate::Config::at_least_once_messages) and
    /// [`Config::at_least_once_octets`](crate::Config::at_least_once_octets).
    #[error("{messages} messages with {octets} octets wait for their confirmation already")]
    AtLeastOnceFull {
        /// How many are kept.
        messages: usize,
        /// How many octets their headers and bodies have.
        octets: usize,
    },
    /// A message that was acknowledged or rejected before, by itself or by a cumulative ACK or NACK of a later one.
    #[error("the message was settled before")]
    AlreadySettled,
    /// The session is disconnecting or has ended.
    #[error("the session takes no more commands: it is disconnecting or has ended")]
    Closed,
    /// A handler runner over a subscription with ack mode `client`.
    #[error("ack mode client would acknowledge what other handlers still have: use client-individual")]
    CumulativeAck,
    /// Ack mode `client` with a [`Subscribe::oversized`](crate::Subscribe::oversized) that settles messages by itself: that
    /// would settle all before them, which nobody may have handled.
    #[error(
        "ack mode client would settle all that came before a message that is over the limit: use client-individual"
    )]
    CumulativeOversized,
    /// The frame cannot be written in the version of the connection.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A durable subscription on a broker that keeps one for a `client-id` alone: without it this one would be gone with its
    /// connection. [`Config::add_connect_header`](crate::Config::add_connect_header) sends one.
    #[error("{broker} keeps a durable subscription only for a client-id, which is not configured")]
    NeedsClientId {
        /// The broker's name.
        broker: &'static str,
    },
    /// A header that is dangerous where [`Config::send_beat`](crate::Config::send_beat) is zero: the broker would never notice
    /// that this client is gone.
    #[error(
        "the header \"{0}\" needs heart-beats: without them the broker never notices that this client is gone"
    )]
    NeedsHeartBeats(&'static str),
    /// A SEND or SUBSCRIBE without a destination.
    #[error("the destination is missing")]
    NoDestination,
    /// [`Config::identity`](crate::Config::identity) is not set: two clients would send the same de-duplication ids, and
    /// Artemis would discard what one of them sends.
    #[error("a SEND at least once needs an identity in the configuration")]
    NoIdentity,
    /// A MESSAGE without the header that its acknowledgement needs.
    #[error("the broker sent a MESSAGE without the header \"{0}\" that an acknowledgement names")]
    NoAckHeader(&'static str),
    /// A message of a subscription with ack mode `auto`, where nothing is acknowledged.
    #[error("messages of a subscription with ack mode auto are not acknowledged")]
    NotAcknowledged,
    /// A subscription that is not durable.
    #[error("the subscription has none of the headers that make it durable on this broker")]
    NotDurable,
    /// In 1.0 such a subscription is acknowledged up to a message, and those before this one are not settled: a
    /// transaction cannot wait for them.
    #[error("messages of this subscription cannot be acknowledged in a transaction in STOMP 1.0")]
    NotInTransaction,
    /// There is no connection at the moment.
    #[error("there is no connection to a broker")]
    NotConnected,
    /// The broker has no NACK that does that.
    #[error("{broker} has no NACK that does {wanted:?}")]
    NackCannot {
        /// The broker's name.
        broker: &'static str,
        /// What the NACK was to do.
        wanted: Nack,
    },
    /// NACK destroys the message on this broker.
    #[error("{broker} destroys a message that is NACKed")]
    NackDiscards {
        /// The broker's name.
        broker: &'static str,
    },
    /// A message, a subscription, a transaction or a receipt of another session, or of another client.
    #[error("it belongs to another session")]
    OtherSession,
    /// A prefetch of 0, or one for which [`Config::prefetch_budget`](crate::Config::prefetch_budget) has not enough left.
    #[error("a prefetch of {wanted} cannot be granted: {left} messages of the budget are left")]
    Prefetch {
        /// What was asked for.
        wanted: u32,
        /// How many messages could be granted.
        left: u32,
    },
    /// A header that the session sets by itself.
    #[error("the header \"{0}\" is set by the session")]
    ReservedHeader(&'static str),
    /// The message came on an earlier connection. The broker delivers it again; on RabbitMQ this ACK would acknowledge,
    /// and so destroy, another message.
    #[error("the message came on {came}, which has ended: it cannot be acknowledged any more")]
    Stale {
        /// The connection on which the message came.
        came: ConnectionId,
    },
    /// A subscription id that is taken: by a subscription that stands, by one whose UNSUBSCRIBE has not been answered, or
    /// because it was generated.
    #[error("the subscription id \"{0}\" is in use")]
    SubscriptionIdInUse(String),
    /// The transaction began on a connection that has ended, and has ended with it.
    #[error("the transaction began on {began}, which has ended: it was not committed")]
    TransactionLost {
        /// The connection on which it began.
        began: ConnectionId,
    },
    /// The transaction was committed or aborted before.
    #[error("the transaction was committed or aborted before")]
    TransactionOver,
    /// The subscription has ended.
    #[error("the subscription has ended")]
    Unsubscribed,
    /// A frame of another command than the call is for.
    #[error("a {0} frame cannot be sent by this call")]
    WrongCommand(Command),
}

/// A SEND that was not taken: why, and the frame as it was handed in.
///
/// It derefs to the [`CommandError`], and `?` makes one of it.
///
/// ```
/// use stomp_session::{CommandError, Session, proto::{Command, Frame}};
///
/// /// Keeps what cannot be sent at the moment.
/// fn send(session: &mut Session, order: Frame, later: &mut Vec<Frame>) -> Result<(), CommandError> {
///     match session.send_confirmed(order) {
///         Err(error) if *error == CommandError::NotConnected => later.push(error.into_frame()),
///         other => _ = other?,
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SendError(Box<(CommandError, Frame)>);

impl SendError {
    pub(crate) fn new(error: CommandError, frame: Frame) -> Self {
        Self(Box::new((error, frame)))
    }

    /// Why it was not taken.
    #[must_use]
    pub const fn error(&self) -> &CommandError {
        &self.0.0
    }

    /// Returns the frame.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        self.0.1
    }
}

impl Deref for SendError {
    type Target = CommandError;

    fn deref(&self) -> &CommandError {
        self.error()
    }
}

impl From<SendError> for CommandError {
    fn from(error: SendError) -> Self {
        error.0.0
    }
}

/// The frame is not shown: its body may be anything.
impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").field(self.error()).finish_non_exhaustive()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl core::error::Error for SendError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.error().source()
    }
}
