//! The handshake by rustls.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use rustls::{
    ClientConfig, ConfigBuilder,
    client::WantsClientCert,
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, ServerName, pem::PemObject as _},
};

use super::{
    config::{ClientCertificate, TlsConfig},
    explain::Peer,
    pem::{certificates, unusable},
    secured::secured,
    verifier::verifier,
};
use crate::client::runtime::{Runtime, TransportError, TransportStream};

/// The configuration of rustls, made at the first dial: it reads the system's trust store.
#[derive(Default)]
pub(super) struct Prepared(OnceLock<Arc<ClientConfig>>);

impl Prepared {
    pub(super) async fn get<R: Runtime>(
        &self,
        runtime: &R,
        config: &Arc<TlsConfig>,
    ) -> io::Result<Arc<ClientConfig>> {
        if let Some(prepared) = config.rustls.as_ref().or_else(|| self.0.get()) {
            return Ok(Arc::clone(prepared));
        }
        let config = Arc::clone(config);
        let prepared = Arc::new(runtime.unblock(move || client_config(&config)).await?);
        Ok(Arc::clone(self.0.get_or_init(|| prepared)))
    }
}

pub(super) async fn connect<S>(
    config: Arc<ClientConfig>,
    peer: Peer,
    stream: S,
) -> io::Result<TransportStream>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let name = ServerName::try_from(peer.name().to_owned())
        .map_err(|error| unusable("the server name for TLS is neither a name nor an address", &error))?;
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(secured(peer, stream)),
        Err(error) => Err(peer.refused(error)),
    }
}

fn client_config(config: &TlsConfig) -> Result<ClientConfig, TransportError> {
    // A process may have chosen a provider, and there may be several: rustls panics where it has to choose.
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unusable("the cryptography provider of this process lacks TLS 1.2 or 1.3", &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(config, provider)?);
    match &config.client_certificate {
        None => Ok(builder.with_no_client_auth()),
        Some(ours) => identify(builder, ours),
    }
}

fn identify(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ours: &ClientCertificate,
) -> Result<ClientConfig, TransportError> {
    const WHAT: &str = "TlsConfig::client_certificate cannot be used";
    let key = PrivateKeyDer::from_pem_slice(&ours.key).map_err(|error| unusable(WHAT, &error))?;
    let config = builder.with_client_auth_cert(certificates(&ours.chain, WHAT)?, key);
    config.map_err(|error| unusable(WHAT, &error))
}
