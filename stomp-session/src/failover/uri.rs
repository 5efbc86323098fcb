//! Reading broker URIs: `tcp://…`, and `failover:(…,…)?option=value`.
//!
//! Nobody can tell where a login ends in a URI that is wrong: an error shows no part of the text, only words of its own,
//! and says which broker and which part it means.

use alloc::{string::String, vec::Vec};
use core::str::FromStr;

use super::{
    endpoint::{PLAIN_PORT, TLS_PORT},
    options::Options,
};
use crate::{Brokers, Endpoint, Login, Reconnect};

/// What is wrong with a broker URI: which part, and what would be right. Nothing of the URI itself is ever shown, since any
/// of it may be a part of a login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokersError {
    /// No "://".
    #[error("a broker URI looks like tcp://host:61613 or failover:(tcp://a:61613,tcp://b:61613)")]
    NotAUri,
    /// A scheme that is not spoken here.
    #[error("{broker}the scheme {name}is not spoken: {instead}")]
    UnknownScheme {
        /// Which broker of the list.
        broker: Which,
        /// The scheme, if it is one that other clients know.
        name: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// No host.
    #[error("{0}the host is missing")]
    NoHost(Which),
    /// A host with characters that no host has.
    #[error("{0}what stands for the host is none (an IPv6 address stands in brackets: tcp://[::1]:61613)")]
    InvalidHost(Which),
    /// A port that is not a number from 1 to 65535.
    #[error("{0}the port is not a number from 1 to 65535")]
    InvalidPort(Which),
    /// An '@' behind a '/': nobody can tell whether the login or the virtual host goes on there.
    #[error(
        "{0}an '@' stands behind a '/': within a login or a virtual host '/' is written %2F and '@' is written %40"
    )]
    AmbiguousLogin(Which),
    /// A login or virtual host with a '%' that is not followed by two hexadecimal digits, or that is not UTF-8.
    #[error("{broker}the {part} is not percent-encoded UTF-8 (a '%' itself is written %25)")]
    InvalidEncoding {
        /// Which broker of the list.
        broker: Which,
        /// The login, the passcode or the virtual host.
        part: &'static str,
    },
    /// A bracket without its other half.
    #[error("the brackets of failover:(…) do not match")]
    UnbalancedBrackets,
    /// An option that does not exist here.
    #[error("{broker}option number {number} is unknown: is it spelled right?")]
    UnknownOption {
        /// Which broker of the list, if it is an option of one.
        broker: Which,
        /// Its place among the options, from 1.
        number: usize,
    },
    /// An option of ActiveMQ that is spelled otherwise here, or said elsewhere.
    #[error("the option {option} does not exist here: {instead}")]
    UseInstead {
        /// The option's name.
        option: &'static str,
        /// What does the same here.
        instead: &'static str,
    },
    /// An option with a value that it cannot have.
    #[error("the option {option} is {expected}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What it can be.
        expected: &'static str,
    },
}

/// Which broker of a list an error means; nothing where there is but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which(Option<usize>);

impl core::fmt::Display for Which {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.map_or(Ok(()), |number| write!(f, "broker {number} of the list: "))
    }
}

/// `failover:(uri,uri)?options`, with `failover://`, without brackets, without `failover:`, or one plain broker URI.
/// Options are separated by '&' or ','. `profile` stands for all brokers of the list; within the brackets for one. Blanks
/// around brokers and options are ignored.
///
/// The options that other clients of ActiveMQ know, as options of the list or of a broker, with `nested.`, `transport.`,
/// `socket.` and `wireFormat.` before them or not:
///
/// | option | here |
/// | --- | --- |
/// | `initialReconnectDelay`, `maxReconnectDelay`, `useExponentialBackOff`, `backOffMultiplier`, `reconnectDelayExponent`, `maxReconnectAttempts`, `startupMaxReconnectAttempts`, `reconnectDelayJitter`, `randomize`, `priorityBackup` | see [`Reconnect`] |
/// | `backupPoolSize`, `cacheEnabled`, `cacheSize`, `daemon`, `dynamicManagement`, `jmx`, `keepAlive`, `maxCacheSize`, `maxInactivityDurationInitalDelay`, `maxPullCacheSize`, `minmumWireFormatVersion`, `rebalanceUpdateURIs`, `sizePrefixDisabled`, `stackSize`, `stackTraceEnabled`, `tcpNoDelay`, `tcpNoDelayEnabled`, `threadName`, `tightEncodingEnabled`, `trace`, `trackMessages`, `trackTransactionProducers`, `updateURIsSupported`, `useLocalHost`, `version`, `warnAfterReconnectAttempts` | ignored: nothing here depends on it |
/// | `backup`, `connectionTimeout`, `enabledProtocols`, `keyStore`, `maxFrameSize`, `maxInactivityDuration`, `priorityURIs`, `reconnectSupported`, `soLinger`, `soTimeout`, `soWriteTimeout`, `timeout`, `trustStore`, `updateURIsURL`, `verifyHostName` and their like | an error that names what does the same here |
impl FromStr for Brokers {
    type Err = BrokersError;

