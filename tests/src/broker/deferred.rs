//! What was accepted and not yet carried out.

use core::ops::Range;

use super::{Broker, ConnectionId, transaction::Step};

/// Work that waits for [`Broker::complete`].
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) connection: ConnectionId,
    pub(super) work: Work,
}

#[derive(Debug)]
pub(super) enum Work {
    /// Messages that are not on disk yet, and the receipt that says that they are.
    Sync { places: Range<u64>, receipt: Option<Vec<u8>> },
    /// A transaction whose COMMIT was receipted.
    Transaction(Vec<Step>),
}

impl Broker {
    /// Returns the number of SENDs and COMMITs that wait to be carried out.
    ///
    /// There are some only with [`BrokerConfig::deferring`](super::BrokerConfig::deferring).
    #[must_use]
    pub fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// Carries out a SEND or COMMIT that waits. The oldest is number 0.
    pub fn complete(&mut self, number: usize) {
        if number >= self.deferred.len() {
            return;
        }
        let Deferred { connection, work } = self.deferred.remove(number);
        match work {
            Work::Sync { receipt, .. } => self.confirm(connection, receipt.as_deref()),
            Work::Transaction(steps) => self.carry_out(connection, steps),
        }
        self.finish_doomed(connection);
        self.dispatch();
    }

    pub(super) fn defer(&mut self, connection: ConnectionId, work: Work) {
        self.deferred.push(Deferred { connection, work });
    }

    /// The places of messages that are not on disk yet.
    pub(super) fn unsynced(&self) -> impl Iterator<Item = u64> {
        let places = self.deferred.iter().filter_map(|deferred| match &deferred.work {
            Work::Sync { places, .. } => Some(places.clone()),
            Work::Transaction(_) => None,
        });
        places.flatten()
    }
}
