//! Certificates in PEM for rustls, and what there is to say when something cannot be used.

use std::error::Error;

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::client::runtime::TransportError;

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

/// Only the text of the error behind it is kept: the error itself may hold what it could not read, a key among it.
pub(super) fn unusable(what: &str, error: &(dyn Error + 'static)) -> TransportError {
    TransportError::permanent(what).caused_by(error.to_string())
}
