//! Turns a connection into one with TLS: chooses the library, limits the time, and explains a failure.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{
    config::{TlsBackend, TlsConfig},
    explain::Peer,
};
use crate::{
    Endpoint,
    client::runtime::{Runtime, TransportError, TransportStream},
};

/// What the handshakes of one client share.
pub(in crate::client) struct Tls {
    config: Arc<TlsConfig>,
    #[cfg(feature = "rustls")]
    prepared: super::rustls::Prepared,
}

impl Tls {
    pub(in crate::client) fn new(config: TlsConfig) -> Self {
        Self {
            config: Arc::new(config),
            #[cfg(feature = "rustls")]
            prepared: super::rustls::Prepared::default(),
        }
    }

    /// Returns the library to use, or what is wrong with the configuration. This is checked before anything is dialled.
    pub(in crate::client) fn backend(&self) -> Result<TlsBackend, TransportError> {
        let backend = match self.config.backend {
            TlsBackend::Available if cfg!(feature = "rustls") => TlsBackend::Rustls,
            TlsBackend::Available => TlsBackend::NativeTls,
            chosen => chosen,
        };
        let missing = match backend {
            TlsBackend::Rustls if !cfg!(feature = "rustls") => {
                "Rustls is not compiled in: enable the feature rustls"
            }
            TlsBackend::NativeTls if !cfg!(feature = "native-tls") => {
                "NativeTls is not compiled in: enable the feature native-tls"
            }
            #[cfg(feature = "rustls")]
            TlsBackend::NativeTls if self.config.rustls.is_some() => {
                "NativeTls cannot use TlsConfig::rustls: leave one of them out"
            }
            usable => {
                #[cfg(feature = "rustls")]
                self.check_alone()?;
                return Ok(usable);
            }
        };
        Err(TransportError::permanent(format!("TlsConfig::backend cannot be used: {missing}")))
    }

    /// A configuration of rustls stands alone: what is set beside it would have no effect.
    #[cfg(feature = "rustls")]
    fn check_alone(&self) -> Result<(), TransportError> {
        let config = &self.config;
        let set = [
            ("roots", !config.roots.is_empty()),
            ("client_certificate", config.client_certificate.is_some()),
            ("danger_accept_invalid_certificates", config.danger_accept_invalid_certificates),
            ("danger_accept_invalid_host_names", config.danger_accept_invalid_host_names),
        ];
        match set.iter().find(|(_, is_set)| *is_set && config.rustls.is_some()) {
            Some((field, _)) => Err(TransportError::permanent(format!(
                "TlsConfig::{field} cannot be used beside TlsConfig::rustls: set it there"
            ))),
            None => Ok(()),
        }
    }

    /// Secures a connection, or explains why not. Cancel safe: if dropped, the connection is closed.
    pub(in crate::client) async fn secure<R, S>(
        &self,
        runtime: &R,
        endpoint: &Endpoint,
        stream: S,
    ) -> io::Result<TransportStream>
    where
        R: Runtime,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let limit = self.config.handshake_timeout;
        let mut deadline = pin!(runtime.sleep_until(runtime.now().after(limit)));
        let mut handshake = pin!(self.shake_hands(runtime, endpoint, stream));
        poll_fn(|cx| match handshake.as_mut().poll(cx) {
            Poll::Pending => deadline.as_mut().poll(cx).map(|()| Err(too_slow(limit))),
            ready => ready,
        })
        .await
    }

    async fn shake_hands<R, S>(
        &self,
        runtime: &R,
        endpoint: &Endpoint,
        stream: S,
    ) -> io::Result<TransportStream>
    where
        R: Runtime,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let name = self.config.server_name.as_deref().unwrap_or_else(|| endpoint.host());
        let peer = Peer::new(name, &self.config);
        match self.backend()? {
            #[cfg(feature = "native-tls")]
            TlsBackend::NativeTls => {
                super::native::connect(runtime, Arc::clone(&self.config), peer, stream).await
            }
            #[cfg(feature = "rustls")]
            TlsBackend::Rustls => {
                let config = self.prepared.get(runtime, &self.config).await?;
                super::rustls::connect(config, peer, stream).await
            }
            _ => Err(TransportError::permanent("no TLS library is compiled in").into()),
        }
    }
}

fn too_slow(limit: std::time::Duration) -> io::Error {
    let seconds = limit.as_secs_f64();
    let text = format!("the TLS handshake did not end within {seconds:.1} s: is it a TLS port?");
    TransportError::new(text).of_kind(io::ErrorKind::TimedOut).into()
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(wanted: TlsBackend) -> Result<TlsBackend, String> {
        Tls::new(TlsConfig { backend: wanted, ..TlsConfig::default() }).backend().map_err(|error| {
            assert!(TransportError::is_permanent(&error.clone().into()), "no retry compiles it in");
            error.to_string()
        })
    }

    #[test]
    fn rustls_is_used_wherever_it_is_compiled_in_and_nothing_is_chosen() {
        let expected = if cfg!(feature = "rustls") { TlsBackend::Rustls } else { TlsBackend::NativeTls };
        assert_eq!(backend(TlsBackend::default()), Ok(expected));
    }

    #[test]
    fn what_is_chosen_is_used_or_named_with_its_feature() {
        for (wanted, is_there, feature) in [
            (TlsBackend::Rustls, cfg!(feature = "rustls"), "feature rustls"),
            (TlsBackend::NativeTls, cfg!(feature = "native-tls"), "feature native-tls"),
        ] {
            match backend(wanted) {
                Ok(backend) => assert!(is_there && backend == wanted),
                Err(text) => assert!(!is_there && text.contains(feature), "{text}"),
            }
        }
    }
}
