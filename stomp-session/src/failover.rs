//! The brokers to try, in what order, and how long to wait before each try.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{Endpoint, random::Random};

/// A list of brokers and how to go through it: read from a URI, or written in types.
///
/// ```
/// use std::time::Duration;
/// use stomp_session::{Brokers, Endpoint, Login, Profile, Reconnect};
///
/// let read: Brokers =
///     "failover:(tcp://a:61613,stomp+ssl://me:secret@b?profile=artemis)?maxReconnectDelay=5000&randomize=false".parse()?;
///
/// let mut reconnect = Reconnect::default();
/// reconnect.max_delay = Duration::from_secs(5);
/// reconnect.randomize = false;
/// let b = Endpoint::tls("b", 61614).with_login(Login::new("me", "secret")).with_profile(Profile::ARTEMIS);
/// assert_eq!(read, Brokers::list([Endpoint::plain("a", 61613), b]).with_reconnect(reconnect));
/// # Ok::<(), stomp_session::BrokersError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Brokers {
    /// The brokers, the preferred one first.
    pub endpoints: Vec<Endpoint>,
    /// How to go through them.
    pub reconnect: Reconnect,
}

impl Brokers {
    /// A single broker.
    #[must_use]
    pub fn one(endpoint: Endpoint) -> Self {
        Self::list([endpoint])
    }

    /// Several brokers.
    pub fn list(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        Self { endpoints: endpoints.into_iter().collect(), reconnect: Reconnect::default() }
    }

    /// The list with another way to go through it.
    #[must_use]
    pub const fn with_reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }
}

/// How to go through a list of brokers. The names and defaults of the URI options are ActiveMQ's.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconnect {
    /// `initialReconnectDelay`: before the second try; the first has none. 10 ms.
    pub initial_delay: Duration,
    /// `maxReconnectDelay`: the longest delay. 30 s.
    pub max_delay: Duration,
    /// `useExponentialBackOff`: whether the delay grows. True.
    pub exponential: bool,
    /// `backOffMultiplier`: by how much. 2.
    pub multiplier: f64,
    /// `maxReconnectAttempts`: tries after the first, once a connection stood; `None` (-1) for no limit, the default.
    pub max_attempts: Option<u32>,
    /// `startupMaxReconnectAttempts`: tries after the first, until a connection stood. 0, but each broker of the list is
    /// tried once in any case.
    pub startup_max_attempts: Option<u32>,
    /// `reconnectDelayJitter`: up to so much is added to each delay. 0.
    pub jitter: Duration,
    /// `fullJitter`: whether each delay is drawn between nothing and what it would be. So is the first after a connection
    /// that was stable, which otherwise is none, between nothing and 500 ms. False; many clients of one broker want it, or
    /// they all come back at the same time.
    pub full_jitter: bool,
    /// `refusalDelay`: the least delay before a broker is tried again that has just answered CONNECT with an ERROR that may
    /// pass, or closed the connection instead. 1 s.
    pub refusal_delay: Duration,
    /// `randomize`: whether each round goes through the brokers in a new order. True.
    pub randomize: bool,
    /// `priorityBackup`: brokers on this host come first in each round. A living connection is never left for one.
    /// False.
    pub priority_backup: bool,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_millis(10),
            max_delay: Duration::from_secs(30),
            exponential: true,
            multiplier: 2.0,
            max_attempts: None,
            startup_max_attempts: Some(0),
            jitter: Duration::ZERO,
            full_jitter: false,
            refusal_delay: Duration::from_secs(1),
            randomize: true,
            priority_backup: false,
        }
    }
}

/// The sequence of tries. It ends when the limit of attempts is reached.
///
/// ```
/// use stomp_session::{Brokers, Schedule};
///
/// let uri = "failover:(tcp://a:1,tcp://b:2)?startupMaxReconnectAttempts=3&initialReconnectDelay=7&randomize=false";
/// let brokers: Brokers = uri.parse()?;
/// let tries: Vec<_> = Schedule::new(brokers, 42).map(|(broker, delay)| (broker.port(), delay.as_millis())).collect();
/// assert_eq!(tries, [(1, 0), (2, 7), (1, 14), (2, 28)]);
/// # Ok::<(), stomp_session::BrokersError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    brokers: Brokers,
    /// How many brokers there were before any was given up.
    listed: usize,
    random: Random,
    round: Vec<Endpoint>,
    tried: u32,
    /// The delay before the next try, as it grows.
    delay: Duration,
    /// The delay that was given last.
    given: Duration,
    /// Brokers that were refused and not tried since.
    held_back: Vec<Endpoint>,
    ever_connected: bool,
}

