//! Writing frames. What would not be read back as itself is refused, so that no value can become a header or a frame.

use bytes::BytesMut;
use memchr::memchr;

use crate::{Command, EncodeError, Version, escape, text::parse_number, word::is_plain};

/// Headers that the protocol defines. A correct peer ignores a second one and an incorrect peer uses it, so it is
/// refused.
const PROTOCOL_HEADERS: [&str; 17] = [
    "accept-version",
    "ack",
    "content-length",
    "content-type",
    "destination",
    "heart-beat",
    "host",
    "id",
    "login",
    "message-id",
    "passcode",
    "receipt",
    "receipt-id",
    "session",
    "subscription",
    "transaction",
    "version",
];

/// Where the name stands in that table. Written out, since a search would cost as much as writing the header.
fn protocol_header(name: &[u8]) -> Option<usize> {
    Some(match name {
        b"accept-version" => 0,
        b"ack" => 1,
        b"content-length" => 2,
        b"content-type" => 3,
        b"destination" => 4,
        b"heart-beat" => 5,
        b"host" => 6,
        b"id" => 7,
        b"login" => 8,
        b"message-id" => 9,
        b"passcode" => 10,
        b"receipt" => 11,
        b"receipt-id" => 12,
        b"session" => 13,
        b"subscription" => 14,
        b"transaction" => 15,
        b"version" => 16,
        _ => return None,
    })
}

/// A writer that encodes one frame straight into a buffer.
///
/// It takes borrowed parts and does not allocate, except when the buffer has to grow. To encode a
/// [`Frame`](crate::Frame), use [`Frame::encode`](crate::Frame::encode).
///
/// After an error the buffer may hold the beginning of the frame; truncate it to its previous length.
///
/// ```
/// use bytes::BytesMut;
/// use stomp_proto::{Command, FrameWriter, Version};
///
/// let mut out = BytesMut::new();
/// let mut writer = FrameWriter::new(Command::Ack, Version::V1_2, &mut out)?;
/// writer.header(b"id", b"ID:1")?;
/// writer.finish(b"")?;
/// assert_eq!(&out[..], b"ACK\nid:ID\\c1\n\n\0");
/// # Ok::<(), stomp_proto::EncodeError>(())
/// ```
#[derive(Debug)]
#[must_use = "a frame ends with `finish`"]
pub struct FrameWriter<'a> {
    out: &'a mut BytesMut,
    head: Head,
}

/// What is known of the head of a frame that is being written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    command: Command,
    version: Version,
    /// The headers of the protocol that were written, one bit each.
    written: u32,
    /// The `content-length` that was written.
    announced: Option<u64>,
    /// Whether a `content-length` is added to a body that has none.
    announces: bool,
}

impl<'a> FrameWriter<'a> {
    /// Creates a writer and writes the command.
    ///
    /// # Errors
    /// Returns [`EncodeError::NotInVersion`] if `command` is NACK or STOMP and `version` is 1.0.
    pub fn new(command: Command, version: Version, out: &'a mut BytesMut) -> Result<Self, EncodeError> {
        if !command.exists_in(version) {
            return Err(EncodeError::NotInVersion { command, version });
        }
        out.extend_from_slice(command.as_str().as_bytes());
        out.extend_from_slice(b"\n");
        Ok(Self { out, head: Head { command, version, written: 0, announced: None, announces: true } })
    }

    /// Continues where another writer stopped.
    pub(crate) const fn resume(head: Head, out: &'a mut BytesMut) -> Self {
        Self { out, head }
    }

    /// Stops, so that other writers can continue from here.
    pub(crate) const fn pause(self) -> Head {
        self.head
    }

    /// Sets whether a `content-length` is added to a body that has none.
    pub(crate) const fn set_announces(&mut self, announces: bool) {
        self.head.announces = announces;
    }

