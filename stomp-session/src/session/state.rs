//! Where a session stands, as itself and as others see it: what exists only in a state is owned by it. How far a move has
//! come, and which broker a client moves to by itself next.

use alloc::{boxed::Box, collections::BTreeSet};
use core::time::Duration;

use crate::{
    link::{Link, outbox::Outbox},
    model::{
        connection::{Connection, Move, Moved},
        endpoint::Endpoint,
        event::Told,
        ids::SubscriptionId,
        profile::ConnectEscaping,
        random::Random,
        time::Timestamp,
    },
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

/// The phase of a session, returned by [`Session::phase`](crate::Session::phase).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase<'a> {
    /// The session waits before it dials a broker.
    Waiting {
        /// The broker.
        endpoint: &'a Endpoint,
        /// The time at which the broker is dialled.
        until: Timestamp,
    },
    /// The session dials this broker, or waits for its CONNECTED.
    Connecting(&'a Endpoint),
    /// This connection is established.
    Connected(&'a Connection),
    /// DISCONNECT was sent on this connection.
    Disconnecting(&'a Connection),
    /// The session has ended.
    Closed,
}

/// A move that has begun.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) how: Move,
    pub(super) timeout: Duration,
    /// None until the first call that brings the time.
    pub(super) deadline: Option<Timestamp>,
    pub(super) stage: Stage,
    /// Whether nobody has asked for it, and the broker is only one of several.
    pub(super) rebalances: bool,
    pub(super) transactions: usize,
    pub(super) at_risk: usize,
    /// Subscriptions that were made meanwhile, for the next connection.
    pub(super) unwritten: BTreeSet<SubscriptionId>,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The connection still stands.
    Leaving,
    /// It does not; what had become of things then.
    Left { graceful: bool, told: Told },
}

impl Moving {
    pub(super) fn stamp(&mut self, now: Timestamp) {
        self.deadline.get_or_insert_with(|| now.after(self.timeout));
    }

    /// By when the connection is left. One without a time wants one at once.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.is_leaving().then(|| self.deadline.unwrap_or(Timestamp::ZERO))
    }

    /// The time that is left.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        self.deadline.map_or(self.timeout, |deadline| deadline.since(now))
    }

    pub(super) const fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::Leaving)
    }

    pub(super) fn into_moved(self, connection: Connection) -> Option<Moved> {
        let Stage::Left { graceful, told } = self.stage else { return None };
        Some(Moved {
            reason: self.how.reason,
            connection,
            graceful,
            confirmed: told.receipted,
            unconfirmed: told.unreceipted,
            #[cfg(feature = "client")]
            unhandled: 0,
            returned: told.returned,
            transactions: self.transactions,
            at_risk: self.at_risk,
        })
    }
}

/// Which broker a client moves to by itself next, and when.
#[derive(Debug)]
pub(super) struct Rebalancing {
    period: Duration,
    pub(super) random: Random,
    /// When a broker is drawn next. None before the first connection.
    pub(super) at: Option<Timestamp>,
    /// The broker that was drawn, until there is time to move.
    pub(super) to: Option<Endpoint>,
    /// Whether the owner of the session knows better than the session when there is time to move.
    #[cfg(feature = "client")]
    pub(super) waits_for_owner: bool,
}

impl Rebalancing {
    pub(super) fn new(period: Duration, seed: u64) -> Self {
        Self {
            period,
            // Another sequence than that of the delays.
            random: Random::new(seed.rotate_left(32) ^ 0x7265_6261_6c61_6e63),
            at: None,
            to: None,
            #[cfg(feature = "client")]
            waits_for_owner: false,
        }
    }

    /// A connection stands. What was due without one is drawn anew: all clients of a broker that was lost come at once.
    pub(super) fn note_connected(&mut self, now: Timestamp) {
        if self.at.is_none_or(|at| at <= now) {
            self.at = Some(now.after(self.period.mul_f64(self.random.fraction())));
        }
        self.to = None;
    }

    /// It is over for this period.
    pub(super) fn put_off(&mut self, now: Timestamp) {
        (self.at, self.to) = (Some(now.after(self.period)), None);
    }

    #[cfg(feature = "client")]
    pub(super) const fn waits_for_owner(&self) -> bool {
        self.waits_for_owner
    }

    #[cfg(not(feature = "client"))]
    #[expect(clippy::unused_self, reason = "with the client it depends on it")]
    pub(super) const fn waits_for_owner(&self) -> bool {
        false
    }
}
