//! The options with which a message is sent.

use std::time::Duration;

use super::publishers::PublisherId;
use crate::TransactionId;

/// How a message is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    pub(super) mode: Mode,
    pub(super) immediate: bool,
    pub(super) buffered: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) transaction: Option<TransactionId>,
    /// The publisher that counts the message, if there is one.
    pub(super) publisher: Option<PublisherId>,
}

impl How {
    /// The line in which the message waits.
    pub(super) const fn line(self) -> Line {
        match (self.mode, self.transaction) {
            (Mode::AtLeastOnce { .. }, None) => Line::Kept,
            _ => Line::Transport,
        }
    }

    /// Whether nothing waits for the message to be admitted.
    pub(super) fn is_buffered(self) -> bool {
        self.buffered && self.mode == Mode::Plain && self.transaction.is_none()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Plain,
    Confirmed,
    AtLeastOnce {
        ordered: bool,
    },
}

/// The lines in which sends wait. Sends of one line never wait for those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// For a connection with room.
    Transport,
    /// For room among what is kept until it is confirmed.
    Kept,
}