    /// Writes a header.
    ///
    /// # Errors
    /// Returns [`EncodeError::UnencodableHeader`] if the version cannot express the name or the value,
    /// [`EncodeError::DuplicateHeader`] if a header of the protocol has been written before,
    /// [`EncodeError::ReceiptNotAllowed`] if a `receipt` is written for CONNECT or STOMP, and
    /// [`EncodeError::ContentLengthMismatch`] if the value of a `content-length` is not a number.
    pub fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
        self.check_protocol_header(name, value)?;
        self.field(name, true)?;
        self.out.extend_from_slice(b":");
        self.field(value, false)?;
        self.out.extend_from_slice(b"\n");
        Ok(())
    }

    /// Writes a header that stands somewhere as `name:value`, without escapes.
    pub(crate) fn line(&mut self, name: &[u8], value: &[u8], line: &[u8]) -> Result<(), EncodeError> {
        let is_written_so = |field: &[u8]| !field.is_empty() && is_plain(field);
        if !is_written_so(name) || !is_written_so(value) {
            return self.header(name, value);
        }
        self.check_protocol_header(name, value)?;
        self.out.extend_from_slice(line);
        self.out.extend_from_slice(b"\n");
        Ok(())
    }

    /// Writes a header whose value is a number, in decimal.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use stomp_proto::{Command, FrameWriter, Version};
    /// let mut out = BytesMut::new();
    /// let mut writer = FrameWriter::new(Command::Disconnect, Version::V1_2, &mut out)?;
    /// writer.number(b"receipt", 77)?;
    /// writer.finish(b"")?;
    /// assert_eq!(&out[..], b"DISCONNECT\nreceipt:77\n\n\0");
    /// # Ok::<(), stomp_proto::EncodeError>(())
    /// ```
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub fn number(&mut self, name: &[u8], value: u64) -> Result<(), EncodeError> {
        // ':', at most 20 digits, and the end of the line.
        let mut line = *b":\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
        let end = (value.checked_ilog10().unwrap_or_default() as usize).saturating_add(2);
        let mut rest = value;
        for digit in line.get_mut(1..end).unwrap_or_default().iter_mut().rev() {
            *digit = b'0' | (rest % 10) as u8;
            rest /= 10;
        }
        self.check_protocol_header(name, line.get(1..end).unwrap_or_default())?;
        self.field(name, true)?;
        self.out.extend_from_slice(line.get(..end.saturating_add(1)).unwrap_or_default());
        Ok(())
    }

    /// Writes the body and ends the frame.
    ///
    /// Adds a `content-length` if the body is not empty and no such header has been written. The writer of a
    /// [`PreparedFrame`](crate::PreparedFrame) that was made from a frame
    /// [without a `content-length`](crate::Frame::without_content_length) adds none: this method then does the same as
    /// [`finish_text`](Self::finish_text).
    ///
    /// # Errors
    /// Returns [`EncodeError::BodyNotAllowed`] if the body is not empty and the command allows none, and
    /// [`EncodeError::ContentLengthMismatch`] if a `content-length` has been written that is not the length of the
    /// body.
    pub fn finish(mut self, body: &[u8]) -> Result<(), EncodeError> {
        self.head(body)?;
        self.end(body);
        Ok(())
    }

    /// Writes the body without adding a `content-length`, and ends the frame.
    ///
    /// # Errors
    /// Returns the same errors as [`FrameWriter::finish`], and [`EncodeError::NulInBody`] if the body contains a NUL
    /// and no `content-length` has been written.
    pub fn finish_text(mut self, body: &[u8]) -> Result<(), EncodeError> {
        self.head.announces = false;
        self.head(body)?;
        self.end(body);
        Ok(())
    }

    /// Ends the headers of a frame with this body, which is not written.
    ///
    /// The caller has to write the body and a NUL afterwards. Use this to send a body without copying it. A
    /// `content-length` is added as by [`finish`](Self::finish).
    ///
    /// # Errors
    /// Returns the same errors as [`finish`](Self::finish).
    pub fn finish_head(mut self, body: &[u8]) -> Result<(), EncodeError> {
        self.head(body)
    }

    /// Ends the headers of a frame with this body, adding a `content-length` where one is due.
    pub(crate) fn head(&mut self, body: &[u8]) -> Result<(), EncodeError> {
        let Head { command, announced, announces, .. } = self.head;
        if !body.is_empty() && !command.may_have_body() {
            return Err(EncodeError::BodyNotAllowed { command });
        }
        match announced {
            Some(announced) if announced != body.len() as u64 => {
                return Err(EncodeError::ContentLengthMismatch);
            }
            None if announces && !body.is_empty() => {
                self.announce(body.len());
                return Ok(());
            }
            None if memchr(0, body).is_some() => return Err(EncodeError::NulInBody),
            _ => {}
        }
        self.out.extend_from_slice(b"\n");
        Ok(())
    }

    fn end(self, body: &[u8]) {
        self.out.extend_from_slice(body);
        self.out.extend_from_slice(b"\0");
    }

    /// Writes a `content-length` as the last header, and the blank line, in one piece, since nearly every body has
    /// them.
    fn announce(&mut self, length: usize) {
        const NAME: usize = b"content-length:".len();
        let mut lines = *b"content-length:\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
        let end =
            (length.checked_ilog10().unwrap_or_default() as usize).saturating_add(NAME.saturating_add(1));
        let mut rest = length;
        for digit in lines.get_mut(NAME..end).unwrap_or_default().iter_mut().rev() {
            *digit = b'0' | (rest % 10) as u8;
            rest /= 10;
        }
        self.out.extend_from_slice(lines.get(..end.saturating_add(2)).unwrap_or_default());
    }

    fn check_protocol_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
        let Some(known) = protocol_header(name) else { return Ok(()) };
        let bit = 1_u32.checked_shl(u32::try_from(known).unwrap_or(u32::MAX)).unwrap_or_default();
        if self.head.written & bit != 0 {
            return Err(EncodeError::DuplicateHeader {
                name: PROTOCOL_HEADERS.get(known).copied().unwrap_or_default(),
            });
        }
        self.head.written |= bit;
        match name {
            // 1.0 to 1.2, "receipt": any client frame other than CONNECT.
            b"receipt" if matches!(self.head.command, Command::Connect | Command::Stomp) => {
                Err(EncodeError::ReceiptNotAllowed)
            }
            b"content-length" => {
                self.head.announced = Some(parse_number(value).ok_or(EncodeError::ContentLengthMismatch)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn field(&mut self, octets: &[u8], is_name: bool) -> Result<(), EncodeError> {
        if !octets.is_empty() && is_plain(octets) {
            self.out.extend_from_slice(octets);
            return Ok(());
        }
        self.special_field(octets, is_name)
    }

    fn special_field(&mut self, octets: &[u8], is_name: bool) -> Result<(), EncodeError> {
        let Head { command, version, .. } = self.head;
        let escapes = command.escapes_in(version);
        if !can_say(octets, is_name, escapes, version) {
            return Err(EncodeError::UnencodableHeader { command, version });
        }
        if escapes {
            escape::escape_into(octets, self.out)
        } else {
            self.out.extend_from_slice(octets)
        }
        Ok(())
    }
}

fn can_say(octets: &[u8], is_name: bool, escapes: bool, version: Version) -> bool {
    let is_1_0 = version == Version::V1_0;
    // 1.0 grammar: a value has at least one octet, as a name has in every version.
    if octets.is_empty() {
        return !is_name && !is_1_0;
    }
    // A NUL in a header is data by the grammar and the end of the frame to some peers: never written.
    let forbidden = |octet: &u8| match octet {
        0 => true,
        b'\r' => !escapes || version < Version::V1_2,
        b'\n' => !escapes,
        b':' => is_name && !escapes,
        _ => is_1_0 && !octet.is_ascii(),
    };
    !octets.iter().any(forbidden) && (is_1_0 || core::str::from_utf8(octets).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a header can be written in each version, and in a CONNECT of the newest.
    #[test]
    fn what_can_be_said() {
        let rows: [(&[u8], &[u8], [bool; 4]); 12] = [
            (b"a", b"1", [true; 4]),
            (b"a", b"", [false, true, true, true]),
            (b"", b"1", [false; 4]),
            (b"a", b"1:2", [true; 4]),
            (b"a:b", b"1", [false, true, true, false]),
            (b"a", b"1\n2", [false, true, true, false]),
            (b"a", b"1\r2", [false, false, true, false]),
            (b"a\rb", b"1", [false, false, true, false]),
            (b"a", b"1\x002", [false; 4]),
            (b"a", b"1\\2", [true; 4]),
            (b"a", "é".as_bytes(), [false, true, true, true]),
            (b"a", b"\xff", [false; 4]),
        ];
        for (name, value, expected) in rows {
            let can = |command, version| {
                let mut out = BytesMut::new();
                FrameWriter::new(command, version, &mut out).unwrap().header(name, value).is_ok()
            };
            let mut found = [false; 4];
            for (found, version) in found.iter_mut().zip(Version::ALL) {
                *found = can(Command::Send, version);
            }
            found[3] = can(Command::Connect, Version::V1_2);
            assert_eq!(found, expected, "{}:{}", name.escape_ascii(), value.escape_ascii());
        }
    }

    #[test]
    fn a_number_is_what_its_text_would_be() {
        for value in [0, 1, 9, 10, 99, 100, 12_345_678, u64::MAX - 1, u64::MAX] {
            let (mut number, mut text) = (BytesMut::new(), BytesMut::new());
            for name in [&b"receipt"[..], b"content-length", b"x:y", b""] {
                fn writer(out: &mut BytesMut) -> FrameWriter<'_> {
                    FrameWriter::new(Command::Send, Version::V1_2, out).unwrap()
                }
                let written = writer(&mut number).number(name, value);
                let expected = writer(&mut text).header(name, alloc::format!("{value}").as_bytes());
                assert_eq!(written, expected);
                if written.is_ok() {
                    assert_eq!(number, text);
                }
            }
        }
    }

    #[test]
    fn each_protocol_header_has_a_bit() {
        assert!(PROTOCOL_HEADERS.len() <= 32);
        for (at, name) in PROTOCOL_HEADERS.iter().enumerate() {
            assert_eq!(protocol_header(name.as_bytes()), Some(at), "{name}");
        }
        assert_eq!(protocol_header(b"priority"), None);
    }

    /// Without `content-length`, for which a NUL would be the end.
    #[test]
    fn text_is_written_without_its_length() {
        fn writer(out: &mut BytesMut) -> FrameWriter<'_> {
            FrameWriter::new(Command::Send, Version::V1_2, out).unwrap()
        }
        let mut out = BytesMut::new();
        assert_eq!(writer(&mut out).finish_text(b"a"), Ok(()));
        assert_eq!(out, b"SEND\n\na\0"[..]);
        assert_eq!(writer(&mut out).finish_text(b"a\0b"), Err(EncodeError::NulInBody));
        out.clear();
        let mut announced = writer(&mut out);
        announced.header(b"content-length", b"3").unwrap();
        assert_eq!(announced.finish_text(b"a\0b"), Ok(()));
        assert_eq!(out, b"SEND\ncontent-length:3\n\na\0b\0"[..]);
    }

    #[test]
    fn lengths_are_written_in_decimal() {
        for length in [1_usize, 9, 10, 99, 100, 12_345, 999_999, 1_000_000] {
            let mut out = BytesMut::new();
            let writer = FrameWriter::new(Command::Send, Version::V1_2, &mut out).unwrap();
            writer.finish(&alloc::vec![b'x'; length]).unwrap();
            let head = alloc::format!("SEND\ncontent-length:{length}\n\nx");
            assert!(out.starts_with(head.as_bytes()), "{}", out.escape_ascii());
        }
    }
}
