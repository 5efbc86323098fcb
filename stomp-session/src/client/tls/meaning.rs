//! What a TLS error can mean.

/// What a TLS error means, whichever library reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
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
    pub(super) const fn is_final(self) -> bool {
        !matches!(self, Self::CutOff | Self::NotTls | Self::Other)
    }
}
