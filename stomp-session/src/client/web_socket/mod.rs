//! STOMP over a WebSocket (RFC 6455): the handshake, and a stream of octets over its messages.
//!
//! It is written here and not taken from a library, for three reasons. Nothing is gathered: a message passes through as it
//! comes, so that its size costs no memory. A message that is sent is one frame of STOMP, which some brokers insist on. And
//! no library logs what passes, passcodes among it.

mod accept;
mod close;
mod config;
mod cutting;
mod frame;
mod handshake;
mod masks;
mod reader;
mod request;
mod response;
mod stream;
mod writer;

pub use config::WebSocketConfig;
pub(super) use handshake::WebSockets;
