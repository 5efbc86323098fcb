//! Reading broker URIs: `tcp://…`, `ws://…`, and `failover:(…,…)?option=value`.
//!
//! Nobody can tell where a login ends in a URI that is wrong: an error shows no part of the text, only words of its own,
//! and says which broker and which part it means.

use alloc::{string::String, vec::Vec};
use core::str::FromStr;

use super::{
    options::{Options, set_profile},
    uri_error::{BrokersError, Which},
};
use crate::model::{
    brokers::{Brokers, Reconnect},
    endpoint::{Endpoint, Login, PLAIN_PORT, TLS_PORT, WEB_PORT, WEB_TLS_PORT},
};

impl FromStr for Endpoint {
    type Err = BrokersError;

    fn from_str(uri: &str) -> Result<Self, BrokersError> {
        endpoint(uri)
    }
}

/// Parses a list of brokers: `failover:(uri,uri)?options`, or a single broker URI such as `tcp://host:61613`.
///
/// The brackets, `failover:` itself, or both may be left out, and `failover://` means the same as `failover:`. Options
/// are separated by '&' or ','. The option `profile` applies to all brokers of the list, or to one broker if it is
/// within the brackets. White space around brokers and options is ignored.
///
/// What stands behind the '?' of a WebSocket (`ws://`, `wss://`) belongs to it. A list of WebSockets that has options of
/// its own needs brackets: `failover:(ws://a/ws?tenant=7,ws://b/ws)?randomize=false`.
///
/// These options of other ActiveMQ clients are known, for the list and for its brokers, with or without the prefixes
/// `nested.`, `transport.`, `socket.` and `wireFormat.`:
///
/// | option | treatment |
/// | --- | --- |
/// | `initialReconnectDelay`, `maxReconnectDelay`, `useExponentialBackOff`, `backOffMultiplier`, `reconnectDelayExponent`, `maxReconnectAttempts`, `startupMaxReconnectAttempts`, `reconnectDelayJitter`, `randomize`, `priorityBackup`, `rebalance` | see [`Reconnect`] |
/// | `backupPoolSize`, `cacheEnabled`, `cacheSize`, `daemon`, `dynamicManagement`, `jmx`, `keepAlive`, `maxCacheSize`, `maxInactivityDurationInitalDelay`, `maxPullCacheSize`, `minmumWireFormatVersion`, `rebalanceUpdateURIs`, `sizePrefixDisabled`, `stackSize`, `stackTraceEnabled`, `tcpNoDelay`, `tcpNoDelayEnabled`, `threadName`, `tightEncodingEnabled`, `trace`, `trackMessages`, `trackTransactionProducers`, `updateURIsSupported`, `useLocalHost`, `version`, `warnAfterReconnectAttempts` | ignored, because nothing here depends on it |
/// | `backup`, `connectionTimeout`, `enabledProtocols`, `keyStore`, `maxFrameSize`, `maxInactivityDuration`, `priorityURIs`, `reconnectSupported`, `soLinger`, `soTimeout`, `soWriteTimeout`, `timeout`, `trustStore`, `updateURIsURL`, `verifyHostName` and the like | an error that names the equivalent |
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

impl TryFrom<&str> for Brokers {
    type Error = BrokersError;

    fn try_from(uri: &str) -> Result<Self, BrokersError> {
        uri.parse()
    }
}

impl TryFrom<&String> for Brokers {
    type Error = BrokersError;

    fn try_from(uri: &String) -> Result<Self, BrokersError> {
        uri.parse()
    }
}

impl TryFrom<String> for Brokers {
    type Error = BrokersError;

