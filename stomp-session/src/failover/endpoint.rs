//! One broker: where it listens, how to speak to it, and who we are there.

use alloc::{boxed::Box, string::String};
use core::{fmt, str::FromStr};

use super::uri;
use crate::{BrokersError, Profile};

/// The port of `tcp://` and `stomp://`.
pub(crate) const PLAIN_PORT: u16 = 61613;
/// The port of `ssl://`, `stomp+ssl://` and `stomps://`.
pub(crate) const TLS_PORT: u16 = 61614;

/// A login, with its passcode if it has one. Neither is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    login: String,
    passcode: Option<String>,
}

impl Login {
    /// A login and its passcode.
    pub fn new(login: impl Into<String>, passcode: impl Into<String>) -> Self {
        Self { login: login.into(), passcode: Some(passcode.into()) }
    }

    /// A login without a passcode: CONNECT has no `passcode` header.
    pub fn without_passcode(login: impl Into<String>) -> Self {
        Self { login: login.into(), passcode: None }
    }

    pub(crate) fn login(&self) -> &str {
        &self.login
    }

    pub(crate) fn passcode(&self) -> Option<&str> {
        self.passcode.as_deref()
    }

    /// Brokers do not agree on how one is written in CONNECT.
    pub(crate) fn has_backslash(&self) -> bool {
        self.login.contains('\\') || self.passcode().is_some_and(|passcode| passcode.contains('\\'))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}

/// A broker's address.
///
/// ```
/// use stomp_session::Endpoint;
///
/// let endpoint: Endpoint = "stomp+ssl://me:secret@broker.example".parse()?;
/// assert_eq!((endpoint.host(), endpoint.port(), endpoint.is_tls()), ("broker.example", 61614, true));
/// assert_eq!(endpoint.to_string(), "stomp+ssl://broker.example:61614");
/// # Ok::<(), stomp_session::BrokersError>(())
/// ```
///
/// The path is the virtual host: `tcp://broker/staging` sends `host:staging`. Without one it is `/`, the default of
/// RabbitMQ, which refuses any other name that it does not know; ActiveMQ and Artemis ignore the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
    virtual_host: String,
    login: Option<Login>,
    profile: Option<Box<Profile>>,
}

impl Endpoint {
    /// A broker that is spoken to in the clear.
    pub fn plain(host: impl Into<String>, port: u16) -> Self {
        Self { tls: false, host: host.into(), port, virtual_host: "/".into(), login: None, profile: None }
    }

    /// A broker that is spoken to over TLS, and never without.
    pub fn tls(host: impl Into<String>, port: u16) -> Self {
        Self { tls: true, ..Self::plain(host, port) }
    }

    /// The endpoint with a login of its own. It is sent to this broker and no other.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// The endpoint with that `host` header.
    #[must_use]
    pub fn with_virtual_host(mut self, virtual_host: impl Into<String>) -> Self {
        self.virtual_host = virtual_host.into();
        self
    }

    /// The endpoint with the profile of its broker, whatever its `server` header says.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Some(Box::new(profile));
        self
    }

    /// The name or address to dial; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to dial.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection must be TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// What the `host` header of CONNECT says.
    #[must_use]
    pub fn virtual_host(&self) -> &str {
        &self.virtual_host
    }

    /// The login for this broker, if it has one of its own.
    #[must_use]
    pub const fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The profile that was set for this broker.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_deref()
    }
}

impl FromStr for Endpoint {
    type Err = BrokersError;

    fn from_str(uri: &str) -> Result<Self, BrokersError> {
        uri::endpoint(uri)
    }
}

/// Scheme, host and port; never the login.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "stomp+ssl" } else { "tcp" };
        if self.host.contains(':') {
            // RFC 6874, section 2: the '%' before a zone is written %25.
            write!(f, "{scheme}://[{}]:{}", self.host.replace('%', "%25"), self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}
