//! When a session may dial, and when it must give up, reckoned once more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use stomp_proto::ParseErrorKind;
use stomp_session::{Config, Lost, Reconnect, Timestamp};

use super::law::{Checked, Law, demand};

/// The way of a session from attempt to attempt. There is no jitter here.
#[derive(Debug)]
pub(super) struct Course {
    policy: Reconnect,
    stable_after: Duration,
    brokers: usize,
    /// Rounds since the schedule has begun, the delay before the next, and before this one.
    rounds: u32,
    grown: Duration,
    given: Duration,
    /// Brokers that are still to be tried in this round.
    left: BTreeSet<usize>,
    last: Option<usize>,
    due: Timestamp,
    connected_at: Option<Timestamp>,
    /// The broker of the last connection, and when one to each of them was last seen to stand.
    present: Option<usize>,
    seen: BTreeMap<usize, Timestamp>,
    /// Whether a connection has ever stood.
    pub(super) stood: bool,
    announced: bool,
    /// Brokers that have refused the client for a while, and for good.
    held_back: BTreeMap<usize, Timestamp>,
    pub(super) barred: BTreeSet<usize>,
    /// Those that did not answer when they were dialled last.
    silent: BTreeSet<usize>,
    /// Which brokers get the same login: the first of them, for each.
    logins: Vec<usize>,
    /// Who has refused a login, and how long it waits then.
    refused: BTreeMap<usize, (BTreeSet<usize>, Duration)>,
    /// The broker that a move dials, and the one that it must not, whatever else there is.
    called: Option<usize>,
    passed_over: Option<usize>,
    /// The broker that a move dials is still to be said.
    begins_anew: bool,
    /// When it has moved by itself.
    rebalanced_at: Option<Timestamp>,
    /// What was no STOMP, and when.
    poisons: Vec<(Timestamp, ParseErrorKind, Option<String>)>,
}

/// The time in which three of the same poison are one too many.
const POISONED: Duration = Duration::from_secs(600);

/// The least delay after the first retry.
const FLOOR: Duration = Duration::from_millis(10);

/// How long a refused login waits, at first and at most.
const LOGIN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(900));

impl Course {
    pub(super) fn new(config: &Config) -> Self {
        let endpoints = &config.brokers.endpoints;
        let brokers = endpoints.len();
        let first = |login| endpoints.iter().position(|other| other.login() == login).unwrap_or_default();
        let logins = endpoints.iter().map(|endpoint| first(endpoint.login())).collect();
        Self {
            policy: config.brokers.reconnect.clone(),
            stable_after: config.stable_after,
            brokers,
            rounds: 1,
            grown: config.brokers.reconnect.initial_delay,
            given: Duration::ZERO,
            left: (0..brokers).collect(),
            last: None,
            due: Timestamp::ZERO,
            connected_at: None,
            present: None,
            seen: BTreeMap::new(),
            stood: false,
            announced: true,
            held_back: BTreeMap::new(),
            barred: BTreeSet::new(),
            silent: BTreeSet::new(),
            logins,
            refused: BTreeMap::new(),
            called: None,
            passed_over: None,
            begins_anew: false,
            rebalanced_at: None,
            poisons: Vec::new(),
        }
    }

    pub(super) fn connected(&mut self, broker: usize, now: Timestamp) {
        (self.connected_at, self.stood, self.present) = (Some(now), true, Some(broker));
        self.seen.insert(broker, now);
        self.refused.remove(&self.logins[broker]);
        self.silent.remove(&broker);
    }

    /// A connection has ended.
    pub(super) fn lost(&mut self, reason: &Lost, now: Timestamp) {
        if let Lost::Protocol(error) = reason {
            self.poisons.push((now, error.kind, error.destination.clone()));
        }
        self.seen.extend(self.present.filter(|_| self.connected_at.is_some()).map(|broker| (broker, now)));
        let lived = self.connected_at.take().map_or(Duration::ZERO, |since| now.since(since));
        let is_mute = matches!(reason, Lost::NoHeartBeats(_));
        // What was left was not at fault.
        if matches!(reason, Lost::Left) || (lived >= self.stable_after.max(self.given) && !is_mute) {
            (self.rounds, self.grown) = (0, self.policy.initial_delay);
            self.left.clear();
        }
    }

