//! The brokers of a session, and how to go through them.

use alloc::vec::Vec;
use core::time::Duration;

use super::endpoint::Endpoint;

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
    /// `initialReconnectDelay`: before the second round; the first has none. 10 ms. From the third round on a delay is 10 ms
    /// at the least.
    pub initial_delay: Duration,
    /// `maxReconnectDelay`: the longest delay. 30 s.
    pub max_delay: Duration,
    /// `useExponentialBackOff`: whether the delay grows from round to round. True.
    pub exponential: bool,
    /// `backOffMultiplier`: by how much. 2.
    pub multiplier: f64,
    /// `maxReconnectAttempts`: tries of brokers after a loss, once a connection stood; 0 for no reconnect at all, `None`
    /// (-1) for no limit, the default.
    pub max_attempts: Option<u32>,
    /// `startupMaxReconnectAttempts`: tries after the first, until a connection stood. 0, but each broker of the list is
    /// tried once in any case, at each of its addresses.
    pub startup_max_attempts: Option<u32>,
    /// `reconnectDelayJitter`: up to so much is added to each delay, where there is no full jitter. 0. Given in a URI it
    /// switches that off.
    pub jitter: Duration,
    /// `fullJitter`: whether each delay is drawn between nothing and what it would be, but no more than was waited before.
    /// True: without it all clients that have lost a broker come back at the same moments.
    pub full_jitter: bool,
    /// `refusalDelay`: the least delay before a broker is tried again that has just answered CONNECT with an ERROR that may
    /// pass, or closed the connection instead. 1 s, never more than `max_delay`, and not shortened by jitter. A login that
    /// was refused waits longer: a minute, doubling to 15.
    pub refusal_delay: Duration,
    /// `randomize`: whether each round goes through the brokers in a new order. True. The one that failed last comes last
    /// in any case.
    pub randomize: bool,
    /// `priorityBackup`: brokers on this host come first in each round, the one that failed last apart. A living connection
    /// is never left for one. False.
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
            full_jitter: true,
            refusal_delay: Duration::from_secs(1),
            randomize: true,
            priority_backup: false,
        }
    }
}
