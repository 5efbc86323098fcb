//! The connector of the adapters, which dials by TCP and uses TLS and a WebSocket if the endpoint requires them.

use std::{io, sync::Arc};

use futures_io::{AsyncRead, AsyncWrite};
#[cfg(feature = "websocket")]
use stomp_proto::Version;

#[cfg(not(all(any(feature = "native-tls", feature = "rustls"), feature = "websocket")))]
use super::runtime::TransportError;
use super::runtime::{Addresses, Connector, Runtime, TransportStream};
#[cfg(any(feature = "native-tls", feature = "rustls"))]
use super::tls::Tls;
use super::tls::TlsConfig;
#[cfg(feature = "websocket")]
use super::web_socket::{WebSocketConfig, WebSockets};
use crate::Endpoint;

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
    /// [`TransportError`](super::TransportError).
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
    /// [`TransportError`](super::TransportError).
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

#[cfg(not(feature = "websocket"))]
#[cfg(test)]
mod tests {
    use std::future::{Future, pending, ready};

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
