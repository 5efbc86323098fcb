//! How far a move has come.

use alloc::collections::BTreeSet;
use core::time::Duration;

use crate::model::{
    connection::Connection,
    events::Told,
    ids::SubscriptionId,
    moving::{Move, Moved},
    timestamp::Timestamp,
};

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
