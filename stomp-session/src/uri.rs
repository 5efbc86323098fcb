//! Reading broker URIs: `tcp://…`, and `failover:(…,…)?option=value`.

use alloc::{string::String, vec::Vec};
use core::{str::FromStr, time::Duration};

use crate::{
    Brokers, Endpoint, Login, Profile, Reconnect,
    endpoint::{PLAIN_PORT, TLS_PORT},
};

/// What is wrong with a broker URI: which part, and what would be right. The part with the login is never shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokersError {
    /// No "://".
    #[error("a broker URI looks like tcp://host:61613 or failover:(tcp://a:61613,tcp://b:61613)")]
    NotAUri,
    /// A scheme that is not spoken here.
    #[error("the scheme \"{0}\" is unknown: use tcp://, stomp://, ssl://, stomp+ssl:// or stomps://")]
    UnknownScheme(String),
    /// No host.
    #[error("the host is missing")]
    NoHost,
    /// A host with characters that no host has.
    #[error("\"{0}\" is not a host (an IPv6 address stands in brackets: tcp://[::1]:61613)")]
    InvalidHost(String),
    /// A port that is not a number from 1 to 65535.
    #[error("the port \"{0}\" is not a number from 1 to 65535")]
    InvalidPort(String),
    /// A login or virtual host with a '%' that is not followed by two hexadecimal digits, or that is not UTF-8.
    #[error("the {0} is not percent-encoded UTF-8")]
    InvalidEncoding(&'static str),
    /// A bracket without its other half.
    #[error("the brackets of failover:(…) do not match")]
    UnbalancedBrackets,
    /// An option that does not exist here.
    #[error("the option \"{0}\" is unknown")]
    UnknownOption(String),
    /// An option with a value that it cannot have.
    #[error("the option {option} cannot be \"{value}\"")]
    InvalidOption {
        /// The option's name.
        option: String,
        /// The value as given.
        value: String,
    },
}

/// `failover:(uri,uri)?options`, with `failover://`, without brackets, without `failover:`, or one plain broker URI.
/// Options are separated by '&' or ','. `profile` stands for all brokers of the list; within the brackets for one.
impl FromStr for Brokers {
    type Err = BrokersError;

    fn from_str(uri: &str) -> Result<Self, BrokersError> {
        let list = uri.strip_prefix("failover:").unwrap_or(uri);
        let list = list.strip_prefix("//").unwrap_or(list);
        let (list, options) = split_options(list)?;
        // A lone broker's passcode may have a ',' in it.
        let endpoints = match list.matches("://").count() {
            0 | 1 => alloc::vec![endpoint(list)?],
            _ => list.split(',').map(endpoint).collect::<Result<_, _>>()?,
        };
        let mut brokers = Self { endpoints, reconnect: Reconnect::default() };
        // ActiveMQ separates options with '&', stompest did with ','.
        for (name, value) in read_options(options, &[',', '&']) {
            brokers.set_option(name, value)?;
        }
        Ok(brokers)
    }
}

fn read_options<'a>(options: &'a str, separators: &[char]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let options = options.split(separators).filter(|option| !option.is_empty());
    options.map(|option| option.split_once('=').unwrap_or((option, "")))
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
    match rest.strip_prefix('?') {
        Some(options) => Ok((list, options)),
        None if rest.is_empty() => Ok((list, "")),
        None => Err(BrokersError::UnbalancedBrackets),
    }
}

