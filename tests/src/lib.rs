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
//!
//! Without features it is that, the sessions and drivers in virtual time, and the wire cases: plain Rust that builds wherever
//! Rust does. The rest has to be asked for:
//!
//! | feature | what it adds | what it needs |
//! | --- | --- | --- |
//! | `tls` | `pki` makes certificates, `tls` ends TLS in front of the broker | a C compiler (ring) |
//! | `proxy` | `proxy` stands between client and broker and fails on purpose | |
//! | `real` | `real` runs RabbitMQ, ActiveMQ and Artemis as plain processes (Unix) | OpenSSL with its headers, and the brokers |

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
