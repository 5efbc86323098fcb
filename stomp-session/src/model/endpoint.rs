//! A broker's address, with its login, its profile, and the headers of a WebSocket's handshake, whose values may be secrets.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;

use super::profile::Profile;

/// The port of `tcp://` and `stomp://`.
pub(crate) const PLAIN_PORT: u16 = 61613;
/// The port of `ssl://`, `stomp+ssl://` and `stomps://`.
pub(crate) const TLS_PORT: u16 = 61614;
/// The ports of `ws://` and `wss://` (RFC 6455, section 3).
pub(crate) const WEB_PORT: u16 = 80;
pub(crate) const WEB_TLS_PORT: u16 = 443;

/// A login, with its passcode if it has one. Neither is ever displayed.
///
/// Over a WebSocket it may have headers of the handshake too, such as a token: see
/// [`with_handshake_header`](Self::with_handshake_header).
#[derive(Clone, PartialEq, Eq)]
pub struct Login(Arc<LoginParts>);

#[derive(Clone, PartialEq, Eq)]
struct LoginParts {
    login: Option<String>,
    passcode: Option<String>,
    headers: HandshakeHeaders,
}

impl Login {
    /// Creates a login with a passcode.
    pub fn new(login: impl Into<String>, passcode: impl Into<String>) -> Self {
        Self::of(Some(login.into()), Some(passcode.into()))
    }

    /// Creates a login without a passcode. CONNECT then has no `passcode` header.
    pub fn without_passcode(login: impl Into<String>) -> Self {
        Self::of(Some(login.into()), None)
    }

    /// Creates a login without a name. CONNECT then has neither a `login` nor a `passcode` header.
    ///
    /// This is for brokers that know a client by the [headers](Self::with_handshake_header) of its WebSocket.
    #[must_use]
    pub fn unnamed() -> Self {
        Self::of(None, None)
    }

    fn of(login: Option<String>, passcode: Option<String>) -> Self {
        Self(Arc::new(LoginParts { login, passcode, headers: HandshakeHeaders::default() }))
    }

    /// Sets a header of the WebSocket's handshake, such as `authorization` or `cookie`. It is used for `ws://` and
    /// `wss://`, and takes the place of one of the same name that was set for the
    /// [endpoint](Endpoint::with_handshake_header) or for all of them. Its value is never displayed.
    ///
    /// ```
    /// use stomp_session::Login;
    ///
    /// # let token = "t";
    /// let login = Login::unnamed().with_handshake_header("authorization", format!("Bearer {token}"));
    /// assert_eq!(format!("{login:?}"), "Login(***)");
    /// ```
    #[must_use]
    pub fn with_handshake_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).headers.set(name.into(), value.into());
        self
    }

    pub(crate) fn login(&self) -> Option<&str> {
        self.0.login.as_deref()
    }

    pub(crate) fn passcode(&self) -> Option<&str> {
        self.0.passcode.as_deref()
    }

    /// Brokers do not agree on how one is written in CONNECT.
    pub(crate) fn has_backslash(&self) -> bool {
        [self.login(), self.passcode()].into_iter().flatten().any(|text| text.contains('\\'))
    }

    #[cfg(feature = "client")]
    pub(crate) fn handshake_headers(&self) -> &HandshakeHeaders {
        &self.0.headers
    }

    /// What must not be shown.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.passcode().into_iter().chain(self.0.headers.iter().map(|(_, value)| value))
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
///
/// In a `ws://` or `wss://` URI, path and query are those of the WebSocket: `wss://broker/ws?tenant=7`. The virtual host
/// is then an option of its own, `stomp.vhost`, which the broker does not see; so are `stomp.profile` and `stomp.text`.
///
/// ```
/// use stomp_session::Endpoint;
///
/// let endpoint: Endpoint = "wss://broker.example/ws?tenant=7&stomp.vhost=staging".parse()?;
/// assert_eq!((endpoint.port(), endpoint.web_socket()), (443, Some("/ws?tenant=7")));
/// assert_eq!(endpoint.virtual_host(), "staging");
/// // A query may hold a token: it is not shown.
/// assert_eq!(endpoint.to_string(), "wss://broker.example:443/ws");
/// # Ok::<(), stomp_session::BrokersError>(())
/// ```
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
    web_socket: Option<Resource>,
    headers: HandshakeHeaders,
}

