#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod blocking;
mod runtime;
mod socket;
mod tcp;

use std::sync::Arc;

pub use runtime::Smol;
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
    let (client, driver) = client(config, settings);
    smol::spawn(driver.run()).detach();
    client.connected().await?;
    Ok(client)
}

/// A client that is not connected yet, and the driver to be spawned or awaited where it suits you.
#[must_use]
pub fn client(config: Config, settings: Settings) -> (Client, Driver<Smol, Dial<Smol>>) {
    let runtime = Arc::new(Smol::new().keep_alive(settings.keep_alive.clone()));
    let dial = Arc::new(Dial::new(Arc::clone(&runtime), settings.tls.clone()));
    session::client::client(config, settings, runtime, dial)
}
