//! The frames of a WebSocket (RFC 6455, section 5): their heads, the masks of what a client sends (section 10.3), and the
//! codes with which one is closed, in words (section 7.4.1, and the registry of IANA).

use std::{fmt, io};

use sha1::{Digest as _, Sha1};

use crate::{client::runtime::TransportError, model::mask::Mask};

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
    apply_mask(mask, out.get_mut(from..).unwrap_or_default());
}

/// A sequence of masks from octets of the operating system.
#[derive(Clone)]
pub(super) struct Masks {
    seed: [u8; 16],
    drawn: u64,
    ready: Vec<[u8; 4]>,
}

impl Masks {
    pub(super) const fn new(seed: [u8; 16]) -> Self {
        Self { seed, drawn: 0, ready: Vec::new() }
    }

    pub(super) fn draw(&mut self) -> [u8; 4] {
        if self.ready.is_empty() {
            self.drawn = self.drawn.wrapping_add(1);
            let digest =
                Sha1::new().chain_update(self.seed).chain_update(self.drawn.to_be_bytes()).finalize();
            self.ready.extend(digest.chunks_exact(4).filter_map(|octets| <[u8; 4]>::try_from(octets).ok()));
        }
        self.ready.pop().unwrap_or_default()
    }
}

/// Masks octets, or takes the mask off again, if the first of them is the first of a frame.
fn apply_mask(mask: [u8; 4], octets: &mut [u8]) {
    let mut words = octets.chunks_exact_mut(8);
    let [a, b, c, d] = mask;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    for word in &mut words {
        if let Ok(octets) = <[u8; 8]>::try_from(&*word) {
            word.copy_from_slice(&(u64::from_ne_bytes(octets) ^ twice).to_ne_bytes());
        }
    }
    words.into_remainder().iter_mut().zip(mask.iter().cycle()).for_each(|(octet, mask)| *octet ^= mask);
}

/// Closed in good order.
pub(super) const NORMAL: u16 = 1000;
/// What came breaks the protocol.
pub(super) const PROTOCOL_ERROR: u16 = 1002;
/// The peer goes away: the server is shut down.
const GOING_AWAY: u16 = 1001;

/// Why nothing more comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer has closed it, with this code and these words.
    Closed { code: Option<u16>, words: String },
    /// What came is no WebSocket.
    Broken(&'static str),
}

impl End {
    /// The code of the answer (section 5.5.1: the same).
    pub(super) fn answer(&self) -> u16 {
        match self {
            Self::Closed { code, .. } => code.unwrap_or(NORMAL),
            Self::Broken(_) => PROTOCOL_ERROR,
        }
    }

    /// The end as an error, or `None` where the peer has closed in good order, which is an end like any other.
    pub(super) fn error(&self, mask: &Mask) -> Option<io::Error> {
        let (code, words) = match self {
            Self::Closed { code: None | Some(NORMAL | GOING_AWAY), .. } => return None,
            Self::Closed { code: Some(code), words } => (*code, words),
            Self::Broken(what) => {
                let text = format!("what the broker sent is no WebSocket: {what}");
                return Some(TransportError::new(text).of_kind(io::ErrorKind::InvalidData).into());
            }
        };
        let words = mask.hide(words).unwrap_or_else(|| words.clone());
        let text = format!("the broker closed the WebSocket: {code}, {}{}", meaning(code), Said(&words));
        Some(TransportError::new(text).of_code(code).of_kind(io::ErrorKind::ConnectionAborted).into())
    }
}

/// The words of the peer, if it has any, without what is not printable.
struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.escape_debug()) }
    }
}

const fn meaning(code: u16) -> &'static str {
    match code {
        1002 => "it calls what was sent a protocol error",
        1003 => "it takes no such data (is it to be sent as text? see WebSocketConfig::text)",
        1007 => "what was sent as text is no UTF-8 (see WebSocketConfig::text)",
        1008 => "its policy was violated",
        1009 => "a message was too large for it (see WebSocketConfig::message_limit)",
        1010 => "it misses an extension",
        1011 => "it met an error of its own",
        1012 => "it restarts",
        1013 => "it is overloaded: try again later",
        1014 => "a gateway got no good answer",
        3000..4000 => "a code of its software",
        4000..5000 => "a code of its application",
        _ => "a code without a meaning",
    }
}

/// What is written in a frame that closes, and what is read from one. Section 5.5.1.
pub(super) fn read_close(payload: &[u8]) -> End {
    match payload {
        [] => End::Closed { code: None, words: String::new() },
        [high, low, words @ ..] => End::Closed {
            code: Some(u16::from_be_bytes([*high, *low])),
            words: String::from_utf8_lossy(words).into_owned(),
        },
        [_] => End::Broken("a close frame with half a code"),
    }
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

    #[test]
    fn octets_are_masked_in_turn() {
        let text: Vec<u8> = (0..37).collect();
        for length in 0..text.len() {
            let mut octets = text[..length].to_vec();
            apply_mask([1, 2, 3, 4], &mut octets);
            let expected: Vec<u8> =
                text[..length].iter().zip([1, 2, 3, 4].iter().cycle()).map(|(a, b)| a ^ b).collect();
            assert_eq!(octets, expected);
        }
    }

    #[test]
    fn no_two_masks_are_alike() {
        let draw = |seed| {
            let mut masks = Masks::new([seed; 16]);
            std::array::from_fn::<_, 12, _>(|_| masks.draw())
        };
        let drawn: std::collections::BTreeSet<_> = draw(1).into_iter().chain(draw(2)).collect();
        assert_eq!(drawn.len(), 24);
    }
}
