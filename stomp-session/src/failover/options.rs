//! The options of a URI: ours, and those of other clients of ActiveMQ, which are ignored where that harms nobody.

use core::time::Duration;

use super::uri_error::{BrokersError, Which};
use crate::model::{brokers::Reconnect, endpoint::Endpoint, profile::Profile};

/// The options behind a '?'.
pub(super) struct Options<'a> {
    pub(super) text: &'a str,
    pub(super) separators: &'a [char],
    /// Whose they are, for errors.
    pub(super) broker: Which,
}

/// What an option of ActiveMQ means here.
#[derive(Clone, Copy)]
enum Other {
    /// Nothing depends on it.
    Ignored,
    /// This value is what is done here anyway; what to do for another.
    Fixed(&'static str, &'static str),
    /// What does the same.
    Instead(&'static str),
}

use Other::{Fixed, Ignored, Instead};

const BEATS: Other = Instead("use Config::send_beat and Config::receive_beat");
const TLS: Other = Instead("use TlsConfig");

/// ActiveMQ's "Failover Transport Reference", "TCP Transport Reference" and "Wire Format Options", without prefixes.
const OTHERS: &[(&str, Other)] = &[
    (
        "backup",
        Fixed("false", "no second connection is kept ready; a list of brokers is tried without a pause"),
    ),
    ("backupPoolSize", Ignored),
    ("cacheEnabled", Ignored),
    ("cacheSize", Ignored),
    ("connectionTimeout", Instead("use Config::connect_timeout")),
    ("daemon", Ignored),
    ("dynamicManagement", Ignored),
    ("enabledProtocols", TLS),
    ("jmx", Ignored),
    ("keepAlive", Ignored),
    ("keyStore", TLS),
    ("keyStorePassword", TLS),
    ("maxCacheSize", Ignored),
    ("maxFrameSize", Instead("use Config::limits")),
    ("maxInactivityDuration", BEATS),
    ("maxInactivityDurationInitalDelay", Ignored),
    ("maxPullCacheSize", Ignored),
    ("minmumWireFormatVersion", Ignored),
    ("priorityURIs", Instead("list the preferred brokers first, with randomize=false")),
    ("rebalanceUpdateURIs", Ignored),
    ("reconnectSupported", Fixed("true", "use maxReconnectAttempts=0 for no reconnect")),
    ("sizePrefixDisabled", Ignored),
    ("soLinger", Instead("use Config::disconnect_timeout")),
    ("soTimeout", BEATS),
    ("soWriteTimeout", Instead("use Config::timeout")),
    ("stackSize", Ignored),
    ("stackTraceEnabled", Ignored),
    ("tcpNoDelay", Ignored),
    ("tcpNoDelayEnabled", Ignored),
    ("threadName", Ignored),
    ("tightEncodingEnabled", Ignored),
    (
        "timeout",
        Instead("use Config::timeout, or the timeout of the call; send_timeout of the client's builder"),
    ),
    ("trace", Ignored),
    ("trackMessages", Ignored),
    ("trackTransactionProducers", Ignored),
    ("trustStore", TLS),
    ("trustStorePassword", TLS),
    ("updateURIsSupported", Ignored),
    ("updateURIsURL", Instead("use Session::add_broker")),
    ("useLocalHost", Ignored),
    ("verifyHostName", Fixed("true", "use TlsConfig")),
    ("version", Ignored),
    ("warnAfterReconnectAttempts", Ignored),
];

/// What may stand before the name of an option of a transport.
const PREFIXES: [&str; 4] = ["nested.", "transport.", "socket.", "wireFormat."];

impl<'a> Options<'a> {
    /// Sets them: those of the list where there is one, and those of its brokers.
    pub(super) fn apply(
        &self,
        mut reconnect: Option<&mut Reconnect>,
        endpoints: &mut [Endpoint],
    ) -> Result<(), BrokersError> {
        let mut explicit = None;
        for (number, (name, value)) in self.read().enumerate() {
            let unknown =
                BrokersError::UnknownOption { broker: self.broker, number: number.saturating_add(1) };
            if name == "profile" {
                endpoints.iter_mut().try_for_each(|endpoint| set_profile(endpoint, value))?;
            } else if let Some(name) = of_list(name) {
                let instead = "it belongs to the list and is written after the brackets";
                let reconnect =
                    reconnect.as_deref_mut().ok_or(BrokersError::UseInstead { option: name, instead })?;
                reconnect.set(name, value)?;
                if name == "fullJitter" {
                    explicit = Some(reconnect.full_jitter);
                }
            } else {
                other(name, value).ok_or(unknown)??;
            }
        }
        if let (Some(reconnect), Some(explicit)) = (reconnect, explicit) {
            reconnect.full_jitter = explicit;
        }
        Ok(())
    }

