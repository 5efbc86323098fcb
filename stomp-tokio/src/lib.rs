#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod compat;
mod runtime;
mod socket;
mod tcp;

use std::sync::Arc;

pub use compat::Compat;
pub use runtime::Tokio;
pub use socket::Socket;
#[doc(inline)]
pub use stomp_session::client::*;
pub use stomp_session::{
    self as session, Brokers, Closed, CommandError, Config, Ended, Endpoint, Login, Lost, proto::AckMode,
};

/// Connects, and runs the session in a task of its own until it ends.
///
/// The URI names a broker (`tcp://login:passcode@host:61613`) or several
/// (`failover:(tcp://a:61613,tcp://b:61613)?maxReconnectDelay=5000`). Cancel safe: dropped, it gives the attempt up.
///
/// # Errors
/// [`ConnectError`]: a wrong URI, or why the brokers could not be reached. By default each is tried once; once a connection
/// stood, the session reconnects for ever.
pub async fn connect(uri: &str) -> Result<Client, ConnectError> {
    connect_with(Config::new(uri.parse()?), Settings::default()).await
}

/// As [`connect`], with everything that can be set.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect_with(config: Config, settings: Settings) -> Result<Client, ConnectError> {
    start(client(config, settings)).await
}

/// As [`connect_with`], over streams of your own: through a proxy or a tunnel, to a Unix socket. TLS and
/// [`Settings::keep_alive`] are then the connector's business, which has [`Dial::secure`] for the one.
///
/// ```
/// use std::{io, net::SocketAddr, sync::Arc};
///
/// use tokio::net::TcpStream;
/// use stomp_tokio::{Compat, Config, Connector, Dial, Endpoint, Settings, Stream, Tokio};
///
/// /// A broker that can be reached through a tunnel only, which ends here.
/// struct Tunnel {
///     end: SocketAddr,
///     dial: Dial<Tokio>,
/// }
///
/// impl Connector for Tunnel {
///     type Stream = Stream;
///
///     async fn connect(&self, endpoint: &Endpoint, _attempt: u32) -> io::Result<Stream> {
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
/// let settings = Settings::default();
/// let dial = Dial::new(Arc::new(Tokio::new()), settings.tls.clone());
/// let config = Config::new("tcp://guest:guest@broker.example".parse()?);
/// let client = stomp_tokio::connect_via(config, settings, Tunnel { end, dial }).await?;
/// client.send("/queue/orders", "one coffee").confirmed().await?;
/// client.disconnect().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`ConnectError`].
pub async fn connect_via<C: Connector>(
    config: Config,
    settings: Settings,
    connector: C,
) -> Result<Client, ConnectError> {
    start(client_via(config, settings, connector)).await
}

async fn start<C: Connector>((client, driver): (Client, Driver<Tokio, C>)) -> Result<Client, ConnectError> {
    tokio::spawn(driver.run());
    client.connected().await?;
    Ok(client)
}

/// A client that is not connected yet, and the driver to be spawned or awaited where it suits you.
#[must_use]
pub fn client(config: Config, settings: Settings) -> (Client, Driver<Tokio, Dial<Tokio>>) {
    let runtime = Arc::new(Tokio::new().keep_alive(settings.keep_alive.clone()));
    let dial = Arc::new(Dial::new(Arc::clone(&runtime), settings.tls.clone()));
    session::client::client(config, settings, runtime, dial)
}

/// The same with streams of your own, as [`connect_via`] has them.
#[must_use]
pub fn client_via<C: Connector>(
    config: Config,
    settings: Settings,
    connector: C,
) -> (Client, Driver<Tokio, C>) {
    session::client::client(config, settings, Arc::new(Tokio::new()), Arc::new(connector))
}
