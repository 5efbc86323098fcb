//! The brokers to try, in what order, and how long to wait before each try.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{Endpoint, random::Random};

/// A list of brokers and how to go through it. Reads from a URI: `"failover:(tcp://a:61613,tcp://b:61613)".parse()`.
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
    /// `randomize`: whether each round goes through the brokers in a new order. False.
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
            randomize: false,
            priority_backup: false,
        }
    }
}

/// The sequence of tries. It ends when the limit of attempts is reached.
///
/// ```
/// use stomp_session::{Brokers, Schedule};
///
/// let brokers: Brokers = "failover:(tcp://a:1,tcp://b:2)?startupMaxReconnectAttempts=3&initialReconnectDelay=7".parse()?;
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
    delay: Duration,
    ever_connected: bool,
}

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

    fn next_delay(&mut self) -> Duration {
        let policy = &self.brokers.reconnect;
        if self.tried == 0 {
            return Duration::ZERO;
        }
        let jitter = policy.jitter.mul_f64(self.random.fraction());
        let delay = self.delay.saturating_add(jitter).min(policy.max_delay);
        if policy.exponential {
            // Beyond the maximum there is nothing to multiply, and much later an overflow.
            let factor = policy.multiplier;
            self.delay = self.delay.min(policy.max_delay);
            self.delay =
                Duration::try_from_secs_f64(self.delay.as_secs_f64() * factor).unwrap_or(policy.max_delay);
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
        self.round.pop()
    }
}

impl Iterator for Schedule {
    type Item = (Endpoint, Duration);

    fn next(&mut self) -> Option<(Endpoint, Duration)> {
        if self.is_exhausted() {
            return None;
        }
        let delay = self.next_delay();
        self.tried = self.tried.saturating_add(1);
        self.next_endpoint().map(|endpoint| (endpoint, delay))
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
        assert_eq!(tries("failover:(tcp://a:1,tcp://b:2,tcp://c:3)", 0, 9), [(1, 0), (2, 10), (3, 20)]);
    }

    #[test]
    fn the_others_are_tried_when_one_is_given_up() {
        let mut schedule = Schedule::new("failover:(tcp://a:1,tcp://b:2,tcp://c:3)".parse().unwrap(), 0);
        let mut ports = alloc::vec![];
        while let Some((endpoint, _)) = schedule.next() {
            ports.push(endpoint.port());
            schedule.give_up(&endpoint);
        }
        assert_eq!(ports, [1, 2, 3]);
    }

    #[test]
    fn three_brokers_wrap_around() {
        let uri = "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?startupMaxReconnectAttempts=3&initialReconnectDelay=7&backOffMultiplier=3.0";
        assert_eq!(tries(uri, 0, 9), [(1, 0), (2, 7), (3, 21), (1, 63)]);
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
