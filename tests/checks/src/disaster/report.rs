//! What a run has seen.

use std::{collections::BTreeMap, time::Duration};

use stomp_session::{Event, Outcome, Unknown};

/// Rounds in which the same went wrong with a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rounds {
    /// Rounds.
    pub rounds: u64,
    /// SENDs at least once that were confirmed.
    pub confirmed: u64,
    /// Those of them that nobody was given.
    pub lost: u64,
    /// Messages that a broker has stored more than once.
    pub copies: u64,
    /// The longest time in which a client was not served.
    pub gap: Duration,
    /// The longest time from when a broker could serve again to when all was done that had waited.
    pub late: Duration,
}

impl Rounds {
    fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.confirmed += other.confirmed;
        self.lost += other.lost;
        self.copies += other.copies;
        self.gap = self.gap.max(other.gap);
        self.late = self.late.max(other.late);
    }
}

/// Counts of one run, or of many together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Runs.
    pub runs: u64,
    /// Sessions.
    pub sessions: u64,
    /// Attempts to connect.
    pub dials: u64,
    /// Connections that came about.
    pub connections: u64,
    /// Messages that came to a broker from elsewhere.
    pub messages: u64,
    /// Messages that were handed to users.
    pub handed: u64,
    /// Results that users got.
    pub results: u64,
    /// SENDs that were given up because connections ended at them.
    pub given_up: u64,
    /// Moves that nobody asked for, since clients are spread over the brokers.
    pub rebalanced: u64,
    /// Octets that clients wrote, and octets that they read.
    pub octets: (usize, usize),
    /// Turns of everybody.
    pub rounds: u64,
    /// Crashes of brokers.
    pub crashes: u64,
    /// What went wrong, and how often.
    pub faults: BTreeMap<&'static str, u64>,
    /// What the rounds with clusters came to, by what went wrong.
    pub rounds_of: BTreeMap<&'static str, Rounds>,
    /// How much time has passed in the simulation.
    pub elapsed: Duration,
}

impl Report {
    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.sessions += other.sessions;
        self.dials += other.dials;
        self.connections += other.connections;
        self.messages += other.messages;
        self.handed += other.handed;
        self.results += other.results;
        self.given_up += other.given_up;
        self.rebalanced += other.rebalanced;
        self.octets = (self.octets.0 + other.octets.0, self.octets.1 + other.octets.1);
        self.rounds += other.rounds;
        self.crashes += other.crashes;
        self.elapsed += other.elapsed;
        for (incident, rounds) in &other.rounds_of {
            self.rounds_of.entry(incident).or_default().add(rounds);
        }
        for (fault, count) in &other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
    }

    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Message(_) => self.handed += 1,
            Event::Moving { reason, .. } => self.rebalanced += u64::from(reason == "rebalance"),
            Event::Receipt { outcome, .. } => {
                self.results += 1;
                self.given_up += u64::from(matches!(outcome, Outcome::Unknown(Unknown::KillsConnection(_))));
            }
            _ => {}
        }
    }
}
