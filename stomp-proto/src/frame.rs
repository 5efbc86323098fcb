//! The owned frame: a command, headers and a body, received or to be sent.

use alloc::borrow::Cow;
use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::{Command, EncodeError, FrameRef, FrameWriter, Headers, PreparedFrame, Text, Version};

/// A STOMP frame.
///
/// A frame returned by [`Parser::next_item`](crate::Parser::next_item) is a slice of the read buffer. This avoids a
/// copy, but keeps the whole buffer alive, up to 128 KiB for a few octets. The same holds for clones of the frame and
/// for its [`body_bytes`](Self::body_bytes).
///
/// To keep a frame, convert it with [`into_owned`](Self::into_owned). A frame that was built, that was copied by
/// `into_owned` or [`FrameRef::to_frame`], or that is longer than 128 KiB holds only its own octets.
///
/// Use [`FrameRef`] for frames that are only examined.
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
    body: Body,
    announce_length: bool,
}

/// One slice of the read buffer holds headers and body: two would cost twice the counting of references.
#[derive(Clone)]
enum Body {
    /// It follows the headers in the same octets, from this index on.
    Behind(usize),
    Apart(Bytes),
}

impl Frame {
    /// Creates a frame without headers and without a body.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self { command, headers: Headers::new(), body: Body::Apart(Bytes::new()), announce_length: true }
    }

    /// A received frame, whose body begins at `body` in the octets that hold the headers.
    #[inline]
    pub(crate) const fn parsed(command: Command, headers: Headers, body: usize) -> Self {
        Self { command, headers, body: Body::Behind(body), announce_length: true }
    }

    /// A frame that owns its octets, in which the body begins at `body`.
    pub(crate) const fn of(frame: FrameRef<'_>, headers: Headers, body: usize) -> Self {
        Self {
            command: frame.command(),
            headers,
            body: Body::Behind(body),
            announce_length: frame.announces_length(),
        }
    }

    /// Returns a borrowed view of the frame.
    #[must_use]
    pub fn as_ref(&self) -> FrameRef<'_> {
        FrameRef::new(self.command, self.headers.as_ref(), self.body(), self.announce_length)
    }

    /// Adds a header at the end.
    #[must_use]
    pub fn with_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers_mut().push(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Apart(body.into());
        self
    }

    /// Disables the `content-length` that is otherwise added when a frame with a body is encoded.
    ///
    /// ActiveMQ treats a message without `content-length` as text, and delivers it to JMS consumers as a `TextMessage`.
    /// The body of such a frame must not contain a NUL.
    #[must_use]
    pub const fn without_content_length(mut self) -> Self {
        self.announce_length = false;
        self
    }

    /// Returns the command.
    #[must_use]
    pub const fn command(&self) -> Command {
        self.command
    }

    /// Returns the headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Returns a mutable reference to the headers.
    pub fn headers_mut(&mut self) -> &mut Headers {
        if let Body::Behind(_) = self.body {
            self.body = Body::Apart(self.body_bytes());
        }
        &mut self.headers
    }

    /// Returns the value of the first header with this name, or `None` if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Text<'_>> {
        self.headers.get(name)
    }

    /// Returns the value of the first header with this name as text. See [`Headers::get_str`].
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get_str(name)
    }

    /// Returns the body, which is empty if there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Behind(start) => self.headers.octets().get(*start..).unwrap_or_default(),
            Body::Apart(body) => body,
        }
    }

    /// Returns the body as [`Bytes`], which share the memory of the frame. Nothing is copied.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        match &self.body {
            Body::Behind(start) => self.headers.shared_from(*start),
            Body::Apart(body) => body.clone(),
        }
    }

    /// Returns how many octets of memory the headers and the body occupy.
    #[must_use]
    pub fn size(&self) -> usize {
        let apart = match &self.body {
            Body::Behind(_) => 0,
            Body::Apart(body) => body.len(),
        };
        self.headers.octets().len().saturating_add(apart)
    }

    /// Converts the frame into one that shares nothing with a read buffer. Headers and body are copied.
    #[must_use]
    pub fn into_owned(self) -> Self {
        self.as_ref().to_frame()
    }

    /// Appends the frame to `out`, encoded for `version`. Leaves `out` unchanged if it returns an error.
    ///
    /// # Errors
    /// Returns [`EncodeError`] if the frame cannot be encoded so that it is read back as the same frame. Nothing is
    /// ever stripped, shortened or replaced.
    pub fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.as_ref().encode(version, out)
    }

    /// Appends everything that precedes the body to `out`. Leaves `out` unchanged if it returns an error.
    ///
    /// The caller has to write the body and a NUL afterwards. Use this to send a body without copying it.
    ///
    /// # Errors
    /// Returns the same errors as [`encode`](Self::encode).
    pub fn encode_head(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.as_ref().encode_head(version, out)
    }

    /// Appends the command and the headers to `out` and returns a writer for the rest of the frame.
    ///
    /// Use it to add headers to what is written, such as `receipt`, without changing the frame. The body is not written:
    /// pass it to [`FrameWriter::finish`], which adds a `content-length` under the same conditions as
    /// [`encode`](Self::encode). After an error, truncate `out` to its previous length.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use stomp_proto::{Command, Frame, Version};
    /// let frame = Frame::new(Command::Send).with_header("destination", "/queue/a").with_body("hello");
    /// let mut out = BytesMut::new();
    /// let mut writer = frame.writer(Version::V1_2, &mut out)?;
    /// writer.number(b"receipt", 7)?;
    /// writer.finish(frame.body())?;
    /// assert_eq!(&out[..], b"SEND\ndestination:/queue/a\nreceipt:7\ncontent-length:5\n\nhello\0");
    /// # Ok::<(), stomp_proto::EncodeError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`EncodeError`] if the command or the headers cannot be encoded for this version.
    pub fn writer<'a>(
        &self,
        version: Version,
        out: &'a mut BytesMut,
    ) -> Result<FrameWriter<'a>, EncodeError> {
        self.as_ref().writer(version, out)
    }

    /// Encodes the command and the headers once, for many frames that differ in little but their bodies.
    ///
    /// The body of this frame is discarded.
    ///
    /// # Errors
    /// Returns [`EncodeError`] if the command or the headers cannot be encoded for this version.
    pub fn prepare(self, version: Version) -> Result<PreparedFrame, EncodeError> {
        PreparedFrame::new(self, version)
    }
}

