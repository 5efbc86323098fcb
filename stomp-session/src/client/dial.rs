//! Reaching a broker: the connector of the adapters, which dials by TCP and uses TLS and a WebSocket if the endpoint requires
//! them; an attempt to connect, which asks for the login first; and several attempts to reach the same host, of which the
//! first that succeeds is used.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_io::{AsyncRead, AsyncWrite};
#[cfg(feature = "websocket")]
use stomp_proto::Version;

#[cfg(any(feature = "native-tls", feature = "rustls"))]
use super::tls::Tls;
#[cfg(feature = "websocket")]
use super::web_socket::{WebSocketConfig, WebSockets};
use super::{
    contain::Contained,
    runtime::{Addresses, Connector, Runtime, TransportError, TransportStream},
    settings::Credentials,
    tls::TlsConfig,
};
use crate::{Attempt, AttemptId, Endpoint, Login, Lost, TransportFailure};

/// The connector of the adapters. It dials by TCP, and uses TLS and a WebSocket if the endpoint requires them.
#[derive(Debug)]
pub struct Dial<R> {
    runtime: Arc<R>,
    #[cfg(any(feature = "native-tls", feature = "rustls"))]
    tls: Tls,
    #[cfg(feature = "websocket")]
    web_sockets: WebSockets,
}

impl<R: Runtime> Dial<R> {
    /// Creates a connector that dials by this runtime, with this configuration of TLS.
    #[cfg_attr(not(any(feature = "native-tls", feature = "rustls")), allow(unused_variables))]
    pub fn new(runtime: Arc<R>, tls: TlsConfig) -> Self {
        Self {
            runtime,
            #[cfg(any(feature = "native-tls", feature = "rustls"))]
            tls: Tls::new(tls),
            #[cfg(feature = "websocket")]
            web_sockets: WebSockets::default(),
        }
    }

    /// Sets the configuration of WebSockets. Requires the feature `websocket`.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn web_socket(mut self, config: WebSocketConfig) -> Self {
        self.web_sockets.config = config;
        self
    }

    /// Sets the versions of STOMP whose subprotocols are offered to the servers of WebSockets. Default: all of them.
    /// Requires the feature `websocket`.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.web_sockets.versions = versions.into_iter().collect();
        self
    }
}

impl<R: Runtime> Dial<R> {
    /// Returns an error if no dial can succeed because of the endpoint or the configuration.
    fn check(&self, endpoint: &Endpoint) -> io::Result<()> {
        if endpoint.web_socket().is_some() {
            #[cfg(feature = "websocket")]
            self.web_sockets.check(endpoint)?;
            #[cfg(not(feature = "websocket"))]
            return Err(TransportError::permanent(
                "WebSocket (ws://, wss://) is not compiled in: enable the feature websocket",
            )
            .into());
        }
        if !endpoint.is_tls() {
            return Ok(());
        }
        #[cfg(any(feature = "native-tls", feature = "rustls"))]
        return self.tls.backend().map(|_| ()).map_err(io::Error::from);
        // An endpoint that asks for TLS never gets less.
        #[cfg(not(any(feature = "native-tls", feature = "rustls")))]
        return Err(TransportError::permanent(
            "TLS is not compiled in: enable the feature native-tls or rustls",
        )
        .into());
    }

    /// Begins what the endpoint requires on a stream: TLS (`ssl://`), a WebSocket (`ws://`), or both (`wss://`). Otherwise the
    /// stream is not changed.
    ///
    /// This is for a [`Connector`] that goes through a proxy or a tunnel. The certificate is checked against the
    /// endpoint's host, or [`TlsConfig::server_name`], wherever the stream leads.
    ///
    /// This method is cancel safe: if its future is dropped, the stream is closed.
    ///
    /// # Errors
    /// Returns an error if a handshake fails. If no retry can succeed, it contains a permanent
    /// [`TransportError`].
    pub async fn secure<S>(&self, endpoint: &Endpoint, stream: S) -> io::Result<TransportStream>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.check(endpoint)?;
        #[cfg(any(feature = "native-tls", feature = "rustls"))]
        if endpoint.is_tls() {
            let stream = self.tls.secure(&*self.runtime, endpoint, stream).await?;
            return self.open(endpoint, stream).await;
        }
        self.open(endpoint, stream).await
    }

    /// Opens the WebSocket that the endpoint requires (`ws://`, `wss://`) on a stream that has TLS already if it is to have
    /// it. Returns the version of STOMP whose subprotocol the server has chosen, or `None` if it has chosen none. Requires
    /// the feature `websocket`.
    ///
    /// [`secure`](Self::secure) does this after TLS. Use this method to report the two steps separately.
    ///
    /// This method is cancel safe: if its future is dropped, the stream is closed.
    ///
    /// # Errors
    /// Returns an error if the handshake fails. If no retry can succeed, it contains a permanent
    /// [`TransportError`].
    #[cfg(feature = "websocket")]
    pub async fn open_web_socket<S>(
        &self,
        endpoint: &Endpoint,
        stream: S,
    ) -> io::Result<(TransportStream, Option<Version>)>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.web_sockets.check(endpoint)?;
        let (opened, chosen) = self.web_sockets.open(&*self.runtime, endpoint, stream).await?;
        Ok((TransportStream::new(opened), chosen))
    }

    /// Opens a WebSocket on a stream, if the endpoint requires one.
    #[cfg_attr(not(feature = "websocket"), allow(unused_variables, clippy::unused_async))]
    async fn open<S>(&self, endpoint: &Endpoint, stream: S) -> io::Result<TransportStream>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        #[cfg(feature = "websocket")]
        if endpoint.web_socket().is_some() {
            return Ok(self.open_web_socket(endpoint, stream).await?.0);
        }
        Ok(TransportStream::new(stream))
    }
}

