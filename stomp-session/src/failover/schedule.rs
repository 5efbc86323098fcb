//! The order in which brokers are tried, and the delay before each round of attempts.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use crate::model::{brokers::Brokers, endpoint::Endpoint, random::Random, time::Timestamp};

/// The sequence of attempts to connect, as an iterator of brokers and the delays before them.
///
/// The sequence consists of rounds. A round tries each broker of the list once, without a delay between them, the
/// broker that failed last behind the others, and at its end those that did not answer at all. The first round begins at once, and each later one after a delay that grows from
/// round to round. The sequence ends when the limit of attempts is reached.
///
/// ```
/// use stomp_session::{Brokers, Schedule};
///
/// let uri = "failover:(tcp://a:1,tcp://b:2)?startupMaxReconnectAttempts=5&initialReconnectDelay=20&randomize=false\
///            &reconnectDelayJitter=0";
/// let brokers: Brokers = uri.parse()?;
/// let tries: Vec<_> = Schedule::new(brokers, 42).map(|(broker, delay)| (broker.port(), delay.as_millis())).collect();
/// assert_eq!(tries, [(1, 0), (2, 0), (1, 20), (2, 0), (1, 40), (2, 0)]);
/// # Ok::<(), stomp_session::BrokersError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    brokers: Brokers,
    /// How many brokers there were before any was given up.
    listed: usize,
    random: Random,
    /// The brokers that are still to be tried in this round, the next one first.
    round: VecDeque<Entry>,
    /// How often each broker was tried in this round.
    tries: Vec<(Endpoint, u32)>,
    /// Rounds since the schedule has begun, all delays between them, and tries of brokers.
    rounds: u32,
    waited: Duration,
    tried: u32,
    /// The delay before the next round, as it grows.
    delay: Duration,
    /// The delay before this round.
    given: Duration,
    /// Brokers that are not tried before a certain time.
    held_back: Vec<(Endpoint, Timestamp)>,
    /// The broker that was tried last.
    last: Option<Endpoint>,
    /// Brokers that did not answer within the time limit when they were tried last.
    silent: Vec<Endpoint>,
    ever_connected: bool,
    /// The time of the iterator, which is not given any.
    clock: Timestamp,
}

/// A try that is to come.
#[derive(Clone, Debug)]
struct Entry {
    endpoint: Endpoint,
    /// It was tried in this round and has more addresses.
    again: bool,
}

/// The least delay from the third round on, whatever the options say, so that no broker is dialled in a tight loop.
pub(super) const FLOOR: Duration = Duration::from_millis(10);

/// With full jitter a delay may be this long, however short the time was that has been waited.
const PROMPT: Duration = Duration::from_millis(500);

impl Schedule {
    /// Creates the schedule for these brokers. Jitter and order are derived from `seed`.
    #[must_use]
    pub fn new(brokers: Brokers, seed: u64) -> Self {
        Self {
            listed: brokers.endpoints.len(),
            random: Random::new(seed),
            round: VecDeque::new(),
            tries: Vec::new(),
            rounds: 0,
            waited: Duration::ZERO,
            tried: 0,
            delay: brokers.reconnect.initial_delay,
            given: Duration::ZERO,
            held_back: Vec::new(),
            last: None,
            silent: Vec::new(),
            ever_connected: false,
            clock: Timestamp::ZERO,
            brokers,
        }
    }

    /// Reports that a connection was established.
    ///
    /// From then on, `max_attempts` limits the attempts instead of `startup_max_attempts`, and earlier attempts do not
    /// count.
    pub const fn connected(&mut self) {
        if !self.ever_connected {
            self.ever_connected = true;
            self.tried = 0;
        }
    }

    /// Starts the sequence anew, as after a stable connection. The next round has no delay.
    pub fn restart(&mut self) {
        (self.rounds, self.waited, self.tried) = (0, Duration::ZERO, 0);
        self.delay = self.brokers.reconnect.initial_delay;
        self.round.clear();
    }

