//! What has failed is not repeated again and again.
//!
//! A message that cannot be decoded comes again after each reconnect, and each lost connection costs all prefetched messages a
//! delivery attempt: a client that meets the same error again and again must stop. Logins that were refused are held back, so
//! that no account is locked.

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::time::Duration;

use stomp_proto::{ParseError, ParseErrorKind};

use crate::model::{
    endpoint::{Endpoint, Login},
    time::Timestamp,
};

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

/// How long a login waits that was refused for the first time, and at most. Accounts are locked after a few wrong logins
/// within minutes.
const FIRST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(900);

/// Which login was refused where, and when it may go out again.
#[derive(Debug, Default)]
pub(super) struct Logins(Vec<Refused>);

/// A login, or the lack of one, that was refused and not accepted since.
#[derive(Debug)]
struct Refused {
    login: Option<Login>,
    by: Vec<Endpoint>,
    step: Duration,
    until: Timestamp,
}

impl Logins {
    /// Notes that a broker has refused this login. Returns the time until which it is sent to none of the brokers that
    /// have refused it: a minute from now, doubling each time that one of them refuses it again.
    pub(super) fn refuse(&mut self, login: Option<&Login>, by: &Endpoint, now: Timestamp) -> Timestamp {
        // Only the newest refusal of a broker counts: a provider may return a fresh login each time.
        self.0.iter_mut().filter(|it| it.login.as_ref() != login).for_each(|it| it.by.retain(|it| it != by));
        self.0.retain(|refused| !refused.by.is_empty());
        let known = self.0.iter().position(|refused| refused.login.as_ref() == login);
        let Some(refused) = known.and_then(|at| self.0.get_mut(at)) else {
            let until = now.after(FIRST);
            self.0.push(Refused { login: login.cloned(), by: [by.clone()].into(), step: FIRST, until });
            return until;
        };
        if refused.by.contains(by) {
            refused.step = refused.step.saturating_mul(2).min(MOST);
        } else {
            refused.by.push(by.clone());
        }
        refused.until = now.after(refused.step);
        refused.until
    }

    /// The brokers that have refused it.
    pub(super) fn refused_by(&self, login: Option<&Login>) -> impl Iterator<Item = &Endpoint> {
        self.0.iter().filter(move |refused| refused.login.as_ref() == login).flat_map(|refused| &refused.by)
    }

    /// A broker has accepted it.
    pub(super) fn accept(&mut self, login: Option<&Login>) {
        self.0.retain(|refused| refused.login.as_ref() != login);
    }

    /// The login that this broker has refused and must not get yet, and the time for which it must not.
    pub(super) fn held_back(&self, by: &Endpoint, now: Timestamp) -> Option<(Option<&Login>, Duration)> {
        let refused = self.0.iter().find(|refused| refused.until > now && refused.by.contains(by))?;
        Some((refused.login.as_ref(), refused.until.since(now)))
    }
}
