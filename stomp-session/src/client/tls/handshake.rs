//! From a connection to a secured one: which library, how long, and what its failure means.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{TlsBackend, TlsConfig, explain::Peer, secured::Secured};
use crate::{
    Endpoint,
    client::{Runtime, TransportError, runtime::Stream},
};

/// What the handshakes of one client share.
pub(in crate::client) struct Tls {
    config: Arc<TlsConfig>,
    #[cfg(feature = "rustls")]
    prepared: super::pure::Prepared,
}

impl Tls {
    pub(in crate::client) fn new(config: TlsConfig) -> Self {
        Self {
            config: Arc::new(config),
            #[cfg(feature = "rustls")]
            prepared: super::pure::Prepared::default(),
        }
    }

    /// Secures a connection, or says in words why not. Cancel safe: dropped, it closes the connection.
    pub(in crate::client) async fn secure<R: Runtime>(
        &self,
        runtime: &R,
        endpoint: &Endpoint,
        stream: R::Stream,
    ) -> io::Result<Stream> {
        let limit = self.config.handshake_timeout;
        let mut deadline = pin!(runtime.sleep_until(runtime.now().after(limit)));
        let mut handshake = pin!(self.shake_hands(runtime, endpoint, stream));
        poll_fn(|cx| match handshake.as_mut().poll(cx) {
            Poll::Pending => deadline.as_mut().poll(cx).map(|()| Err(too_slow(limit))),
            ready => ready,
        })
        .await
    }

    async fn shake_hands<R: Runtime>(
        &self,
        runtime: &R,
        endpoint: &Endpoint,
        stream: R::Stream,
    ) -> io::Result<Stream> {
        let name = self.config.server_name.as_deref().unwrap_or_else(|| endpoint.host());
        let peer = Peer::new(name, &self.config);
        match self.config.backend {
            #[cfg(feature = "native-tls")]
            TlsBackend::Available | TlsBackend::NativeTls => {
                super::native::connect(runtime, Arc::clone(&self.config), peer, stream).await
            }
            #[cfg(all(feature = "rustls", not(feature = "native-tls")))]
            TlsBackend::Available => self.by_rustls(runtime, peer, stream).await,
            #[cfg(feature = "rustls")]
            TlsBackend::Rustls => self.by_rustls(runtime, peer, stream).await,
            #[allow(unreachable_patterns, reason = "it is where both libraries are compiled in")]
            missing => Err(TransportError::permanent(format!("{missing:?} is not compiled in")).into()),
        }
    }

    #[cfg(feature = "rustls")]
    async fn by_rustls<R: Runtime>(&self, runtime: &R, peer: Peer, stream: R::Stream) -> io::Result<Stream> {
        let config = self.prepared.get(runtime, &self.config).await?;
        super::pure::connect(config, peer, stream).await
    }
}

fn too_slow(limit: std::time::Duration) -> io::Error {
    let seconds = limit.as_secs_f64();
    TransportError::new(format!("the TLS handshake did not end within {seconds:.1} s: is it a TLS port?"))
        .into()
}

/// The stream of a handshake that has ended, with errors in our words.
pub(super) fn secured<S>(peer: Peer, stream: S) -> Stream
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    Stream::new(Secured { stream, peer })
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}
