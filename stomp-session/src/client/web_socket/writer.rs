//! What is sent: each frame of STOMP as one message, in pieces that fit a buffer.
//!
//! Some brokers take a message for a frame and read no further (ActiveMQ), so each frame is a message of its own, and so is
//! each heart-beat. What the session writes is known to be right, and so this need not look at more than where it ends.

use memchr::memchr;

use super::frame::{self, CONTROL, Masks, Opcode, PROTOCOL_ERROR};

/// The octets of one piece at most, and of what is taken at a time. Artemis takes frames of at most 64 KiB.
const PIECE: usize = 16 * 1024;
/// The least limit of a message.
const LEAST_LIMIT: usize = 256;
/// The octets of memory that a quiet connection keeps.
const KEPT: usize = 1024;

/// Writes messages into a buffer that is bounded: it is given more only when it is empty.
pub(super) struct Writer {
    masks: Masks,
    cutting: Cutting,
    text: bool,
    limit: usize,
    /// What the message that is being written has so far; `None` between messages.
    written: Option<usize>,
    closed: bool,
    out: Vec<u8>,
    /// How much of it has left.
    left: usize,
}

impl Writer {
    pub(super) fn new(seed: [u8; 16], text: bool, message_limit: Option<usize>) -> Self {
        Self {
            masks: Masks::new(seed),
            cutting: Cutting::default(),
            text,
            limit: message_limit.map_or(usize::MAX, |limit| limit.max(LEAST_LIMIT)),
            written: None,
            closed: false,
            out: Vec::new(),
            left: 0,
        }
    }

    /// What waits for the transport.
    pub(super) fn pending(&self) -> &[u8] {
        self.out.get(self.left..).unwrap_or_default()
    }

    /// So much of it has left.
    pub(super) fn advance(&mut self, count: usize) {
        self.left = self.left.saturating_add(count);
        if self.left >= self.out.len() {
            self.left = 0;
            self.out.clear();
            self.out.shrink_to(KEPT);
        }
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes some of the octets, and returns how many.
    pub(super) fn take(&mut self, octets: &[u8]) -> usize {
        let octets = octets.get(..PIECE).unwrap_or(octets);
        let mut taken = 0_usize;
        while let Some(rest) = octets.get(taken..).filter(|rest| !rest.is_empty()) {
            let room = self.limit.saturating_sub(self.written.unwrap_or_default());
            let fitting = match rest.get(..room) {
                Some(full) if self.text => whole_characters(full),
                Some(full) => full,
                None => rest,
            };
            let (count, ends) = self.cutting.next(fitting);
            let piece = fitting.get(..count).unwrap_or_default();
            let is_full = rest.len() >= room && count == fitting.len();
            self.write_piece(piece, ends || is_full);
            taken = taken.saturating_add(count);
        }
        taken
    }

    fn write_piece(&mut self, piece: &[u8], last: bool) {
        let opcode = match (self.written, self.text) {
            (Some(_), _) => Opcode::Continuation,
            (None, true) => Opcode::Text,
            (None, false) => Opcode::Binary,
        };
        frame::write(&mut self.out, opcode, last, self.masks.draw(), piece);
        let written = self.written.unwrap_or_default().saturating_add(piece.len());
        self.written = (!last).then_some(written);
    }

    /// Answers a ping. The caller sees to it that few answers wait.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        if !self.closed {
            self.write_control(Opcode::Pong, payload);
        }
    }

    /// Closes, once.
    pub(super) fn close(&mut self, code: u16) {
        if !std::mem::replace(&mut self.closed, true) {
            // Section 7.4: these are never written.
            let code = if matches!(code, ..1000 | 1005 | 1006 | 1015) { PROTOCOL_ERROR } else { code };
            self.write_control(Opcode::Close, &code.to_be_bytes());
        }
    }

    fn write_control(&mut self, opcode: Opcode, payload: &[u8]) {
        let payload = payload.get(..CONTROL).unwrap_or(payload);
        frame::write(&mut self.out, opcode, true, self.masks.draw(), payload);
    }
}

/// The text without a character at its end of which octets are missing: each message of text is whole (section 8.1).
fn whole_characters(text: &[u8]) -> &[u8] {
    let is_first = |octet: &u8| octet & 0xc0 != 0x80;
    let Some(behind) = text.iter().rev().take(4).position(is_first) else { return text };
    let at = text.len().saturating_sub(behind).saturating_sub(1);
    let length = match text.get(at) {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => 1,
    };
    if behind.saturating_add(1) < length { text.get(..at).unwrap_or(text) } else { text }
}

