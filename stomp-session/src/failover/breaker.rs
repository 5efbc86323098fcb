//! A message that cannot be decoded comes again after each reconnect, and each lost connection costs all prefetched
//! messages a delivery attempt: a client that meets the same error again and again must stop.

use alloc::{collections::VecDeque, string::String};
use core::time::Duration;

use stomp_proto::{ParseError, ParseErrorKind};

use crate::model::timestamp::Timestamp;

/// The connections that may end by the same error, whatever was settled in between; the last of them ends the session.
const TRIES: usize = 3;

/// The time in which they count.
const WINDOW: Duration = Duration::from_secs(600);

/// The errors remembered at most: more in ten minutes are of many kinds.
const REMEMBERED: usize = 64;

/// Errors that ended connections, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Breaker(VecDeque<(Timestamp, ParseErrorKind, Option<String>)>);

impl Breaker {
    /// Notes an error that has ended a connection. Whether it is one too many: the same kind, and the same destination
    /// where the header block was read that far.
    pub(crate) fn trips(&mut self, error: &ParseError, now: Timestamp) -> bool {
        self.0.retain(|(at, ..)| now.since(*at) < WINDOW);
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((now, error.kind, error.destination.clone()));
        let same = self
            .0
            .iter()
            .filter(|(_, kind, destination)| *kind == error.kind && *destination == error.destination);
        same.count() >= TRIES
    }
}
