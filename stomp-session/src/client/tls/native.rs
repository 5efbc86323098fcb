//! The handshake by native-tls.

use std::{
    future::Future,
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};
use native_tls::{Certificate, Error, Identity, Protocol, TlsConnector, TlsConnectorBuilder};

use super::{
    config::TlsConfig,
    explain::{Peer, secured},
};
use crate::client::runtime::{Runtime, TransportError, TransportStream};

/// The first poll of the handshake builds the trust store, which takes about 50 ms, so it runs on a thread for slow
/// work. The other polls happen in the driver's task. If the whole handshake were left to the thread, it would keep the
/// thread and a socket when the attempt is given up.
pub(super) async fn connect<R, S>(
    runtime: &R,
    config: Arc<TlsConfig>,
    peer: Peer,
    stream: S,
) -> io::Result<TransportStream>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let name = peer.name().to_owned();
    let mut handshake = Box::pin(async move {
        let connector = async_native_tls::TlsConnector::from(connector(&config)?);
        Ok(connector.connect(name, stream).await)
    });
    let begun = move || {
        // Nobody is woken by this poll: what becomes ready meanwhile is seen by the next one.
        let first = handshake.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        (first, handshake)
    };
    let (first, handshake) = runtime.unblock(begun).await;
    let ended: Result<_, TransportError> = match first {
        Poll::Ready(ended) => ended,
        Poll::Pending => handshake.await,
    };
    match ended? {
        Ok(stream) => Ok(secured(peer, stream)),
        Err(error) => Err(peer.refused(error)),
    }
}

fn connector(config: &TlsConfig) -> Result<TlsConnectorBuilder, TransportError> {
    let mut builder = TlsConnector::builder();
    builder
        .min_protocol_version(Some(Protocol::Tlsv12))
        .disable_built_in_roots(!config.system_roots)
        .danger_accept_invalid_certs(config.danger_accept_invalid_certificates)
        .danger_accept_invalid_hostnames(config.danger_accept_invalid_host_names);
    for pem in &config.roots {
        let certificates = Certificate::stack_from_pem(pem).map_err(|error| unusable("roots", &error))?;
        if certificates.is_empty() {
            return Err(TransportError::permanent(
                "TlsConfig::roots cannot be used: an entry contains no certificate",
            ));
        }
        certificates.into_iter().for_each(|certificate| _ = builder.add_root_certificate(certificate));
    }
    if let Some(ours) = &config.client_certificate {
        let identity = Identity::from_pkcs8(&ours.chain, &ours.key);
        builder.identity(identity.map_err(|error| unusable("client_certificate", &error))?);
    }
    Ok(builder)
}

fn unusable(what: &str, error: &Error) -> TransportError {
    TransportError::permanent(format!("TlsConfig::{what} cannot be used")).caused_by(error.to_string())
}
