//! The frame: a command, headers and a body, received or to be sent.

use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::{Command, EncodeError, FrameWriter, Headers, Text, Version};

/// A STOMP frame.
///
/// A received frame is a slice of the read buffer: cheap, but whoever keeps it keeps up to 64 KiB alive. Keep
/// [`Frame::into_owned`] instead.
///
/// ```
/// use bytes::BytesMut;
/// use stomp_proto::{Command, Frame, Version};
///
/// let frame = Frame::new(Command::Send).with_header("destination", "/queue/a").with_body("hello");
/// let mut out = BytesMut::new();
/// frame.encode(Version::V1_2, &mut out)?;
/// assert_eq!(&out[..], b"SEND\ndestination:/queue/a\ncontent-length:5\n\nhello\0");
/// # Ok::<(), stomp_proto::EncodeError>(())
/// ```
#[derive(Clone)]
pub struct Frame {
    command: Command,
    headers: Headers,
    body: Bytes,
    announce_length: bool,
}

impl Frame {
    /// A frame without headers and body.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self::from_parts(command, Headers::new(), Bytes::new())
    }

    pub(crate) const fn from_parts(command: Command, headers: Headers, body: Bytes) -> Self {
        Self { command, headers, body, announce_length: true }
    }

    /// The frame with a header more, at the end.
    #[must_use]
    pub fn with_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The frame with that body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The frame without a `content-length` of our making. ActiveMQ takes the absence as "this is text" and hands a
    /// TextMessage to its JMS consumers. The body must not hold a NUL then.
    #[must_use]
    pub const fn without_content_length(mut self) -> Self {
        self.announce_length = false;
        self
    }

    /// The command.
    #[must_use]
    pub const fn command(&self) -> Command {
        self.command
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Text<'_>> {
        self.headers.get(name)
    }

    /// The body; empty when there is none.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body alone. It is a slice of what the frame was: nothing is copied.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// A frame that shares nothing with a read buffer: headers and body are copied.
    #[must_use]
    pub fn into_owned(self) -> Self {
        Self { headers: self.headers.to_unshared(), body: Bytes::copy_from_slice(&self.body), ..self }
    }

    /// Appends the frame to `out` as `version` writes it, or leaves `out` as it was.
    ///
    /// # Errors
    /// [`EncodeError`] when the frame cannot be written so that it would be read back as itself: nothing is ever
    /// stripped, shortened or replaced.
    pub fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        let before = out.len();
        let written = self.write(version, out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    fn write(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        if !self.headers.is_indexed() {
            return Err(EncodeError::HeadersTooLarge);
        }
        let mut writer = FrameWriter::new(self.command, version, out)?;
        for (name, value) in self.headers.iter() {
            writer.header(&name.octets(), &value.octets())?;
        }
        if self.announce_length { writer.finish(&self.body) } else { writer.finish_text(&self.body) }
    }
}

impl PartialEq for Frame {
    /// The same command, headers (in order, unescaped) and body.
    fn eq(&self, other: &Self) -> bool {
        (self.command, &self.body) == (other.command, &other.body) && self.headers == other.headers
    }
}

impl Eq for Frame {}

/// Shows headers (a passcode as `***`) and the length of the body.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("command", &self.command)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} octets", self.body.len()))
            .finish()
    }
}
