//! STOMP over a WebSocket: how messages are cut, how it opens, how it ends, and what a bad server can do. What is said once it
//! stands is the business of the suite of the adapters.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "what is asked of an adapter is asked here in part")]
mod support;

mod closing;
mod cuts;
mod flood;
mod handshake;
mod server;
mod verdict;
