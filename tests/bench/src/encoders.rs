//! Everything that writes a SEND from borrowed parts: destination, three headers, `content-length`, body.

use async_stomp::client::ClientCodec as AsyncStompCodec;
use bytes::{Bytes, BytesMut};
use iridium_stomp::{StompCodec as IridiumCodec, StompItem};
use stomp_proto::{Command, EncodeError, Frame, FrameWriter, PreparedFrame, Version};
use tokio_stomp_2::client::ClientCodec as TokioStompCodec;
use tokio_util::codec::Encoder as _;

use crate::{corpus::Send, lower_bound};

/// An encoder, with the buffer that it writes into.
pub trait Encode {
    /// Appends a frame.
    fn write(&mut self, send: &Send);
    /// What was written since the last [`clear`](Self::clear).
    fn written(&self) -> &[u8];
    /// Empties the buffer and keeps its room.
    fn clear(&mut self);
}

/// What all times are relative to.
pub const BASE: &str = "lower bound, no check";
/// Our own row.
pub const OURS: &str = "stomp-proto, FrameWriter";
/// Our own row for one destination again and again.
pub const PREPARED: &str = "stomp-proto, PreparedFrame";

/// A fresh instance of each contestant, the base first. One more is a row more: a function, or a closure that captured
/// what it prepared from `send`.
#[must_use]
pub fn encoders(send: &Send) -> Vec<(&'static str, Box<dyn Encode>)> {
    let copy = reference(send);
    let prepared = prepare(send);
    vec![
        contestant(BASE, lower_bound::write_send),
        contestant("copy of the octets", move |_, out: &mut Vec<u8>| out.extend_from_slice(&copy)),
        contestant(OURS, with_frame_writer),
        contestant(PREPARED, move |send, out| with_prepared(&prepared, send, out)),
        contestant("stomp-proto, Frame::encode", with_frame),
        contestant("iridium-stomp", with_iridium),
        contestant("async-stomp", with_async_stomp),
        contestant("tokio-stomp-2", with_tokio_stomp),
    ]
}

/// The frame as our encoder writes it.
#[must_use]
pub fn reference(send: &Send) -> Vec<u8> {
    let mut out = BytesMut::new();
    with_frame_writer(send, &mut out);
    out.into()
}

fn contestant<B: Buffer + 'static>(
    name: &'static str,
    write: impl FnMut(&Send, &mut B) + 'static,
) -> (&'static str, Box<dyn Encode>) {
    (name, Box::new(Contestant { out: B::default(), write }))
}

struct Contestant<B, F> {
    out: B,
    write: F,
}

impl<B: Buffer, F: FnMut(&Send, &mut B)> Encode for Contestant<B, F> {
    fn write(&mut self, send: &Send) {
        (self.write)(send, &mut self.out);
    }

    fn written(&self) -> &[u8] {
        self.out.as_ref()
    }

    fn clear(&mut self) {
        self.out.clear();
    }
}

trait Buffer: AsRef<[u8]> + Default {
    fn clear(&mut self);
}

impl Buffer for Vec<u8> {
    fn clear(&mut self) {
        self.clear();
    }
}

impl Buffer for BytesMut {
    fn clear(&mut self) {
        self.clear();
    }
}

const VALID: &str = "the SENDs can be written";

/// Straight from the borrowed parts.
pub fn with_frame_writer(send: &Send, out: &mut BytesMut) {
    try_with_frame_writer(send, out).expect(VALID);
}

fn try_with_frame_writer(send: &Send, out: &mut BytesMut) -> Result<(), EncodeError> {
    let mut writer = FrameWriter::new(Command::Send, Version::V1_2, out)?;
    writer.header(b"destination", send.destination.as_bytes())?;
    for (name, value) in send.headers {
        writer.header(name.as_bytes(), value.as_bytes())?;
    }
    writer.finish(&send.body)
}

/// By way of an owned frame.
pub fn with_frame(send: &Send, out: &mut BytesMut) {
    let frame = without_body(send).with_body(Bytes::copy_from_slice(&send.body));
    frame.encode(Version::V1_2, out).expect(VALID);
}

fn without_body(send: &Send) -> Frame {
    let frame = Frame::new(Command::Send).with_header("destination", send.destination);
    send.headers.iter().fold(frame, |frame, (name, value)| frame.with_header(name, value))
}

/// Destination and headers, written once.
#[must_use]
pub fn prepare(send: &Send) -> PreparedFrame {
    without_body(send).prepare(Version::V1_2).expect(VALID)
}

/// From what was prepared, and the body.
pub fn with_prepared(prepared: &PreparedFrame, send: &Send, out: &mut BytesMut) {
    prepared.encode(&send.body, out).expect(VALID);
}

/// The peers write a `content-length` only when they must or when they are given one.
fn owned_headers(send: &Send) -> Vec<(String, String)> {
    let mut headers: Vec<_> =
        send.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    headers.push(("content-length".to_owned(), send.body.len().to_string()));
    headers
}

fn with_iridium(send: &Send, out: &mut BytesMut) {
    let mut frame = iridium_stomp::Frame::new("SEND").header("destination", send.destination);
    for (name, value) in send.headers {
        frame = frame.header(name, value);
    }
    frame = frame.header("content-length", send.body.len().to_string()).set_body(send.body.clone());
    IridiumCodec::new().encode(StompItem::Frame(frame), out).expect(VALID);
}

fn with_async_stomp(send: &Send, out: &mut BytesMut) {
    let message = async_stomp::ToServer::Send {
        destination: send.destination.to_owned(),
        transaction: None,
        headers: Some(owned_headers(send)),
        body: Some(send.body.clone()),
    };
    AsyncStompCodec::new().encode(async_stomp::Message::from(message), out).expect(VALID);
}

fn with_tokio_stomp(send: &Send, out: &mut BytesMut) {
    let message = tokio_stomp_2::ToServer::Send {
        destination: send.destination.to_owned(),
        transaction: None,
        headers: Some(owned_headers(send)),
        body: Some(send.body.clone()),
    };
    TokioStompCodec.encode(message.into(), out).expect(VALID);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;

    #[test]
    fn all_write_the_same() {
        for send in corpus::sends() {
            let expected = String::from_utf8(reference(&send)).unwrap();
            for (name, mut encoder) in encoders(&send) {
                encoder.write(&send);
                let written = std::str::from_utf8(encoder.written()).unwrap();
                // The lower bound escapes nothing.
                let is_right = written == expected || send.escapes && name == BASE;
                assert!(is_right, "{name}: {written:?}, not {expected:?}");
            }
        }
    }
}
