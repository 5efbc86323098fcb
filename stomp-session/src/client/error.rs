//! The errors of the client.

use std::time::Duration;

use crate::{BrokersError, Closed, CommandError, Ended, Lost, NotSent, Outcome, ServerError, Unknown};

/// An error returned when a client cannot connect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The broker URI is wrong.
    #[error(transparent)]
    Brokers(#[from] BrokersError),
    /// The session has ended: no broker could be reached, or the client was refused.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// An error returned when a message was not sent, or not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The command was refused, and nothing was sent.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The session has ended, and nothing was sent.
    #[error("nothing was sent: {0}")]
    Closed(Closed),
    /// There was no connection for this time. Nothing was sent.
    #[error("nothing was sent: no connection within {:.1} s", .0.as_secs_f64())]
    NoConnection(Duration),
    /// There was no room for the message for this time: the broker reads too slowly, or is too slow to confirm what is
    /// sent at least once. Nothing was sent.
    #[error("nothing was sent: no room for the message within {:.1} s", .0.as_secs_f64())]
    NoRoom(Duration),
    /// More octets wait for the transport than [`Builder::outbound_budget`](super::Builder::outbound_budget) allows,
    /// and the message was not to wait. Nothing was sent.
    #[error("nothing was sent: the octets that wait for the transport are over Builder::outbound_budget")]
    Full,
    /// The outcomes of earlier messages that have not been taken fill the publisher's window: see
    /// [`Publisher::take_unconfirmed`](super::Publisher::take_unconfirmed). Nothing was sent.
    #[error("nothing was sent: {0} outcomes of earlier messages have not been taken")]
    OutcomesUntaken(usize),
    /// A message in a transaction was to be confirmed by itself, or to be sent at least once. Its outcome is that of
    /// the transaction: await the commit. Nothing was sent.
    #[error("nothing was sent: a message in a transaction is confirmed by the commit, not by itself")]
    InTransaction,
    /// The message was withdrawn before anything of it was handed to the transport. The broker does not have it.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The broker refused the message.
    #[error("the broker refused the message: {0}")]
    Rejected(ServerError),
    /// The message was sent, but the broker's answer did not come. The broker may or may not have stored the message.
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

/// The outcome of a frame as the error of the call that sent it.
fn result<E: From<NotSent> + From<Unknown>>(
    outcome: Outcome,
    rejected: fn(ServerError) -> E,
) -> Result<(), E> {
    match outcome {
        Outcome::Confirmed => Ok(()),
        Outcome::Rejected(error) => Err(rejected(error)),
        Outcome::NotSent(reason) => Err(reason.into()),
        Outcome::Unknown(unknown) => Err(unknown.into()),
    }
}

impl SendError {
    pub(super) fn from_outcome(outcome: Outcome) -> Result<(), Self> {
        result(outcome, Self::Rejected)
    }
}

/// An error returned when a message was not acknowledged, or may not have been acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// No ACK was sent, in most cases because the connection of the message has ended:
    /// [`Stale`](CommandError::Stale). The broker delivers the message again.
    #[error("nothing was acknowledged: {0}")]
    Command(#[from] CommandError),
    /// The connection ended before the ACK could be sent. The broker delivers the message again.
    #[error("nothing was acknowledged: {0}")]
    NotSent(#[from] NotSent),
    /// The broker refused the ACK.
    #[error("the broker refused the acknowledgement: {0}")]
    Rejected(ServerError),
    /// The broker did not answer in time. It may deliver the message again.
    #[error("the message may or may not have been acknowledged: {0}")]
    Unknown(#[from] Unknown),
}

impl AckError {
    pub(super) fn from_outcome(outcome: Outcome) -> Result<(), Self> {
        result(outcome, Self::Rejected)
    }
}

/// An error returned by a [`Publisher`](super::Publisher).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A message was not sent. It has no number.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Messages that were handed to the publisher were not confirmed.
    /// [`Publisher::take_unconfirmed`](super::Publisher::take_unconfirmed) returns them with the reasons.
    #[error("{count} messages were not confirmed")]
    Unconfirmed {
        /// The number of these messages since the last flush that reported any.
        count: u64,
    },
    /// The connection ended before all messages that were handed to the publisher had been written to it. None of them
    /// asked for a RECEIPT, so nothing more is known.
    #[error("the connection ended before {count} messages were on the wire")]
    Unsent {
        /// The largest possible number of these messages since the last flush that reported any.
        count: u64,
    },
}

/// An error returned when a transaction was not begun. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The call was refused.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The session has ended.
    #[error("nothing was sent: {0}")]
    Closed(Closed),
    /// There was no connection within this time.
    #[error("nothing was sent: no connection within {:.1} s", .0.as_secs_f64())]
    NoConnection(Duration),
    /// There was no room within this time, because the broker reads too slowly.
    #[error("nothing was sent: no room for it within {:.1} s", .0.as_secs_f64())]
    NoRoom(Duration),
}

/// An error returned when a transaction was not committed, or may not have been committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The command was refused, and nothing was committed. Most often the connection has ended on which the transaction
    /// began: [`TransactionLost`](CommandError::TransactionLost).
    #[error("nothing was committed: {0}")]
    Command(#[from] CommandError),
    /// The COMMIT was withdrawn before anything of it was handed to the transport. Nothing was committed.
    #[error("nothing was committed: {0}")]
    NotSent(#[from] NotSent),
    /// The broker refused the COMMIT, or it refused an earlier frame and the transaction was then aborted.
    #[error("the broker refused the transaction: {0}")]
    Rejected(ServerError),
    /// The COMMIT was sent, but not all answers came. The transaction may or may not have been committed.
    #[error("the transaction may or may not have been committed: {0}")]
    Unknown(#[from] Unknown),
}

impl CommitError {
    pub(super) fn from_outcome(outcome: Outcome) -> Result<(), Self> {
        result(outcome, Self::Rejected)
    }
}

/// An error returned by [`Client::flush`](super::Client::flush) when not everything was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The session has ended.
    #[error("not everything was written: {0}")]
    Closed(Closed),
    /// The connection ended before a frame was written that is not sent again on the next connection.
    #[error("not everything was written: the connection ended first ({0})")]
    Lost(Lost),
    /// This number of sends were given up before they could be written. Everything else was written.
    ///
    /// The future of each of these sends returns the reason. For a [buffered](super::SendBuilder::buffered) send,
    /// [`Notice::SendFailed`](super::Notice::SendFailed) reports it.
    #[error("not everything was written: {0} sends were given up")]
    Unsent(usize),
    /// Not everything was written within this time. The rest is written later.
    #[error("not everything was written within {:.1} s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// An error returned by [`Client::reconnect`](super::Client::reconnect) when there is no new connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReconnectError {
    /// The session has ended, or is disconnecting.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// No other connection was established within this time. The session continues to try.
    #[error("no other connection within {:.1} s; the session goes on trying", .0.as_secs_f64())]
    Timeout(Duration),
}

/// An error returned when a subscription was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The command was refused, and nothing was sent.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The broker refused the subscription, or the session has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The broker did not confirm the subscription within this time.
    ///
    /// Spring's simple broker confirms none: it needs its [`Profile`](crate::Profile::SPRING).
    #[error("the subscription was not confirmed within {:.1} s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// An error returned when a request has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The session has ended, and nothing was sent.
    #[error("nothing was sent: {0}")]
    Closed(Closed),
    /// The connection ended, and with it the queue of replies. The request may or may not have been handled.
    #[error("the connection ended before the reply came ({0}): the request may or may not have been handled")]
    Lost(Lost),
    /// The request was not sent, was refused, or was not confirmed.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The client's inbox is full to its hard limit, and the reply may come only after messages for which there is no
    /// room. Take those first. The request may or may not have been handled.
    #[error(
        "{octets} octets of messages wait to be taken, and the reply may come after them: take them first"
    )]
    InboxFull {
        /// The number of octets in the inbox.
        octets: usize,
    },
    /// The broker has refused or ended the subscription to the queue of replies. The next request makes a new one.
    #[error("the queue of replies cannot be subscribed to: {0}")]
    Subscribe(SubscribeError),
    /// No reply came within this time. The request may or may not have been handled.
    #[error("no reply within {:.1} s: the request may or may not have been handled", .0.as_secs_f64())]
    Timeout(Duration),
}
