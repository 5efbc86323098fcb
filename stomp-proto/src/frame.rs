//! The frame: a command, headers and a body, received or to be sent.

use alloc::borrow::Cow;
use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::{Command, EncodeError, FrameRef, Headers, PreparedFrame, Text, Version};

/// A STOMP frame.
///
/// A frame that [`Parser::next_item`](crate::Parser::next_item) gave is a slice of the read buffer: cheap, but whoever keeps
/// it keeps all of that buffer alive, up to 128 KiB for a few octets. So do its clones and its
/// [`body_bytes`](Self::body_bytes). A frame that was built, that was made by [`into_owned`](Self::into_owned) or
/// [`FrameRef::to_frame`], or whose own length is over 128 KiB holds its own octets and nothing else: keep those. Who only
/// looks at frames need not own them: [`FrameRef`].
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
    /// It stands behind the headers, in their octets, from there on.
    Behind(usize),
    Apart(Bytes),
}

impl Frame {
    /// A frame without headers and body.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self { command, headers: Headers::new(), body: Body::Apart(Bytes::new()), announce_length: true }
    }

    /// A received frame, whose body begins at `body` in the octets that the headers are in.
    #[inline]
    pub(crate) const fn parsed(command: Command, headers: Headers, body: usize) -> Self {
        Self { command, headers, body: Body::Behind(body), announce_length: true }
    }

    /// A frame of its own octets, in which the body begins at `body`.
    pub(crate) const fn of(frame: FrameRef<'_>, headers: Headers, body: usize) -> Self {
        Self {
            command: frame.command(),
            headers,
            body: Body::Behind(body),
            announce_length: frame.announces_length(),
        }
    }

    /// The frame, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> FrameRef<'_> {
        FrameRef::new(self.command, self.headers.as_ref(), self.body(), self.announce_length)
    }

    /// The frame with a header more, at the end.
    #[must_use]
    pub fn with_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers_mut().push(name, value);
        self
    }

    /// The frame with that body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Apart(body.into());
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
    pub fn headers_mut(&mut self) -> &mut Headers {
        if let Body::Behind(_) = self.body {
            self.body = Body::Apart(self.body_bytes());
        }
        &mut self.headers
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Text<'_>> {
        self.headers.get(name)
    }

    /// The value of the first header of that name as text: see [`Headers::get_str`].
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get_str(name)
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Behind(start) => self.headers.octets().get(*start..).unwrap_or_default(),
            Body::Apart(body) => body,
        }
    }

    /// The body, to send on or to keep: a slice of what the frame is, nothing is copied.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        match &self.body {
            Body::Behind(start) => self.headers.shared_from(*start),
            Body::Apart(body) => body.clone(),
        }
    }

    /// How many octets of memory its headers and its body take.
    #[must_use]
    pub fn size(&self) -> usize {
        let apart = match &self.body {
            Body::Behind(_) => 0,
            Body::Apart(body) => body.len(),
        };
        self.headers.octets().len().saturating_add(apart)
    }

    /// A frame that shares nothing with a read buffer: headers and body are copied.
    #[must_use]
    pub fn into_owned(self) -> Self {
        self.as_ref().to_frame()
    }

    /// Appends the frame to `out` as `version` writes it, or leaves `out` as it was.
    ///
    /// # Errors
    /// [`EncodeError`] when the frame cannot be written so that it would be read back as itself: nothing is ever
    /// stripped, shortened or replaced.
    pub fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.as_ref().encode(version, out)
    }

    /// Appends what stands before the body, or leaves `out` as it was. The body and a NUL have to follow: for a body that
    /// leaves by itself, uncopied.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_head(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.as_ref().encode_head(version, out)
    }

    /// Writes what all frames like this one have in common, for [`PreparedFrame`] to repeat. The body is not part of it.
    ///
    /// # Errors
    /// [`EncodeError`] when the version cannot say the command or a header.
    pub fn prepare(self, version: Version) -> Result<PreparedFrame, EncodeError> {
        PreparedFrame::new(self, version)
    }
}

impl PartialEq for Frame {
    /// The same command, headers (in order, unescaped) and body.
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Frame {}

/// Shows headers (a passcode as `***`) and the length of the body.
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
