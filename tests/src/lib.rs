//! A kit to test STOMP clients with: an embedded broker, a client's session and driver in virtual time, wire cases with their
//! judge, and real brokers as plain processes.
//!
//! The broker is the piece most people want. It runs in the process, on a port of its own:
//!
//! ```
//! use stomp_testkit::{broker::BrokerConfig, server::Server};
//!
//! let server = Server::start(BrokerConfig::default())?;
//! println!("connect to {}", server.uri());
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod broker;
pub mod codec;
pub mod conformance;
pub mod disaster;
pub mod fuzzing;
pub mod pair;
#[cfg(feature = "tls")]
pub mod pki;
pub mod planted;
pub mod play;
#[cfg(any(feature = "proxy", feature = "tls"))]
mod port;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(all(unix, feature = "real"))]
pub mod real;
pub mod server;
pub mod sim;
#[cfg(feature = "tls")]
pub mod tls;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