    /// Begins anew with that broker, or with the one behind `present` in the list that is not held back. The others follow in
    /// the order of the list, and `present` is the last. Returns the first.
    ///
    /// Those that are held back are passed over when it is their turn, if they still are: a command brings no time.
    pub(super) fn move_on(&mut self, to: Option<Endpoint>, present: &Endpoint, now: Timestamp) -> Endpoint {
        self.held_back.retain(|(_, until)| *until > now);
        let listed = &self.brokers.endpoints;
        let behind = listed.iter().position(|other| other == present).map_or(0, |at| at.saturating_add(1));
        let in_turn = || listed.iter().cycle().skip(behind).take(listed.len());
        let is_free = |endpoint: &&Endpoint| !self.held_back.iter().any(|(held, _)| held == *endpoint);
        let first = to.or_else(|| in_turn().find(is_free).cloned()).unwrap_or_else(|| present.clone());
        let others = in_turn().filter(|endpoint| **endpoint != first).cloned();
        let round = others.map(|endpoint| Entry { endpoint, again: false }).collect();
        self.restart();
        // This is the first round.
        self.rounds = 1;
        (self.given, self.tries, self.last) = (Duration::ZERO, Vec::new(), Some(first.clone()));
        self.count(&first);
        self.round = round;
        first
    }

    /// The broker that was left is the next to be tried. It was there a moment ago: neither a limit of attempts nor an earlier
    /// refusal counts.
    pub(super) fn return_to(&mut self, present: &Endpoint) {
        if self.last.as_ref() != Some(present) {
            self.round.retain(|entry| entry.endpoint != *present);
            self.round.push_front(Entry { endpoint: present.clone(), again: true });
        }
    }

    /// Draws one of the brokers that are not held back, and `present`, each as likely as the others.
    pub(super) fn draw(&self, random: &mut Random, present: &Endpoint, now: Timestamp) -> Option<&Endpoint> {
        let is_held =
            |endpoint: &Endpoint| self.held_back.iter().any(|(held, until)| held == endpoint && *until > now);
        let mut free = self.brokers.endpoints.iter().filter(|it| *it == present || !is_held(it));
        let count = u64::try_from(free.clone().count()).ok()?;
        free.nth(usize::try_from(random.next().checked_rem(count)?).ok()?)
    }

    /// Excludes a broker until this time, for example because it has refused the client.
    ///
    /// The other brokers are tried in the meantime.
    pub fn hold_back(&mut self, endpoint: &Endpoint, until: Timestamp) {
        self.held_back.retain(|(other, _)| other != endpoint);
        self.held_back.push((endpoint.clone(), until));
    }

    /// Notes whether the broker that was tried last has answered at all. One that has not costs a whole time limit.
    pub(super) fn note_answer(&mut self, endpoint: &Endpoint, answered: bool) {
        self.silent.retain(|other| other != endpoint);
        if !answered {
            self.silent.push(endpoint.clone());
        }
    }

    /// Removes a broker from the schedule, for example because it has refused the client for good.
    pub fn give_up(&mut self, endpoint: &Endpoint) {
        self.brokers.endpoints.retain(|other| other != endpoint);
        self.round.retain(|entry| entry.endpoint != *endpoint);
        self.held_back.retain(|(other, _)| other != endpoint);
        self.silent.retain(|other| other != endpoint);
    }

    /// Returns the next broker to try and the delay from `now` until then, or `None` if the limit of attempts is
    /// reached or no broker is left.
    ///
    /// As an iterator, the schedule keeps the time itself.
    pub fn next_at(&mut self, now: Timestamp) -> Option<(Endpoint, Duration)> {
        self.held_back.retain(|(_, until)| *until > now);
        let mut delay = Duration::ZERO;
        let held_back = &self.held_back;
        let is_held = |entry: &Entry| held_back.iter().any(|(endpoint, _)| *endpoint == entry.endpoint);
        self.round.retain(|entry| entry.again || !is_held(entry));
        if self.round.front().is_none_or(|entry| !entry.again) && self.is_exhausted() {
            return None;
        }
        if self.round.is_empty() {
            delay = self.begin_round(now)?;
        }
        let Entry { endpoint, again } = self.round.pop_front()?;
        self.tried = self.tried.saturating_add(u32::from(!again));
        self.count(&endpoint);
        self.last = Some(endpoint.clone());
        // A connection may last for days: memory is given back until then.
        self.round.shrink_to_fit();
        Some((endpoint, delay))
    }

    /// The broker that was tried has that number of addresses: the others of them are tried in this round.
    pub(super) fn try_again(&mut self, endpoint: &Endpoint, addresses: u32) {
        let tries = self.tries.iter().find(|(other, _)| other == endpoint).map_or(0, |(_, tries)| *tries);
        if tries < addresses {
            self.round.push_back(Entry { endpoint: endpoint.clone(), again: true });
        }
    }

