//! The errors of broker URIs.

use core::{convert::Infallible, fmt};

/// An error returned when a broker URI cannot be parsed.
///
/// It says which part is wrong and what would be right. It never shows any text of the URI, since any part of it may
/// belong to a login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokersError {
    /// The text has no "://".
    #[error("a broker URI looks like tcp://host:61613 or failover:(tcp://a:61613,tcp://b:61613)")]
    NotAUri,
    /// The scheme is not supported.
    #[error("{broker}the scheme {name}is not supported: {instead}")]
    UnknownScheme {
        /// The position of the broker in the list.
        broker: Which,
        /// The scheme, if it is one that other clients know, and otherwise an empty string.
        name: &'static str,
        /// What to use instead.
        instead: &'static str,
    },
    /// The host is missing.
    #[error("{0}the host is missing")]
    NoHost(Which),
    /// The host contains characters that no host has.
    #[error("{0}the host is invalid (an IPv6 address is written in brackets: tcp://[::1]:61613)")]
    InvalidHost(Which),
    /// The port is not a number from 1 to 65535.
    #[error("{0}the port is not a number from 1 to 65535")]
    InvalidPort(Which),
    /// There is an '@' after a '/', and so it is unclear where the login ends.
    #[error(
        "{0}there is an '@' after a '/': in a login or a virtual host, '/' is written %2F and '@' is written %40"
    )]
    AmbiguousLogin(Which),
    /// A login, a passcode or a virtual host has a '%' that is not followed by two hexadecimal digits, or is not UTF-8.
    #[error("{broker}the {part} is not percent-encoded UTF-8 (write a percent sign as %25)")]
    InvalidEncoding {
        /// The position of the broker in the list.
        broker: Which,
        /// The part: `login`, `passcode`, `virtual host` or `stomp.vhost`.
        part: &'static str,
    },
    /// The path or the query of a WebSocket has characters that stand in no URI, or a '#'.
    #[error("{0}the path and the query of a WebSocket are percent-encoded, and end before a '#'")]
    InvalidResource(Which),
    /// A bracket has no counterpart.
    #[error("the brackets of failover:(…) do not match")]
    UnbalancedBrackets,
    /// The option is unknown.
    #[error("{broker}option number {number} is unknown: check its spelling")]
    UnknownOption {
        /// The position of the broker in the list, if the option belongs to one broker.
        broker: Which,
        /// The position of the option, counted from 1.
        number: usize,
    },
    /// The option is known from ActiveMQ, but has another name here or is set elsewhere.
    #[error("the option {option} does not exist here: {instead}")]
    UseInstead {
        /// The option's name.
        option: &'static str,
        /// What to use instead.
        instead: &'static str,
    },
    /// The option has a value that is not allowed.
    #[error("the option {option} must be {expected}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// The allowed values.
        expected: &'static str,
    },
}

/// For brokers that are given as they are, and not read from a URI.
impl From<Infallible> for BrokersError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The position in a list of the broker that an error is about.
///
/// It displays as a prefix of the error message. The prefix is empty if there is only one broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which(pub(super) Option<usize>);

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |number| write!(f, "broker {number} of the list: "))
    }
}
