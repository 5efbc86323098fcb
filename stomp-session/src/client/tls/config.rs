//! The configuration of TLS, which does not depend on the library.

use std::{fmt, time::Duration};

/// The configuration of TLS, for endpoints that require it (`ssl://`, `stomp+ssl://`, `stomps://`).
///
/// The default is safe: TLS 1.2 or 1.3, and a certificate that the system trusts and that was issued for the host of
/// the endpoint, never for the address to which that resolves. An endpoint that requires TLS is never connected without
/// it.
///
/// ```
/// use stomp_session::client::{Client, ClientCertificate, TlsConfig};
/// # let (ca, certificate, key) = (Vec::new(), Vec::new(), Vec::new());
///
/// let mut tls = TlsConfig::default();
/// tls.roots.push(ca); // the content of a file in PEM
/// tls.client_certificate = Some(ClientCertificate::pem(certificate, key));
/// let builder = Client::builder("ssl://broker.example").tls(tls);
/// ```
///
/// For a TLS library that is not supported here, or for a stream other than TCP, implement a
/// [`Connector`](crate::client::Connector).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsConfig {
    /// The TLS library. Default: [`TlsBackend::Available`].
    pub backend: TlsBackend,
    /// Whether to trust the authorities that the system trusts. Default: `true`.
    pub system_roots: bool,
    /// The certificates of further authorities to trust, in PEM. Each entry may contain several. Default: none.
    pub roots: Vec<Vec<u8>>,
    /// The certificate of the client, for brokers that require one. Default: `None`.
    pub client_certificate: Option<ClientCertificate>,
    /// The name for which the broker's certificate must be issued. Default: `None`, which is the host of the endpoint.
    ///
    /// This name is also sent to the broker (SNI).
    pub server_name: Option<String>,
    /// The time limit for the handshake, counted from when the TCP connection is made. Default: 5 s, which is half of
    /// the time limit for the whole dial, so that the error names the part that hangs.
    pub handshake_timeout: Duration,
    /// **Dangerous**: accepts any certificate, whoever has issued it, for any name, expired or not. Default: `false`.
    ///
    /// Anybody on the way can then read and change everything, passcodes included. For a broker with a self-signed
    /// certificate, add that certificate to [`roots`](Self::roots) instead.
    pub danger_accept_invalid_certificates: bool,
    /// **Dangerous**: accepts a trusted certificate that was issued for another name. Default: `false`.
    ///
    /// For a broker that is reached by another name, set [`server_name`](Self::server_name) instead.
    pub danger_accept_invalid_host_names: bool,
    /// A configuration of rustls, for what the other fields cannot express. Default: `None`.
    ///
    /// It is used as it is, whether rustls was [chosen](Self::backend) or not, and decides alone which certificates are
    /// trusted. Of the other fields, only [`server_name`](Self::server_name) and
    /// [`handshake_timeout`](Self::handshake_timeout) are used.
    ///
    /// Each dial fails with a permanent error if this is combined with [`roots`](Self::roots), a [client
    /// certificate](Self::client_certificate), one of the dangerous fields, or [`TlsBackend::NativeTls`], which cannot
    /// use it. This field requires the feature `rustls`.
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

/// A TLS library.
///
/// Cargo compiles in the features that any crate of a program asks for, so both libraries may be present although you
/// asked for one. What is chosen here is used in any case. If it is not compiled in, each dial fails with a permanent
/// error.
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
    /// [`Rustls`](Self::Rustls) if it is compiled in, or else [`NativeTls`](Self::NativeTls). Therefore a crate that
    /// adds native-tls to a program changes nothing for a crate that uses the default.
    #[default]
    Available,
    /// The TLS library of the system (feature `native-tls`).
    ///
    /// On Linux this is OpenSSL, which reads its trust store anew for each connection. This takes about 50 ms and is
    /// done outside the driver's thread.
    NativeTls,
    /// rustls with ring (feature `rustls`, which is a default of the adapters). It trusts what the system trusts, and
    /// requires only a C compiler to build. A client that connects again resumes its session of TLS if the broker permits
    /// that.
    Rustls,
}

/// A certificate with its private key. Neither is shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    pub(super) chain: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl ClientCertificate {
    /// Creates a client certificate from a chain of certificates and a private key, both in PEM.
    ///
    /// The chain begins with the client's certificate, followed by those between it and its authority. The key must not
    /// be encrypted. For native-tls it must be PKCS#8 (`BEGIN PRIVATE KEY`); rustls accepts the older forms too.
    ///
    /// If they cannot be used, the first dial fails.
    pub fn pem(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self { chain: chain.into(), key: key.into() }
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(***)")
    }
}
