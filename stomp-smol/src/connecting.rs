//! Connecting a builder.

use std::{future::Future, sync::Arc};

use stomp_session::BrokersError;
use stomp_session::client::{Builder, Client, ConnectError, Connector, Dial, Driver};

use crate::runtime::Smol;

/// Connects to a broker, and runs the session in a task of its own until it ends. All settings are the defaults of
/// [`Client::builder`].
///
/// The URI names one broker (`tcp://login:passcode@host:61613`) or several
/// (`failover:(tcp://a:61613,tcp://b:61613)?maxReconnectDelay=5000`).
///
/// By default, each broker is tried once. Once a connection was established, the session reconnects without limit.
///
/// This function is cancel safe: if its future is dropped, the attempt is given up.
///
/// # Errors
/// Returns a [`ConnectError`] if the URI is wrong, if no broker could be reached, or if the client was refused.
pub async fn connect(uri: &str) -> Result<Client, ConnectError> {
    Client::builder(uri).connect().await
}

/// The methods with which this crate connects a [`Builder`].
///
/// ```
/// use std::time::Duration;
/// use stomp_smol::{Client, Connect as _};
///
/// # smol::block_on(async {
/// # let broker = stomp_testkit::server::Server::start(stomp_testkit::broker::BrokerConfig::default())?;
/// # let uri = broker.uri();
/// let client = Client::builder(uri).prefetch(20).send_timeout(Duration::from_secs(5)).connect().await?;
/// client.disconnect().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Connect: Sized {
    /// Connects, and runs the session in a task of its own until it ends.
    ///
    /// When that task ends, in whatever way, the stream is closed and [`Client::closed`] returns.
    ///
    /// This method is cancel safe: if its future is dropped, the attempt is given up.
    ///
    /// # Errors
    /// Returns a [`ConnectError`] if the URI is wrong, if no broker could be reached, or if the client was refused.
    fn connect(self) -> impl Future<Output = Result<Client, ConnectError>> + Send;

    /// Connects over streams that the application opens, such as through a proxy or a tunnel, or to a Unix socket.
    ///
    /// [`Builder::tls`] and [`Builder::keep_alive`] are then not used. The connector can begin TLS with
    /// [`Dial::secure`].
    ///
    /// ```
    /// use std::{io, net::SocketAddr, sync::Arc};
    ///
    /// use smol::net::TcpStream;
    /// use stomp_smol::{Client, Connect as _, Connector, Dial, Endpoint, Smol, TlsConfig, TransportStream};
    ///
    /// /// A tunnel to a broker that cannot be reached otherwise.
    /// struct Tunnel {
    ///     end: SocketAddr,
    ///     dial: Dial<Smol>,
    /// }
    ///
    /// impl Connector for Tunnel {
    ///     type Stream = TransportStream;
    ///
    ///     async fn connect(&self, endpoint: &Endpoint, _attempt: u32) -> io::Result<TransportStream> {
    ///         let stream = TcpStream::connect(self.end).await?;
    ///         stream.set_nodelay(true)?;
    ///         // TLS if the URI says ssl://, with the certificate of "broker.example".
    ///         self.dial.secure(endpoint, stream).await
    ///     }
    /// }
    ///
    /// # smol::block_on(async {
    /// # use stomp_testkit::{broker::BrokerConfig, server::Server};
    /// # let broker = Server::start(BrokerConfig::default())?;
    /// # let end = broker.address();
    /// let dial = Dial::new(Arc::new(Smol::new()), TlsConfig::default());
    /// let client = Client::builder("tcp://guest:guest@broker.example").connect_via(Tunnel { end, dial }).await?;
    /// client.send("/queue/orders", "one coffee").confirmed().await?;
    /// client.disconnect().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`connect`](Self::connect).
    fn connect_via<C: Connector>(
        self,
        connector: C,
    ) -> impl Future<Output = Result<Client, ConnectError>> + Send;

    /// Creates a client that is not connected yet, and its driver. Spawn or await [`Driver::run`].
    ///
    /// # Errors
    /// Returns an error if the URI is wrong.
    fn build(self) -> Result<(Client, Driver<Smol, Dial<Smol>>), BrokersError>;

    /// Creates a client that is not connected yet, and its driver, over streams that the application opens; see
    /// [`connect_via`](Self::connect_via).
    ///
    /// # Errors
    /// Returns an error if the URI is wrong.
    fn build_via<C: Connector>(self, connector: C) -> Result<(Client, Driver<Smol, C>), BrokersError>;
}

impl Connect for Builder {
    async fn connect(self) -> Result<Client, ConnectError> {
        start(self.build()?).await
    }

    async fn connect_via<C: Connector>(self, connector: C) -> Result<Client, ConnectError> {
        start(self.build_via(connector)?).await
    }

    fn build(self) -> Result<(Client, Driver<Smol, Dial<Smol>>), BrokersError> {
        self.dial_on(|keep_alive| Smol::new().keep_alive(keep_alive))
    }

    fn build_via<C: Connector>(self, connector: C) -> Result<(Client, Driver<Smol, C>), BrokersError> {
        self.build_on(Arc::new(Smol::new()), Arc::new(connector))
    }
}

async fn start<C: Connector>((client, driver): (Client, Driver<Smol, C>)) -> Result<Client, ConnectError> {
    smol::spawn(driver.run()).detach();
    client.connected().await?;
    Ok(client)
}
