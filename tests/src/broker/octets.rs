//! The octets of a MESSAGE. Headers that are not UTF-8 are relayed as they came, as real brokers do: only what would change
//! the frame cannot be expressed.

use bytes::BytesMut;
use stomp_proto::{Command, EncodeError, Version};

/// Writes the headers and the body of a MESSAGE.
pub(super) struct MessageWriter<'a> {
    version: Version,
    out: &'a mut BytesMut,
}

impl<'a> MessageWriter<'a> {
    pub(super) fn new(version: Version, out: &'a mut BytesMut) -> Self {
        out.extend_from_slice(b"MESSAGE\n");
        Self { version, out }
    }

    /// Writes a header, or returns an error if this version cannot express it.
    pub(super) fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EncodeError> {
        self.field(name, true)?;
        self.out.extend_from_slice(b":");
        self.field(value, false)?;
        self.out.extend_from_slice(b"\n");
        Ok(())
    }

    /// Writes the body and ends the frame.
    pub(super) fn finish(self, body: &[u8]) {
        self.out.extend_from_slice(b"\n");
        self.out.extend_from_slice(body);
        self.out.extend_from_slice(b"\0");
    }

    fn field(&mut self, octets: &[u8], is_name: bool) -> Result<(), EncodeError> {
        let is_special = |octet: &u8| matches!(octet, b'\0' | b'\n' | b'\r' | b':' | b'\\');
        let is_empty_name = is_name && octets.is_empty();
        if !is_empty_name && !octets.iter().any(is_special) {
            self.out.extend_from_slice(octets);
            return Ok(());
        }
        if !can_express(octets, is_name, self.version) {
            return Err(EncodeError::UnencodableHeader { command: Command::Message, version: self.version });
        }
        for octet in octets {
            match escape(*octet).filter(|_| self.version.escapes()) {
                Some(escape) => self.out.extend_from_slice(&[b'\\', escape]),
                None => self.out.extend_from_slice(&[*octet]),
            }
        }
        Ok(())
    }
}

/// Whether a field stays what it is: 1.0 has no escapes, and 1.1 none for CR.
fn can_express(octets: &[u8], is_name: bool, version: Version) -> bool {
    let escapes = version.escapes();
    let is_impossible = |octet: &u8| match octet {
        b'\0' => true,
        b'\n' => !escapes,
        b'\r' => version < Version::V1_2,
        b':' => is_name && !escapes,
        _ => false,
    };
    let is_empty_name = is_name && octets.is_empty();
    !is_empty_name && !octets.iter().any(is_impossible)
}

const fn escape(octet: u8) -> Option<u8> {
    match octet {
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b':' => Some(b'c'),
        b'\\' => Some(b'\\'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_expressed() {
        // The name, the value, and the line in 1.0, 1.1 and 1.2.
        type Line = Option<&'static [u8]>;
        let rows: [(&[u8], &[u8], [Line; 3]); 9] = [
            (b"x", b"y", [Some(b"x:y"); 3]),
            (b"x", b"", [Some(b"x:"); 3]),
            (b"", b"y", [None; 3]),
            (b"x\xff", b"\xfe\x80y", [Some(b"x\xff:\xfe\x80y"); 3]),
            (b"x", b"a:b\\c", [Some(b"x:a:b\\c"), Some(b"x:a\\cb\\\\c"), Some(b"x:a\\cb\\\\c")]),
            (b"x:", b"y", [None, Some(b"x\\c:y"), Some(b"x\\c:y")]),
            (b"x", b"\n", [None, Some(b"x:\\n"), Some(b"x:\\n")]),
            (b"x", b"\r", [None, None, Some(b"x:\\r")]),
            (b"x", b"\0", [None; 3]),
        ];
        for (name, value, lines) in rows {
            for (version, line) in Version::ALL.into_iter().zip(lines) {
                let mut out = BytesMut::new();
                let mut writer = MessageWriter::new(version, &mut out);
                let written = writer.header(name, value);
                writer.finish(b"b");
                assert_eq!(written.is_ok(), line.is_some(), "{} in {version}", value.escape_ascii());
                if let Some(line) = line {
                    assert_eq!(&*out, [b"MESSAGE\n", line, b"\n\nb\0"].concat());
                }
            }
        }
    }
}
