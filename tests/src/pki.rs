//! Certificates for tests, valid and invalid ones.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// How long a certificate is valid, in the present, the past or the future.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate authority.
///
/// ```
/// use stomp_testkit::pki::{Authority, Leaf};
///
/// let authority = Authority::new("an authority");
/// let broker = authority.issue(&Leaf::server(&["localhost", "127.0.0.1"]));
/// assert!(broker.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
/// ```
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, in PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The contents of a certificate to be issued.
#[derive(Clone, Debug)]
pub struct Leaf {
    common_name: String,
    names: Vec<String>,
    purpose: ExtendedKeyUsagePurpose,
    from: SystemTime,
    until: SystemTime,
}

impl Leaf {
    /// Creates the contents of a server certificate for these host names and addresses.
    #[must_use]
    pub fn server(names: &[&str]) -> Self {
        Self::new("a broker", names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Creates the contents of a client certificate with this name.
    #[must_use]
    pub fn client(name: &str) -> Self {
        Self::new(name, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn new(common_name: &str, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> Self {
        let now = SystemTime::now();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { common_name: common_name.to_owned(), names, purpose, from: now - DAY, until: now + DAY }
    }

    /// Sets the common name, which held the host name before alternative names were introduced.
    #[must_use]
    pub fn called(mut self, common_name: &str) -> Self {
        common_name.clone_into(&mut self.common_name);
        self
    }

    /// Makes the certificate valid for this time from now on, instead of a day.
    ///
    /// # Panics
    /// Panics if the end is later than the last time that the system can express.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.until = SystemTime::now() + time;
        self
    }

    /// Makes the certificate one that has expired.
    #[must_use]
    pub fn expired(mut self) -> Self {
        (self.from, self.until) = (self.from - DAY, self.from);
        self
    }

    /// Makes the certificate one that is not valid yet.
    #[must_use]
    pub fn of_tomorrow(mut self) -> Self {
        (self.from, self.until) = (self.until, self.until + DAY);
        self
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).expect("names of a certificate");
        params.distinguished_name.push(DnType::CommonName, &self.common_name);
        params.extended_key_usages = vec![self.purpose.clone()];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        (params.not_before, params.not_after) = (self.from.into(), self.until.into());
        params
    }

    /// Issues the certificate, signed with its own key.
    #[must_use]
    pub fn self_signed(&self) -> Identity {
        let key = key();
        let certificate = self.params().self_signed(&key).expect("it can be signed");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Authority {
    /// Creates an authority with this name. Nothing trusts it until its certificate is configured.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = key();
        let certificate = params.self_signed(&key).expect("it can be signed").pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Returns the certificate of the authority, in PEM. A client that trusts it trusts everything that the authority
    /// issues.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Returns the certificate of the authority with its key.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { certificate: self.certificate.clone(), key: self.issuer.key().serialize_pem() }
    }

    /// Issues a certificate, signed by this authority.
    #[must_use]
    pub fn issue(&self, leaf: &Leaf) -> Identity {
        let key = key();
        let certificate = leaf.params().signed_by(&key, &self.issuer).expect("it can be signed");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key of the default kind")
}