impl<R: Runtime> Connector for Dial<R> {
    type Stream = TransportStream;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<TransportStream> {
        self.connect_counted(endpoint, &Addresses::new(attempt)).await
    }

    async fn connect_counted(
        &self,
        endpoint: &Endpoint,
        addresses: &Addresses,
    ) -> io::Result<TransportStream> {
        self.check(endpoint)?;
        let stream = self.runtime.dial_counted(endpoint.host(), endpoint.port(), addresses).await?;
        self.secure(endpoint, stream).await
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An attempt to connect that is under way.
pub(super) struct Dialling<S> {
    pub(super) attempt: AttemptId,
    pub(super) addresses: Arc<Addresses>,
    /// The stream or why there is none, and the login that the application was asked for.
    pub(super) dial: Boxed<(Result<S, Lost>, Option<Login>)>,
}

/// Asks for the login first, because a broker does not wait long for CONNECT once a connection is made.
pub(super) async fn dial<C: Connector>(
    attempt: Attempt,
    addresses: Arc<Addresses>,
    connector: Arc<C>,
    credentials: Option<Credentials>,
) -> (Result<C::Stream, Lost>, Option<Login>) {
    let login = match credentials {
        Some(credentials) => match credentials.ask(attempt.clone()).await {
            Ok(login) => Some(login),
            Err(lost) => return (Err(lost), None),
        },
        None => None,
    };
    if let Err(lost) = login.as_ref().map_or(Ok(()), |login| attempt.check(login)) {
        return (Err(lost), login);
    }
    let endpoint = with_headers(attempt, login.as_ref());
    let connected = async { connector.connect_counted(&endpoint, &addresses).await };
    let dialled = match Contained::new(connected).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if TransportError::is_login_refused(&error) => {
            Err(Lost::LoginRefused(dial_failure(&error)))
        }
        Ok(Err(error)) => Err(Lost::DialFailed {
            reason: dial_failure(&error),
            permanent: TransportError::is_permanent(&error),
        }),
        Err(panic) => {
            let reason = format!("the connector panicked: {panic}").into();
            Err(Lost::DialFailed { reason, permanent: false })
        }
    };
    (dialled, login)
}

/// The endpoint of an attempt, with its login where the handshake of a WebSocket needs that before CONNECT is written.
fn with_headers(attempt: Attempt, login: Option<&Login>) -> Endpoint {
    match login.or(attempt.configured.as_ref()) {
        Some(login) if !login.handshake_headers().is_empty() => attempt.endpoint.with_login(login.clone()),
        _ => attempt.endpoint,
    }
}

/// Returns the error of the operating system with what to do about it, or the explanation of a TLS error with its
/// source.
fn dial_error(error: &io::Error) -> String {
    if let Some(source) = std::error::Error::source(error) {
        return format!("{error} ({source})");
    }
    match error.kind() {
        _ if error.get_ref().is_some_and(|inner| inner.is::<TransportError>()) => error.to_string(),
        io::ErrorKind::ConnectionRefused => format!("{error}: is a broker listening there?"),
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("{error}: is the host reachable from here?")
        }
        _ => error.to_string(),
    }
}

/// The failure of an attempt, in words that help.
pub(super) fn dial_failure(error: &io::Error) -> TransportFailure {
    coded(TransportFailure::from(dial_error(error)).of_kind(error.kind()), error)
}

