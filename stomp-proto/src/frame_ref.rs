//! The borrowed frame, to be examined, passed on or answered without owning any of it.

use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::{Command, EncodeError, Frame, FrameWriter, HeadersRef, Text, Version};

/// A STOMP frame, borrowed from the parser that read it ([`Parser::next_borrowed`](crate::Parser::next_borrowed)) or
/// from a [`Frame`].
///
/// It can be examined and encoded like a [`Frame`], but needs no allocation and no reference counting, and does not
/// keep a read buffer alive. The borrow has to end before the parser is asked for the next item.
///
/// Use [`to_frame`](Self::to_frame) to copy a frame that is to be kept.
///
/// ```
/// use stomp_proto::{Frame, ItemRef, Limits, Parser, Sender, Version};
///
/// let mut parser = Parser::new(Sender::Client, Limits::default());
/// parser.set_version(Version::V1_2);
/// parser.feed(b"SEND\ndestination:/queue/a\n\nhello\0SEND\ndestination:/topic/b\n\n\0");
///
/// let mut kept: Vec<Frame> = Vec::new();
/// while let Some(item) = parser.next_borrowed()? {
///     match item {
///         ItemRef::Frame(frame) if frame.header("destination").unwrap() == "/queue/a" => kept.push(frame.to_frame()),
///         _ => {}
///     }
/// }
/// assert_eq!(kept.len(), 1);
/// assert_eq!(kept[0].body(), b"hello");
/// # Ok::<(), stomp_proto::ParseError>(())
/// ```
#[derive(Clone, Copy)]
pub struct FrameRef<'a> {
    command: Command,
    headers: HeadersRef<'a>,
    body: &'a [u8],
    announce_length: bool,
}

impl<'a> FrameRef<'a> {
    pub(crate) const fn new(
        command: Command,
        headers: HeadersRef<'a>,
        body: &'a [u8],
        announce_length: bool,
    ) -> Self {
        Self { command, headers, body, announce_length }
    }

    /// Returns the command.
    #[must_use]
    pub const fn command(self) -> Command {
        self.command
    }

    /// Returns the headers.
    #[must_use]
    pub const fn headers(self) -> HeadersRef<'a> {
        self.headers
    }

    /// Returns the value of the first header with this name, or `None` if there is none.
    #[must_use]
    pub fn header(self, name: &str) -> Option<Text<'a>> {
        self.headers.get(name)
    }

    /// Returns the body, which is empty if there is none.
    #[must_use]
    pub const fn body(self) -> &'a [u8] {
        self.body
    }

    /// Whether a `content-length` is added to a body that has none.
    pub(crate) const fn announces_length(self) -> bool {
        self.announce_length
    }

    /// Copies headers and body into a new [`Frame`], with one allocation for both.
    #[must_use]
    pub fn to_frame(self) -> Frame {
        let headers = self.headers.octets();
        let octets = Bytes::from([headers, self.body].concat());
        Frame::of(self, self.headers.moved_to(octets), headers.len())
    }

    /// Appends the frame to `out`, encoded for `version`. See [`Frame::encode`].
    ///
    /// # Errors
    /// Returns the same errors as [`Frame::encode`].
    pub fn encode(self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_head(version, out)?;
        out.extend_from_slice(self.body);
        out.extend_from_slice(b"\0");
        Ok(())
    }

    /// Appends everything that precedes the body to `out`, encoded for `version`. See [`Frame::encode_head`].
    ///
    /// # Errors
    /// Returns the same errors as [`Frame::encode_head`].
    pub fn encode_head(self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        let before = out.len();
        let written = self.write_head(version, out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    fn write_head(self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.writer(version, out)?.head(self.body)
    }

    /// Appends the command and the headers to `out` and returns a writer for the rest of the frame. See
    /// [`Frame::writer`].
    ///
    /// # Errors
    /// Returns the same errors as [`Frame::writer`].
    pub fn writer(self, version: Version, out: &mut BytesMut) -> Result<FrameWriter<'_>, EncodeError> {
        if !self.headers.is_indexed() {
            return Err(EncodeError::HeadersTooLarge);
        }
        let mut writer = FrameWriter::new(self.command, version, out)?;
        writer.set_announces(self.announce_length);
        if let Some(lines) = self.headers.lines() {
            for (name, value, line) in lines {
                writer.line(name, value, line)?;
            }
        } else {
            for (name, value) in self.headers.iter() {
                writer.header(&name.octets(), &value.octets())?;
            }
        }
        Ok(writer)
    }

    /// Shows the frame under the name of a type.
    pub(crate) fn show(self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("command", &self.command)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} octets", self.body.len()))
            .finish()
    }
}

impl PartialEq for FrameRef<'_> {
    /// Returns `true` if commands, headers (in order, unescaped) and bodies are equal.
    fn eq(&self, other: &Self) -> bool {
        (self.command, self.headers, self.body) == (other.command, other.headers, other.body)
    }
}

impl Eq for FrameRef<'_> {}

/// Shows the frame in the same way as [`Frame`].
impl fmt::Debug for FrameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show("FrameRef", f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::slots::{Slot, Slots};

    fn frame() -> Frame {
        Frame::new(Command::Connect).with_header("login", "me").with_header("passcode", "canary")
    }

    #[test]
    fn a_borrowed_frame_shows_no_secret_either() {
        let frame = frame();
        let shown = format!("{:?}", frame.as_ref());
        assert_eq!(shown, format!("{frame:?}").replacen("Frame", "FrameRef", 1));
        assert!(
            shown.starts_with("FrameRef {") && shown.contains("me") && !shown.contains("canary"),
            "{shown}"
        );
    }

    #[test]
    fn a_head_is_written_alone() {
        let frame = Frame::new(Command::Send).with_body("body");
        let mut out = BytesMut::from("before");
        assert_eq!(frame.encode_head(Version::V1_2, &mut out), Ok(()));
        assert_eq!(out, b"beforeSEND\ncontent-length:4\n\n"[..]);
        let wrong = frame.with_header("content-length", "5");
        assert_eq!(wrong.encode_head(Version::V1_2, &mut out), Err(EncodeError::ContentLengthMismatch));
        assert_eq!(out, b"beforeSEND\ncontent-length:4\n\n"[..]);
    }

    /// A copy is one allocation, in which nothing stands but the frame.
    #[test]
    fn what_is_copied_is_the_frame() {
        let frame = Frame::new(Command::Send).with_header("a", "1").with_body("body");
        let copy = frame.as_ref().to_frame();
        assert_eq!((&copy, copy.size()), (&frame, "a:1body".len()));
        assert_eq!(copy.body_bytes().as_ptr(), copy.body().as_ptr());
        assert!(!frame.without_content_length().into_owned().as_ref().announces_length());
    }

    /// Beyond 4 GiB, which nobody has to fill to see it refused.
    #[test]
    fn headers_beyond_the_index_are_refused() {
        for (end, expected) in [(u32::MAX - 1, Ok(())), (u32::MAX, Err(EncodeError::HeadersTooLarge))] {
            let slots: Slots = [Slot::new(0, 1, end as usize)].into_iter().collect();
            let headers = HeadersRef::new(b"a:1", slots.as_ref(), false);
            let frame = FrameRef::new(Command::Send, headers, b"", true);
            assert_eq!(frame.encode(Version::V1_2, &mut BytesMut::new()), expected);
        }
    }
}
