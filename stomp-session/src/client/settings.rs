//! What can be set for a client.

use std::time::Duration;

use super::{credentials::Credentials, keep_alive::KeepAlive, tls::TlsConfig};

/// The settings of the client beyond those of its session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Octets of messages that nobody has taken yet, above which reading stops. 1 MiB. Nothing is dropped: the broker waits.
    pub inbound_budget: usize,
    /// Octets that wait for the transport, above which a send waits, and as many that may be
    /// [buffered](super::SendBuilder::buffered) beside them. 256 KiB.
    pub outbound_budget: usize,
    /// How long a send waits for a connection with room. 60 s.
    pub send_timeout: Duration,
    /// How long a subscribe waits for the broker's confirmation. 60 s.
    pub subscribe_timeout: Duration,
    /// What provides the login of each attempt. Without it, the login of the endpoint or of the configuration is used.
    pub credentials: Option<Credentials>,
    /// When the system gives up a TCP connection whose peer does not answer. After two minutes; `None` leaves the system's
    /// own habits. The business of the adapters: a [`Connector`](super::Connector) of your own sees to it itself.
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
