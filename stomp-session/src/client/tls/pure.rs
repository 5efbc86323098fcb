//! The handshake by rustls.

use std::{
    error::Error,
    io,
    sync::{Arc, OnceLock},
};

use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder,
    client::WantsClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use super::{
    ClientCertificate, TlsConfig,
    explain::{Meaning, Peer},
    handshake::secured,
    verifier::verifier,
};
use crate::client::{Runtime, TransportError, runtime::Stream};

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

pub(super) async fn connect<S>(config: Arc<ClientConfig>, peer: Peer, stream: S) -> io::Result<Stream>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let name = ServerName::try_from(peer.name().to_owned())
        .map_err(|error| unusable("the server name of TLS is no name and no address", &error))?;
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(secured(peer, stream)),
        Err(error) => Err(peer.refused(&error)),
    }
}

fn client_config(config: &TlsConfig) -> Result<ClientConfig, TransportError> {
    // A process may have chosen a provider, and there may be several: rustls panics where it has to choose.
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unusable("the cryptography of this process lacks TLS 1.2 or 1.3", &error))?
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

/// The certificates of a text in PEM, at least one.
pub(super) fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(none) if none.is_empty() => {
            Err(TransportError::permanent(format!("{what}: it holds no certificate in PEM")))
        }
        read => read.map_err(|error| unusable(what, &error)),
    }
}

pub(super) fn unusable(what: &str, error: &(dyn Error + 'static)) -> TransportError {
    TransportError::permanent(what).caused_by(error)
}

/// What an error of rustls means. It travels as itself or inside an `io::Error`.
pub(super) fn meaning(error: &(dyn Error + 'static)) -> Option<Meaning> {
    let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let error = match inside {
        Some(inside) => inside.downcast_ref::<rustls::Error>(),
        None => error.downcast_ref::<rustls::Error>(),
    };
    Some(match error? {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        rustls::Error::PeerIncompatible(_) => Meaning::NoCommonWay,
        rustls::Error::InvalidMessage(_) => Meaning::NotTls,
        _ => Meaning::Other,
    })
}

const fn of_certificate(error: &CertificateError) -> Meaning {
    use CertificateError as Error;
    match error {
        Error::Expired | Error::ExpiredContext { .. } => Meaning::Expired,
        Error::NotValidYet | Error::NotValidYetContext { .. } => Meaning::NotYetValid,
        Error::NotValidForName | Error::NotValidForNameContext { .. } => Meaning::WrongName,
        Error::UnknownIssuer => Meaning::UnknownAuthority,
        Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => Meaning::WrongPurpose,
        _ => Meaning::BadCertificate,
    }
}

/// An alert is the broker's opinion of us.
const fn of_alert(alert: AlertDescription) -> Meaning {
    use AlertDescription as Alert;
    match alert {
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            Meaning::NoCommonWay
        }
        Alert::BadCertificate
        | Alert::CertificateExpired
        | Alert::CertificateRequired
        | Alert::CertificateRevoked
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::UnsupportedCertificate => Meaning::OurCertificate,
        _ => Meaning::Other,
    }
}
