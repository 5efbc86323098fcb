//! TLS in front of a broker that does not support it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use futures_lite::future;
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use crate::{pki::Identity, port::Port};

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
type Ends = Arc<watch::Sender<Vec<bool>>>;

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
    /// Returns the same errors as [`TlsFront::bind`].
    pub fn start(broker: SocketAddr, identity: &Identity, config: TlsFrontConfig) -> io::Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, 0), broker, identity, config)
    }

    /// Starts a front that listens on `address` for the broker at `broker`.
    ///
    /// # Errors
    /// Returns an error if the front cannot listen on the address, and one of the kind
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a certificate or key is not valid.
    pub fn bind(
        address: impl ToSocketAddrs,
        broker: SocketAddr,
        identity: &Identity,
        config: TlsFrontConfig,
    ) -> io::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(identity, &config)?));
        let farewell = config.farewell;
        let ends = Ends::default();
        let noted = Arc::clone(&ends);
        let serve =
            move |client| serve(acceptor.clone(), client, broker, farewell.then(|| Arc::clone(&noted)));
        Ok(Self { port: Port::open(address, serve)?, ends })
    }

    /// Returns, for each connection that has ended, whether the client sent close_notify. Without it, the end of a
    /// connection cannot be distinguished from a cut.
    ///
    /// Connections are recorded only with [`TlsFrontConfig::farewell`].
    #[must_use]
    pub fn ends(&self) -> Vec<bool> {
        self.ends.borrow().clone()
    }

    /// Waits until this number of connections have ended, and returns what [`ends`](Self::ends) does.
    ///
    /// It needs nothing of a runtime.
    ///
    /// # Cancel safety
    /// Dropping it ends the wait, and nothing else.
    pub async fn ended(&self, connections: usize) -> Vec<bool> {
        let mut ends = self.ends.subscribe();
        // It is there as long as the front is.
        let enough = ends.wait_for(|ends| ends.len() >= connections).await;
        enough.map_or_else(|_| Vec::new(), |ends| ends.clone())
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

fn server_config(identity: &Identity, config: &TlsFrontConfig) -> io::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&config.versions).map_err(|error| invalid(&error))?;
    let builder = match &config.client_authority {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(authority)? {
                roots.add(root).map_err(|error| invalid(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| invalid(&error))?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| invalid(&error))?;
    builder.with_single_cert(certificates(&identity.certificate)?, key).map_err(|error| invalid(&error))
}

fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| invalid(&error))?;
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no certificate in PEM"));
    }
    Ok(found)
}

fn invalid(error: &dyn std::error::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

async fn serve(
    acceptor: TlsAcceptor,
    client: TcpStream,
    broker: SocketAddr,
    farewell: Option<Ends>,
) -> io::Result<()> {
    let client = acceptor.accept(client).await?;
    let mut broker = TcpStream::connect(broker).await?;
    broker.set_nodelay(true)?;
    let (from_client, mut to_client) = tokio::io::split(client);
    let (from_broker, mut to_broker) = broker.split();
    // When the client ends, the broker notices and closes. Then the client notices, and the connection is over.
    let request = async {
        let end = copy(from_client, &mut to_broker).await;
        _ = to_broker.shutdown().await;
        end.is_ok()
    };
    let Some(ends) = farewell else {
        let request = async {
            _ = request.await;
            future::pending().await
        };
        return future::or(copy(from_broker, &mut to_client), request).await;
    };
    let answer = async {
        _ = copy(from_broker, &mut to_client).await;
        to_client.shutdown().await
    };
    let (said_goodbye, closed) = future::zip(request, answer).await;
    ends.send_modify(|ends| ends.push(said_goodbye));
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
