//! The brokers of a session, and the order in which to try them.

use alloc::vec::Vec;
use core::time::Duration;

use super::endpoint::Endpoint;

/// A list of brokers and the rules for trying them. It can be parsed from a URI or built from its parts.
///
/// ```
/// use std::time::Duration;
/// use stomp_session::{Brokers, Endpoint, Login, Profile, Reconnect};
///
/// let parsed: Brokers =
///     "failover:(tcp://a:61613,stomp+ssl://me:secret@b?profile=artemis)?maxReconnectDelay=5000&randomize=false".parse()?;
///
/// let mut reconnect = Reconnect::default();
/// reconnect.max_delay = Duration::from_secs(5);
/// reconnect.randomize = false;
/// let b = Endpoint::tls("b", 61614).with_login(Login::new("me", "secret")).with_profile(Profile::ARTEMIS);
/// assert_eq!(parsed, Brokers::list([Endpoint::plain("a", 61613), b]).with_reconnect(reconnect));
/// # Ok::<(), stomp_session::BrokersError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Brokers {
    /// The brokers, the preferred one first.
    pub endpoints: Vec<Endpoint>,
    /// The rules for trying them.
    pub reconnect: Reconnect,
}

impl Brokers {
    /// Creates a list with a single broker.
    #[must_use]
    pub fn one(endpoint: Endpoint) -> Self {
        Self::list([endpoint])
    }

    /// Creates a list of brokers.
    pub fn list(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        Self { endpoints: endpoints.into_iter().collect(), reconnect: Reconnect::default() }
    }

    /// Sets the rules for trying the brokers.
    #[must_use]
    pub const fn with_reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }
}

impl From<Endpoint> for Brokers {
    fn from(endpoint: Endpoint) -> Self {
        Self::one(endpoint)
    }
}

/// The rules for trying the brokers of a list, in rounds: see [`Schedule`](crate::Schedule).
///
/// A URI option that ActiveMQ also has takes its name and default from there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reconnect {
    /// `initialReconnectDelay`: the delay before the second round. Default: 10 ms. The first round has no delay. From
    /// the third round on, a delay is at least 10 ms.
    pub initial_delay: Duration,
    /// `maxReconnectDelay`: the longest delay. Default: 30 s.
    pub max_delay: Duration,
    /// `useExponentialBackOff`: whether the delay grows from round to round. Default: `true`.
    pub exponential: bool,
    /// `backOffMultiplier`: the factor by which the delay grows. Default: 2.
    pub multiplier: f64,
    /// `maxReconnectAttempts`: the number of attempts after a connection was lost. 0 means that the session does not
    /// reconnect, and `None` (-1 in a URI) that there is no limit. Default: `None`.
    pub max_attempts: Option<u32>,
    /// `startupMaxReconnectAttempts`: the number of attempts after the first one until a connection is established.
    /// `None` (-1 in a URI) means that there is no limit. Default: 0, but each broker of the list is always tried once,
    /// at each of its addresses.
    pub startup_max_attempts: Option<u32>,
    /// `reconnectDelayJitter`: the largest random time that is added to each delay if `full_jitter` is off. Default: 0.
    /// Setting it in a URI turns `full_jitter` off.
    pub jitter: Duration,
    /// `fullJitter`: whether each delay is drawn at random between zero and what it would otherwise be, but no longer
    /// than half a second, a sixth of the time waited before, or `initial_delay`, whichever is the longest. Default:
    /// `true`. Otherwise all clients that have lost a broker come back at the same moments, and a broker that opens after
    /// a long time is found as long after it.
    pub full_jitter: bool,
    /// `refusalDelay`: the shortest delay before trying again a broker that has just answered CONNECT with an ERROR
    /// that may be temporary, or has closed the connection instead. Default: 1 s. It is never more than `max_delay` and
    /// is not shortened by jitter.
    ///
    /// A login that was refused waits longer: a minute at first, doubling up to 15 minutes.
    pub refusal_delay: Duration,
    /// `randomize`: whether each round tries the brokers in a new random order. Default: `true`. The broker that failed
    /// last is tried behind the others in any case, and those that did not answer at all behind that.
    pub randomize: bool,
    /// `priorityBackup`: whether brokers on this host are tried first in each round, except for the one that failed
    /// last. An established connection is never given up in favour of one of them. Default: `false`.
    pub priority_backup: bool,
    /// `rebalance`: the period in which a client moves to another broker of the list once, or not at all. Default: `None` (0
    /// in a URI).
    ///
    /// Without this, clients that have lost a broker stay where they have gone: after all brokers were restarted one after
    /// another, the one that came back last has no clients. With it, each client draws one broker of the list in each
    /// period, at a random time of its own, and moves there in good order ([`Session::reconnect`](crate::Session::reconnect),
    /// with the reason `rebalance`). If it draws the broker that it has, it stays. Some minutes are a good period: in each
    /// of them, all clients are spread evenly.
    ///
    /// - A client moves only while nothing is in flight: no SEND without its RECEIPT, no open transaction, no message that
    ///   was handed out and is not settled. Otherwise it waits for such a moment.
    /// - The new broker has 2 s to accept the connection, and 2 s for CONNECTED, or less if the configured time limits are
    ///   shorter. If it fails, the client returns to the old one at once.
    /// - As in any move, subscriptions of topics that are not durable, of temporary queues, and with ack mode `auto` may miss
    ///   messages ([`Moved::at_risk`](crate::Moved::at_risk)).
    pub rebalance: Option<Duration>,
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
            rebalance: None,
        }
    }
}
