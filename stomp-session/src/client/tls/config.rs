//! What is wanted of TLS, whichever library speaks it.

use std::{fmt, time::Duration};

/// How TLS is spoken to the endpoints that ask for it (`ssl://`, `stomp+ssl://`, `stomps://`).
///
/// The default is the safe one: TLS 1.2 or 1.3, a certificate that the system trusts, and issued for the host that the
/// endpoint names (never for the address it resolves to). An endpoint that asks for TLS is never spoken to without.
///
/// ```
/// use stomp_session::client::{Client, ClientCertificate, TlsConfig};
/// # let (ca, certificate, key) = (Vec::new(), Vec::new(), Vec::new());
///
/// let mut tls = TlsConfig::default();
/// tls.roots.push(ca); // a file's content, in PEM
/// tls.client_certificate = Some(ClientCertificate::pem(certificate, key));
/// let builder = Client::builder("ssl://broker.example").tls(tls);
/// ```
///
/// For a library that is not shipped here, or a stream that is no TCP, give a [`Connector`](crate::client::Connector) of your own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsConfig {
    /// The library that does it.
    pub backend: TlsBackend,
    /// Whether the authorities are trusted that the system trusts. They are.
    pub system_roots: bool,
    /// Certificates of further authorities, in PEM; each entry may hold several.
    pub roots: Vec<Vec<u8>>,
    /// Who we are, for brokers that want to know.
    pub client_certificate: Option<ClientCertificate>,
    /// The name that the broker's certificate must hold, where it is not the host of the endpoint. It is also what the
    /// broker is told that we look for (SNI).
    pub server_name: Option<String>,
    /// How long the handshake may take once the connection stands. 5 s: half of the time for the whole of dialling, so that
    /// the one that hangs is named.
    pub handshake_timeout: Duration,
    /// **Dangerous**: takes any certificate, whoever issued it, for whomever, expired or not. Anybody on the way can read
    /// and change everything, passcodes included. For a broker with a certificate of its own making, put that into
    /// [`roots`](Self::roots) instead.
    pub danger_accept_invalid_certificates: bool,
    /// **Dangerous**: takes a trusted certificate that was issued for somebody else. For a broker that is reached by another
    /// name, set [`server_name`](Self::server_name) instead.
    pub danger_accept_invalid_host_names: bool,
    /// A configuration of rustls, for what the fields above cannot say. It is used as it is, whether rustls was
    /// [chosen](Self::backend) or not: of the rest only [`server_name`](Self::server_name) and
    /// [`handshake_timeout`](Self::handshake_timeout) count beside it, and whom it trusts is its own business. Together with
    /// [`roots`](Self::roots), a [client certificate](Self::client_certificate), the dangerous switches, or
    /// [`TlsBackend::NativeTls`], which cannot use it, it is a permanent error of each dial. Exists with the feature
    /// `rustls`.
    #[cfg(feature = "rustls")]
    pub rustls: Option<std::sync::Arc<rustls::ClientConfig>>,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            backend: TlsBackend::default(),
            system_roots: true,
            roots: Vec::new(),
            client_certificate: None,
            server_name: None,
            handshake_timeout: Duration::from_secs(5),
            danger_accept_invalid_certificates: false,
            danger_accept_invalid_host_names: false,
            #[cfg(feature = "rustls")]
            rustls: None,
        }
    }
}

/// The library that speaks TLS.
///
/// Cargo compiles the features that any crate of a program asks for, so both may be there although you asked for one. What
/// you chose here stays chosen. What is not compiled in, is a permanent error of each dial.
///
/// ```
/// use stomp_session::client::{TlsBackend, TlsConfig};
///
/// let mut tls = TlsConfig::default();
/// tls.backend = TlsBackend::NativeTls; // whatever other crates ask for
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsBackend {
    /// [`Rustls`](Self::Rustls) if it is compiled in, else [`NativeTls`](Self::NativeTls): a crate that adds native-tls to a
    /// program changes nothing for one that uses the default.
    #[default]
    Available,
    /// What the system brings (feature `native-tls`): OpenSSL on Linux, which it asks for its trust store anew with every
    /// connection, some 50 ms of work that is done off the driver's thread.
    NativeTls,
    /// rustls with ring (feature `rustls`, the default of the adapters). It trusts what the system trusts, and builds with a
    /// C compiler and nothing else.
    Rustls,
}

/// A certificate with its private key. Neither is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub(super) chain: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl ClientCertificate {
    /// The certificate and those between it and its authority, ours first, and the key; both in PEM. The key is not
    /// encrypted; for native-tls it is PKCS#8 (`BEGIN PRIVATE KEY`), rustls takes the older forms, too.
    ///
    /// Whether they are right shows at the first dial.
    pub fn pem(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self { chain: chain.into(), key: key.into() }
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(***)")
    }
}
