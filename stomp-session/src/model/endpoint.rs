//! A broker's address, with its login and profile.

use alloc::{string::String, sync::Arc};
use core::fmt;

use super::profile::Profile;

/// The port of `tcp://` and `stomp://`.
pub(crate) const PLAIN_PORT: u16 = 61613;
/// The port of `ssl://`, `stomp+ssl://` and `stomps://`.
pub(crate) const TLS_PORT: u16 = 61614;

/// A login, with its passcode if it has one. Neither is ever displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login(Arc<LoginParts>);

#[derive(PartialEq, Eq)]
struct LoginParts {
    login: String,
    passcode: Option<String>,
}

impl Login {
    /// Creates a login with a passcode.
    pub fn new(login: impl Into<String>, passcode: impl Into<String>) -> Self {
        Self::of(login.into(), Some(passcode.into()))
    }

    /// Creates a login without a passcode. CONNECT then has no `passcode` header.
    pub fn without_passcode(login: impl Into<String>) -> Self {
        Self::of(login.into(), None)
    }

    fn of(login: String, passcode: Option<String>) -> Self {
        Self(Arc::new(LoginParts { login, passcode }))
    }

    pub(crate) fn login(&self) -> &str {
        &self.0.login
    }

    pub(crate) fn passcode(&self) -> Option<&str> {
        self.0.passcode.as_deref()
    }

    /// Brokers do not agree on how one is written in CONNECT.
    pub(crate) fn has_backslash(&self) -> bool {
        self.login().contains('\\') || self.passcode().is_some_and(|passcode| passcode.contains('\\'))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}

/// The address of a broker.
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
/// The path of the URI is the virtual host: `tcp://broker/staging` sends `host:staging`. Without a path it is `/`,
/// which is the default of RabbitMQ. RabbitMQ refuses any other name that it does not know; ActiveMQ and Artemis ignore
/// the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Arc<Parts>);

/// A session names its broker in many places, and none of them has a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    tls: bool,
    host: String,
    port: u16,
    virtual_host: String,
    login: Option<Login>,
    profile: Option<Arc<Profile>>,
}

impl Endpoint {
    /// Creates the address of a broker that is reached without encryption.
    pub fn plain(host: impl Into<String>, port: u16) -> Self {
        Self::new(false, host.into(), port)
    }

    /// Creates the address of a broker that is reached over TLS, and never without.
    pub fn tls(host: impl Into<String>, port: u16) -> Self {
        Self::new(true, host.into(), port)
    }

    fn new(tls: bool, host: String, port: u16) -> Self {
        Self(Arc::new(Parts { tls, host, port, virtual_host: "/".into(), login: None, profile: None }))
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }

    /// Sets the login for this broker. It is sent to no other broker.
    #[must_use]
    pub fn with_login(mut self, login: Login) -> Self {
        self.parts().login = Some(login);
        self
    }

    /// Sets the virtual host, which is sent as the `host` header.
    #[must_use]
    pub fn with_virtual_host(mut self, virtual_host: impl Into<String>) -> Self {
        self.parts().virtual_host = virtual_host.into();
        self
    }

    /// Sets the profile of this broker, whatever its `server` header says.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.parts().profile = Some(Arc::new(profile));
        self
    }

    /// Returns the host name or address to dial. An IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// Returns the port to dial.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Returns `true` if the broker must be reached over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.tls
    }

    /// Returns the virtual host, which is the value of the `host` header of CONNECT.
    #[must_use]
    pub fn virtual_host(&self) -> &str {
        &self.0.virtual_host
    }

    /// Returns the login that was set for this broker.
    #[must_use]
    pub fn login(&self) -> Option<&Login> {
        self.0.login.as_ref()
    }

    /// Returns the profile that was set for this broker.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.0.profile.as_deref()
    }

    pub(crate) fn shared_profile(&self) -> Option<&Arc<Profile>> {
        self.0.profile.as_ref()
    }
}

/// Displays the scheme, the host and the port, but never the login.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { tls, host, port, .. } = &*self.0;
        let scheme = if *tls { "stomp+ssl" } else { "tcp" };
        if host.contains(':') {
            // RFC 6874, section 2: the '%' before a zone is written %25.
            write!(f, "{scheme}://[{}]:{port}", host.replace('%', "%25"))
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}
