//! TLS in front of a broker that does not support it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use futures_lite::{
    AsyncReadExt as _, AsyncWriteExt as _, future,
    io::{AsyncRead, AsyncWrite},
};
use futures_rustls::TlsAcceptor;
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use smol::Async;

use crate::{
    pki::Identity,
    port::{Connection, Port},
};

/// A port that terminates TLS and forwards the decrypted octets to a broker.
///
/// ```
/// use stomp_testkit::{broker::BrokerConfig, pki::{Authority, Leaf}, server::Server, tls::TlsFront};
///
/// let server = Server::start(BrokerConfig::default())?;
/// let authority = Authority::new("an authority");
/// let identity = authority.issue(&Leaf::server(&["localhost"]));
/// let front = TlsFront::start(server.address(), &identity, TlsFrontConfig::default())?;
/// assert!(front.uri().starts_with("ssl://guest:guest@localhost:"));
/// # use stomp_testkit::tls::TlsFrontConfig;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TlsFront {
    port: Port,
    ends: Ends,
}

/// For each connection that has ended, whether the client sent close_notify.
type Ends = Arc<Mutex<Vec<bool>>>;

/// The TLS configuration of a [`TlsFront`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsFrontConfig {
    /// The authority, in PEM, that must have issued the client's certificate. The default is `None`, with which clients
    /// need no certificate.
    pub client_authority: Option<String>,
    /// The supported versions of TLS. The default is 1.2 and 1.3.
    pub versions: Vec<&'static SupportedProtocolVersion>,
    /// Whether the front sends close_notify before it closes. The default is `true`.
    pub farewell: bool,
}

impl Default for TlsFrontConfig {
    fn default() -> Self {
        let versions = vec![&rustls::version::TLS12, &rustls::version::TLS13];
        Self { client_authority: None, versions, farewell: true }
    }
}

impl TlsFront {
    /// Starts a front for the broker at this address, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns an error if no port can be opened.
    ///
    /// # Panics
    /// Panics if a certificate or key is not valid.
    pub fn start(broker: SocketAddr, identity: &Identity, config: TlsFrontConfig) -> io::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(identity, &config)));
        let farewell = config.farewell;
        let ends = Ends::default();
        let noted = Arc::clone(&ends);
        let serve =
            move |client| serve(acceptor.clone(), client, broker, farewell.then(|| Arc::clone(&noted)));
        Ok(Self { port: Port::open(serve)?, ends })
    }

    /// Returns, for each connection that has ended, whether the client sent close_notify. Without it, the end of a
    /// connection cannot be distinguished from a cut.
    ///
    /// Connections are recorded only with [`TlsFrontConfig::farewell`].
    #[must_use]
    pub fn ends(&self) -> Vec<bool> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the address on which the front listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Returns a URI with which a client can connect and log in. Its host is `localhost`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("ssl://guest:guest@localhost:{}", self.address().port())
    }
}

fn server_config(identity: &Identity, config: &TlsFrontConfig) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&config.versions).expect("versions of TLS");
    let builder = match &config.client_authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            certificates(authority).into_iter().for_each(|root| roots.add(root).expect("a certificate"));
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("an authority"))
        }
    };
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    builder.with_single_cert(certificates(&identity.certificate), key).expect("a certificate and its key")
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().expect("certificates in PEM")
}

async fn serve(
    acceptor: TlsAcceptor,
    client: Connection,
    broker: SocketAddr,
    farewell: Option<Ends>,
) -> io::Result<()> {
    let client = acceptor.accept(client).await?;
    let broker: Connection = Async::<std::net::TcpStream>::connect(broker).await?;
    broker.get_ref().set_nodelay(true)?;
    let (from_client, mut to_client) = smol::io::split(client);
    // When the client ends, the broker notices and closes. Then the client notices, and the connection is over.
    let request = async {
        let end = copy(from_client, &broker).await;
        _ = broker.get_ref().shutdown(std::net::Shutdown::Write);
        end.is_ok()
    };
    let Some(ends) = farewell else {
        let request = async {
            _ = request.await;
            future::pending().await
        };
        return future::or(copy(&broker, &mut to_client), request).await;
    };
    let answer = async {
        _ = copy(&broker, &mut to_client).await;
        to_client.close().await
    };
    let (said_goodbye, closed) = future::zip(request, answer).await;
    ends.lock().unwrap_or_else(PoisonError::into_inner).push(said_goodbye);
    closed
}

/// Passes on what comes until nothing more does.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..count).unwrap_or_default()).await?;
        to.flush().await?;
    }
}
