//! What was sent and what came, in numbers that need no memory for what is over.

use std::{collections::BTreeSet, fmt, sync::Mutex, time::Duration};

/// The account of one broker.
#[derive(Debug)]
pub struct Ledger {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    confirmed: u64,
    received: u64,
    copies: u64,
    given_up: Vec<String>,
    came: Numbers,
    sent: Numbers,
    /// What the other kinds of load have done, and what of it failed.
    others: u64,
    failed: u64,
    /// Since the last sample.
    latencies: Vec<Duration>,
}

/// Numbers from 0 on, of which nearly all are there.
#[derive(Debug, Default)]
struct Numbers {
    below: u64,
    above: BTreeSet<u64>,
}

impl Numbers {
    /// Adds one. Returns whether it is new.
    fn add(&mut self, number: u64) -> bool {
        let is_new = number >= self.below && self.above.insert(number);
        while self.above.remove(&self.below) {
            self.below += 1;
        }
        is_new
    }

    fn has(&self, number: u64) -> bool {
        number < self.below || self.above.contains(&number)
    }

    /// Those that are here and not there.
    fn without(&self, others: &Self) -> u64 {
        let lower = (others.below..self.below).filter(|number| !others.has(*number)).count();
        let upper = self.above.iter().filter(|number| !others.has(**number)).count();
        (lower + upper) as u64
    }
}

impl Ledger {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), state: Mutex::default() }
    }

    fn with<R>(&self, note: impl FnOnce(&mut State) -> R) -> R {
        note(&mut self.state.lock().expect("no user of the ledger panics"))
    }

    pub(super) fn confirmed(&self, number: u64) {
        self.with(|state| {
            state.confirmed += 1;
            state.sent.add(number);
        });
    }

    pub(super) fn gave_up(&self, number: u64, why: String) {
        self.with(|state| {
            state.given_up.push(why);
            // It may come or not: neither is a loss.
            state.came.add(number);
            state.sent.add(number);
        });
    }

    pub(super) fn received(&self, number: u64, latency: Duration) {
        self.with(|state| {
            let is_new = state.came.add(number);
            state.received += u64::from(is_new);
            state.copies += u64::from(!is_new);
            state.latencies.push(latency);
        });
    }

    /// Something else was done, or tried in vain.
    pub(super) fn other(&self, went_well: bool) {
        self.with(|state| {
            state.others += 1;
            state.failed += u64::from(!went_well);
        });
    }

    /// Takes the latencies since the last call, sorted.
    pub(super) fn take_latencies(&self) -> Vec<Duration> {
        let mut latencies = self.with(|state| std::mem::take(&mut state.latencies));
        latencies.sort();
        latencies
    }

    pub(super) fn total(&self) -> u64 {
        self.with(|state| state.received)
    }

    /// Returns the number of messages that were confirmed and did not come.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.with(|state| state.sent.without(&state.came))
    }

    /// Returns the number of messages that were to be sent at least once and were given up.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.with(|state| state.given_up.len() as u64)
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = self.lost();
        self.with(|state| {
            let State { confirmed, received, copies, others, failed, given_up, .. } = state;
            write!(
                f,
                "{}: {confirmed} confirmed, {received} received, {lost} lost, {copies} copies, {} given up; \
                 {others} other operations, {failed} of them cut short by a fault",
                self.name,
                given_up.len()
            )?;
            given_up.first().map_or(Ok(()), |first| write!(f, " (the first given up: {first})"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_confirmed_and_did_not_come_is_lost() {
        let ledger = Ledger::new("a broker");
        for number in 0..10 {
            ledger.confirmed(number);
        }
        for number in [0, 1, 2, 9, 2, 4, 5] {
            ledger.received(number, Duration::ZERO);
        }
        assert_eq!(ledger.lost(), 4);
        ledger.gave_up(10, "timeout".to_owned());
        for number in [3, 6, 7, 8] {
            ledger.received(number, Duration::ZERO);
        }
        assert_eq!((ledger.lost(), ledger.given_up()), (0, 1));
        assert!(ledger.to_string().contains("10 confirmed, 10 received, 0 lost, 1 copies, 1 given up"));
        assert_eq!(ledger.with(|state| state.came.above.len()), 0, "what is over needs no memory");
    }
}
