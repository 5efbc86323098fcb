//! What an adapter provides: TCP, a clock, threads for slow work, and random octets.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};

use crate::{Endpoint, Timestamp};

/// A runtime that the client runs on.
///
/// Implement this trait to run the client where no adapter exists. Streams that are not `Send` are not supported.
pub trait Runtime: Send + Sync + 'static {
    /// The runtime's TCP stream.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a TCP connection.
    ///
    /// The name is resolved each time, and the first address that is tried is the one with the index `attempt` modulo
    /// their number, so that an unresponsive address cannot make every attempt fail.
    /// [`race_addresses`](super::race_addresses) does this.
    fn dial(
        &self,
        host: &str,
        port: u16,
        attempt: u32,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Opens a TCP connection, as [`dial`](Self::dial) does, and reports how many addresses the name has: see
    /// [`Addresses`].
    ///
    /// By default, this calls [`dial`](Self::dial) and reports nothing. If an address then accepts the connection but
    /// the connection fails later, the other addresses are tried only after the next delay.
    fn dial_counted(
        &self,
        host: &str,
        port: u16,
        addresses: &Addresses,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        self.dial(host, port, addresses.attempt())
    }

    /// Waits until this time of [`now`](Self::now), or a little longer.
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send;

    /// Returns the current time. It must never go back.
    fn now(&self) -> Timestamp;

    /// Runs slow or blocking work on a thread where it delays nothing else.
    fn unblock<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send;

    /// Reports, once a connection is established, whether its broker promises heart-beats.
    ///
    /// If it does, the session notices when the broker is silent, and TCP need not end a connection that a busy broker
    /// does not read: see [`KeepAlive::user_timeout`](super::KeepAlive::user_timeout). By default, this does nothing.
    fn broker_beats(&self, promised: bool) {
        _ = promised;
    }

    /// Returns random octets from the operating system.
    fn entropy(&self) -> [u8; 32];
}

/// A type that opens the stream to an endpoint.
///
/// Implement this trait for proxies, Unix sockets, simulated networks, or a TLS library that is not supported here.
///
/// An endpoint may ask for [TLS](Endpoint::is_tls) and for a [WebSocket](Endpoint::web_socket):
/// [`Dial::secure`](super::Dial::secure) begins both on a stream.
pub trait Connector: Send + Sync + 'static {
    /// The type of the streams.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a stream to an endpoint.
    ///
    /// `attempt` is the number of earlier attempts to reach this endpoint. The future is dropped if the attempt is
    /// given up, such as when its time has passed.
    ///
    /// If no retry can succeed, the `io::Error` should contain a permanent [`TransportError`].
    ///
    /// Where the login of the attempt has [headers of a handshake](crate::Login::with_handshake_header), it is the login of
    /// `endpoint`.
    fn connect(
        &self,
        endpoint: &Endpoint,
        attempt: u32,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Opens a stream to an endpoint, as [`connect`](Self::connect) does, and reports how many addresses the endpoint
    /// has.
    ///
    /// By default, this calls [`connect`](Self::connect) and reports nothing.
    fn connect_counted(
        &self,
        endpoint: &Endpoint,
        addresses: &Addresses,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        self.connect(endpoint, addresses.attempt())
    }
}

/// The address of a host name with which an attempt begins, and the number of addresses that the name has.
///
/// ```
/// use stomp_session::client::Addresses;
///
/// let addresses = Addresses::new(1);
/// let mut resolved = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
/// addresses.rotate(&mut resolved);
/// assert_eq!(resolved, ["10.0.0.2", "10.0.0.3", "10.0.0.1"]);
/// // A connection to one of them was made. If it fails later, two are left.
/// addresses.reached(resolved.len());
/// assert_eq!(addresses.count(), Some(3));
/// ```
#[derive(Debug)]
pub struct Addresses {
    attempt: u32,
    count: AtomicU32,
}

impl Addresses {
    /// Creates the value for the attempt with this number.
    #[must_use]
    pub const fn new(attempt: u32) -> Self {
        Self { attempt, count: AtomicU32::new(0) }
    }

    /// Returns the number of earlier attempts to reach the same broker.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Moves the address to the front with which this attempt begins. Its index is the number of the attempt modulo the
    /// number of addresses.
    pub fn rotate<T>(&self, addresses: &mut [T]) {
        let first = (self.attempt as usize).checked_rem(addresses.len()).unwrap_or_default();
        addresses.rotate_left(first);
    }

    /// Returns the addresses in the order in which this attempt tries them.
    ///
    /// IPv6 and IPv4 addresses alternate (RFC 8305, section 4). In a network that carries only one of the two, not all
    /// addresses of the other have to fail first.
    ///
    /// ```
    /// use stomp_session::client::Addresses;
    ///
    /// let resolved = || vec!["2001:db8::1", "2001:db8::2", "10.0.0.1"];
    /// let order = |attempt| Addresses::new(attempt).order(resolved(), |address| address.contains(':'));
    /// assert_eq!(order(0), ["2001:db8::1", "10.0.0.1", "2001:db8::2"]);
    /// assert_eq!(order(1), ["10.0.0.1", "2001:db8::2", "2001:db8::1"]);
    /// ```
    #[must_use]
    pub fn order<T>(&self, addresses: Vec<T>, is_ipv6: impl Fn(&T) -> bool) -> Vec<T> {
        let mut turns = take_turns(addresses, &is_ipv6);
        self.rotate(&mut turns);
        // What was the end and what was the beginning may be of the same family.
        take_turns(turns, &is_ipv6)
    }

