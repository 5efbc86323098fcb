//! A test kit for STOMP clients. It has an embedded broker, tools to run sessions and drivers in virtual time,
//! conformance cases with a runner, and support for running real brokers as plain processes.
//!
//! Most tests need only the broker. It runs inside the test process, on its own port:
//!
//! ```
//! use stomp_testkit::{broker::BrokerConfig, server::Server};
//!
//! let server = Server::start(BrokerConfig::default())?;
//! println!("connect to {}", server.uri());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Without features, the crate contains the broker, sessions and drivers in virtual time, and the conformance cases.
//! This part is plain Rust and builds wherever Rust does. The rest is enabled by features:
//!
//! | feature | what it adds | what it needs |
//! | --- | --- | --- |
//! | `tls` | `pki` creates certificates, and `tls` terminates TLS in front of the broker | a C compiler (ring) |
//! | `proxy` | `proxy` injects faults between client and broker | |
//! | `real` | `real` runs RabbitMQ, ActiveMQ and Artemis as plain processes (Unix) | OpenSSL with its headers, and the brokers |
//! | `soak` | `soak` puts mixed load on brokers that fail at random (Linux) | as `real` |

#![forbid(unsafe_code)]

pub mod broker;
pub mod codec;
pub mod conformance;
pub mod disaster;
pub mod fuzzing;
pub mod outage;
pub mod pair;
#[cfg(feature = "tls")]
pub mod pki;
pub mod planted;
pub mod play;
#[cfg(any(feature = "proxy", feature = "tls"))]
mod port;
pub mod presets;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(all(unix, feature = "real"))]
pub mod real;
pub mod server;
pub mod sim;
#[cfg(all(unix, feature = "soak"))]
pub mod soak;
#[cfg(feature = "tls")]
pub mod tls;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
