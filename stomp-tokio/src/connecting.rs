//! Connecting: what makes a client of a builder.

use std::{future::Future, sync::Arc};

use stomp_session::BrokersError;
use stomp_session::client::{Builder, Client, ConnectError, Connector, Dial, Driver};

use crate::runtime::Tokio;

/// Connects, and runs the session in a task of its own until it ends: [`Client::builder`] with its defaults.
///
/// The URI names a broker (`tcp://login:passcode@host:61613`) or several
/// (`failover:(tcp://a:61613,tcp://b:61613)?maxReconnectDelay=5000`). Cancel safe: dropped, it gives the attempt up.
///
/// # Errors
/// [`ConnectError`]: a wrong URI, or why the brokers could not be reached. By default each is tried once; once a connection
/// stood, the session reconnects for ever.
pub async fn connect(uri: &str) -> Result<Client, ConnectError> {
    Client::builder(uri).connect().await
}

/// What this crate can do with a [`Builder`]: connect it, or make a client of it whose driver you run.
///
/// ```
/// use std::time::Duration;
/// use stomp_tokio::{Client, Connect as _};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = stomp_testkit::server::Server::start(stomp_testkit::broker::BrokerConfig::default())?;
/// # let uri = broker.uri();
/// let client = Client::builder(uri).prefetch(20).send_timeout(Duration::from_secs(5)).connect().await?;
/// client.disconnect().await?;
/// # Ok(()) }
/// ```
pub trait Connect: Sized {
    /// Connects, and runs the session in a task of its own until it ends. Cancel safe: dropped, it gives the attempt up.
    ///
    /// When that task ends, however it does, [`Client::closed`] says so, and the stream is closed by then.
    ///
    /// # Errors
    /// [`ConnectError`]: a wrong URI, or why the brokers could not be reached.
    fn connect(self) -> impl Future<Output = Result<Client, ConnectError>> + Send;

    /// The same over streams of your own: through a proxy or a tunnel, to a Unix socket. [`Builder::tls`] and
    /// [`Builder::keep_alive`] are then the connector's business, which has [`Dial::secure`] for the one.
    ///
    /// ```
    /// use std::{io, net::SocketAddr, sync::Arc};
    ///
    /// use tokio::net::TcpStream;
    /// use stomp_tokio::{Client, Compat, Connect as _, Connector, Dial, Endpoint, Tokio, TlsConfig, TransportStream};
    ///
    /// /// A broker that can be reached through a tunnel only, which ends here.
    /// struct Tunnel {
    ///     end: SocketAddr,
    ///     dial: Dial<Tokio>,
    /// }
    ///
    /// impl Connector for Tunnel {
    ///     type Stream = TransportStream;
    ///
    ///     async fn connect(&self, endpoint: &Endpoint, _attempt: u32) -> io::Result<TransportStream> {
    ///         let stream = TcpStream::connect(self.end).await?;
    ///         stream.set_nodelay(true)?;
    ///         // TLS where the URI says ssl://, with the certificate of "broker.example".
    ///         self.dial.secure(endpoint, Compat::from(stream)).await
    ///     }
    /// }
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use stomp_testkit::{broker::BrokerConfig, server::Server};
    /// # let broker = Server::start(BrokerConfig::default())?;
    /// # let end = broker.address();
    /// let dial = Dial::new(Arc::new(Tokio::new()), TlsConfig::default());
    /// let client = Client::builder("tcp://guest:guest@broker.example").connect_via(Tunnel { end, dial }).await?;
    /// client.send("/queue/orders", "one coffee").confirmed().await?;
    /// client.disconnect().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`].
    fn connect_via<C: Connector>(
        self,
        connector: C,
    ) -> impl Future<Output = Result<Client, ConnectError>> + Send;

    /// Returns a client that is not connected yet, and the driver to be spawned or awaited where it suits you.
    ///
    /// # Errors
    /// What is wrong with the URI.
    fn build(self) -> Result<(Client, Driver<Tokio, Dial<Tokio>>), BrokersError>;

    /// The same with streams of your own, as [`connect_via`](Self::connect_via) has them.
    ///
    /// # Errors
    /// What is wrong with the URI.
    fn build_via<C: Connector>(self, connector: C) -> Result<(Client, Driver<Tokio, C>), BrokersError>;
}

impl Connect for Builder {
    async fn connect(self) -> Result<Client, ConnectError> {
        start(self.build()?).await
    }

    async fn connect_via<C: Connector>(self, connector: C) -> Result<Client, ConnectError> {
        start(self.build_via(connector)?).await
    }

    fn build(self) -> Result<(Client, Driver<Tokio, Dial<Tokio>>), BrokersError> {
        self.dial_on(|keep_alive| Tokio::new().keep_alive(keep_alive))
    }

    fn build_via<C: Connector>(self, connector: C) -> Result<(Client, Driver<Tokio, C>), BrokersError> {
        self.build_on(Arc::new(Tokio::new()), Arc::new(connector))
    }
}

async fn start<C: Connector>((client, driver): (Client, Driver<Tokio, C>)) -> Result<Client, ConnectError> {
    tokio::spawn(driver.run());
    client.connected().await?;
    Ok(client)
}
