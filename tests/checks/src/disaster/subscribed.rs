//! A subscription, and what has become of it.

use std::time::Duration;

use stomp_proto::AckMode;
use stomp_session::{Retry, SubscriptionId, Timestamp};

/// A subscription as the user knows it.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) id: SubscriptionId,
    pub(super) destination: String,
    pub(super) ack_mode: AckMode,
    pub(super) retry: Retry,
    /// Whether a broker has ever taken it.
    pub(super) stood: bool,
    /// Since when it stands.
    pub(super) stands_since: Option<Timestamp>,
    /// When it was first refused or cancelled since it stood for a while.
    pub(super) refused_since: Option<Timestamp>,
    /// When it is to be sent again.
    pub(super) retry_at: Option<Timestamp>,
    /// Whether it may be what ended a connection: then others go first.
    pub(super) suspect: bool,
    /// How often it was to be sent again while its connection stood, or at its end.
    pub(super) retries: u32,
}

impl Subscribed {
    /// A broker has taken it.
    pub(super) fn note_taken(&mut self, now: Timestamp) {
        (self.stood, self.suspect, self.retry_at) = (true, false, None);
        self.stands_since.get_or_insert(now);
    }

    /// It does not stand any more. If it did for a while its trouble is new.
    pub(super) fn note_trouble(&mut self, now: Timestamp) {
        self.suspect = true;
        if self.stands_since.take().is_some_and(|since| now.since(since) >= STABLE) {
            self.refused_since = None;
        }
        self.refused_since.get_or_insert(now);
    }

    pub(super) const fn new(
        id: SubscriptionId,
        destination: String,
        ack_mode: AckMode,
        retry: Retry,
    ) -> Self {
        let (stood, suspect, retries) = (false, false, 0);
        let (stands_since, refused_since, retry_at) = (None, None, None);
        Self {
            id,
            destination,
            ack_mode,
            retry,
            stood,
            stands_since,
            refused_since,
            retry_at,
            suspect,
            retries,
        }
    }
}

/// What stands for that long has no trouble any more.
const STABLE: Duration = Duration::from_secs(60);