    /// Adds a broker: it is the next to be tried.
    pub(super) fn add(&mut self, endpoint: Endpoint) -> bool {
        let is_new = !self.brokers.endpoints.contains(&endpoint);
        if is_new {
            self.listed = self.listed.saturating_add(1);
            self.round.push_front(Entry { endpoint: endpoint.clone(), again: false });
            self.brokers.endpoints.push(endpoint);
        }
        is_new
    }

    /// The delay before this round.
    pub(super) const fn last_delay(&self) -> Duration {
        self.given
    }

    pub(super) const fn ever_connected(&self) -> bool {
        self.ever_connected
    }

    pub(super) const fn brokers(&self) -> &Brokers {
        &self.brokers
    }

    /// Whether no further broker may be tried.
    fn is_exhausted(&self) -> bool {
        let policy = &self.brokers.reconnect;
        if self.ever_connected {
            return policy.max_attempts.is_some_and(|limit| self.tried >= limit);
        }
        let each_once = u32::try_from(self.listed.saturating_sub(1)).unwrap_or(u32::MAX);
        policy.startup_max_attempts.is_some_and(|limit| self.tried > limit.max(each_once))
    }

    fn count(&mut self, endpoint: &Endpoint) {
        match self.tries.iter_mut().find(|(other, _)| other == endpoint) {
            Some((_, tries)) => *tries = tries.saturating_add(1),
            None => {
                self.tries.reserve_exact(1);
                self.tries.push((endpoint.clone(), 1));
            }
        }
    }

    /// Lines up all brokers that may be tried after the next delay, and gives that. Where none may, it is the time until
    /// the first one may.
    fn begin_round(&mut self, now: Timestamp) -> Option<Duration> {
        self.given = if self.rounds == 0 { Duration::ZERO } else { self.grow() };
        self.rounds = self.rounds.saturating_add(1);
        // A connection may last for days: memory is given back until then.
        self.tries = Vec::new();
        let free_at = |endpoint: &Endpoint| {
            let held = self.held_back.iter().find(|(other, _)| other == endpoint);
            held.map_or(now, |(_, until)| *until)
        };
        let at = now.after(self.given).max(self.brokers.endpoints.iter().map(free_at).min()?);
        let mut round: Vec<_> =
            self.brokers.endpoints.iter().filter(|it| free_at(it) <= at).cloned().collect();
        self.order(&mut round);
        self.round = round.into_iter().map(|endpoint| Entry { endpoint, again: false }).collect();
        let delay = at.since(now);
        self.waited = self.waited.saturating_add(delay);
        Some(delay)
    }

    fn order(&mut self, round: &mut [Endpoint]) {
        if self.brokers.reconnect.randomize {
            self.random.shuffle(round);
        }
        if self.brokers.reconnect.priority_backup {
            round.sort_by_key(|endpoint| !is_local(endpoint.host()));
        }
        round.sort_by_key(|endpoint| (self.silent.contains(endpoint), self.last.as_ref() == Some(endpoint)));
    }

    /// The delay before this round; the next one is longer.
    fn grow(&mut self) -> Duration {
        let policy = &self.brokers.reconnect;
        let delay = self.delay.min(policy.max_delay);
        if policy.exponential {
            let grown = Duration::try_from_secs_f64(delay.as_secs_f64() * policy.multiplier);
            self.delay = grown.unwrap_or(policy.max_delay);
        }
        let luck = self.random.fraction();
        let drawn = if policy.full_jitter {
            // A broker that opens after a long time is found soon after it.
            let bound = self.waited.div_f64(6.0).max(PROMPT).max(policy.initial_delay);
            delay.min(bound).mul_f64(luck)
        } else {
            delay.saturating_add(policy.jitter.mul_f64(luck)).min(policy.max_delay)
        };
        if self.rounds < 2 { drawn } else { drawn.max(FLOOR) }
    }
}

impl Iterator for Schedule {
    type Item = (Endpoint, Duration);

    fn next(&mut self) -> Option<(Endpoint, Duration)> {
        let (endpoint, delay) = self.next_at(self.clock)?;
        self.clock = self.clock.after(delay);
        Some((endpoint, delay))
    }
}

/// By its spelling alone: a look-up would be I/O.
fn is_local(host: &str) -> bool {
    let loopback = host.parse::<core::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    loopback || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
