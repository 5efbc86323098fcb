//! The parser and the encoder behind the traits of tokio-util.

use std::io;

use bytes::{BufMut as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{EncodeError, Frame, Item, Limits, ParseError, Parser, Sender, Version};

/// Frames over a stream of tokio, for `Framed`, `FramedRead` and `FramedWrite`: no heart-beats, no conversation.
///
/// It reads [`Item`]s and writes [`Frame`]s, and [`Eol`]s as heart-beats. The parser has a buffer of its own, into which what
/// `Framed` has read is copied; who minds the copy reads into [`Parser::space`].
///
/// ```
/// use futures_util::{SinkExt as _, StreamExt as _};
/// use stomp_proto::{Codec, Command, Frame, Item, Limits, Sender, Version};
/// use tokio_util::codec::Framed;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stomp_proto::CodecError> {
/// let (client, broker) = tokio::io::duplex(1024);
/// let mut client = Framed::new(client, Codec::new(Sender::Server, Limits::default()));
/// let mut broker = Framed::new(broker, Codec::new(Sender::Client, Limits::default()));
///
/// client.send(Frame::new(Command::Connect).with_header("accept-version", "1.2").with_header("host", "/")).await?;
/// let Some(Item::Frame(connect)) = broker.next().await.transpose()? else { panic!("CONNECT was sent") };
/// assert_eq!(connect.command(), Command::Connect);
///
/// broker.send(Frame::new(Command::Connected).with_header("version", "1.2")).await?;
/// broker.codec_mut().set_version(Version::V1_2);
/// let Some(Item::Frame(connected)) = client.next().await.transpose()? else { panic!("CONNECTED was sent") };
/// assert_eq!(connected.header("version").unwrap(), "1.2");
/// client.codec_mut().set_version(Version::V1_2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Codec {
    parser: Parser,
    version: Version,
}

impl Codec {
    /// A codec that reads what `sender` writes, in the interop profile. It writes for 1.2 until
    /// [`set_version`](Self::set_version).
    #[must_use]
    pub fn new(sender: Sender, limits: Limits) -> Self {
        Self::from(Parser::new(sender, limits))
    }

    /// Says which version the conversation goes on in, once CONNECTED was read or written.
    pub const fn set_version(&mut self, version: Version) {
        self.version = version;
        self.parser.set_version(version);
    }
}

/// Creates a codec around an existing parser, for example one in the strict profile.
impl From<Parser> for Codec {
    fn from(parser: Parser) -> Self {
        Self { parser, version: Version::V1_2 }
    }
}

/// An end of line between two frames: a heart-beat from 1.1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing to know of it")]
pub struct Eol;

/// Why a framed stream ended, or why nothing was written to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A frame that cannot be written. Nothing was, and the stream goes on.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The stream below failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was read is no STOMP; the stream is over.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl Decoder for Codec {
    type Item = Item;
    type Error = CodecError;

    fn decode(&mut self, octets: &mut BytesMut) -> Result<Option<Item>, CodecError> {
        self.parser.feed(octets);
        octets.clear();
        Ok(self.parser.next_item()?)
    }

    fn decode_eof(&mut self, octets: &mut BytesMut) -> Result<Option<Item>, CodecError> {
        let item = self.decode(octets)?;
        if item.is_none() {
            self.parser.finish()?;
        }
        Ok(item)
    }
}

impl Encoder<&Frame> for Codec {
    type Error = CodecError;

    fn encode(&mut self, frame: &Frame, octets: &mut BytesMut) -> Result<(), CodecError> {
        Ok(frame.encode(self.version, octets)?)
    }
}

impl Encoder<Frame> for Codec {
    type Error = CodecError;

    fn encode(&mut self, frame: Frame, octets: &mut BytesMut) -> Result<(), CodecError> {
        self.encode(&frame, octets)
    }
}

impl Encoder<Eol> for Codec {
    type Error = CodecError;

    fn encode(&mut self, Eol: Eol, octets: &mut BytesMut) -> Result<(), CodecError> {
        octets.put_u8(b'\n');
        Ok(())
    }
}
