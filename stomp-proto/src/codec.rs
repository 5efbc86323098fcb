//! The parser and the encoder behind the traits of tokio-util.

use std::io;

use bytes::{BufMut as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{EncodeError, Frame, Item, Limits, ParseError, Parser, Sender, Version};

/// A codec for `Framed`, `FramedRead` and `FramedWrite` of tokio-util.
///
/// It decodes [`Item`]s. It encodes [`Frame`]s, and an [`Eol`] as a heart-beat. It does not send heart-beats by itself
/// and keeps no state of the conversation.
///
/// The parser has its own buffer, into which the octets read by `Framed` are copied. To avoid this copy, use a
/// [`Parser`] and read into [`Parser::space`].
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
    /// Creates a codec that decodes what `sender` writes, in the interop profile.
    ///
    /// It encodes for 1.2 until [`set_version`](Self::set_version) is called.
    #[must_use]
    pub fn new(sender: Sender, limits: Limits) -> Self {
        Self::from(Parser::new(sender, limits))
    }

    /// Sets the version for the rest of the conversation. Call it once CONNECTED has been read or written.
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

/// An end of line between two frames, which is a heart-beat from 1.1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing to know of it")]
pub struct Eol;

/// An error returned by a [`Codec`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The frame cannot be encoded. Nothing was written, and the stream remains usable.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The underlying stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The octets that were read are not valid STOMP. Nothing more can be read from the stream.
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
