//! Frames that differ in little but their bodies. What they have in common is checked and escaped once.

use core::fmt;

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, Frame, FrameWriter, Version, encode::Head};

/// A frame whose command and constant headers are already encoded.
///
/// It can be completed with a body any number of times, for example as a SEND to one destination, or as the MESSAGE
/// that a broker sends to many subscribers. Encoding then copies the head and the body, and does not allocate unless
/// the buffer has to grow.
///
/// The escapes of headers depend on the version, so the head is encoded for one version. The frame itself is kept:
/// [`set_version`](Self::set_version) encodes the head again if a later connection uses another version.
///
/// ```
/// use stomp_proto::{Command, Frame, Version, bytes::BytesMut};
///
/// let send = Frame::new(Command::Send).with_header("destination", "/queue/a").with_header("priority", "5");
/// let send = send.prepare(Version::V1_2)?;
/// let mut out = BytesMut::new();
/// send.encode(b"hello", &mut out)?;
/// assert_eq!(&out[..], b"SEND\ndestination:/queue/a\npriority:5\ncontent-length:5\n\nhello\0");
///
/// // With a header for this frame only:
/// out.clear();
/// let mut writer = send.writer(&mut out);
/// writer.header(b"receipt", b"7")?;
/// writer.finish(b"")?;
/// assert_eq!(&out[..], b"SEND\ndestination:/queue/a\npriority:5\nreceipt:7\n\n\0");
/// # Ok::<(), stomp_proto::EncodeError>(())
/// ```
#[derive(Clone)]
pub struct PreparedFrame {
    frame: Frame,
    version: Version,
    octets: Bytes,
    head: Head,
}

impl PreparedFrame {
    pub(crate) fn new(frame: Frame, version: Version) -> Result<Self, EncodeError> {
        let frame = frame.with_body(Bytes::new());
        let mut octets = BytesMut::new();
        let head = frame.as_ref().writer(version, &mut octets)?.pause();
        Ok(Self { frame, version, octets: octets.freeze(), head })
    }

    /// Returns the version for which the head is encoded.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns the frame from which it was prepared, without a body.
    #[must_use]
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Encodes the head for another version. Does nothing if it is already encoded for this version.
    ///
    /// # Errors
    /// Returns [`EncodeError`] if the command or the headers cannot be encoded for this version. The prepared frame is
    /// then unchanged.
    pub fn set_version(&mut self, version: Version) -> Result<(), EncodeError> {
        if version != self.version {
            *self = Self::new(self.frame.clone(), version)?;
        }
        Ok(())
    }

    /// Appends the whole frame with this body to `out`. Leaves `out` unchanged if it returns an error.
    ///
    /// # Errors
    /// Returns [`EncodeError`] if the frame must not have this body: the command allows none, the frame has a
    /// `content-length` header that is not the length of the body, or the body contains a NUL and no `content-length`
    /// is written.
    pub fn encode(&self, body: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_head(body, out)?;
        out.extend_from_slice(body);
        out.extend_from_slice(b"\0");
        Ok(())
    }

    /// Appends everything that precedes the body to `out`. Leaves `out` unchanged if it returns an error.
    ///
    /// The caller has to write the body and a NUL afterwards. Use this to send a body without copying it.
    ///
    /// # Errors
    /// Returns the same errors as [`encode`](Self::encode).
    pub fn encode_head(&self, body: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        let before = out.len();
        let written = self.writer(out).head(body);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    /// Appends the prepared head to `out` and returns a writer for the rest of the frame.
    ///
    /// Use it to add headers to one frame, such as `receipt`. If the prepared head already has a header of the
    /// protocol, [`FrameWriter::header`] returns an error for a second one. [`FrameWriter::finish`] adds a
    /// `content-length` under the same conditions as [`encode`](Self::encode).
    pub fn writer<'a>(&self, out: &'a mut BytesMut) -> FrameWriter<'a> {
        out.extend_from_slice(&self.octets);
        FrameWriter::resume(self.head, out)
    }
}

/// Shows the frame from which it was prepared, without secrets.
impl fmt::Debug for PreparedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedFrame")
            .field("frame", &self.frame)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    fn send() -> Frame {
        Frame::new(Command::Send).with_header("destination", "/queue/a:b").with_header("x", "a\\b")
    }

    /// What a plain frame does with that body, the prepared one does too: the same octets or the same error.
    #[test]
    fn it_is_the_frame() {
        let frames = [
            send(),
            send().without_content_length(),
            send().with_header("content-length", "3"),
            Frame::new(Command::Message).with_header("subscription", "0"),
            Frame::new(Command::Connect).with_header("passcode", "a:b"),
        ];
        for (frame, version) in frames.iter().flat_map(|frame| Version::ALL.map(|version| (frame, version))) {
            let prepared = frame.clone().with_body("ignored").prepare(version).unwrap();
            for body in [&b""[..], b"abc", b"a\0b", b"hello"] {
                let (mut ours, mut theirs) = (BytesMut::from("before"), BytesMut::from("before"));
                let written = prepared.encode(body, &mut ours);
                let expected = frame.clone().with_body(body.to_vec()).encode(version, &mut theirs);
                assert_eq!((written, ours), (expected, theirs), "{frame:?} {body:?}");
            }
        }
    }

    #[test]
    fn its_writer_adds_a_content_length_where_the_frame_does() {
        let finished = |frame: Frame| {
            let mut out = BytesMut::new();
            frame.prepare(Version::V1_2).unwrap().writer(&mut out).finish(b"abc").unwrap();
            out
        };
        assert!(finished(send()).ends_with(b"\ncontent-length:3\n\nabc\0"));
        assert!(finished(send().without_content_length()).ends_with(b"b\n\nabc\0"));
    }

    #[test]
    fn a_later_connection_may_speak_another_version() {
        let mut prepared = send().with_header("y", "\n").prepare(Version::V1_2).unwrap();
        let before = prepared.octets.clone();
        assert!(prepared.set_version(Version::V1_0).is_err(), "1.0 has no end of line in a header");
        assert_eq!((prepared.version(), &prepared.octets), (Version::V1_2, &before));

        let mut prepared = send().prepare(Version::V1_2).unwrap();
        prepared.set_version(Version::V1_0).unwrap();
        assert_eq!(prepared.version(), Version::V1_0);
        assert_eq!(prepared.octets, send().prepare(Version::V1_0).unwrap().octets);
        assert_ne!(prepared.octets, send().prepare(Version::V1_1).unwrap().octets);
    }

    #[test]
    fn nothing_is_written_twice() {
        let prepared = send().prepare(Version::V1_2).unwrap();
        let mut out = BytesMut::new();
        assert_eq!(
            prepared.writer(&mut out).header(b"destination", b"/queue/other"),
            Err(EncodeError::DuplicateHeader { name: "destination" })
        );
        assert_eq!(prepared.writer(&mut out).header(b"x", b"1"), Ok(()), "the protocol does not know x");
    }

    #[test]
    fn no_secret_in_debug() {
        let connect = Frame::new(Command::Connect).with_header("passcode", "canary");
        let shown = alloc::format!("{:?}", connect.prepare(Version::V1_2).unwrap());
        assert!(shown.contains("***") && !shown.contains("canary"), "{shown}");
    }
}
