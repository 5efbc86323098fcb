//! STOMP over a WebSocket (RFC 6455): the handshake, and a stream of octets over its messages.
//!
//! It is written here and not taken from a library, for three reasons. Nothing is gathered: a message passes through as it
//! comes, so that its size costs no memory. A message that is sent is one frame of STOMP, which some brokers insist on. And
//! no library logs what passes, passcodes among it.

mod frame;
mod handshake;
mod reader;
mod stream;
mod upgrade;
mod writer;

pub use handshake::WebSocketConfig;
pub(super) use handshake::WebSockets;
