//! Certificates of a test's own making, good ones and bad ones.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// How long a certificate is good, and how long one that is not has been or will be.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Somebody who issues certificates.
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
    /// Its key, PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Leaf {
    common_name: String,
    names: Vec<String>,
    purpose: ExtendedKeyUsagePurpose,
    from: SystemTime,
    until: SystemTime,
}

impl Leaf {
    /// A broker's, for these host names and addresses.
    #[must_use]
    pub fn server(names: &[&str]) -> Self {
        Self::new("a broker", names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's, of that name.
    #[must_use]
    pub fn client(name: &str) -> Self {
        Self::new(name, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn new(common_name: &str, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> Self {
        let now = SystemTime::now();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { common_name: common_name.to_owned(), names, purpose, from: now - DAY, until: now + DAY }
    }

    /// The same with that common name, where names were written before there were alternative ones.
    #[must_use]
    pub fn called(mut self, common_name: &str) -> Self {
        common_name.clone_into(&mut self.common_name);
        self
    }

    /// The same, no longer valid.
    #[must_use]
    pub fn expired(mut self) -> Self {
        (self.from, self.until) = (self.from - DAY, self.from);
        self
    }

    /// The same, not valid yet.
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

    /// The certificate, signed by itself.
    #[must_use]
    pub fn self_signed(&self) -> Identity {
        let key = key();
        let certificate = self.params().self_signed(&key).expect("it can be signed");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Authority {
    /// One of that name, which nobody trusts yet.
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

    /// Its own certificate, in PEM: who trusts it trusts all that it issues.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The authority itself, key and all.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { certificate: self.certificate.clone(), key: self.issuer.key().serialize_pem() }
    }

    /// A certificate, signed by this authority.
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
