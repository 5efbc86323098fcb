//! What a test says as the server of a WebSocket.

use stomp_session::Endpoint;

pub(crate) fn endpoint() -> Endpoint {
    "ws://me:secret@broker.example/ws?tenant=7".parse().unwrap()
}

/// A frame of a server. The first octet is its kind, and whether it is the last of its message.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![first];
    match payload.len() {
        length @ ..=125 => octets.push(length as u8),
        length @ ..=0xffff => {
            octets.push(126);
            octets.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            octets.push(127);
            octets.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    octets.extend_from_slice(payload);
    octets
}