/// What the first try after a stable connection is spread over, with full jitter.
const FIRST: Duration = Duration::from_millis(500);

impl Schedule {
    /// The tries for these brokers; jitter and order come from the seed.
    #[must_use]
    pub fn new(brokers: Brokers, seed: u64) -> Self {
        Self {
            listed: brokers.endpoints.len(),
            random: Random::new(seed),
            round: Vec::new(),
            tried: 0,
            delay: brokers.reconnect.initial_delay,
            given: Duration::ZERO,
            held_back: Vec::new(),
            ever_connected: false,
            brokers,
        }
    }

    /// Says that a connection stood: from here on the limit of reconnects holds and not the one of the start, whose tries
    /// do not count for it.
    pub fn connected(&mut self) {
        if !self.ever_connected {
            self.ever_connected = true;
            self.tried = self.tried.min(1);
        }
    }

    /// Begins anew, as after a connection that proved stable: the next try has no delay.
    pub fn restart(&mut self) {
        self.tried = 0;
        self.delay = self.brokers.reconnect.initial_delay;
        self.round.clear();
    }

    /// Says that this broker has refused us: the next try of it comes after
    /// [`Reconnect::refusal_delay`] at the least.
    pub fn hold_back(&mut self, endpoint: &Endpoint) {
        if !self.held_back.contains(endpoint) {
            self.held_back.push(endpoint.clone());
        }
    }

    /// The delay that was given last.
    pub(crate) const fn last_delay(&self) -> Duration {
        self.given
    }

    /// Tries that broker no more: it has refused us for good.
    pub fn give_up(&mut self, endpoint: &Endpoint) {
        self.brokers.endpoints.retain(|other| other != endpoint);
        self.round.retain(|other| other != endpoint);
    }

    /// Whether one more try is allowed.
    fn is_exhausted(&self) -> bool {
        let limit = if self.ever_connected {
            self.brokers.reconnect.max_attempts
        } else {
            let each_once = u32::try_from(self.listed.saturating_sub(1)).unwrap_or(u32::MAX);
            self.brokers.reconnect.startup_max_attempts.map(|limit| limit.max(each_once))
        };
        limit.is_some_and(|limit| self.tried > limit)
    }

    fn next_delay(&mut self, endpoint: &Endpoint) -> Duration {
        let grown = match self.tried {
            0 if self.ever_connected && self.brokers.reconnect.full_jitter => FIRST,
            0 => Duration::ZERO,
            _ => self.grow(),
        };
        let policy = &self.brokers.reconnect;
        let held_back = self.held_back.iter().position(|other| other == endpoint);
        let least = held_back.map_or(Duration::ZERO, |at| {
            self.held_back.swap_remove(at);
            policy.refusal_delay
        });
        let delay = grown.max(least).min(policy.max_delay);
        if policy.full_jitter { delay.mul_f64(self.random.fraction()) } else { delay }
    }

    /// The delay that has grown so far; the next one is longer.
    fn grow(&mut self) -> Duration {
        let policy = &self.brokers.reconnect;
        let jitter = policy.jitter.mul_f64(self.random.fraction());
        let delay = self.delay.saturating_add(jitter);
        if policy.exponential {
            // Beyond the maximum there is nothing to multiply, and much later an overflow.
            let bounded = self.delay.min(policy.max_delay).as_secs_f64();
            self.delay = Duration::try_from_secs_f64(bounded * policy.multiplier).unwrap_or(policy.max_delay);
        }
        delay
    }

    fn next_endpoint(&mut self) -> Option<Endpoint> {
        if self.round.is_empty() {
            self.round = self.brokers.endpoints.clone();
            if self.brokers.reconnect.randomize {
                self.random.shuffle(&mut self.round);
            }
            if self.brokers.reconnect.priority_backup {
                self.round.sort_by_key(|endpoint| !is_local(endpoint.host()));
            }
            self.round.reverse();
        }
        let next = self.round.pop();
        // A connection may stand for days: nothing is kept for its end.
        self.round.shrink_to_fit();
        next
    }
}

impl Iterator for Schedule {
    type Item = (Endpoint, Duration);

    fn next(&mut self) -> Option<(Endpoint, Duration)> {
        if self.is_exhausted() {
            return None;
        }
        let endpoint = self.next_endpoint()?;
        self.given = self.next_delay(&endpoint);
        self.tried = self.tried.saturating_add(1);
        Some((endpoint, self.given))
    }
}

