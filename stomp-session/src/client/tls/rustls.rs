//! The handshake by rustls, and which certificates it accepts.

use std::{
    error::Error,
    io,
    sync::{Arc, OnceLock},
};

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WantsClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;

use super::{
    config::{ClientCertificate, TlsConfig},
    explain::{Peer, secured},
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

/// A small system may have been installed without them.
const NO_AUTHORITIES: &str = "this system trusts no authority: install its certificates (on Debian the package \
    ca-certificates), or add that of the broker's authority to TlsConfig::roots";

/// Returns the verifier for this configuration.
fn verifier(
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TransportError> {
    if config.danger_accept_invalid_certificates {
        return Ok(Arc::new(Lenient { chain: None, provider }));
    }
    let strict = strict(config, Arc::clone(&provider))?;
    Ok(match config.danger_accept_invalid_host_names {
        true => Arc::new(Lenient { chain: Some(strict), provider }),
        false => strict,
    })
}

fn strict(
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TransportError> {
    const WHAT: &str = "TlsConfig::roots cannot be used";
    let roots = config.roots.iter().map(|pem| certificates(pem, WHAT));
    let roots = roots.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
    if config.system_roots {
        let verifier = Verifier::new_with_extra_roots(roots, provider);
        let what = if config.roots.is_empty() { NO_AUTHORITIES } else { WHAT };
        return Ok(Arc::new(verifier.map_err(|error| unusable(what, &error))?));
    }
    let mut store = RootCertStore::empty();
    roots.into_iter().try_for_each(|root| store.add(root)).map_err(|error| unusable(WHAT, &error))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
    Ok(verifier.map_err(|error| unusable(WHAT, &error))?)
}

/// A verifier for the dangerous settings. The broker must still prove that it has the key of its certificate.
#[derive(Debug)]
struct Lenient {
    /// Checks everything but the name. `None` accepts any certificate.
    chain: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(certificate, between, name, ocsp, now) {
            // The name is looked at last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Reads the certificates of a text in PEM, of which there must be at least one.
fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(none) if none.is_empty() => {
            Err(TransportError::permanent(format!("{what}: it contains no certificate in PEM")))
        }
        read => read.map_err(|error| unusable(what, &error)),
    }
}

/// Keeps only the text of the error. The error itself may contain what it could not read, such as a key.
fn unusable(what: &str, error: &(dyn Error + 'static)) -> TransportError {
    TransportError::permanent(what).caused_by(error.to_string())
}
