//! What can go wrong for a user of the client.

use std::time::Duration;

use crate::{BrokersError, Closed, CommandError, Ended, Lost, NotSent, Outcome, ServerError, Unknown};

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The broker URI is wrong.
    #[error(transparent)]
    Brokers(#[from] BrokersError),
    /// No broker could be reached, or the one that was refused us.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why a message was not sent, or not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The call was wrong; nothing was sent.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The session has ended; nothing was sent.
    #[error("nothing was sent: {0}")]
    Closed(Closed),
    /// No connection stood for that long; nothing was sent.
    #[error("nothing was sent: no connection within {:.1} s", .0.as_secs_f64())]
    NoConnection(Duration),
    /// There was no room for the message for that long: the broker reads too slowly, or confirms too slowly what is sent at
    /// least once. Nothing was sent.
    #[error("nothing was sent: no room for it within {:.1} s", .0.as_secs_f64())]
    NoRoom(Duration),
    /// What waits for the transport is over its budget, and the send was not to wait; nothing was sent.
    #[error("nothing was sent: what waits for the transport is over its budget")]
    Full,
    /// So many outcomes of a publisher's earlier messages that they fill its window have not been taken
    /// ([`Publisher::take_unconfirmed`](super::Publisher::take_unconfirmed)); nothing was sent.
    #[error("nothing was sent: {0} outcomes of earlier messages have not been taken")]
    OutcomesUntaken(usize),
    /// In a transaction, with a mode of sending of its own. What becomes of the message is what becomes of the transaction:
    /// its COMMIT is what to await. Nothing was sent.
    #[error("nothing was sent: what is sent in a transaction is confirmed by its commit, and not by itself")]
    InTransaction,
    /// The message was taken back before anything of it had left: the broker does not have it.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The broker refused the message.
    #[error("the broker refused the message: {0}")]
    Rejected(ServerError),
    /// The message was sent and the broker's answer did not come: it may or may not have been stored.
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

impl From<BeginError> for SendError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Command(error) => Self::Command(error),
            BeginError::Closed(closed) => Self::Closed(closed),
            BeginError::NoConnection(waited) => Self::NoConnection(waited),
            BeginError::NoRoom(waited) => Self::NoRoom(waited),
        }
    }
}

impl SendError {
    pub(super) fn from_outcome(outcome: Outcome) -> Result<(), Self> {
        match outcome {
            Outcome::Confirmed => Ok(()),
            Outcome::Rejected(error) => Err(Self::Rejected(error)),
            Outcome::NotSent(reason) => Err(Self::NotSent(reason)),
            Outcome::Unknown(unknown) => Err(Self::Unknown(unknown)),
        }
    }
}

/// What a [`Publisher`](super::Publisher) could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A message was not sent. It has no number.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Messages that were handed over were not confirmed. Which, and why, says
    /// [`Publisher::take_unconfirmed`](super::Publisher::take_unconfirmed).
    #[error("{count} messages were not confirmed")]
    Unconfirmed {
        /// How many since the last flush that said so.
        count: u64,
    },
    /// The connection ended before all messages that had been handed over were on the wire. None of them asked for a RECEIPT,
    /// so more is not known.
    #[error("the connection ended before {count} messages were on the wire")]
    Unsent {
        /// How many at most, since the last flush that said so.
        count: u64,
    },
}

/// Why a transaction was not begun. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The call was wrong.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The session has ended.
    #[error("nothing was sent: {0}")]
    Closed(Closed),
    /// No connection stood for that long.
    #[error("nothing was sent: no connection within {:.1} s", .0.as_secs_f64())]
    NoConnection(Duration),
    /// There was no room for that long: the broker reads too slowly.
    #[error("nothing was sent: no room for it within {:.1} s", .0.as_secs_f64())]
    NoRoom(Duration),
}

/// Why a transaction was not committed, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Nothing was committed, above all since the connection has ended on which it began:
    /// [`TransactionLost`](CommandError::TransactionLost).
    #[error("nothing was committed: {0}")]
    Command(#[from] CommandError),
    /// The COMMIT was taken back before anything of it had left: nothing was committed.
    #[error("nothing was committed: {0}")]
    NotSent(#[from] NotSent),
    /// The broker refused the COMMIT, or a frame before it, after which the transaction was aborted.
    #[error("the broker refused the transaction: {0}")]
    Rejected(ServerError),
    /// The COMMIT was sent, and not all answers came: it may or may not have been committed.
    #[error("it may or may not have been committed: {0}")]
    Unknown(#[from] Unknown),
}

impl CommitError {
    pub(super) fn from_outcome(outcome: Outcome) -> Result<(), Self> {
        match outcome {
            Outcome::Confirmed => Ok(()),
            Outcome::Rejected(error) => Err(Self::Rejected(error)),
            Outcome::NotSent(reason) => Err(Self::NotSent(reason)),
            Outcome::Unknown(unknown) => Err(Self::Unknown(unknown)),
        }
    }
}

/// Why there is no subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The call was wrong; nothing was sent.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The broker refused it, or the session has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The broker did not confirm it in time.
    #[error("the subscription was not confirmed within {:.1} s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// Why a request has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The session has ended; nothing was sent.
    #[error("nothing was sent: {0}")]
    Closed(Closed),
    /// The connection has ended, and with it the queue of replies. The request may or may not have been handled.
    #[error("the connection ended before the reply came ({0}): the request may or may not have been handled")]
    Lost(Lost),
    /// The request was not sent, or refused, or not confirmed.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The reply may stand behind messages that nobody takes, and there is no room for more of them. Take those first. The
    /// request may or may not have been handled.
    #[error("the reply may stand behind messages that nobody takes ({octets} octets): take them first")]
    InboxFull {
        /// How many octets nobody has taken.
        octets: usize,
    },
    /// Replies cannot be subscribed to: the broker has refused or ended the subscription of their queue. The next request
    /// makes another one.
    #[error("replies cannot be subscribed to: {0}")]
    Subscribe(SubscribeError),
    /// No reply in time. The request may or may not have been handled.
    #[error("no reply within {:.1} s: the request may or may not have been handled", .0.as_secs_f64())]
    Timeout(Duration),
}
