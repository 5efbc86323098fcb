//! The certificates of a broker with TLS, in the file formats that brokers need.

use crate::pki::{Authority, Identity, Leaf};
use openssl::{pkcs12::Pkcs12, pkey::PKey, x509::X509};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The password of Java's key stores.
pub(super) const STORE_PASSWORD: &str = "changeit";

/// The names in the broker's certificate.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// The certificates of a broker: its own one for `localhost`, and that of the one client that it trusts.
#[derive(Debug)]
pub struct Keys {
    directory: PathBuf,
    authority: String,
    client: Identity,
}

impl Keys {
    /// Creates new certificates in this directory.
    pub(super) fn make(directory: &Path) -> io::Result<Self> {
        let authority = Authority::new("the authority of the test");
        let (broker, client) =
            (authority.issue(&Leaf::server(&NAMES)), authority.issue(&Leaf::client("guest")));
        let directory = directory.join("keys");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("authority.pem"), authority.certificate())?;
        fs::write(directory.join("broker.pem"), &broker.certificate)?;
        fs::write(directory.join("broker.key"), &broker.key)?;
        fs::write(directory.join("broker.p12"), store(&broker)?)?;
        fs::write(directory.join("client.pem"), &client.certificate)?;
        fs::write(directory.join("client.key"), &client.key)?;
        // Java trusts the certificate of a key that it has. The plain form of trust it reads only with an attribute of
        // its own.
        fs::write(directory.join("trusted.p12"), store(&authority.identity())?)?;
        Ok(Self { directory, authority: authority.certificate().to_owned(), client })
    }

    /// Returns the path of one of the files: `authority.pem`, `broker.pem`, `broker.key`, `broker.p12`, `client.pem`,
    /// `client.key`, `trusted.p12`.
    pub fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// Returns the certificate of the authority that has issued the certificate of the broker, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the identity of the only client that the broker accepts over TLS.
    pub fn client(&self) -> &Identity {
        &self.client
    }
}

fn store(identity: &Identity) -> io::Result<Vec<u8>> {
    let key = PKey::private_key_from_pem(identity.key.as_bytes())?;
    let certificate = X509::from_pem(identity.certificate.as_bytes())?;
    let mut store = Pkcs12::builder();
    store.name("key").pkey(&key).cert(&certificate);
    Ok(store.build2(STORE_PASSWORD)?.to_der()?)
}