    /// Whether a connection to another broker than that has stood within a minute.
    pub(super) fn another_stood(&self, broker: usize, now: Timestamp) -> bool {
        let mut others = self.seen.iter().filter(|(other, _)| **other != broker);
        others.any(|(_, stood)| now.since(*stood) <= Duration::from_secs(60))
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, broker: usize, reason: &Lost, now: Timestamp) {
        let refusal_delay = self.policy.refusal_delay.min(self.policy.max_delay);
        match reason {
            Lost::ConnectTimeout(_) | Lost::ConnectedTimeout(_) => _ = self.silent.insert(broker),
            // Nobody waited for its answer to the end.
            Lost::Left => {}
            _ => _ = self.silent.remove(&broker),
        }
        if is_final(reason) && !self.stood {
            self.barred.insert(broker);
            self.left.remove(&broker);
        }
        let wait = match reason {
            Lost::Refused(_) if is_final(reason) => {
                let none = || (BTreeSet::new(), LOGIN.0);
                let (by, step) = self.refused.entry(self.logins[broker]).or_insert_with(none);
                if !by.insert(broker) {
                    *step = (*step * 2).min(LOGIN.1);
                }
                // It goes to nobody of those before that.
                self.held_back.extend(by.iter().map(|broker| (*broker, now.after(*step))));
                self.left.retain(|broker| !by.contains(broker));
                return;
            }
            Lost::Refused(_)
            | Lost::BrokeBeforeConnected(_)
            | Lost::ClosedBeforeConnected
            // Its provider is asked again soon.
            | Lost::LoginHeldBack(_)
            | Lost::DialFailed { permanent: true, .. } => refusal_delay,
            _ => return,
        };
        self.held_back.insert(broker, now.after(wait));
    }

    /// The session says when it dials next.
    pub(super) fn announce(&mut self, broker: usize, delay: Duration, now: Timestamp) -> Checked {
        self.check_called(broker)?;
        if !std::mem::take(&mut self.begins_anew) {
            // A move lines up all brokers: those that are held back when it is their turn are passed over.
            let free = self.left.iter().copied().filter(|broker| !self.is_held_back(*broker, now));
            self.left = free.collect();
        }
        if self.policy.full_jitter {
            self.announce_jittered(broker, delay, now);
        }
        let expected = match self.left.is_empty() {
            true => self.begin_round(now),
            false if self.policy.full_jitter => delay,
            false => Duration::ZERO,
        };
        demand(!self.is_poisoned(now), Law::Poison, || format!("it goes on after {:?}", self.poisons))?;
        demand(delay == expected, Law::Schedule, || format!("the delay is {delay:?} and not {expected:?}"))?;
        (self.due, self.announced) = (now.after(delay), true);
        demand(self.left.contains(&broker), Law::Schedule, || {
            format!("broker {broker} is none of {:?}, which are left in this round", self.left)
        })
    }

    /// What was drawn is taken as it is, within its bounds.
    fn announce_jittered(&mut self, broker: usize, delay: Duration, now: Timestamp) {
        let goes_on = delay.is_zero() && self.left.contains(&broker);
        if !goes_on && delay <= self.policy.max_delay {
            self.rounds += 1;
            self.given = delay;
            let at = now.after(delay);
            let listed = (0..self.brokers).filter(|broker| !self.barred.contains(broker));
            self.left = listed.filter(|broker| !self.is_held_back(*broker, at)).collect();
        }
    }

