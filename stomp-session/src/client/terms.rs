//! On what terms a message is sent, and its sender waits.

use std::time::Duration;

use super::waits::For;
use crate::TransactionId;

/// How a message is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    pub(super) mode: Mode,
    pub(super) immediate: bool,
    pub(super) buffered: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) transaction: Option<TransactionId>,
}

impl How {
    /// Where it waits.
    pub(super) const fn queue(self) -> For {
        match (self.mode, self.transaction) {
            (Mode::AtLeastOnce { .. }, None) => For::Outbox,
            _ => For::Room,
        }
    }
}

/// On what terms somebody waits to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) what: For,
    pub(super) patience: Duration,
    /// Fails where it would have to wait.
    pub(super) immediate: bool,
    /// Neither needs room nor takes its turn.
    pub(super) at_once: bool,
    /// Whether there is what it waits for, once it is its turn.
    pub(super) has_room: bool,
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
