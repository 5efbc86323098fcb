//! What a failure of TLS can be.

/// What has gone wrong, whichever library tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The broker's certificate is wrong in a way that only the library's text tells.
    BadCertificate,
    /// The connection ended without TLS's farewell.
    CutOff,
    Expired,
    /// Nothing of TLS: the connection, or what the table does not know.
    Other,
    NoCommonWay,
    NotTls,
    NotYetValid,
    /// The broker wants a certificate of ours, or does not like the one it got.
    OurCertificate,
    UnknownAuthority,
    WrongName,
    WrongPurpose,
}

impl Meaning {
    /// Whether the next try would end alike: what is wrong is an identity or a configuration.
    pub(super) const fn is_final(self) -> bool {
        !matches!(self, Self::CutOff | Self::NotTls | Self::Other)
    }
}
