#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod broker;
pub mod pair;
#[cfg(feature = "tls")]
pub mod pki;
#[cfg(any(feature = "proxy", feature = "tls"))]
mod port;
pub mod presets;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(all(unix, feature = "real"))]
pub mod real;
pub mod server;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(all(feature = "websocket", any(feature = "proxy", feature = "tls")))]
pub mod web_front;

// The rest is for the tests of this project. It is no part of the public interface, and changes without notice.
#[cfg(all(target_os = "linux", feature = "clusters"))]
#[doc(hidden)]
pub mod cluster;
#[doc(hidden)]
pub mod codec;
#[doc(hidden)]
pub mod conformance;
#[doc(hidden)]
pub mod disaster;
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod outage;
#[doc(hidden)]
pub mod planted;
#[doc(hidden)]
pub mod play;
#[doc(hidden)]
pub mod sim;
#[cfg(all(unix, feature = "soak"))]
#[doc(hidden)]
pub mod soak;
#[cfg(feature = "websocket")]
#[doc(hidden)]
pub mod wire;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("project.md")]
struct Readme;
