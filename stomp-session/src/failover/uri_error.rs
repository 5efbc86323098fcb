//! What is wrong with a URI.

use core::fmt;

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
    #[error("{broker}the {part} is not percent-encoded UTF-8 (a percent sign is itself to be encoded)")]
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
pub struct Which(pub(super) Option<usize>);

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |number| write!(f, "broker {number} of the list: "))
    }
}
