//! What the error texts of OpenSSL mean.

use super::meaning::Meaning;

/// Parts of error texts of OpenSSL 1.1 and 3, the more specific ones first. Other systems have others. A text without
/// any of these parts is shown as it is.
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
