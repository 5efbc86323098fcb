//! The connector of the adapters, which dials by TCP and uses TLS if the endpoint requires it.

use std::{io, sync::Arc};

use futures_io::{AsyncRead, AsyncWrite};

#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
use super::runtime::TransportError;
use super::runtime::{Addresses, Connector, Runtime, TransportStream};
#[cfg(any(feature = "native-tls", feature = "rustls"))]
use super::tls::Tls;
use super::tls::TlsConfig;
use crate::Endpoint;

/// The connector of the adapters. It dials by TCP, and uses TLS if the endpoint requires it.
#[derive(Debug)]
pub struct Dial<R> {
    runtime: Arc<R>,
    #[cfg(any(feature = "native-tls", feature = "rustls"))]
    tls: Tls,
}

impl<R: Runtime> Dial<R> {
    /// Creates a connector that dials by this runtime, with this configuration of TLS.
    #[cfg_attr(not(any(feature = "native-tls", feature = "rustls")), allow(unused_variables))]
    pub fn new(runtime: Arc<R>, tls: TlsConfig) -> Self {
        Self {
            runtime,
            #[cfg(any(feature = "native-tls", feature = "rustls"))]
            tls: Tls::new(tls),
        }
    }
}

impl<R: Runtime> Dial<R> {
    /// Returns an error if no dial can succeed because of the endpoint or the configuration of TLS.
    fn check(&self, endpoint: &Endpoint) -> io::Result<()> {
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

    /// Begins TLS on a stream if the endpoint requires TLS. Otherwise the stream is not changed.
    ///
    /// This is for a [`Connector`] that goes through a proxy or a tunnel. The certificate is checked against the
    /// endpoint's host, or [`TlsConfig::server_name`], wherever the stream leads.
    ///
    /// This method is cancel safe: if its future is dropped, the stream is closed.
    ///
    /// # Errors
    /// Returns an error if the handshake fails. If no retry can succeed, it contains a permanent
    /// [`TransportError`](super::TransportError).
    pub async fn secure<S>(&self, endpoint: &Endpoint, stream: S) -> io::Result<TransportStream>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.check(endpoint)?;
        #[cfg(any(feature = "native-tls", feature = "rustls"))]
        if endpoint.is_tls() {
            return self.tls.secure(&*self.runtime, endpoint, stream).await;
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