    fn from_str(uri: &str) -> Result<Self, BrokersError> {
        let list = composite(uri.trim())?;
        let (list, options) = split_options(list)?;
        let uris: Vec<&str> = split_brokers(list);
        let which = |number: usize| Which((uris.len() > 1).then(|| number.saturating_add(1)));
        let endpoints = uris.iter().enumerate().map(|(number, uri)| read_endpoint(uri, which(number)));
        let mut endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        let mut reconnect = Reconnect::default();
        // ActiveMQ separates options with '&', stompest did with ','.
        let options = Options { text: options, separators: &[',', '&'], broker: Which(None) };
        options.apply(Some(&mut reconnect), &mut endpoints)?;
        Ok(Self { endpoints, reconnect })
    }
}

/// The text without what says that it is a list.
fn composite(uri: &str) -> Result<&str, BrokersError> {
    let unknown = |name, instead| Err(BrokersError::UnknownScheme { broker: Which(None), name, instead });
    let Some((scheme, rest)) = uri.split_once(':') else { return Ok(uri) };
    match &*scheme.trim().to_ascii_lowercase() {
        "failover" => {
            let rest = rest.trim_start();
            Ok(rest.strip_prefix("//").unwrap_or(rest).trim_start())
        }
        "fanout" => unknown("fanout: ", "a client for each broker sends to all of them"),
        "static" => unknown("static: ", "use failover:(…)"),
        "masterslave" => unknown("masterslave: ", "use failover:(…)?randomize=false"),
        "discovery" | "multicast" | "zeroconf" | "peer" => {
            unknown("of a discovery ", "name the brokers: failover:(tcp://a:61613,tcp://b:61613)")
        }
        _ => Ok(uri),
    }
}

/// The brokers of a list. A ',' in a login is none of the list: one that ends a broker stands before a scheme.
fn split_brokers(list: &str) -> Vec<&str> {
    let mut brokers = Vec::new();
    let mut from = 0_usize;
    for (at, _) in list.match_indices(',') {
        let behind = list.get(at.saturating_add(1)..).unwrap_or_default();
        if begins_broker(behind) {
            brokers.extend(list.get(from..at).map(str::trim));
            from = at.saturating_add(1);
        }
    }
    brokers.extend(list.get(from..).map(str::trim));
    brokers
}

/// Whether a scheme and "://" stand there.
fn begins_broker(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        !scheme.is_empty()
            && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
    };
    text.trim_start().split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
}

/// The text before the '?' that begins the options, and the options. What stands before an '@' is a login.
fn split_query(uri: &str) -> (&str, &str) {
    let login = uri.rfind('@').unwrap_or_default();
    let query = uri.get(login..).and_then(|rest| rest.find('?')).map(|at| login.saturating_add(at));
    query.and_then(|at| Some((uri.get(..at)?, uri.get(at.saturating_add(1)..)?))).unwrap_or((uri, ""))
}

fn split_options(list: &str) -> Result<(&str, &str), BrokersError> {
    let Some(bracketed) = list.strip_prefix('(') else {
        let (list, options) = split_query(list);
        // In a login there may be any.
        let hosts = list.rsplit_once('@').map_or(list, |(_, hosts)| hosts);
        return if hosts.contains([')', '(']) {
            Err(BrokersError::UnbalancedBrackets)
        } else {
            Ok((list, options))
        };
    };
    let (list, rest) = bracketed.rsplit_once(')').ok_or(BrokersError::UnbalancedBrackets)?;
    let rest = rest.trim_start();
    match rest.strip_prefix('?') {
        Some(options) => Ok((list, options)),
        None if rest.is_empty() => Ok((list, "")),
        None => Err(BrokersError::UnbalancedBrackets),
    }
}

