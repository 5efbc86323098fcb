//! What a connection was told that may yet end it.

use alloc::vec::Vec;
use core::time::Duration;

use crate::model::{
    error::{Lost, ServerError},
    ids::{ReceiptId, SubscriptionId},
    timestamp::Timestamp,
};

/// An EOF that comes within that time after an ERROR is its doing: Artemis goes on receipting before it closes.
const BELATED: Duration = Duration::from_secs(5);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// An ERROR that named nobody, where the broker keeps the connection.
    lone: Option<(ServerError, Timestamp)>,
    /// What was refused lately, and is tried again.
    refused: Vec<(Refused, Timestamp)>,
    /// What was alone when an ERROR came that names nobody has had its part of it.
    pub(super) explained: bool,
}

/// Something that was refused and is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    Kept(ReceiptId),
    Subscription(SubscriptionId),
}

impl Warnings {
    pub(super) fn note_lone(&mut self, error: ServerError, now: Timestamp) {
        self.lone = Some((error, now));
    }

    pub(super) fn note_refused(&mut self, refused: Refused, now: Timestamp) {
        self.refused.retain(|(_, at)| now.since(*at) < BELATED);
        self.refused.push((refused, now));
    }

    /// Why the connection has ended, if it was told shortly before.
    pub(super) fn explain(&self, reason: Lost, now: Timestamp) -> Lost {
        match &self.lone {
            Some((error, at)) if reason.is_silent() && now.since(*at) < BELATED => {
                Lost::ServerError(error.clone())
            }
            _ => reason,
        }
    }

    /// What was refused shortly before now.
    pub(super) fn refused(&self, now: Timestamp) -> Vec<Refused> {
        let recent = self.refused.iter().filter(|(_, at)| now.since(*at) < BELATED);
        recent.map(|(refused, _)| *refused).collect()
    }
}