impl Brokers {
    fn set_option(&mut self, name: &str, value: &str) -> Result<(), BrokersError> {
        let invalid = || BrokersError::InvalidOption { option: name.into(), value: value.into() };
        let milliseconds = || value.parse().map(Duration::from_millis).map_err(|_| invalid());
        let flag = || value.parse::<bool>().map_err(|_| invalid());
        let reconnect = &mut self.reconnect;
        match name {
            "backOffMultiplier" => {
                let multiplier = value.parse().ok().filter(|it: &f64| it.is_finite() && *it >= 1.0);
                reconnect.multiplier = multiplier.ok_or_else(invalid)?;
            }
            "fullJitter" => reconnect.full_jitter = flag()?,
            "initialReconnectDelay" => reconnect.initial_delay = milliseconds()?,
            "maxReconnectAttempts" => reconnect.max_attempts = attempts(value).ok_or_else(invalid)?,
            "maxReconnectDelay" => reconnect.max_delay = milliseconds()?,
            "priorityBackup" => reconnect.priority_backup = flag()?,
            "randomize" => reconnect.randomize = flag()?,
            "reconnectDelayJitter" => reconnect.jitter = milliseconds()?,
            "refusalDelay" => reconnect.refusal_delay = milliseconds()?,
            "startupMaxReconnectAttempts" => {
                reconnect.startup_max_attempts = attempts(value).ok_or_else(invalid)?;
            }
            "useExponentialBackOff" => reconnect.exponential = flag()?,
            _ => {
                let endpoints = core::mem::take(&mut self.endpoints).into_iter();
                self.endpoints =
                    endpoints.map(|it| with_option(it, name, value)).collect::<Result<_, _>>()?;
            }
        }
        Ok(())
    }
}

/// An option of one broker.
fn with_option(endpoint: Endpoint, name: &str, value: &str) -> Result<Endpoint, BrokersError> {
    let invalid = || BrokersError::InvalidOption { option: name.into(), value: value.into() };
    match name {
        "profile" => Ok(endpoint.with_profile(Profile::of_name(value).ok_or_else(invalid)?)),
        _ => Err(BrokersError::UnknownOption(name.into())),
    }
}

/// A number of attempts, where -1 stands for no limit.
fn attempts(value: &str) -> Option<Option<u32>> {
    if value == "-1" { Some(None) } else { value.parse().ok().map(Some) }
}

pub(crate) fn endpoint(uri: &str) -> Result<Endpoint, BrokersError> {
    let (scheme, rest) = uri.split_once("://").ok_or(BrokersError::NotAUri)?;
    let tls = match scheme {
        "tcp" | "stomp" => false,
        "ssl" | "stomp+ssl" | "stomps" => true,
        // A login cannot stand before "://", so the scheme may be shown.
        _ => return Err(BrokersError::UnknownScheme(scheme.chars().take(20).collect())),
    };
    let (rest, options) = split_query(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, address) = match authority.rsplit_once('@') {
        Some((login, address)) => (Some(parse_login(login)?), address),
        None => (None, authority),
    };
    let (host, port) = split_port(address, if tls { TLS_PORT } else { PLAIN_PORT })?;
    let mut endpoint = if tls { Endpoint::tls(host, port) } else { Endpoint::plain(host, port) };
    if !path.is_empty() {
        endpoint = endpoint.with_virtual_host(percent_decode(path, "virtual host")?);
    }
    if let Some(login) = login {
        endpoint = endpoint.with_login(login);
    }
    read_options(options, &['&'])
        .try_fold(endpoint, |endpoint, (name, value)| with_option(endpoint, name, value))
}

fn parse_login(text: &str) -> Result<Login, BrokersError> {
    let (login, passcode) = text.split_once(':').unwrap_or((text, ""));
    Ok(Login::new(percent_decode(login, "login")?, percent_decode(passcode, "passcode")?))
}

fn split_port(address: &str, default: u16) -> Result<(&str, u16), BrokersError> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if host.parse::<core::net::Ipv6Addr>().is_ok() => (host, rest),
        Some((host, _)) => return Err(BrokersError::InvalidHost(host.into())),
        None => {
            let (host, port) =
                address.split_at_checked(address.find(':').unwrap_or(address.len())).unwrap_or_default();
            (check_host(host)?, port)
        }
    };
    let port = match port.strip_prefix(':') {
        Some(number) => parse_port(number)?,
        None if port.is_empty() => default,
        None => return Err(BrokersError::InvalidPort(port.into())),
    };
    Ok((host, port))
}

