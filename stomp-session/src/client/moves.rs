//! How far a move from one connection to the next has come.

use std::time::Duration;

use crate::{ConnectionId, Move, Moved, Timestamp};

/// Names a move: later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MoveId(pub(super) u64);

/// The move that is under way, and the last one that has come to its end.
#[derive(Debug, Default)]
pub(super) struct Moves {
    pub(super) newest: MoveId,
    /// One that waits for handlers.
    pub(super) holding: Option<Box<Holding>>,
    /// By when handlers end that take no more, so that the client can rebalance.
    pub(super) resting: Option<Timestamp>,
    /// Handlers that had not ended, and messages that nobody had taken, when the connection was left.
    pub(super) unhandled: usize,
    pub(super) returned: usize,
    pub(super) moved: Option<Box<(MoveId, Moved)>>,
}

#[derive(Debug)]
pub(super) struct Holding {
    pub(super) how: Move,
    pub(super) connection: ConnectionId,
    pub(super) timeout: Duration,
    /// That of the handlers and that of all. The driver stamps them: handles have no clock.
    pub(super) deadlines: Option<(Timestamp, Timestamp)>,
}

impl Moves {
    /// When the handlers will have had their time.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let handlers = || self.holding.as_ref()?.deadlines.map(|(handlers, _)| handlers);
        self.resting.or_else(handlers)
    }

    /// Another move begins.
    pub(super) fn begin(&mut self) {
        self.newest.0 = self.newest.0.saturating_add(1);
        (self.unhandled, self.returned) = (0, 0);
    }

    /// What that move has come to, or a later one.
    pub(super) fn result(&self, id: MoveId) -> Option<Moved> {
        self.moved.as_deref().filter(|(of, _)| *of >= id).map(|(_, moved)| moved.clone())
    }

    /// Whether the newest move has not come to its end.
    pub(super) fn is_under_way(&self) -> bool {
        self.moved.as_deref().map(|(id, _)| *id).unwrap_or_default() < self.newest
    }
}
