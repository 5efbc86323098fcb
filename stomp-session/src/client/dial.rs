//! Dialling as the adapters do: TCP from the runtime, and TLS where the endpoint asks for it.

use std::{io, sync::Arc};

#[cfg(not(any(feature = "native-tls", feature = "rustls")))]
use super::runtime::TransportError;
use super::runtime::{Addresses, Connector, Runtime, Stream};
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

impl<R: Runtime> Connector for Dial<R> {
    type Stream = Stream;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<Stream> {
        self.connect_counted(endpoint, &Addresses::new(attempt)).await
    }

    async fn connect_counted(&self, endpoint: &Endpoint, addresses: &Addresses) -> io::Result<Stream> {
        // An endpoint that asks for TLS never gets less.
        #[cfg(not(any(feature = "native-tls", feature = "rustls")))]
        if endpoint.is_tls() {
            let text = "TLS is not compiled in: enable the feature native-tls or rustls";
            return Err(TransportError::permanent(text).into());
        }
        #[cfg(any(feature = "native-tls", feature = "rustls"))]
        if endpoint.is_tls() {
            self.tls.backend()?;
        }
        let stream = self.runtime.dial_counted(endpoint.host(), endpoint.port(), addresses).await?;
        #[cfg(any(feature = "native-tls", feature = "rustls"))]
        if endpoint.is_tls() {
            return self.tls.secure(&*self.runtime, endpoint, stream).await;
        }
        Ok(Stream::new(stream))
    }
}
