//! What a TLS error means, whichever library reports it: in words, and whether a retry may succeed.
//!
//! In TLS 1.3, a broker refuses the client's certificate only after the handshake: the errors of the stream are explained as
//! well.

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
#[cfg(feature = "rustls")]
use rustls::{AlertDescription, CertificateError};

use super::config::TlsConfig;
use crate::client::runtime::{TransportError, TransportStream};

/// The name of the broker, and what its errors depend on.
pub(super) struct Peer {
    name: String,
    /// Whether the client has a certificate.
    identified: bool,
}

impl Peer {
    pub(super) fn new(name: &str, config: &TlsConfig) -> Self {
        #[cfg(feature = "rustls")]
        if let Some(config) = &config.rustls {
            return Self { name: name.to_owned(), identified: config.client_auth_cert_resolver.has_certs() };
        }
        Self { name: name.to_owned(), identified: config.client_certificate.is_some() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Explains why the handshake failed.
    pub(super) fn refused(&self, error: impl Error + Send + Sync + 'static) -> io::Error {
        let meaning = meaning(&error);
        let text = self.words(meaning);
        let told =
            if meaning.is_final() { TransportError::permanent(text) } else { TransportError::new(text) };
        let told = told.caused_by(error);
        match meaning {
            Meaning::Other => told,
            Meaning::CutOff => told.of_kind(io::ErrorKind::UnexpectedEof),
            _ => told.of_kind(io::ErrorKind::InvalidData),
        }
        .into()
    }

    /// Explains why an established stream broke. Errors that TLS did not cause are left as they are.
    fn broken(&self, error: io::Error) -> io::Error {
        match meaning(&error) {
            Meaning::CutOff => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            Meaning::OurCertificate | Meaning::NoCommonWay => self.refused(error),
            _ => error,
        }
    }

    fn words(&self, meaning: Meaning) -> String {
        let name = &self.name;
        match meaning {
            Meaning::BadCertificate => "the broker's certificate is not acceptable".into(),
            Meaning::CutOff => "the broker ended the TLS handshake: is it a TLS port?".into(),
            Meaning::Expired => "the broker's certificate has expired, or the clock here is wrong".into(),
            Meaning::NoCommonWay => format!(
                "the broker and this client share no TLS version or cipher, or the broker wants {}",
                if self.identified { "another client certificate" } else { "a client certificate" }
            ),
            Meaning::NotTls => "the broker does not speak TLS on this port: is it the one for tcp://?".into(),
            Meaning::NotYetValid => {
                "the broker's certificate is not valid yet, or the clock here is wrong".into()
            }
            Meaning::Other => "the TLS handshake failed".into(),
            Meaning::OurCertificate if self.identified => "the broker refuses the client certificate".into(),
            Meaning::OurCertificate => {
                "the broker wants a client certificate: set TlsConfig::client_certificate".into()
            }
            Meaning::UnknownAuthority => {
                "the broker's certificate is self-signed or from an authority that is not trusted \
                 here: add the certificate of the right one to TlsConfig::roots"
                    .into()
            }
            Meaning::WrongName => {
                format!(
                    "the broker's certificate is not valid for \"{name}\": set TlsConfig::server_name if it has another name"
                )
            }
            Meaning::WrongPurpose => "the broker's certificate is not one for servers".into(),
        }
    }
}

fn meaning(error: &(dyn Error + 'static)) -> Meaning {
    #[cfg(feature = "rustls")]
    if let Some(meaning) = of_rustls(error) {
        return meaning;
    }
    #[cfg(feature = "native-tls")]
    if let Some(meaning) = of_openssl(&error.to_string()) {
        return meaning;
    }
    let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if io == Some(io::ErrorKind::UnexpectedEof) { Meaning::CutOff } else { Meaning::Other }
}

/// What a TLS error means, whichever library reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The broker's certificate is wrong in a way that only the text of the library describes.
    BadCertificate,
    /// The connection ended without a close_notify.
    CutOff,
    Expired,
    /// An error that TLS did not cause, or that is not in the table.
    Other,
    NoCommonWay,
    NotTls,
    NotYetValid,
    /// The broker wants a certificate of the client, or refuses the one that it got.
    OurCertificate,
    UnknownAuthority,
    WrongName,
    WrongPurpose,
}

impl Meaning {
    /// Whether a retry would fail in the same way, because an identity or a configuration is wrong.
    const fn is_final(self) -> bool {
        !matches!(self, Self::CutOff | Self::NotTls | Self::Other)
    }
}

/// What an error of rustls means. It travels as itself or inside an `io::Error`.
#[cfg(feature = "rustls")]
fn of_rustls(error: &(dyn Error + 'static)) -> Option<Meaning> {
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

#[cfg(feature = "rustls")]
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

/// An alert says what the broker objects to in this client.
#[cfg(feature = "rustls")]
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

/// Parts of error texts of OpenSSL 1.1 and 3, the more specific ones first. Other systems have others. A text without
/// any of these parts is shown as it is.
#[cfg(feature = "native-tls")]
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
#[cfg(feature = "native-tls")]
fn of_openssl(text: &str) -> Option<Meaning> {
    MEANINGS.iter().find(|(part, _)| text.contains(part)).map(|(_, meaning)| *meaning)
}

/// Returns the stream of a finished handshake, with explained errors.
pub(super) fn secured<S>(peer: Peer, stream: S) -> TransportStream
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    TransportStream::new(Secured { stream, peer })
}

struct Secured<S> {
    stream: S,
    peer: Peer,
}

impl<S: AsyncRead + Unpin> AsyncRead for Secured<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, room);
        read.map_err(|error| self.peer.broken(error))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        written.map_err(|error| self.peer.broken(error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        flushed.map_err(|error| self.peer.broken(error))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