    fn begin_round(&mut self, now: Timestamp) -> Duration {
        let floor = if self.rounds < 2 { Duration::ZERO } else { FLOOR };
        self.given = match self.rounds {
            0 => Duration::ZERO,
            _ => {
                let delay = self.grown.min(self.policy.max_delay);
                self.grown = delay.mul_f64(self.policy.multiplier);
                delay.max(floor)
            }
        };
        self.rounds += 1;
        let free_at = |broker: &usize| self.held_back.get(broker).map_or(now, |until| (*until).max(now));
        let listed: Vec<_> = (0..self.brokers).filter(|broker| !self.barred.contains(broker)).collect();
        let first = listed.iter().map(free_at).min().unwrap_or(now);
        let at = now.after(self.given).max(first);
        self.left = listed.into_iter().filter(|broker| free_at(broker) <= at).collect();
        at.since(now)
    }

    /// The session dials.
    pub(super) fn dial(&mut self, broker: usize, now: Timestamp) -> Checked {
        let barred = self.barred.contains(&broker) && self.called != Some(broker);
        demand(!barred, Law::Schedule, || format!("broker {broker} has refused it for good"))?;
        demand(now >= self.due, Law::Schedule, || format!("it dials at {now} and announced {}", self.due))?;
        demand(std::mem::take(&mut self.announced), Law::Schedule, || {
            format!("it dials unannounced at {now}")
        })?;
        // One that was named is dialled; its login waits all the same.
        let is_called = self.called.take() == Some(broker);
        let held = self.held_back.get(&broker).filter(|until| **until > now && !is_called);
        demand(held.is_none(), Law::Schedule, || format!("broker {broker} is held back until {held:?}"))?;
        let is_lined_up = self.left.remove(&broker);
        let last = self.last.replace(broker);
        // Those that do not answer come behind all others.
        let in_turn = is_called || last != Some(broker) || self.left.is_subset(&self.silent);
        demand(is_lined_up && in_turn, Law::Schedule, || {
            format!("broker {broker} is dialled before {:?}, and {last:?} was the last", self.left)
        })
    }

    /// The broker that is dialled goes on to be, and the schedule begins anew with it.
    pub(super) fn go_on_with(&mut self, current: usize, now: Timestamp) {
        self.go_to(Some(current), now);
        self.left.remove(&current);
        (self.called, self.announced, self.begins_anew) = (None, false, false);
    }

    /// The schedule begins anew, with the broker that was named, or with another one than the last.
    pub(super) fn go_to(&mut self, to: Option<usize>, now: Timestamp) {
        (self.rounds, self.grown, self.given) = (1, self.policy.initial_delay, Duration::ZERO);
        let listed = (0..self.brokers).filter(|broker| !self.barred.contains(broker));
        self.left = listed.collect();
        let free: Vec<_> = self.left.iter().filter(|broker| !self.is_held_back(**broker, now)).collect();
        let is_alone = free.iter().all(|broker| Some(**broker) == self.last);
        self.passed_over = self.last.filter(|_| to.is_none() && !is_alone);
        self.called = to.or_else(|| self.last.filter(|_| is_alone));
        self.left.extend(self.called);
        self.begins_anew = true;
    }

    /// It moves by itself, at most once a period.
    pub(super) fn rebalance(&mut self, now: Timestamp) -> Checked {
        let (period, last) = (self.policy.rebalance, self.rebalanced_at.replace(now));
        let is_due = period.is_some_and(|period| last.is_none_or(|last| now.since(last) >= period));
        demand(is_due, Law::Move, || format!("it moves by itself at {now}, and did at {last:?}"))
    }

    fn is_held_back(&self, broker: usize, now: Timestamp) -> bool {
        self.held_back.get(&broker).is_some_and(|until| *until > now)
    }

    fn check_called(&mut self, broker: usize) -> Checked {
        let (called, passed_over) = (self.called, self.passed_over.take());
        let is_meant = called.is_none_or(|called| called == broker) && passed_over != Some(broker);
        demand(is_meant, Law::Move, || {
            format!("it goes to broker {broker}; {called:?} was called, {passed_over:?} was left")
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
