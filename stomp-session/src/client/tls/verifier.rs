//! Which certificates rustls accepts.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;

use super::{
    config::TlsConfig,
    pem::{certificates, unusable},
};
use crate::client::runtime::TransportError;

/// A small system may have been installed without them.
const NO_AUTHORITIES: &str = "this system trusts no authority: install its certificates (on Debian the package \
    ca-certificates), or add that of the broker's authority to TlsConfig::roots";

/// Returns the verifier for this configuration.
pub(super) fn verifier(
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
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(certificate, between, name, ocsp, now) {
            // The name is looked at last.
            Err(Error::InvalidCertificate(
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
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