/// By its spelling alone: a look-up would be I/O.
fn is_local(host: &str) -> bool {
    let loopback = host.parse::<core::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    loopback || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(uri: &str, seed: u64, count: usize) -> Vec<(u16, u128)> {
        let schedule = Schedule::new(uri.parse().unwrap(), seed);
        schedule.take(count).map(|(endpoint, delay)| (endpoint.port(), delay.as_millis())).collect()
    }

    #[test]
    fn the_default_sequence() {
        let mut schedule = Schedule::new("tcp://h:1".parse().unwrap(), 0);
        schedule.connected();
        let delays: Vec<_> = schedule.take(14).map(|(_, delay)| delay.as_millis()).collect();
        let expected = [0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 30000];
        assert_eq!(delays, expected);
    }

    #[test]
    fn at_the_start_each_broker_is_tried_once() {
        assert_eq!(tries("tcp://h:1", 0, 9), [(1, 0)]);
        let uri = "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?randomize=false";
        assert_eq!(tries(uri, 0, 9), [(1, 0), (2, 10), (3, 20)]);
    }

    #[test]
    fn the_others_are_tried_when_one_is_given_up() {
        let uri = "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?randomize=false";
        let mut schedule = Schedule::new(uri.parse().unwrap(), 0);
        let mut ports = alloc::vec![];
        while let Some((endpoint, _)) = schedule.next() {
            ports.push(endpoint.port());
            schedule.give_up(&endpoint);
        }
        assert_eq!(ports, [1, 2, 3]);
    }

    #[test]
    fn three_brokers_wrap_around() {
        let uri = "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?startupMaxReconnectAttempts=3&initialReconnectDelay=7&backOffMultiplier=3.0&randomize=false";
        assert_eq!(tries(uri, 0, 9), [(1, 0), (2, 7), (3, 21), (1, 63)]);
    }

    #[test]
    fn the_defaults_are_activemqs_but_for_the_start() {
        let brokers: Brokers = "failover:(tcp://a:1)".parse().unwrap();
        let expected = Reconnect {
            initial_delay: Duration::from_millis(10),
            max_delay: Duration::from_secs(30),
            exponential: true,
            multiplier: 2.0,
            max_attempts: None,
            startup_max_attempts: Some(0),
            jitter: Duration::ZERO,
            full_jitter: false,
            refusal_delay: Duration::from_secs(1),
            randomize: true,
            priority_backup: false,
        };
        assert_eq!(brokers.reconnect, expected);
        assert_eq!(Brokers::one(Endpoint::plain("a", 1)), brokers);
    }

    #[test]
    fn a_delay_is_capped_or_does_not_grow_at_all() {
        let delays = |options: &str| {
            let uri = alloc::format!(
                "failover:(tcp://a:1)?startupMaxReconnectAttempts=3&initialReconnectDelay=7&{options}"
            );
            tries(&uri, 0, 9).iter().map(|row| row.1).collect::<Vec<_>>()
        };
        assert_eq!(delays("backOffMultiplier=3.0&maxReconnectDelay=8"), [0, 7, 8, 8]);
        assert_eq!(delays("maxReconnectDelay=5"), [0, 5, 5, 5]);
        assert_eq!(delays("useExponentialBackOff=false"), [0, 7, 7, 7]);
    }

    #[test]
    fn after_a_stable_connection_the_other_limit_holds_and_delays_begin_anew() {
        for (limit, expected) in [("1", &[0, 7][..]), ("0", &[0])] {
            let uri = alloc::format!(
                "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?startupMaxReconnectAttempts=3&maxReconnectAttempts={limit}&initialReconnectDelay=7&randomize=false"
            );
            let mut schedule = Schedule::new(uri.parse().unwrap(), 0);
            assert_eq!(schedule.by_ref().take(2).count(), 2);
            schedule.connected();
            schedule.restart();
            let again: Vec<_> = schedule.map(|(broker, delay)| (broker.port(), delay.as_millis())).collect();
            let ports = [1, 2];
            assert_eq!(again, ports.into_iter().zip(expected.iter().copied()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn jitter_adds_and_is_capped() {
        let uri = "failover:(tcp://a:1)?startupMaxReconnectAttempts=-1&reconnectDelayJitter=100&maxReconnectDelay=60&useExponentialBackOff=false";
        let first = tries(uri, 1, 50);
        assert!(first.iter().skip(1).all(|(_, delay)| (10..=60).contains(delay)), "{first:?}");
        assert_eq!(first, tries(uri, 1, 50), "the same seed gives the same run");
        assert_ne!(first, tries(uri, 2, 50));
    }

    #[test]
    fn full_jitter_draws_each_delay_between_nothing_and_all_of_it() {
        let uri = "failover:(tcp://a:1)?startupMaxReconnectAttempts=-1&fullJitter=true&initialReconnectDelay=1000&maxReconnectDelay=8000";
        let mut sums = [0; 6];
        for seed in 0..1000 {
            let delays = tries(uri, seed, 6);
            delays.iter().zip(&mut sums).for_each(|((_, delay), sum)| *sum += delay);
            let most = [0, 1000, 2000, 4000, 8000, 8000];
            assert!(delays.iter().zip(most).all(|((_, delay), most)| *delay <= most), "{delays:?}");
        }
        for (sum, mean) in sums.into_iter().zip([0, 500, 1000, 2000, 4000, 4000]) {
            assert!(sum.abs_diff(mean * 1000) <= mean * 100, "{sum} in 1,000 runs, not about {mean} in each");
        }
    }

    #[test]
    fn with_full_jitter_the_first_try_after_a_stable_connection_is_spread_too() {
        let again = |uri: &str| {
            let mut schedule = Schedule::new(uri.parse().unwrap(), 7);
            assert_eq!(schedule.next().unwrap().1, Duration::ZERO, "at the start nobody comes back");
            schedule.connected();
            schedule.restart();
            schedule.next().unwrap().1
        };
        assert_eq!(again("failover:(tcp://a:1)"), Duration::ZERO);
        let spread = again("failover:(tcp://a:1)?fullJitter=true");
        assert!(spread > Duration::ZERO && spread < FIRST, "{spread:?}");
    }

    #[test]
    fn a_broker_that_refused_is_tried_later_and_only_once_later() {
        let uri = "failover:(tcp://a:1,tcp://b:2)?startupMaxReconnectAttempts=-1&useExponentialBackOff=false&randomize=false&refusalDelay=500";
        let mut schedule = Schedule::new(uri.parse().unwrap(), 0);
        let (refused, _) = schedule.next().unwrap();
        schedule.hold_back(&refused);
        schedule.hold_back(&refused);
        let tries: Vec<_> =
            schedule.take(4).map(|(broker, delay)| (broker.port(), delay.as_millis())).collect();
        assert_eq!(tries, [(2, 10), (1, 500), (2, 10), (1, 10)]);
    }

    #[test]
    fn each_round_is_a_new_order_unless_told_otherwise() {
        let uri = "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?startupMaxReconnectAttempts=-1";
        let rounds = |seed| {
            let ports: Vec<_> = tries(uri, seed, 30).iter().map(|row| row.0).collect();
            ports.chunks(3).map(<[u16]>::to_vec).collect::<Vec<_>>()
        };
        let sorted = |mut round: Vec<u16>| {
            round.sort_unstable();
            round
        };
        assert!(rounds(1).into_iter().all(|round| sorted(round) == [1, 2, 3]), "each broker once a round");
        assert!(rounds(1).windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn priority_backup_orders_and_leaves_the_rest_to_luck() {
        let uri = "failover:(tcp://a:1,tcp://b:2,tcp://localhost:3,tcp://127.0.0.1:4)?priorityBackup=true&startupMaxReconnectAttempts=-1";
        let mut seen = alloc::collections::BTreeSet::new();
        for seed in 0..100 {
            let ports: Vec<_> = tries(uri, seed, 4).iter().map(|row| row.0).collect();
            assert!(ports[..2].iter().all(|port| *port > 2), "{ports:?}");
            seen.insert(ports);
        }
        assert_eq!(seen.len(), 4, "two orders of two brokers, twice");
    }

    #[test]
    fn priority_backup_puts_local_brokers_first() {
        let uri = "failover:(tcp://a:1,tcp://127.0.0.2:2,tcp://[::1]:3)?priorityBackup=true&randomize=false";
        assert_eq!(tries(uri, 0, 9).iter().map(|row| row.0).collect::<Vec<_>>(), [2, 3, 1]);
    }

    #[test]
    fn a_huge_policy_does_not_overflow() {
        let uri = "failover:(tcp://a:1)?startupMaxReconnectAttempts=-1&backOffMultiplier=1e300&maxReconnectDelay=18446744073709551615";
        assert_eq!(tries(uri, 0, 2000).len(), 2000);
    }
}
