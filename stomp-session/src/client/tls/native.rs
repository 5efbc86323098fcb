//! The handshake by native-tls.

use std::{
    future::Future,
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use native_tls::{Certificate, Error, Identity, Protocol, TlsConnector, TlsConnectorBuilder};

use super::{
    TlsConfig,
    explain::{Meaning, Peer},
    handshake::secured,
};
use crate::client::{Runtime, TransportError, runtime::Stream};

/// The first poll of the handshake builds the trust store, some 50 ms of work, and so happens where that harms nobody. The
/// others happen in the driver's task: a handshake that were left to the pool would keep a thread and a socket when it is
/// given up.
pub(super) async fn connect<R: Runtime>(
    runtime: &R,
    config: Arc<TlsConfig>,
    peer: Peer,
    stream: R::Stream,
) -> io::Result<Stream> {
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
        Err(error) => Err(peer.refused(&error)),
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
                "TlsConfig::roots cannot be used: an entry holds no certificate",
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
    TransportError::permanent(format!("TlsConfig::{what} cannot be used")).caused_by(error)
}

/// Parts of texts of OpenSSL, 1.1 and 3, the more special ones first. Other systems have others: what is in none of these rows
/// is told in the library's own words.
const MEANINGS: [(&str, Meaning); 23] = [
    ("hostname mismatch", Meaning::WrongName),
    ("IP address mismatch", Meaning::WrongName),
    ("certificate has expired", Meaning::Expired),
    ("certificate is not yet valid", Meaning::NotYetValid),
    ("certificate purpose", Meaning::WrongPurpose),
    ("unable to get local issuer certificate", Meaning::UnknownAuthority),
    ("unable to get issuer certificate", Meaning::UnknownAuthority),
    ("unable to verify the first certificate", Meaning::UnknownAuthority),
    ("self-signed certificate", Meaning::UnknownAuthority),
    ("self signed certificate", Meaning::UnknownAuthority),
    ("certificate verify failed", Meaning::BadCertificate),
    // An alert is the broker's opinion of us.
    ("alert handshake failure", Meaning::NoCommonWay),
    ("alert protocol version", Meaning::NoCommonWay),
    ("unsupported protocol", Meaning::NoCommonWay),
    ("alert bad certificate", Meaning::OurCertificate),
    ("alert unknown ca", Meaning::OurCertificate),
    ("alert certificate", Meaning::OurCertificate),
    ("wrong version number", Meaning::NotTls),
    ("packet length too long", Meaning::NotTls),
    ("http request", Meaning::NotTls),
    ("https proxy request", Meaning::NotTls),
    ("unexpected eof", Meaning::CutOff),
    ("unexpected EOF", Meaning::CutOff),
];

/// What a text of OpenSSL means.
pub(super) fn meaning(text: &str) -> Option<Meaning> {
    MEANINGS.iter().find(|(part, _)| text.contains(part)).map(|(_, meaning)| *meaning)
}
