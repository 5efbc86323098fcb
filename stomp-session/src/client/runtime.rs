//! What an adapter lends: a socket, a clock, a place for slow work, and luck.

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

/// A runtime, as far as the client needs one.
///
/// Implement it to run the client where no adapter exists. Streams that are not `Send` are out of scope.
pub trait Runtime: Send + Sync + 'static {
    /// Its TCP stream.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a TCP connection. It resolves the name anew, and begins with address number `attempt` modulo their count, so
    /// that a frozen first address does not win every time: see [`race_addresses`](super::race_addresses).
    fn dial(
        &self,
        host: &str,
        port: u16,
        attempt: u32,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// As [`dial`](Self::dial), for a runtime that says how many addresses the name has: see [`Addresses`]. Without it the
    /// other addresses of a broker that accepts a connection and refuses the rest are tried only after the next delay.
    fn dial_counted(
        &self,
        host: &str,
        port: u16,
        addresses: &Addresses,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        self.dial(host, port, addresses.attempt())
    }

    /// Ends at that time of [`now`](Self::now), or a little later.
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send;

    /// The time. It never runs back.
    fn now(&self) -> Timestamp;

    /// Runs what takes long on a thread where that harms nobody.
    fn unblock<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send;

    /// Hears, once a connection stands, whether its broker promises heart-beats. If so the session notices its silence, and
    /// TCP need not end what a busy broker only does not read: see [`KeepAlive::user_timeout`](super::KeepAlive).
    fn broker_beats(&self, promised: bool) {
        _ = promised;
    }

    /// Random octets from the operating system.
    fn entropy(&self) -> [u8; 32];
}

/// How an endpoint becomes a stream: the seam for proxies, Unix sockets, WebSocket, simulated networks, and any TLS that is
/// not shipped here.
pub trait Connector: Send + Sync + 'static {
    /// What it makes.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Connects. Dropping the future abandons the attempt; it is dropped when its time is over.
    ///
    /// A failure that no retry cures travels as a [`TransportError`] inside the `io::Error`.
    fn connect(
        &self,
        endpoint: &Endpoint,
        attempt: u32,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// As [`connect`](Self::connect), for a connector that says how many addresses the endpoint has.
    fn connect_counted(
        &self,
        endpoint: &Endpoint,
        addresses: &Addresses,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        self.connect(endpoint, addresses.attempt())
    }
}

/// With which of a name's addresses an attempt begins, and how many there turn out to be.
///
/// ```
/// use stomp_session::client::Addresses;
///
/// let addresses = Addresses::new(1);
/// let mut resolved = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
/// addresses.rotate(&mut resolved);
/// assert_eq!(resolved, ["10.0.0.2", "10.0.0.3", "10.0.0.1"]);
/// // One of them has taken the connection: if it comes to nothing, two are left.
/// addresses.reached(resolved.len());
/// assert_eq!(addresses.count(), Some(3));
/// ```
#[derive(Debug)]
pub struct Addresses {
    attempt: u32,
    count: AtomicU32,
}

impl Addresses {
    /// For that attempt.
    #[must_use]
    pub const fn new(attempt: u32) -> Self {
        Self { attempt, count: AtomicU32::new(0) }
    }

    /// The number of the attempt among those to reach the same broker, from 0.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Puts the address first with which this attempt begins: that of its number, modulo their count.
    pub fn rotate<T>(&self, addresses: &mut [T]) {
        let first = (self.attempt as usize).checked_rem(addresses.len()).unwrap_or_default();
        addresses.rotate_left(first);
    }

    /// Puts all of them into the order in which this attempt tries them. IPv6 and IPv4 take turns (RFC 8305, section 4):
    /// where a network carries only one of them, the addresses of the other do not all have to fail first.
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

    /// Reports that a connection was made to one of `count` addresses. Do not call it when none was made: then all of them
    /// have failed, and the session knows.
    pub fn reached(&self, count: usize) {
        self.count.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Release);
    }

    /// How many addresses there are, if a connection was made to one of them.
    #[must_use]
    pub fn count(&self) -> Option<u32> {
        Some(self.count.load(Ordering::Acquire)).filter(|count| *count > 0)
    }
}

/// Each family in its order, one address of each in turn. The first one stays the first.
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

/// A stream of any kind, as [`Dial`](super::Dial) makes them: TCP, or TLS over it.
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

/// Why a transport failed, and whether a retry may help. It travels inside an `io::Error`, which has the
/// [kind](io::Error::kind) of what caused it, and [its source](std::error::Error::source).
///
/// ```
/// use std::{error::Error as _, io};
/// use stomp_session::client::TransportError;
///
/// let cause = io::Error::new(io::ErrorKind::PermissionDenied, "407 Proxy Authentication Required");
/// let error: io::Error = TransportError::permanent("the proxy does not know us").caused_by(cause).into();
/// assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
/// assert_eq!(error.source().unwrap().to_string(), "407 Proxy Authentication Required");
/// assert!(TransportError::is_permanent(&error));
/// ```
#[derive(Clone, Debug)]
pub struct TransportError {
    text: String,
    permanent: bool,
    kind: io::ErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// A failure that may pass.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), permanent: false, kind: io::ErrorKind::Other, source: None }
    }

    /// A failure that no retry cures: a wrong identity, a wrong configuration.
    pub fn permanent(text: impl Into<String>) -> Self {
        Self { permanent: true, ..Self::new(text) }
    }

    /// The failure with the error behind it, which becomes its [`source`](std::error::Error::source). If there is an `io::Error`
    /// behind it, near or far, it is of its kind.
    #[must_use]
    pub fn caused_by(mut self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let io = chain(&*error).find_map(|error| error.downcast_ref::<io::Error>());
        self.kind = io.map_or(self.kind, io::Error::kind);
        self.source = Some(error.into());
        self
    }

    /// The failure as one of that kind. Without it, or a cause that has one, it is [`io::ErrorKind::Other`].
    #[must_use]
    pub const fn of_kind(mut self, kind: io::ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Whether no retry cures what this error tells, or one that it was caused by.
    #[must_use]
    pub fn is_permanent(error: &io::Error) -> bool {
        let told = chain(error).find_map(|error| error.downcast_ref::<Self>());
        told.is_some_and(|transport| transport.permanent)
    }
}

/// An error and those behind it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| behind(*error))
}

/// What an `io::Error` was made of is skipped by its `source`, and is the next one here.
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
