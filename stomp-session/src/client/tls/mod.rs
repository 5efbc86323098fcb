//! TLS over any runtime: one configuration for all libraries, and the handshake of the library that is compiled in.

#[cfg(feature = "rustls")]
mod alerts;
mod config;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod explain;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod handshake;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod meaning;
#[cfg(feature = "native-tls")]
mod native;
#[cfg(feature = "rustls")]
mod pem;
#[cfg(feature = "rustls")]
mod pure;
#[cfg(any(feature = "native-tls", feature = "rustls"))]
mod secured;
#[cfg(feature = "native-tls")]
mod texts;
#[cfg(feature = "rustls")]
mod verifier;

pub use config::{ClientCertificate, TlsBackend, TlsConfig};
#[cfg(any(feature = "native-tls", feature = "rustls"))]
pub(super) use handshake::Tls;