fn check_host(host: &str) -> Result<&str, BrokersError> {
    let allowed = |octet: char| octet.is_alphanumeric() || matches!(octet, '.' | '-' | '_');
    match host {
        "" => Err(BrokersError::NoHost),
        host if host.chars().all(allowed) => Ok(host),
        host => Err(BrokersError::InvalidHost(host.into())),
    }
}

fn parse_port(number: &str) -> Result<u16, BrokersError> {
    let digits = number.bytes().all(|octet| octet.is_ascii_digit());
    match number.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(BrokersError::InvalidPort(number.into())),
    }
}

fn percent_decode(text: &str, what: &'static str) -> Result<String, BrokersError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => hexadecimal(rest.next(), rest.next()).ok_or(BrokersError::InvalidEncoding(what))?,
            octet => octet,
        });
    }
    String::from_utf8(octets).map_err(|_| BrokersError::InvalidEncoding(what))
}

fn hexadecimal(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high?)? << 4) | digit(low?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_uris() {
        let rows = [
            ("tcp://localhost", "tcp://localhost:61613", "/"),
            ("stomp://h:1", "tcp://h:1", "/"),
            ("ssl://h", "stomp+ssl://h:61614", "/"),
            ("stomps://u:p@h:7/a%2Fb", "stomp+ssl://h:7", "a/b"),
            ("tcp://[::1]:61613", "tcp://[::1]:61613", "/"),
            ("tcp://user:p@ss:word@127.0.0.1:1/", "tcp://127.0.0.1:1", "/"),
        ];
        for (uri, shown, virtual_host) in rows {
            let endpoint: Endpoint = uri.parse().unwrap();
            assert_eq!(
                (&*alloc::format!("{endpoint}"), endpoint.virtual_host()),
                (shown, virtual_host),
                "{uri}"
            );
        }
    }

    #[test]
    fn logins_are_decoded() {
        let endpoint: Endpoint = "tcp://al%69ce:p%40ss%3Aw%5Cord@h".parse().unwrap();
        assert_eq!(endpoint.login(), Some(&Login::new("alice", r"p@ss:w\ord")));
    }

    #[test]
    fn a_wrong_uri_names_the_wrong_part() {
        let rows = [
            ("localhost:61613", "a broker URI looks like"),
            ("http://h", "the scheme \"http\" is unknown"),
            ("tcp://", "the host is missing"),
            ("tcp://:61613", "the host is missing"),
            ("tcp://h:", "the port \"\""),
            ("tcp://h:0", "the port \"0\""),
            ("tcp://h:+1", "the port \"+1\""),
            ("tcp://h:65536", "the port \"65536\""),
            ("tcp://h:12a", "the port \"12a\""),
            ("tcp://a b", "\"a b\" is not a host"),
            ("tcp://::1:61613", "the host is missing"),
            ("tcp://[::g]:1", "\"::g\" is not a host"),
            ("tcp://u:%zz@h", "the passcode is not percent-encoded"),
            ("failover:(tcp://a:1", "brackets"),
            ("failover:tcp://a:1)", "brackets"),
            ("failover:(tcp://a:1, tcp://b:1)", "the scheme \" tcp\" is unknown"),
            ("failover:(tcp://a:1)?randomize=1", "the option randomize cannot be \"1\""),
            ("failover:(tcp://a:1)?maxReconnectDelay=False", "the option maxReconnectDelay"),
            ("failover:(tcp://a:1)?timeout=5", "the option \"timeout\" is unknown"),
            ("failover:(tcp://a:1)?backOffMultiplier=NaN", "backOffMultiplier"),
            ("failover:(tcp://a:1)?backOffMultiplier=0.5", "backOffMultiplier"),
            (
                "failover:(tcp://a:1)?maxReconnectAttempts=-2",
                "the option maxReconnectAttempts cannot be \"-2\"",
            ),
            ("failover:(tcp://a:1)?randomize=True", "the option randomize cannot be \"True\""),
            ("failover:(tcp://a:1)???=False", "the option \"??\" is unknown"),
            ("failover:(tcp://a:1?profile=rabbit)", "the option profile cannot be \"rabbit\""),
            ("failover:(tcp://a:1?randomize=true)", "the option \"randomize\" is unknown"),
            ("tcp:host:61613", "a broker URI looks like"),
            ("tcp:/host:61613", "a broker URI looks like"),
            ("tcp://a:1,", "the port \"1,\""),
            ("tcp://[::1]61613", "the port \"61613\""),
            ("failover:(tcp://a:1,)", "the port \"1,\""),
            ("failover:()", "a broker URI looks like"),
            ("ws://a:1", "the scheme \"ws\" is unknown"),
            ("TCP://a:1", "the scheme \"TCP\" is unknown"),
        ];
        for (uri, expected) in rows {
            let shown = alloc::format!("{}", uri.parse::<Brokers>().unwrap_err());
            assert!(shown.contains(expected), "{uri}: {shown}");
        }
    }

    #[test]
    fn no_error_shows_a_passcode() {
        for uri in [
            "tcp://u:canary@",
            "tcp://u:canary@h:x",
            "tcp://u:canary%@h",
            "tcp:/u:canary@h",
            "tcp://u:can/ary@h",
            "tcp://u:canary?x@h:y",
            "failover:tcp://u:canary?x=1@h,tcp://a?randomize=2",
            "failover:(tcp://u:canary?x@h)?randomize=2",
        ] {
            let error = uri.parse::<Brokers>().map(|_| ());
            assert!(!alloc::format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn failover_uris() {
        let brokers: Brokers =
            "failover:(tcp://a:1,ssl://b)?randomize=true,maxReconnectAttempts=-1&backOffMultiplier=3.0&\
             startupMaxReconnectAttempts=5&initialReconnectDelay=7"
                .parse()
                .unwrap();
        assert_eq!(brokers.endpoints.len(), 2);
        let reconnect = brokers.reconnect;
        assert!(reconnect.randomize);
        assert_eq!((reconnect.max_attempts, reconnect.startup_max_attempts), (None, Some(5)));
        assert_eq!((reconnect.initial_delay, reconnect.multiplier), (Duration::from_millis(7), 3.0));
        for uri in [
            "tcp://a:1,tcp://b:2",
            "(tcp://a:1,tcp://b:2)",
            "tcp://a:1,tcp://b:2?randomize=false",
            "failover:tcp://a:1,tcp://b:2",
            "failover://(tcp://a:1,tcp://b:2)",
            "failover://tcp://a:1,tcp://b:2?randomize=false",
        ] {
            assert_eq!(uri.parse::<Brokers>().unwrap().endpoints.len(), 2, "{uri}");
        }
    }

    #[test]
    fn a_profile_for_one_broker_and_for_all() {
        let names = |uri: &str| -> Vec<_> {
            let brokers: Brokers = uri.parse().unwrap();
            brokers.endpoints.iter().map(|endpoint| endpoint.profile().map_or("none", |it| it.name)).collect()
        };
        let rows: [(&str, &[&str]); 5] = [
            ("tcp://a", &["none"]),
            ("tcp://a/vhost?profile=artemis", &["Artemis"]),
            ("tcp://u:p?x@a?profile=rabbitmq", &["RabbitMQ"]),
            ("failover:(tcp://a?profile=artemis,tcp://b)?randomize=false", &["Artemis", "none"]),
            ("failover:tcp://a,tcp://b?profile=ActiveMQ&randomize=false", &["ActiveMQ", "ActiveMQ"]),
        ];
        for (uri, expected) in rows {
            assert_eq!(names(uri), expected, "{uri}");
        }
        assert_eq!("tcp://a?profile=artemis".parse::<Endpoint>().unwrap().profile(), Some(&Profile::ARTEMIS));
    }

    #[test]
    fn what_stands_in_a_login_is_no_part_of_the_list() {
        let brokers: Brokers = "tcp://u:a,b?c(d)e@h:1".parse().unwrap();
        assert_eq!(brokers.endpoints, [Endpoint::plain("h", 1).with_login(Login::new("u", "a,b?c(d)e"))]);
    }
}
