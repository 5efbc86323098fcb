//! The frame, borrowed: to be looked at, passed on or answered without owning anything of it.

use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::{Command, EncodeError, Frame, FrameWriter, HeadersRef, Text, Version};

/// A STOMP frame that is borrowed: from the parser that read it ([`Parser::next_borrowed`](crate::Parser::next_borrowed)), or
/// from a [`Frame`].
///
/// It can be read and written like a [`Frame`]. Nothing is shared, counted or allocated for it, and no read buffer lives
/// longer because of it; it must be gone before the parser gives the next item. [`to_frame`](Self::to_frame) copies what is
/// to be kept.
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

    /// The command.
    #[must_use]
    pub const fn command(self) -> Command {
        self.command
    }

    /// The headers.
    #[must_use]
    pub const fn headers(self) -> HeadersRef<'a> {
        self.headers
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn header(self, name: &str) -> Option<Text<'a>> {
        self.headers.get(name)
    }

    /// The body; empty when there is none.
    #[must_use]
    pub const fn body(self) -> &'a [u8] {
        self.body
    }

    /// Whether a `content-length` is added where there is a body and none.
    pub(crate) const fn announces_length(self) -> bool {
        self.announce_length
    }

    /// The frame to keep: headers and body are copied, into one allocation.
    #[must_use]
    pub fn to_frame(self) -> Frame {
        let headers = self.headers.octets();
        let octets = Bytes::from([headers, self.body].concat());
        Frame::of(self, self.headers.moved_to(octets), headers.len())
    }

    /// As [`Frame::encode`].
    ///
    /// # Errors
    /// As there.
    pub fn encode(self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_head(version, out)?;
        out.extend_from_slice(self.body);
        out.extend_from_slice(b"\0");
        Ok(())
    }

    /// As [`Frame::encode_head`].
    ///
    /// # Errors
    /// As there.
    pub fn encode_head(self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        let before = out.len();
        let written = self.write_head(version, out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    fn write_head(self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.write_headers(version, out)?.head(self.body)
    }

    /// Begins to write the frame: all but what depends on its body.
    pub(crate) fn write_headers(
        self,
        version: Version,
        out: &mut BytesMut,
    ) -> Result<FrameWriter<'_>, EncodeError> {
        if !self.headers.is_indexed() {
            return Err(EncodeError::HeadersTooLarge);
        }
        let mut writer = FrameWriter::new(self.command, version, out)?;
        writer.set_announces(self.announce_length);
        for (name, value) in self.headers.iter() {
            writer.header(&name.octets(), &value.octets())?;
        }
        Ok(writer)
    }

    /// Shows it under that name.
    pub(crate) fn show(self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("command", &self.command)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} octets", self.body.len()))
            .finish()
    }
}

impl PartialEq for FrameRef<'_> {
    /// The same command, headers (in order, unescaped) and body.
    fn eq(&self, other: &Self) -> bool {
        (self.command, self.headers, self.body) == (other.command, other.headers, other.body)
    }
}

impl Eq for FrameRef<'_> {}

/// As [`Frame`] shows itself.
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
            let headers = HeadersRef::new(b"a:1", slots.as_slices(), false);
            let frame = FrameRef::new(Command::Send, headers, b"", true);
            assert_eq!(frame.encode(Version::V1_2, &mut BytesMut::new()), expected);
        }
    }
}
