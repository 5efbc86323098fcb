//! TLS over any runtime: one configuration for all libraries, and the handshake of the library that is compiled in.

mod config;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod explain;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod handshake;
#[cfg(feature = "native-tls")]
mod native;
#[cfg(feature = "rustls")]
mod rustls;

pub use config::{ClientCertificate, TlsBackend, TlsConfig};
#[cfg(any(feature = "native-tls", feature = "rustls"))]
pub(super) use handshake::Tls;
