//! Dialling as the adapters do: TCP from the runtime, and TLS where the endpoint asks for it.

use std::{io, sync::Arc};

use futures_io::{AsyncRead, AsyncWrite};

#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
use super::runtime::TransportError;
use super::runtime::{Addresses, Connector, Runtime, TransportStream};
#[cfg(any(feature = "native-tls", feature = "rustls"))]
use super::tls::Tls;
use super::tls::TlsConfig;
use crate::Endpoint;

/// The connector of the adapters: TCP, and TLS where the endpoint asks for it.
#[derive(Debug)]
pub struct Dial<R> {
    runtime: Arc<R>,
    #[cfg(any(feature = "native-tls", feature = "rustls"))]
    tls: Tls,
}

impl<R: Runtime> Dial<R> {
    /// Dials by that runtime, and speaks TLS as the configuration says.
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
    /// Says what of the endpoint, or of the configuration of TLS, no dial could satisfy. Worth asking before one.
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

    /// Speaks TLS over a stream of yours, if the endpoint asks for TLS: for a [`Connector`] that goes through a proxy or a
    /// tunnel. Without TLS the stream stays what it is.
    ///
    /// The certificate is checked against the endpoint's host, or [`TlsConfig::server_name`], wherever the stream leads.
    /// Cancel safe: dropped, it closes the stream.
    ///
    /// # Errors
    /// Why the handshake has failed; as a [`TransportError`](super::TransportError) where no retry would help.
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