/// The failure of a stream that was open.
pub(super) fn stream_failure(error: &io::Error) -> TransportFailure {
    coded(TransportFailure::from(error), error)
}

fn coded(failure: TransportFailure, error: &io::Error) -> TransportFailure {
    match TransportError::code(error) {
        Some(code) => failure.of_code(code),
        None => failure,
    }
}

/// The delay before the next attempt begins (RFC 8305, "Happy Eyeballs": 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to one of the addresses of a host name, and reports how many there are.
///
/// The addresses are tried in the [order](Addresses::order) of the attempt; see [`race`]. This is for adapters:
/// [`Runtime::dial_counted`] resolves the name and then calls this function.
///
/// This function is cancel safe: if its future is dropped, its attempts are dropped.
///
/// # Errors
/// Returns the same errors as [`race`].
pub async fn race_addresses<R, A, T, F>(
    runtime: &R,
    addresses: &Addresses,
    resolved: impl IntoIterator<Item = A>,
    is_ipv6: impl Fn(&A) -> bool,
    connect: impl FnMut(A) -> F,
) -> io::Result<T>
where
    R: Runtime,
    F: Future<Output = io::Result<T>> + Send,
{
    let ordered = addresses.order(resolved.into_iter().collect(), is_ipv6);
    let count = ordered.len();
    let won = race(runtime, ordered.into_iter().map(connect)).await?;
    addresses.reached(count);
    Ok(won)
}

/// Runs attempts until one of them succeeds, and returns its result.
///
/// Each attempt begins 250 ms after the previous one, or at once when an attempt fails. This is for adapters: a host
/// name may have several addresses, and an unresponsive one must not hold up the others.
///
/// This function is cancel safe: if its future is dropped, its attempts are dropped.
///
/// # Errors
/// Returns the error of the attempt that failed last, or an error of the kind [`io::ErrorKind::NotFound`] if there was
/// no attempt.
pub async fn race<R, T, F>(runtime: &R, attempts: impl IntoIterator<Item = F>) -> io::Result<T>
where
    R: Runtime,
    F: Future<Output = io::Result<T>> + Send,
{
    let mut waiting = attempts.into_iter();
    let mut running: Vec<Pin<Box<F>>> = Vec::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        running.extend(waiting.next().map(Box::pin));
        if running.is_empty() {
            return Err(last);
        }
        let mut head_start = pin!(runtime.sleep_until(runtime.now().after(HEAD_START)));
        let mut step = |cx: &mut Context<'_>| match poll_all(&mut running, cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => head_start.as_mut().poll(cx).map(|()| None),
        };
        match poll_fn(&mut step).await {
            Some(Ok(won)) => return Ok(won),
            Some(Err(error)) => last = error,
            None => {}
        }
    }
}

/// Returns the first result, and removes its attempt.
fn poll_all<T, F: Future<Output = io::Result<T>>>(
    running: &mut Vec<Pin<Box<F>>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    for at in 0..running.len() {
        let Some(attempt) = running.get_mut(at) else { break };
        if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
            drop(running.swap_remove(at));
            return Poll::Ready(result);
        }
    }
    Poll::Pending
}

#[cfg(not(feature = "websocket"))]
#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::Timestamp;

    /// A runtime that dials nobody.
    struct Nothing;

    impl Runtime for Nothing {
        type Stream = TransportStream;

        async fn dial(&self, _: &str, _: u16, _: u32) -> io::Result<TransportStream> {
            panic!("nothing is dialled")
        }

        fn sleep_until(&self, _: Timestamp) -> impl Future<Output = ()> + Send {
            pending()
        }

        fn now(&self) -> Timestamp {
            Timestamp::ZERO
        }

        fn unblock<T: Send + 'static>(
            &self,
            work: impl FnOnce() -> T + Send + 'static,
        ) -> impl Future<Output = T> + Send {
            ready(work())
        }

        fn entropy(&self) -> [u8; 32] {
            [0; 32]
        }
    }

    #[test]
    fn a_web_socket_that_is_not_compiled_in_is_named_with_its_feature() {
        let dial = Dial::new(Arc::new(Nothing), TlsConfig::default());
        for uri in ["ws://broker/ws", "wss://broker/ws"] {
            let endpoint: Endpoint = uri.parse().unwrap();
            let mut dialled = std::pin::pin!(dial.connect(&endpoint, 0));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let std::task::Poll::Ready(Err(error)) = dialled.as_mut().poll(&mut cx) else { panic!("{uri}") };
            assert!(TransportError::is_permanent(&error));
            assert!(error.to_string().contains("enable the feature websocket"), "{error}");
        }
    }
}
