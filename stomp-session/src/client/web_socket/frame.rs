//! The head of a WebSocket's frame (RFC 6455, section 5.2): read, and written.

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn number(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    /// Whether it is about the connection, and may come between the pieces of a message.
    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The most that a frame about the connection carries (section 5.5).
pub(super) const CONTROL: usize = 125;

/// The head of a frame from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    /// Whether it is the last of its message.
    pub(super) last: bool,
    pub(super) length: u64,
}

/// The octets of a head, as they come.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    octets: [u8; 10],
    count: usize,
}

impl HeadReader {
    /// Takes an octet. Returns the head if it is complete.
    pub(super) fn take(&mut self, octet: u8) -> Result<Option<Head>, &'static str> {
        if let Some(slot) = self.octets.get_mut(self.count) {
            *slot = octet;
            self.count = self.count.saturating_add(1);
        }
        let [first, second, long @ ..] = self.octets;
        let extended = match second & 0x7f {
            126 => 2_usize,
            127 => 8,
            _ => 0,
        };
        if self.count < extended.saturating_add(2) {
            return Ok(None);
        }
        self.count = 0;
        let length = match extended {
            0 => u64::from(second & 0x7f),
            _ => long.iter().take(extended).fold(0, |length, octet| length << 8 | u64::from(*octet)),
        };
        check(first, second, length).map(Some)
    }
}

fn check(first: u8, second: u8, length: u64) -> Result<Head, &'static str> {
    if first & 0x70 != 0 {
        return Err("a frame of an extension that nobody has asked for");
    }
    if second & 0x80 != 0 {
        return Err("a frame with a mask");
    }
    let opcode = Opcode::of(first & 0x0f).ok_or("a frame of an unknown kind")?;
    let last = first & 0x80 != 0;
    if opcode.is_control() && (!last || length > CONTROL as u64) {
        return Err("a control frame that is too long or in pieces");
    }
    if length >> 63 != 0 {
        return Err("a frame with an impossible length");
    }
    Ok(Head { opcode, last, length })
}

/// Writes a frame with its mask. Section 5.3.
pub(super) fn write(out: &mut Vec<u8>, opcode: Opcode, last: bool, mask: [u8; 4], payload: &[u8]) {
    out.push(if last { 0x80 } else { 0 } | opcode.number());
    let length = payload.len();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => out.push(0x80 | short),
        (_, Ok(longer)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&longer.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let from = out.len();
    out.extend_from_slice(payload);
    super::masks::apply(mask, out.get_mut(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Option<Head>, &'static str> {
        let mut reader = HeadReader::default();
        let mut heads = octets.iter().map(|octet| reader.take(*octet));
        heads.find(|head| *head != Ok(None)).unwrap_or(Ok(None))
    }

    /// Section 5.7.
    #[test]
    fn the_examples_of_the_specification() {
        let head = |opcode, last, length| Ok(Some(Head { opcode, last, length }));
        assert_eq!(read(&[0x81, 0x05]), head(Opcode::Text, true, 5));
        assert_eq!(read(&[0x01, 0x03]), head(Opcode::Text, false, 3));
        assert_eq!(read(&[0x80, 0x02]), head(Opcode::Continuation, true, 2));
        assert_eq!(read(&[0x89, 0x05]), head(Opcode::Ping, true, 5));
        assert_eq!(read(&[0x82, 0x7e, 0x01, 0x00]), head(Opcode::Binary, true, 256));
        assert_eq!(read(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]), head(Opcode::Binary, true, 65536));
        assert_eq!(read(&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0]), Ok(None), "one octet is missing");
        let mut out = Vec::new();
        write(&mut out, Opcode::Text, true, [0x37, 0xfa, 0x21, 0x3d], b"Hello");
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn what_no_server_may_send_is_named() {
        let rows: [(&[u8], &str); 7] = [
            (&[0xc1, 0x05], "extension"),
            (&[0x81, 0x85], "mask"),
            (&[0x83, 0x05], "unknown kind"),
            (&[0x8b, 0x05], "unknown kind"),
            (&[0x09, 0x05], "control frame"),
            (&[0x89, 0x7e, 0x00, 0x7e], "control frame"),
            (&[0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0], "impossible length"),
        ];
        for (octets, expected) in rows {
            let error = read(octets).unwrap_err();
            assert!(error.contains(expected), "{octets:x?}: {error}");
        }
    }

    #[test]
    fn lengths_are_written_as_short_as_they_can_be() {
        for (length, head) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let mut out = Vec::new();
            write(&mut out, Opcode::Binary, true, [1, 2, 3, 4], &vec![7; length]);
            assert_eq!(out.len(), length + head);
        }
    }
}
