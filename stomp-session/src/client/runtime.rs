//! What an adapter lends: a socket, a clock, a place for slow work, and luck.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
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

/// A stream of any kind.
pub struct Stream(Box<dyn Io>);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Stream {
    pub(super) fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Box::new(stream))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, room)
    }
}

impl AsyncWrite for Stream {
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

/// Why a transport failed, and whether a retry may help. It travels inside an `io::Error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct TransportError {
    text: String,
    permanent: bool,
    source: Option<Cause>,
}

/// What a library says about its own failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

impl TransportError {
    /// A failure that may pass.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), permanent: false, source: None }
    }

    /// A failure that no retry cures: a wrong identity, a wrong configuration.
    pub fn permanent(text: impl Into<String>) -> Self {
        Self { permanent: true, ..Self::new(text) }
    }

    /// The failure with the text of the error behind it, which becomes its [`source`](std::error::Error::source).
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        self.source = Some(Cause(error.to_string()));
        self
    }

    /// Whether no retry cures what this error tells.
    #[must_use]
    pub fn is_permanent(error: &io::Error) -> bool {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>());
        inner.is_some_and(|transport| transport.permanent)
    }
}

impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        Self::other(error)
    }
}
