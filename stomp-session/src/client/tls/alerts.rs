//! What the errors of rustls mean.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};

use super::meaning::Meaning;

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

/// An alert says what the broker objects to in this client.
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
