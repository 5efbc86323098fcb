//! What listeners are told.

use std::time::Duration;

use stomp_proto::{Excess, Frame};

use super::error::SendError;
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
    /// A message that was over the [limits](super::Builder::limits) and was read past.
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

    pub(super) const fn is_traced(&self) -> bool {
        matches!(self, Self::Received(_) | Self::Sent(_) | Self::HeartBeatReceived | Self::HeartBeatSent)
    }

    /// What it counts in its queue.
    pub(super) fn size(&self) -> usize {
        let octets = match self {
            Self::Received(frame) | Self::Sent(frame) | Self::Unroutable(frame) => frame.size(),
            _ => 0,
        };
        octets.saturating_add(size_of::<Self>())
    }
}
