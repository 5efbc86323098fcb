//! What tests of STOMP clients need: wire cases and their judge.

pub mod codec;
pub mod broker;
pub mod conformance;
pub mod server;
pub mod fuzzing;
