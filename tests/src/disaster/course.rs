//! When a session may dial, and when it must give up, reckoned once more.

use std::{collections::BTreeSet, time::Duration};

use stomp_proto::ParseErrorKind;
use stomp_session::{Config, Lost, Reconnect, Timestamp};

use super::{
    law::{Checked, Law, demand},
    plan::WHOLE,
};

/// The way of a session from attempt to attempt.
#[derive(Debug)]
pub(super) struct Course {
    policy: Reconnect,
    stable_after: Duration,
    /// The delay that has grown so far; none after a connection that was stable.
    grown: Option<Duration>,
    /// The delay before the last attempt, and when it was due.
    last: Duration,
    due: Timestamp,
    connected_at: Option<Timestamp>,
    /// Whether a connection has ever stood.
    pub(super) stood: bool,
    announced: bool,
    /// Brokers that have refused the client for a while, and for good.
    held_back: BTreeSet<usize>,
    pub(super) barred: BTreeSet<usize>,
    /// What was no STOMP, and when.
    poisons: Vec<(Timestamp, ParseErrorKind, Option<String>)>,
}

/// The time in which three of the same poison are one too many.
const POISONED: Duration = Duration::from_secs(600);

impl Course {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            policy: config.brokers.reconnect.clone(),
            stable_after: config.stable_after,
            grown: Some(config.brokers.reconnect.initial_delay),
            last: Duration::ZERO,
            due: Timestamp::ZERO,
            connected_at: None,
            stood: false,
            announced: true,
            held_back: BTreeSet::new(),
            barred: BTreeSet::new(),
            poisons: Vec::new(),
        }
    }

    pub(super) const fn connected(&mut self, now: Timestamp) {
        (self.connected_at, self.stood) = (Some(now), true);
    }

    /// A connection has ended.
    pub(super) fn lost(&mut self, reason: &Lost, now: Timestamp) {
        if let Lost::Protocol(error) = reason {
            self.poisons.push((now, error.kind, error.destination.clone()));
        }
        let lived = self.connected_at.take().map_or(Duration::ZERO, |since| now.since(since));
        if lived >= self.stable_after.max(self.last) {
            self.grown = None;
        }
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, broker: usize, reason: &Lost) {
        match reason {
            _ if is_final(reason) && (!WHOLE || !self.stood) => _ = self.barred.insert(broker),
            Lost::Refused(_) | Lost::ClosedBeforeConnected => _ = self.held_back.insert(broker),
            _ => {}
        }
    }

    /// The session says when it dials next.
    pub(super) fn announce(&mut self, broker: usize, delay: Duration, now: Timestamp) -> Checked {
        let Reconnect { initial_delay, max_delay, multiplier, refusal_delay, .. } = self.policy;
        let least = if self.held_back.remove(&broker) { refusal_delay } else { Duration::ZERO };
        let expected = self.grown.unwrap_or_default().max(least).min(max_delay);
        self.grown = Some(self.grown.map_or(initial_delay, |grown| grown.min(max_delay).mul_f64(multiplier)));
        demand(!self.is_poisoned(now), Law::Poison, || format!("it goes on after {:?}", self.poisons))?;
        demand(delay == expected, Law::Schedule, || format!("the delay is {delay:?} and not {expected:?}"))?;
        (self.last, self.due, self.announced) = (delay, now.after(delay), true);
        Ok(())
    }

    /// The session dials.
    pub(super) fn dial(&mut self, broker: usize, now: Timestamp) -> Checked {
        let barred = self.barred.contains(&broker);
        demand(!barred, Law::Schedule, || format!("broker {broker} has refused it for good"))?;
        demand(now >= self.due, Law::Schedule, || format!("it dials at {now} and announced {}", self.due))?;
        demand(std::mem::take(&mut self.announced), Law::Schedule, || {
            format!("it dials unannounced at {now}")
        })
    }

    /// Whether the same poison has come three times.
    pub(super) fn is_poisoned(&self, now: Timestamp) -> bool {
        let recent = || self.poisons.iter().filter(|(at, ..)| now.since(*at) < POISONED);
        let last = self.poisons.last();
        last.is_some_and(|(_, kind, destination)| {
            recent().filter(|(_, other, of)| other == kind && of == destination).count() >= 3
        })
    }
}

/// Whether a broker has refused for good, as long as no connection has stood.
fn is_final(reason: &Lost) -> bool {
    match reason {
        Lost::DialFailed { permanent, .. } => *permanent,
        Lost::Refused(error) => FINAL.iter().any(|text| error.to_string().contains(text)),
        _ => false,
    }
}

/// What the models say to a wrong login.
const FINAL: [&str; 2] = ["Access refused for user", "or password is invalid"];