    fn read(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let options = self.text.split(self.separators).map(str::trim).filter(|option| !option.is_empty());
        options.map(|option| option.split_once('=').unwrap_or((option, "")))
    }
}

pub(super) fn set_profile(endpoint: &mut Endpoint, name: &str) -> Result<(), BrokersError> {
    let expected = "rabbitmq, activemq, artemis or spring";
    let profile =
        Profile::of_name(name).ok_or(BrokersError::InvalidOption { option: "profile", expected })?;
    *endpoint = endpoint.clone().with_profile(profile);
    Ok(())
}

/// An option of other clients; `None` if it is none.
fn other(name: &str, value: &str) -> Option<Result<(), BrokersError>> {
    let mut bare = name;
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| bare.strip_prefix(prefix)) {
        bare = rest;
    }
    let (option, meaning) = OTHERS.iter().find(|(known, _)| *known == bare)?;
    Some(match meaning {
        Ignored => Ok(()),
        Fixed(fixed, _) if *fixed == value => Ok(()),
        Fixed(_, instead) | Instead(instead) => Err(BrokersError::UseInstead { option, instead }),
    })
}

const OF_LIST: [&str; 13] = [
    "backOffMultiplier",
    "fullJitter",
    "initialReconnectDelay",
    "maxReconnectAttempts",
    "maxReconnectDelay",
    "priorityBackup",
    "randomize",
    "rebalance",
    "reconnectDelayExponent",
    "reconnectDelayJitter",
    "refusalDelay",
    "startupMaxReconnectAttempts",
    "useExponentialBackOff",
];

/// The option of the list of that name.
fn of_list(name: &str) -> Option<&'static str> {
    OF_LIST.into_iter().find(|known| *known == name)
}

impl Reconnect {
    fn set(&mut self, option: &'static str, value: &str) -> Result<(), BrokersError> {
        let invalid = |expected| BrokersError::InvalidOption { option, expected };
        let milliseconds = || {
            let parsed = value.parse().map(Duration::from_millis);
            parsed.map_err(|_| invalid("a number of milliseconds"))
        };
        let flag = || value.parse::<bool>().map_err(|_| invalid("true or false"));
        let attempts = || attempts(value).ok_or_else(|| invalid("a number of attempts, or -1 for no limit"));
        match option {
            "backOffMultiplier" | "reconnectDelayExponent" => {
                let multiplier = value.parse().ok().filter(|it: &f64| it.is_finite() && *it >= 1.0);
                self.multiplier = multiplier.ok_or_else(|| invalid("a number of at least 1"))?;
            }
            "fullJitter" => self.full_jitter = flag()?,
            "initialReconnectDelay" => self.initial_delay = milliseconds()?,
            "maxReconnectAttempts" => self.max_attempts = attempts()?,
            "maxReconnectDelay" => self.max_delay = milliseconds()?,
            "priorityBackup" => self.priority_backup = flag()?,
            "randomize" => self.randomize = flag()?,
            "rebalance" => self.rebalance = Some(milliseconds()?).filter(|period| !period.is_zero()),
            "reconnectDelayJitter" => (self.jitter, self.full_jitter) = (milliseconds()?, false),
            "refusalDelay" => self.refusal_delay = milliseconds()?,
            "startupMaxReconnectAttempts" => self.startup_max_attempts = attempts()?,
            _ => self.exponential = flag()?,
        }
        Ok(())
    }
}

/// A number of attempts, where -1 stands for no limit.
fn attempts(value: &str) -> Option<Option<u32>> {
    if value == "-1" { Some(None) } else { value.parse().ok().map(Some) }
}