    fn try_from(uri: String) -> Result<Self, BrokersError> {
        uri.parse()
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
        "fanout" => unknown("fanout: ", "use a client for each broker"),
        "static" => unknown("static: ", "use failover:(…)"),
        "masterslave" => unknown("masterslave: ", "use failover:(…)?randomize=false"),
        "discovery" | "multicast" | "zeroconf" | "peer" => {
            unknown("of a discovery transport ", "name the brokers: failover:(tcp://a:61613,tcp://b:61613)")
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

fn split_options(whole: &str) -> Result<(&str, &str), BrokersError> {
    let Some(bracketed) = whole.strip_prefix('(') else {
        let (list, options) = split_query(whole);
        if split_brokers(list).last().is_some_and(|last| is_web_socket(last)) {
            return Ok((whole, ""));
        }
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

fn is_web_socket(uri: &str) -> bool {
    let scheme = uri.split_once("://").and_then(|(scheme, _)| read_scheme(scheme, Which(None)).ok());
    scheme.is_some_and(|scheme| scheme.web_socket)
}

/// What a scheme asks for.
#[derive(Clone, Copy)]
struct Scheme {
    tls: bool,
    web_socket: bool,
}

impl Scheme {
    const fn port(self) -> u16 {
        match (self.web_socket, self.tls) {
            (false, false) => PLAIN_PORT,
            (false, true) => TLS_PORT,
            (true, false) => WEB_PORT,
            (true, true) => WEB_TLS_PORT,
        }
    }
}

fn read_scheme(scheme: &str, broker: Which) -> Result<Scheme, BrokersError> {
    let unknown = |name, instead| Err(BrokersError::UnknownScheme { broker, name, instead });
    const OURS: &str = "use tcp://, stomp://, ssl://, stomp+ssl://, stomps://, ws:// or wss://";
    match &*scheme.trim().to_ascii_lowercase() {
        "tcp" | "stomp" | "nio" | "stomp+nio" | "auto" | "auto+nio" => {
            Ok(Scheme { tls: false, web_socket: false })
        }
        "ssl" | "stomp+ssl" | "stomps" | "nio+ssl" | "stomp+nio+ssl" | "auto+ssl" | "auto+nio+ssl" => {
            Ok(Scheme { tls: true, web_socket: false })
        }
        "ws" | "stomp+ws" => Ok(Scheme { tls: false, web_socket: true }),
        "wss" | "stomp+wss" => Ok(Scheme { tls: true, web_socket: true }),
        "http" => unknown("http:// ", "the scheme of a WebSocket is ws://"),
        "https" => unknown("https:// ", "the scheme of a WebSocket is wss://"),
        "amqp" | "amqp+nio" => unknown("amqp:// ", "the port of STOMP is usually 61613: tcp://"),
        "amqps" | "amqp+ssl" => unknown("amqps:// ", "the port of STOMP over TLS is usually 61614: ssl://"),
        "mqtt" | "mqtts" | "mqtt+ssl" => unknown("mqtt:// ", OURS),
        "vm" => unknown("vm:// ", "use tcp://"),
        "udp" => unknown("udp:// ", OURS),
        _ => unknown("", OURS),
    }
}

pub(super) fn endpoint(uri: &str) -> Result<Endpoint, BrokersError> {
    read_endpoint(uri.trim(), Which(None))
}

fn read_endpoint(uri: &str, broker: Which) -> Result<Endpoint, BrokersError> {
    let (scheme, rest) = uri.split_once("://").ok_or(BrokersError::NotAUri)?;
    let scheme = read_scheme(scheme, broker)?;
    let (rest, options) = split_query(rest);
    let (login, rest) = match rest.rsplit_once('@') {
        Some((login, _)) if login.contains('/') => return Err(BrokersError::AmbiguousLogin(broker)),
        Some((login, rest)) => (Some(read_login(login, broker)?), rest),
        None => (None, rest),
    };
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = read_address(address, scheme.port(), broker)?;
    let mut endpoint = if scheme.tls { Endpoint::tls(host, port) } else { Endpoint::plain(host, port) };
    if let Some(login) = login {
        endpoint = endpoint.with_login(login);
    }
    if scheme.web_socket {
        return with_resource(endpoint, path, options, broker);
    }
    if !path.is_empty() {
        endpoint = endpoint.with_virtual_host(percent_decode(path, "virtual host", broker)?);
    }
    let options = Options { text: options, separators: &['&'], broker };
    options.apply(None, core::slice::from_mut(&mut endpoint))?;
    Ok(endpoint)
}

/// What begins so in the query of a WebSocket is ours. All else belongs to its server.
const OWN: &str = "stomp.";

fn with_resource(
    mut endpoint: Endpoint,
    path: &str,
    query: &str,
    broker: Which,
) -> Result<Endpoint, BrokersError> {
    let mut resource = String::from("/");
    resource.push_str(path);
    let (mut separator, mut text) = ('?', false);
    for (number, option) in query.split('&').filter(|option| !option.is_empty()).enumerate() {
        let Some(own) = option.strip_prefix(OWN) else {
            resource.push(separator);
            resource.push_str(option);
            separator = '&';
            continue;
        };
        match own.split_once('=') {
            Some(("profile", name)) => set_profile(&mut endpoint, name)?,
            Some(("vhost", name)) => {
                endpoint = endpoint.with_virtual_host(percent_decode(name, "stomp.vhost", broker)?);
            }
            Some(("text", flag)) => {
                let invalid = BrokersError::InvalidOption { option: "stomp.text", expected: "true or false" };
                text = flag.parse().map_err(|_| invalid)?;
            }
            _ => return Err(BrokersError::UnknownOption { broker, number: number.saturating_add(1) }),
        }
    }
    // RFC 3986 and RFC 6455, section 3: what is not visible is encoded, and there are no fragments.
    if !resource.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'#') {
        return Err(BrokersError::InvalidResource(broker));
    }
    let endpoint = endpoint.with_web_socket(resource);
    Ok(if text { endpoint.with_text_messages() } else { endpoint })
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