/// Whether a scheme means TLS.
fn read_scheme(scheme: &str, broker: Which) -> Result<bool, BrokersError> {
    let unknown = |name, instead| Err(BrokersError::UnknownScheme { broker, name, instead });
    const OURS: &str = "use tcp://, stomp://, ssl://, stomp+ssl:// or stomps://";
    match &*scheme.trim().to_ascii_lowercase() {
        "tcp" | "stomp" | "nio" | "stomp+nio" | "auto" | "auto+nio" => Ok(false),
        "ssl" | "stomp+ssl" | "stomps" | "nio+ssl" | "stomp+nio+ssl" | "auto+ssl" | "auto+nio+ssl" => {
            Ok(true)
        }
        "ws" | "stomp+ws" => unknown("ws:// ", OURS),
        "wss" | "stomp+wss" => unknown("wss:// ", OURS),
        "http" => unknown("http:// ", OURS),
        "https" => unknown("https:// ", OURS),
        "amqp" | "amqp+nio" => unknown("amqp:// ", "the port of STOMP is usually 61613: tcp://"),
        "amqps" | "amqp+ssl" => unknown("amqps:// ", "the port of STOMP over TLS is usually 61614: ssl://"),
        "mqtt" | "mqtts" | "mqtt+ssl" => unknown("mqtt:// ", OURS),
        "vm" => unknown("vm:// ", "a broker is reached by tcp://"),
        "udp" => unknown("udp:// ", OURS),
        _ => unknown("", OURS),
    }
}

pub(super) fn endpoint(uri: &str) -> Result<Endpoint, BrokersError> {
    read_endpoint(uri.trim(), Which(None))
}

fn read_endpoint(uri: &str, broker: Which) -> Result<Endpoint, BrokersError> {
    let (scheme, rest) = uri.split_once("://").ok_or(BrokersError::NotAUri)?;
    let tls = read_scheme(scheme, broker)?;
    let (rest, options) = split_query(rest);
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, _)) if login.contains('/') => return Err(BrokersError::AmbiguousLogin(broker)),
        Some((login, rest)) => (Some(read_login(login, broker)?), rest),
        None => (None, rest),
    };
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = read_address(address, if tls { TLS_PORT } else { PLAIN_PORT }, broker)?;
    let mut endpoint = if tls { Endpoint::tls(host, port) } else { Endpoint::plain(host, port) };
    if !path.is_empty() {
        endpoint = endpoint.with_virtual_host(percent_decode(path, "virtual host", broker)?);
    }
    if let Some(login) = login {
        endpoint = endpoint.with_login(login);
    }
    let options = Options { text: options, separators: &['&'], broker };
    options.apply(None, core::slice::from_mut(&mut endpoint))?;
    Ok(endpoint)
}

fn read_login(text: &str, broker: Which) -> Result<Login, BrokersError> {
    let (login, passcode) = text.split_once(':').map_or((text, None), |(login, code)| (login, Some(code)));
    let login = percent_decode(login, "login", broker)?;
    Ok(match passcode {
        Some(passcode) => Login::new(login, percent_decode(passcode, "passcode", broker)?),
        None => Login::without_passcode(login),
    })
}

fn read_address(address: &str, default: u16, broker: Which) -> Result<(String, u16), BrokersError> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (ip_v6(host).ok_or(BrokersError::InvalidHost(broker))?, port),
        None => {
            let (host, port) =
                address.split_at_checked(address.find(':').unwrap_or(address.len())).unwrap_or_default();
            (check_host(host, broker)?.into(), port)
        }
    };
    let port = match port.strip_prefix(':') {
        Some(number) => read_port(number).ok_or(BrokersError::InvalidPort(broker))?,
        None if port.is_empty() => default,
        None => return Err(BrokersError::InvalidPort(broker)),
    };
    Ok((host, port))
}

/// An IPv6 address with its zone, if it has one (RFC 6874: behind "%25"; a bare '%' is what people write).
fn ip_v6(text: &str) -> Option<String> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    address.parse::<core::net::Ipv6Addr>().ok()?;
    let Some(zone) = zone else { return Some(address.into()) };
    let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
    let is_zone = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    (!zone.is_empty() && zone.bytes().all(is_zone)).then(|| alloc::format!("{address}%{zone}"))
}

fn check_host(host: &str, broker: Which) -> Result<&str, BrokersError> {
    let allowed = |octet: char| octet.is_alphanumeric() || matches!(octet, '.' | '-' | '_');
    match host {
        "" => Err(BrokersError::NoHost(broker)),
        host if host.chars().all(allowed) => Ok(host),
        _ => Err(BrokersError::InvalidHost(broker)),
    }
}

fn read_port(number: &str) -> Option<u16> {
    let digits = number.bytes().all(|octet| octet.is_ascii_digit());
    number.parse().ok().filter(|port| digits && *port != 0)
}

fn percent_decode(text: &str, part: &'static str, broker: Which) -> Result<String, BrokersError> {
    let invalid = BrokersError::InvalidEncoding { broker, part };
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => hexadecimal(rest.next(), rest.next()).ok_or_else(|| invalid.clone())?,
            octet => octet,
        });
    }
    String::from_utf8(octets).map_err(|_| invalid)
}

fn hexadecimal(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high?)? << 4) | digit(low?)?)
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