/// Follows what is written, from frame to frame.
#[derive(Debug, Default)]
struct Cutting {
    at: At,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    Between,
    /// In the head, after that many octets of the line.
    Head { column: usize, length: Length },
    /// In a body of which that many octets are left, and then its NUL.
    Counted(u64),
    /// In a body that ends with the first NUL.
    Uncounted,
}

/// The value of `content-length`.
#[derive(Clone, Copy, Debug)]
enum Length {
    Unknown,
    /// The line may be it: so it has been up to here.
    Reading(u64),
    Known(u64),
}

const NAME: &[u8] = b"content-length:";

impl Cutting {
    /// Returns how many of these octets belong to the message that is being written, and whether it ends with them.
    fn next(&mut self, octets: &[u8]) -> (usize, bool) {
        let mut count = 0_usize;
        while let Some(rest) = octets.get(count..).filter(|rest| !rest.is_empty()) {
            let (taken, ends) = self.step(rest);
            count = count.saturating_add(taken);
            if ends {
                self.at = At::Between;
                return (count, true);
            }
        }
        (count, false)
    }

    /// The same for some of them, and at least one.
    fn step(&mut self, octets: &[u8]) -> (usize, bool) {
        match &mut self.at {
            At::Between => match octets.first() {
                // A heart-beat.
                Some(b'\n' | b'\r') => (1, true),
                _ => {
                    self.at = At::Head { column: 0, length: Length::Unknown };
                    (0, false)
                }
            },
            At::Head { column, length } => {
                let mut taken = 0_usize;
                for octet in octets {
                    taken = taken.saturating_add(1);
                    if *octet != b'\n' {
                        length.read(*column, *octet);
                        *column = column.saturating_add(1);
                        continue;
                    }
                    if *column == 0 {
                        self.at = if let Length::Known(length) = length {
                            At::Counted(*length)
                        } else {
                            At::Uncounted
                        };
                        break;
                    }
                    length.end_line(*column);
                    *column = 0;
                }
                (taken, false)
            }
            At::Counted(0) => (1, true),
            At::Counted(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
                *left = left.saturating_sub(count as u64);
                (count, false)
            }
            At::Uncounted => {
                memchr(0, octets).map_or((octets.len(), false), |end| (end.saturating_add(1), true))
            }
        }
    }
}

impl Length {
    /// An octet of a line. The first of repeated headers counts (1.2, "Repeated Header Entries").
    fn read(&mut self, column: usize, octet: u8) {
        match self {
            Self::Unknown if column == 0 && octet == b'c' => *self = Self::Reading(0),
            Self::Reading(value) => {
                let digit = octet.wrapping_sub(b'0');
                let fits = match NAME.get(column) {
                    Some(letter) => *letter == octet,
                    None => digit < 10,
                };
                if !fits {
                    *self = Self::Unknown;
                } else if column >= NAME.len() {
                    *value = value.saturating_mul(10).saturating_add(u64::from(digit));
                }
            }
            _ => {}
        }
    }

