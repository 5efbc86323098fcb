//! Where a session stands: what exists only in a state is owned by it.

use alloc::boxed::Box;
use core::time::Duration;

use crate::{
    link::{Link, outbox::Outbox},
    model::{endpoint::Endpoint, profile::ConnectEscaping, timestamp::Timestamp},
};

/// ```text
///            ┌──────────────────────── lost, or failed ◄───────────────────────────┐
///            ▼                                                                     │
///         Waiting ──time──► Connecting ──dialled──► Handshake ──CONNECTED──► Connected
///            │                  │                       │                        │ disconnect
///            └──────────────────┴──────────────────────────────► Closed ◄── Disconnecting
///                                                 given up, or disconnected
/// ```
/// With an [`Ending`] it goes the same way, but takes no commands, and connects only for what is to
/// be sent at least once.
#[derive(Debug)]
pub(super) enum State {
    Waiting {
        endpoint: Endpoint,
        retry_at: Timestamp,
    },
    Connecting {
        endpoint: Endpoint,
        deadline: Timestamp,
    },
    Handshake {
        endpoint: Endpoint,
        deadline: Timestamp,
        outbox: Box<Outbox>,
        /// How a backslash in the credentials was written, if there was one.
        backslash: Option<ConnectEscaping>,
    },
    Connected(Box<Link>),
    /// DISCONNECT was said; nothing follows it.
    Disconnecting(Box<Link>),
    Closed,
}

impl State {
    pub(super) fn link(&self) -> Option<&Link> {
        match self {
            Self::Connected(link) | Self::Disconnecting(link) => Some(link),
            _ => None,
        }
    }

    pub(super) fn link_mut(&mut self) -> Option<&mut Link> {
        match self {
            Self::Connected(link) | Self::Disconnecting(link) => Some(link),
            _ => None,
        }
    }

    /// Takes the connection out: the session is closed, unless something else follows.
    pub(super) fn take_link(&mut self) -> Option<Box<Link>> {
        match core::mem::replace(self, Self::Closed) {
            Self::Connected(link) | Self::Disconnecting(link) => Some(link),
            _ => None,
        }
    }

    /// When the state itself is over.
    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { retry_at: at, .. }
            | Self::Connecting { deadline: at, .. }
            | Self::Handshake { deadline: at, .. } => Some(*at),
            Self::Connected(_) | Self::Disconnecting(_) | Self::Closed => None,
        }
    }
}

/// The end has begun: no command is taken any more.
#[derive(Debug)]
pub(super) struct Ending {
    timeout: Duration,
    /// None until the first call that brings the time.
    deadline: Option<Timestamp>,
}

impl Ending {
    pub(super) const fn new(timeout: Duration) -> Self {
        Self { timeout, deadline: None }
    }

    pub(super) fn stamp(&mut self, now: Timestamp) {
        self.deadline.get_or_insert_with(|| now.after(self.timeout));
    }

    /// The time that is left.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        self.deadline.map_or(self.timeout, |deadline| deadline.since(now))
    }

    /// Without a deadline, the session wants to be called at once, to set one.
    pub(super) fn deadline(&self) -> Timestamp {
        self.deadline.unwrap_or(Timestamp::ZERO)
    }
}
