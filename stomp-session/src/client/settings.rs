//! The settings of a client beyond those of its session.

use std::time::Duration;

#[cfg(feature = "websocket")]
use super::web_socket::WebSocketConfig;
use super::{credentials::Credentials, keep_alive::KeepAlive, tls::TlsConfig};

/// The settings of a client beyond those of its session. [`Builder`](super::Builder) describes each of them.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) inbound_budget: usize,
    pub(super) outbound_budget: usize,
    pub(super) prefetch: Option<u32>,
    pub(super) send_timeout: Duration,
    pub(super) subscribe_timeout: Duration,
    pub(super) credentials: Option<Credentials>,
}

/// What is needed to dial, and nobody else asks for.
#[derive(Clone, Debug)]
pub(super) struct DialSettings {
    pub(super) keep_alive: Option<KeepAlive>,
    pub(super) tls: TlsConfig,
    #[cfg(feature = "websocket")]
    pub(super) web_socket: WebSocketConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inbound_budget: 1024 * 1024,
            outbound_budget: 256 * 1024,
            prefetch: None,
            send_timeout: Duration::from_secs(60),
            subscribe_timeout: Duration::from_secs(60),
            credentials: None,
        }
    }
}

impl Default for DialSettings {
    fn default() -> Self {
        Self {
            keep_alive: Some(KeepAlive::default()),
            tls: TlsConfig::default(),
            #[cfg(feature = "websocket")]
            web_socket: WebSocketConfig::default(),
        }
    }
}