/// The path and the query of a WebSocket, and whether it takes text. The query may hold secrets.
#[derive(Clone, PartialEq, Eq)]
struct Resource {
    target: String,
    text: bool,
}

impl Resource {
    fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().fmt(f)
    }
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
        Self(Arc::new(Parts {
            tls,
            host,
            port,
            virtual_host: "/".into(),
            login: None,
            profile: None,
            web_socket: None,
            headers: HandshakeHeaders::default(),
        }))
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

    /// Makes this the address of a WebSocket with that path and query, such as `/ws?tenant=7`. They are sent as they are,
    /// and so must be percent-encoded.
    ///
    /// ```
    /// use stomp_session::Endpoint;
    ///
    /// let endpoint = Endpoint::tls("broker.example", 443).with_web_socket("/ws");
    /// assert_eq!(endpoint, "wss://broker.example/ws".parse()?);
    /// # Ok::<(), stomp_session::BrokersError>(())
    /// ```
    #[must_use]
    pub fn with_web_socket(mut self, resource: impl Into<String>) -> Self {
        self.parts().web_socket = Some(Resource { target: resource.into(), text: false });
        self
    }

    /// Makes the client send text instead of binary messages over this [WebSocket](Self::with_web_socket), as does the
    /// option `stomp.text=true` of its URI. It has no effect if the endpoint is no WebSocket.
    ///
    /// ActiveMQ ignores binary messages: it does not even answer CONNECT. A frame whose body is no UTF-8 cannot be sent as
    /// text; a broker closes the connection on it.
    #[must_use]
    pub fn with_text_messages(mut self) -> Self {
        self.parts().web_socket.iter_mut().for_each(|resource| resource.text = true);
        self
    }

    /// Sets a header of the WebSocket's handshake with this broker, such as `origin`, instead of one of the same name. Its
    /// value is never displayed. It has no effect if the endpoint is no WebSocket.
    ///
    /// For a header that changes from attempt to attempt, such as a token, see
    /// [`Login::with_handshake_header`].
    #[must_use]
    pub fn with_handshake_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts().headers.set(name.into(), value.into());
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

    /// Returns the path and query of the WebSocket over which the broker must be reached, or `None` if it is reached
    /// without one.
    #[must_use]
    pub fn web_socket(&self) -> Option<&str> {
        self.0.web_socket.as_ref().map(|resource| &*resource.target)
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn sends_text(&self) -> bool {
        self.0.web_socket.as_ref().is_some_and(|resource| resource.text)
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn handshake_headers(&self) -> &HandshakeHeaders {
        &self.0.headers
    }

    pub(crate) fn shared_profile(&self) -> Option<&Arc<Profile>> {
        self.0.profile.as_ref()
    }
}

/// Displays the scheme, the host, the port, and the path of a WebSocket, but never the login or a query.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { tls, host, port, web_socket, .. } = &*self.0;
        let scheme = match (web_socket, tls) {
            (None, false) => "tcp",
            (None, true) => "stomp+ssl",
            (Some(_), false) => "ws",
            (Some(_), true) => "wss",
        };
        if host.contains(':') {
            // RFC 6874, section 2: the '%' before a zone is written %25.
            write!(f, "{scheme}://[{}]:{port}", host.replace('%', "%25"))?;
        } else {
            write!(f, "{scheme}://{host}:{port}")?;
        }
        web_socket.as_ref().map_or(Ok(()), |resource| f.write_str(resource.path()))
    }
}

/// Headers of a handshake. A name occurs once, whatever its case.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct HandshakeHeaders(Vec<(String, String)>);

impl HandshakeHeaders {
    /// Sets a header, instead of one of the same name.
    pub(crate) fn set(&mut self, name: String, value: String) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        self.0.push((name, value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    #[cfg(feature = "client")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Shows the names alone.
impl fmt::Debug for HandshakeHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
