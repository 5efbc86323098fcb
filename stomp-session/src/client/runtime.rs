//! What an adapter lends: a socket, a clock, a place for slow work, and luck.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
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
    /// that a frozen first address does not win every time.
    fn dial(
        &self,
        host: &str,
        port: u16,
        attempt: u32,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Ends at that time of [`now`](Self::now), or a little later.
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send;

    /// The time. It never runs back.
    fn now(&self) -> Timestamp;

    /// Runs what takes long on a thread where that harms nobody.
    fn unblock<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send;

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
}

/// The connector of the adapters: TCP, and TLS where the endpoint asks for it.
#[derive(Debug)]
pub struct Dial<R>(Arc<R>);

impl<R: Runtime> Dial<R> {
    /// Dials by that runtime.
    pub const fn new(runtime: Arc<R>) -> Self {
        Self(runtime)
    }
}

impl<R: Runtime> Connector for Dial<R> {
    type Stream = Stream;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<Stream> {
        if endpoint.is_tls() {
            // Never fall back to plain.
            return Err(TransportError::permanent(format!(
                "{endpoint} asks for TLS, which this build does not have: give a connector of your own"
            ))
            .into());
        }
        let stream = self.0.dial(endpoint.host(), endpoint.port(), attempt).await?;
        Ok(Stream(Box::new(stream)))
    }
}

/// A stream of any kind.
pub struct Stream(Box<dyn Io>);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

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
}

impl TransportError {
    /// A failure that no retry cures: a wrong identity, a wrong configuration.
    pub fn permanent(text: impl Into<String>) -> Self {
        Self { text: text.into(), permanent: true }
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
