//! The handshake by native-tls.

use std::{
    future::poll_fn,
    io, mem,
    sync::{Arc, OnceLock},
    task::Poll,
};

use futures_io::{AsyncRead, AsyncWrite};
use native_tls::{
    Certificate, Error, HandshakeError, Identity, MidHandshakeTlsStream, Protocol, TlsConnector,
};

use super::{
    blocking::{Blocking, TlsStream},
    config::TlsConfig,
    explain::Peer,
    secured::secured,
};
use crate::client::runtime::{Runtime, TransportError, TransportStream};

/// The connector of native-tls, made at the first dial: OpenSSL reads the system's trust store, which takes about 50 ms.
#[derive(Default)]
pub(super) struct Prepared(OnceLock<TlsConnector>);

impl Prepared {
    pub(super) async fn get<R: Runtime>(
        &self,
        runtime: &R,
        config: &Arc<TlsConfig>,
    ) -> io::Result<TlsConnector> {
        if let Some(prepared) = self.0.get() {
            return Ok(prepared.clone());
        }
        let config = Arc::clone(config);
        let prepared = runtime.unblock(move || connector(&config)).await?;
        Ok(self.0.get_or_init(|| prepared).clone())
    }
}

pub(super) async fn connect<S>(connector: TlsConnector, peer: Peer, stream: S) -> io::Result<TransportStream>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut stage = Stage::New(stream);
    let shaken = poll_fn(|cx| {
        let ended = match mem::replace(&mut stage, Stage::Ended) {
            Stage::New(stream) => connector.connect(peer.name(), Blocking::new(stream, cx.waker())),
            Stage::Begun(mut begun) => {
                begun.get_mut().wake(cx.waker());
                begun.handshake()
            }
            Stage::Ended => return Poll::Pending,
        };
        match ended {
            Ok(stream) => Poll::Ready(Ok(TlsStream::new(stream))),
            Err(HandshakeError::Failure(error)) => Poll::Ready(Err(error)),
            Err(HandshakeError::WouldBlock(mut begun)) => {
                begun.get_mut().forget();
                stage = Stage::Begun(begun);
                Poll::Pending
            }
        }
    });
    match shaken.await {
        Ok(stream) => Ok(secured(peer, stream)),
        Err(error) => Err(peer.refused(error)),
    }
}

/// How far a handshake is.
enum Stage<S> {
    New(S),
    Begun(MidHandshakeTlsStream<Blocking<S>>),
    Ended,
}

fn connector(config: &TlsConfig) -> Result<TlsConnector, TransportError> {
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
    builder.build().map_err(|error| unusable("backend", &error))
}

fn unusable(what: &str, error: &Error) -> TransportError {
    TransportError::permanent(format!("TlsConfig::{what} cannot be used")).caused_by(error.to_string())
}