impl PartialEq for Frame {
    /// Returns `true` if commands, headers (in order, unescaped) and bodies are equal.
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Frame {}

/// Shows the command, the headers and the length of the body. The values of `passcode` and `authorization` are shown as
/// `***`.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().show("Frame", f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, Limits, Parser, Sender};

    fn parsed() -> (Frame, Bytes) {
        let mut parser = Parser::new(Sender::Server, Limits::default());
        parser.feed(b"MESSAGE\na:1\n\nbody\0MESSAGE\n");
        let Ok(Some(Item::Frame(frame))) = parser.next_item() else { panic!("a frame was fed") };
        let body = frame.body_bytes();
        (frame, body)
    }

    #[test]
    fn the_body_of_a_received_frame_is_shared_until_it_is_owned() {
        let (frame, body) = parsed();
        assert_eq!((frame.body(), body.as_ptr()), (&b"body"[..], frame.body().as_ptr()));
        let owned = frame.clone().into_owned();
        assert_eq!(owned, frame);
        assert_ne!(owned.body().as_ptr(), body.as_ptr());
        assert!(!body.is_unique(), "the frame shares it");
        drop(frame);
        assert!(body.is_unique(), "the owned frame does not");
    }

    #[test]
    fn a_received_frame_can_be_changed() {
        let (mut frame, body) = parsed();
        frame.headers_mut().set("a", "2");
        assert_eq!((frame.header("a").unwrap().number(), frame.body()), (Some(2), &b"body"[..]));
        assert_eq!(frame.body().as_ptr(), body.as_ptr(), "nothing was copied");
        assert_eq!(frame.size(), "a:2body".len());
        assert_eq!(frame.with_body("other").body(), b"other");
    }

    #[test]
    fn frames_are_equal_in_all_or_not_at_all() {
        let frame = Frame::new(Command::Send).with_header("a", "1").with_body("x");
        assert_eq!(frame, frame.clone().without_content_length(), "how it is written is no part of it");
        for other in [
            Frame::new(Command::Message).with_header("a", "1").with_body("x"),
            Frame::new(Command::Send).with_header("a", "2").with_body("x"),
            Frame::new(Command::Send).with_header("b", "1").with_body("x"),
            Frame::new(Command::Send).with_header("a", "1").with_header("a", "1").with_body("x"),
            Frame::new(Command::Send).with_header("a", "1").with_body("y"),
        ] {
            assert_ne!(frame, other);
        }
    }
}