    fn end_line(&mut self, columns: usize) {
        if let Self::Reading(value) = *self {
            *self = if columns > NAME.len() { Self::Known(value) } else { Self::Unknown };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sent {
        opcode: u8,
        messages: Vec<Vec<u8>>,
    }

    /// The messages of what was written, by a reader that knows nothing of the writer.
    fn sent(mut octets: &[u8]) -> Sent {
        let mut sent = Sent { opcode: 0, messages: Vec::new() };
        let mut is_new = true;
        while let [first, second, rest @ ..] = octets {
            assert_eq!(second & 0x80, 0x80, "a client masks");
            let (length, rest) = match second & 0x7f {
                126 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), &rest[2..]),
                127 => panic!("a piece is smaller"),
                short => (usize::from(short), rest),
            };
            let (mask, rest) = rest.split_at(4);
            let payload = rest[..length].iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask);
            assert_eq!(first & 0x0f == 0, !is_new, "a message begins with its kind, and goes on without");
            if is_new {
                sent.opcode = first & 0x0f;
                sent.messages.push(Vec::new());
            }
            sent.messages.last_mut().unwrap().extend(payload);
            is_new = first & 0x80 != 0;
            octets = &rest[length..];
        }
        assert!(is_new, "the last message ends");
        sent
    }

    fn write(octets: &[u8], text: bool, limit: Option<usize>) -> Sent {
        let mut writer = Writer::new([7; 16], text, limit);
        let (mut rest, mut out) = (octets, Vec::new());
        while !rest.is_empty() {
            let taken = writer.take(rest);
            assert!(writer.pending().len() <= PIECE + PIECE / 2, "the buffer is bounded");
            out.extend_from_slice(writer.pending());
            writer.advance(writer.pending().len());
            rest = &rest[taken..];
        }
        sent(&out)
    }

    fn send(body: &str) -> Vec<u8> {
        format!("SEND\ndestination:/queue/a\ncontent-length:{}\n\n{body}\0", body.len()).into_bytes()
    }

    #[test]
    fn a_large_frame_is_one_message_in_pieces() {
        let frames = [send("small"), b"\n".to_vec(), send(&"x".repeat(100_000)), send("")];
        let written = write(&frames.concat(), false, None);
        assert_eq!(written, Sent { opcode: 2, messages: frames.to_vec() });
    }

    #[test]
    fn a_limit_cuts_a_frame_into_messages_and_no_character() {
        let frame = send(&"aä€𝄞".repeat(500));
        for limit in [1, 256, 257, 258, 259, 1000] {
            let written = write(&frame, true, Some(limit));
            assert_eq!((written.opcode, written.messages.concat()), (1, frame.clone()));
            let most = limit.max(LEAST_LIMIT);
            assert!(written.messages.iter().all(|message| message.len() <= most), "{limit}");
            assert!(
                written.messages.iter().all(|message| String::from_utf8(message.clone()).is_ok()),
                "{limit}"
            );
            assert!(
                written.messages.len() <= frame.len() / (most - 3) + 1,
                "{limit}: no smaller than they must be"
            );
        }
    }

    #[test]
    fn what_is_no_text_is_cut_as_well() {
        let body = [0xff_u8, 0x80, 0x80, 0x80, 0x80, 0xe2].repeat(300);
        let mut frame = b"SEND\ncontent-length:1800\n\n".to_vec();
        frame.extend_from_slice(&body);
        frame.push(0);
        assert_eq!(write(&frame, true, Some(256)).messages.concat(), frame);
    }

    #[test]
    fn it_is_closed_once_and_nothing_follows() {
        let mut writer = Writer::new([7; 16], false, None);
        writer.close(1005);
        let length = writer.pending().len();
        writer.close(1000);
        writer.pong(b"late");
        assert_eq!((length, writer.pending().len()), (8, 8));
        assert_eq!(sent(writer.pending()).messages, [[0x03, 0xea]], "1002: there is no other word for it");
    }

    /// The messages, in whichever steps they are written.
    fn messages(text: &[u8], step: usize) -> Vec<Vec<u8>> {
        let (mut cutting, mut messages, mut message) = (Cutting::default(), Vec::new(), Vec::new());
        for mut piece in text.chunks(step) {
            while !piece.is_empty() {
                let (count, ends) = cutting.next(piece);
                message.extend_from_slice(&piece[..count]);
                piece = &piece[count..];
                if ends {
                    messages.push(std::mem::take(&mut message));
                }
            }
        }
        assert!(message.is_empty(), "the last one ends");
        messages
    }

    #[test]
    fn each_frame_and_each_heart_beat_is_a_message() {
        let parts: [&[u8]; 9] = [
            b"CONNECT\naccept-version:1.2\n\n\0",
            b"\n",
            b"SEND\ndestination:/queue/a\ncontent-length:5\n\na\0b\nc\0",
            b"SEND\ncontent-length:0\n\n\0",
            b"\n",
            b"\n",
            b"SEND\ncontent-type:text/plain\ncontent-lengthy:7\ncontent-length:\n\nno\nlength\0",
            b"SEND\ncontent-length:2\ncontent-length:9\n\n\0\0\0",
            b"DISCONNECT\nreceipt:1\n\n\0",
        ];
        let text = parts.concat();
        for step in 1..=text.len() {
            assert_eq!(messages(&text, step), parts, "in steps of {step}");
        }
    }
}
