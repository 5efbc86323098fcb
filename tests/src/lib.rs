#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
pub mod broker;
pub mod guide;
pub mod pair;
#[cfg(feature = "tls")]
pub mod pki;
#[cfg(any(feature = "proxy", feature = "tls"))]
mod port;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(all(unix, feature = "real"))]
pub mod real;
pub mod server;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(all(feature = "websocket", any(feature = "proxy", feature = "tls")))]
pub mod web_front;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("project.md")]
struct Readme;
