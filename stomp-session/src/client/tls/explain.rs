//! What a TLS error means, in words, and whether a retry may succeed.

use std::{error::Error, io};

use super::{config::TlsConfig, meaning::Meaning};
use crate::client::runtime::TransportError;

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
    pub(super) fn broken(&self, error: io::Error) -> io::Error {
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
    if let Some(meaning) = super::alerts::meaning(error) {
        return meaning;
    }
    #[cfg(feature = "native-tls")]
    if let Some(meaning) = super::texts::meaning(&error.to_string()) {
        return meaning;
    }
    let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if io == Some(io::ErrorKind::UnexpectedEof) { Meaning::CutOff } else { Meaning::Other }
}
