//! Certificates in PEM for rustls, and errors about what cannot be used.

use std::error::Error;

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::client::runtime::TransportError;

/// Reads the certificates of a text in PEM, of which there must be at least one.
pub(super) fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(none) if none.is_empty() => {
            Err(TransportError::permanent(format!("{what}: it contains no certificate in PEM")))
        }
        read => read.map_err(|error| unusable(what, &error)),
    }
}

/// Keeps only the text of the error. The error itself may contain what it could not read, such as a key.
pub(super) fn unusable(what: &str, error: &(dyn Error + 'static)) -> TransportError {
    TransportError::permanent(what).caused_by(error.to_string())
}