    /// Reports that a connection was made to one of `count` addresses.
    ///
    /// Do not call this if no connection was made. Then all addresses have failed, and the session knows this.
    pub fn reached(&self, count: usize) {
        self.count.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Release);
    }

    /// Returns the number of addresses if a connection was made to one of them.
    #[must_use]
    pub fn count(&self) -> Option<u32> {
        Some(self.count.load(Ordering::Acquire)).filter(|count| *count > 0)
    }
}

/// Alternates between the two families, each in its order. The first address stays the first.
fn take_turns<T>(addresses: Vec<T>, is_ipv6: impl Fn(&T) -> bool) -> Vec<T> {
    let Some(first) = addresses.first().map(&is_ipv6) else { return addresses };
    let (same, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| is_ipv6(address) == first);
    let mut other = other.into_iter();
    let mut turns: Vec<_> =
        same.into_iter().flat_map(|address| [Some(address), other.next()]).flatten().collect();
    turns.extend(other);
    turns
}

/// A stream of any kind, such as [`Dial`](super::Dial) opens: TCP, TLS over it, or a WebSocket over either.
pub struct TransportStream(Box<dyn Io>);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl TransportStream {
    pub(super) fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Box::new(stream))
    }
}

impl fmt::Debug for TransportStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportStream")
    }
}

impl AsyncRead for TransportStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, room)
    }
}

impl AsyncWrite for TransportStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// An error of a transport, which says whether a retry may succeed.
///
/// It is passed inside an `io::Error`, which then has the [kind](io::Error::kind) of the cause and its
/// [source](std::error::Error::source).
///
/// ```
/// use std::{error::Error as _, io};
/// use stomp_session::client::TransportError;
///
/// let cause = io::Error::new(io::ErrorKind::PermissionDenied, "407 Proxy Authentication Required");
/// let error: io::Error = TransportError::permanent("the proxy refused the login").caused_by(cause).into();
/// assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
/// assert_eq!(error.source().unwrap().to_string(), "407 Proxy Authentication Required");
/// assert!(TransportError::is_permanent(&error));
/// ```
#[derive(Clone, Debug)]
pub struct TransportError {
    text: String,
    permanent: bool,
    refuses_login: bool,
    code: Option<u16>,
    kind: io::ErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// Creates an error that may be temporary.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            permanent: false,
            refuses_login: false,
            code: None,
            kind: io::ErrorKind::Other,
            source: None,
        }
    }

    /// Creates an error that no retry can resolve, such as a wrong identity or a wrong configuration.
    pub fn permanent(text: impl Into<String>) -> Self {
        Self { permanent: true, ..Self::new(text) }
    }

    /// Creates an error that says that the peer has refused the login of the attempt, such as the token in the handshake of
    /// a WebSocket.
    ///
    /// The attempt then ends with [`Lost::LoginRefused`](crate::Lost::LoginRefused), and the login is not sent again for a
    /// while, so that no account is locked.
    pub fn login_refused(text: impl Into<String>) -> Self {
        Self { refuses_login: true, ..Self::new(text) }
    }

    /// Sets the number with which the peer gave its reason: see
    /// [`TransportFailure::code`](crate::TransportFailure::code).
    #[must_use]
    pub const fn of_code(mut self, code: u16) -> Self {
        self.code = Some(code);
        self
    }

    /// Sets the cause of the error, which becomes its [`source`](std::error::Error::source).
    ///
    /// If the cause is an `io::Error`, or has one among its sources, the error takes its kind.
    #[must_use]
    pub fn caused_by(mut self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let io = chain(&*error).find_map(|error| error.downcast_ref::<io::Error>());
        self.kind = io.map_or(self.kind, io::Error::kind);
        self.source = Some(error.into());
        self
    }

    /// Sets the kind of the error. The default is the kind of its cause, or else [`io::ErrorKind::Other`].
    #[must_use]
    pub const fn of_kind(mut self, kind: io::ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Returns `true` if no retry can resolve this error, because it or one of its causes is a permanent
    /// [`TransportError`].
    #[must_use]
    pub fn is_permanent(error: &io::Error) -> bool {
        Self::told(error).is_some_and(|transport| transport.permanent)
    }

    /// Returns `true` if this error says that the peer has [refused the login](Self::login_refused) of the attempt.
    #[must_use]
    pub fn is_login_refused(error: &io::Error) -> bool {
        Self::told(error).is_some_and(|transport| transport.refuses_login)
    }

    pub(super) fn code(error: &io::Error) -> Option<u16> {
        Self::told(error).and_then(|transport| transport.code)
    }

    fn told(error: &io::Error) -> Option<&Self> {
        chain(error).find_map(|error| error.downcast_ref::<Self>())
    }
}

/// An error and those behind it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| behind(*error))
}

/// Returns the next error of the chain. This is the error inside an `io::Error`, which its `source` would skip.
fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        Self::new(error.kind, error)
    }
}
