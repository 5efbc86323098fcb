//! The asynchronous client over any runtime: handles that command the session, and one driver that runs it.
//!
//! An adapter lends a [`Runtime`]; how an endpoint becomes a stream is a [`Connector`]. Users of an adapter meet
//! [`Client`], [`Subscription`] and [`Message`]; the [`guide`] shows what they can do.

mod buffer;
mod content;
mod credentials;
mod dial;
mod dispatch;
mod driver;
mod error;
mod handle;
mod keep_alive;
mod listener;
mod message;
mod prepared;
mod pressure;
mod race;
mod request;
mod runner;
mod runners;
mod runtime;
mod send;
mod shared;
mod state;
mod subscription;
mod tls;
mod transaction;
mod waits;

use std::{sync::Arc, time::Duration};

pub use credentials::Credentials;
pub use dial::Dial;
pub use driver::Driver;
pub use error::{CommitError, ConnectError, SendError, SubscribeError};
pub use handle::{Client, Disconnecting, Farewell};
pub use keep_alive::KeepAlive;
pub use listener::{Listener, Notice};
pub use message::Message;
pub use prepared::PreparedSend;
pub use race::race;
pub use request::{RequestBuilder, RequestError, Requesting};
pub use runner::{Failure, Forward, OnFailure, Runner, StopReason, Stopped, Tally};
pub use runtime::{Addresses, Connector, Runtime, Stream, TransportError};
pub use send::{SendBuilder, Sending};
pub use state::{State, Watch};
pub use subscription::{SubscribeBuilder, Subscribing, Subscription};
pub use tls::{ClientCertificate, TlsBackend, TlsConfig};
pub use transaction::{Beginning, Committing, Transaction};

#[doc = include_str!("guide.md")]
#[allow(unused_imports, reason = "for its links")]
pub mod guide {
    use super::*;
}

use shared::Shared;

use crate::{Config, Session};

/// The settings of the client beyond those of its session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Octets of messages that nobody has taken yet, above which reading stops. 1 MiB. Nothing is dropped: the broker waits.
    pub inbound_budget: usize,
    /// Octets that wait for the transport, above which a send waits, and as many that may be
    /// [buffered](SendBuilder::buffered) beside them. 256 KiB.
    pub outbound_budget: usize,
    /// How long a send waits for a connection with room. 60 s.
    pub send_timeout: Duration,
    /// How long a subscribe waits for the broker's confirmation. 60 s.
    pub subscribe_timeout: Duration,
    /// What provides the login of each attempt. Without it, the login of the endpoint or of the configuration is used.
    pub credentials: Option<Credentials>,
    /// When the system gives up a TCP connection whose peer does not answer. After two minutes; `None` leaves the system's
    /// own habits. The business of the adapters: a [`Connector`] of your own sees to it itself.
    pub keep_alive: Option<KeepAlive>,
    /// How TLS is spoken to the endpoints that ask for it.
    pub tls: TlsConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inbound_budget: 1024 * 1024,
            outbound_budget: 256 * 1024,
            send_timeout: Duration::from_secs(60),
            subscribe_timeout: Duration::from_secs(60),
            credentials: None,
            keep_alive: Some(KeepAlive::default()),
            tls: TlsConfig::default(),
        }
    }
}

/// A client and the driver that runs it. The seed of the configuration is drawn from the runtime. Spawn [`Driver::run`] before awaiting anything of the client.
pub fn client<R: Runtime, C: Connector>(
    mut config: Config,
    settings: Settings,
    runtime: Arc<R>,
    connector: Arc<C>,
) -> (Client, Driver<R, C>) {
    let [a, b, c, d, e, f, g, h, identity @ ..] = runtime.entropy();
    config.seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let identity = identity.iter().take(16).fold(0, |identity, octet| identity << 8 | u128::from(*octet));
    config.identity.get_or_insert(identity);
    let shared = Arc::new(Shared::new(Session::new(config, runtime.now()), settings));
    (Client::new(Arc::clone(&shared)), Driver::new(runtime, connector, shared))
}
