//! The errors of calls that are refused.

use alloc::{boxed::Box, string::String};
use core::{fmt, ops::Deref};

use stomp_proto::{Command, EncodeError, Frame};

use super::{
    ids::ConnectionId,
    profile::{FrameLimit, Nack},
};

/// An error returned by a command of a session that was refused. Nothing was sent and nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Too many SENDs are kept until they are confirmed, or they have too many octets. See
    /// [`Config::at_least_once_messages`](crate::Config::at_least_once_messages) and
    /// [`Config::at_least_once_octets`](crate::Config::at_least_once_octets).
    #[error("{messages} messages with {octets} octets already wait to be confirmed")]
    AtLeastOnceFull {
        /// The number of SENDs that are kept.
        messages: usize,
        /// The number of octets in their headers and bodies.
        octets: usize,
    },
    /// The message has already been acknowledged or rejected, by itself or by a cumulative ACK or NACK of a later
    /// message.
    #[error("the message has already been settled")]
    AlreadySettled,
    /// The session is disconnecting or has ended.
    #[error("the session takes no more commands: it is disconnecting or has ended")]
    Closed,
    /// A handler runner was used with a subscription with ack mode `client`.
    #[error(
        "ack mode client would acknowledge messages that other handlers still have: use client-individual"
    )]
    CumulativeAck,
    /// Ack mode `client` was combined with a [`Subscribe::oversized`](crate::Subscribe::oversized) that settles
    /// messages. This would settle all earlier messages too, even those that have not been handled.
    #[error(
        "ack mode client would settle all messages before one that is over the limit: use client-individual"
    )]
    CumulativeOversized,
    /// The frame cannot be written in the STOMP version of the connection.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The broker would close the connection at a frame of this size without a word. Its profile sets
    /// [the limits](crate::Profile::frame_limits).
    ///
    /// A SEND that is sent at least once and waits for a connection is not sent to a broker that does not take it: it ends
    /// with [`NotSent::Unwritable`](crate::NotSent::Unwritable).
    #[error("{broker} reads no frame of more than {limit}: this one has {size}")]
    FrameTooLarge {
        /// The broker's name.
        broker: &'static str,
        /// The limit.
        limit: FrameLimit,
        /// The size of the frame.
        size: usize,
    },
    /// The subscription is durable, and the broker keeps a durable subscription only for a `client-id`. Without one it
    /// would end with its connection.
    ///
    /// [`Config::add_connect_header`](crate::Config::add_connect_header) adds the `client-id`.
    #[error(
        "{broker} keeps a durable subscription only for a client-id: add one with Config::add_connect_header"
    )]
    NeedsClientId {
        /// The broker's name.
        broker: &'static str,
    },
    /// This header is dangerous while [`Config::send_beat`](crate::Config::send_beat) is zero, because the broker would
    /// never notice that the client is gone.
    #[error(
        "the header \"{0}\" needs heart-beats: without them the broker never notices that this client is gone"
    )]
    NeedsHeartBeats(&'static str),
    /// The broker answers no frame but DISCONNECT with a RECEIPT, so nobody would know what has become of this one. Its profile
    /// [says so](crate::Profile::receipts).
    ///
    /// A SEND that is sent at least once and waits for a connection is not sent to such a broker: it ends with
    /// [`NotSent::Unwritable`](crate::NotSent::Unwritable).
    #[error("{broker} sends no RECEIPT for this, without which the call cannot tell what came of it")]
    NoReceipts {
        /// The broker's name.
        broker: &'static str,
    },
    /// The SEND or SUBSCRIBE has no destination.
    #[error("the destination is missing")]
    NoDestination,
    /// [`Config::identity`](crate::Config::identity) is not set. Without it, two clients would send the same
    /// de-duplication ids, and Artemis would discard messages of one of them.
    #[error("sending at least once needs an identity: set Config::identity")]
    NoIdentity,
    /// The MESSAGE lacks the header that its acknowledgement must name.
    #[error("the broker sent a MESSAGE without the header \"{0}\" that an acknowledgement names")]
    NoAckHeader(&'static str),
    /// The message belongs to a subscription with ack mode `auto`, in which nothing is acknowledged.
    #[error("messages of a subscription with ack mode auto are not acknowledged")]
    NotAcknowledged,
    /// The subscription is not durable.
    #[error("the subscription has none of the headers that make it durable on this broker")]
    NotDurable,
    /// The message cannot be acknowledged in a transaction.
    ///
    /// In STOMP 1.0, `client-individual` is sent as `client`, whose ACK covers all messages up to this one. Earlier
    /// messages are not settled yet, and a transaction cannot wait for them.
    #[error("messages of this subscription cannot be acknowledged in a transaction in STOMP 1.0")]
    NotInTransaction,
    /// There is no connection at present.
    #[error("there is no connection to a broker")]
    NotConnected,
    /// The broker has no NACK with the requested effect.
    #[error("{broker} has no NACK with the effect {wanted:?}")]
    NackCannot {
        /// The broker's name.
        broker: &'static str,
        /// The requested effect.
        wanted: Nack,
    },
    /// The broker destroys a message that is NACKed.
    #[error("{broker} destroys a message that is NACKed")]
    NackDiscards {
        /// The broker's name.
        broker: &'static str,
    },
    /// The message, subscription, transaction or receipt belongs to another session or client.
    #[error("the message, subscription, transaction or receipt belongs to another session")]
    OtherSession,
    /// The prefetch is 0, or more than is left of [`Config::prefetch_budget`](crate::Config::prefetch_budget).
    #[error("a prefetch of {wanted} cannot be granted: {left} messages are left of Config::prefetch_budget")]
    Prefetch {
        /// The requested prefetch.
        wanted: u32,
        /// The number of messages that are left of the budget.
        left: u32,
    },
    /// The session sets this header itself.
    #[error("the header \"{0}\" is set by the session")]
    ReservedHeader(&'static str),
    /// The message came on an earlier connection, and the broker delivers it again.
    ///
    /// On RabbitMQ, the acknowledgement would apply to another message and so destroy it.
    #[error("the message came on {came}, which has ended: it cannot be acknowledged any more")]
    Stale {
        /// The connection on which the message came.
        came: ConnectionId,
    },
    /// The subscription id is in use: by an active subscription, by one whose UNSUBSCRIBE has not been answered, or
    /// because the session has generated it.
    #[error("the subscription id \"{0}\" is in use")]
    SubscriptionIdInUse(String),
    /// The transaction began on a connection that has ended, and has ended with it.
    #[error("the transaction began on {began}, which has ended: it was not committed")]
    TransactionLost {
        /// The connection on which the transaction began.
        began: ConnectionId,
    },
    /// The transaction has already been committed or aborted.
    #[error("the transaction has already been committed or aborted")]
    TransactionOver,
    /// The subscription has ended.
    #[error("the subscription has ended")]
    Unsubscribed,
    /// The frame has a command that the call does not send.
    #[error("a {0} frame cannot be sent by this call")]
    WrongCommand(Command),
}

/// An error returned when a SEND was refused. It contains the [`CommandError`] and the frame.
///
/// It dereferences to the [`CommandError`], and `?` converts it to one.
///
/// ```
/// use stomp_session::{CommandError, Session, proto::{Command, Frame}};
///
/// /// Keeps orders that cannot be sent at the moment.
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

    /// Returns the reason why the SEND was refused.
    #[must_use]
    pub const fn error(&self) -> &CommandError {
        &self.0.0
    }

    /// Returns the frame that was not sent.
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

/// Shows the error, but not the frame, whose body may be anything.
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
