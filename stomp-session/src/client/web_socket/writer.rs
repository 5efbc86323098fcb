//! What is sent: each frame of STOMP as one message, in pieces that fit a buffer.

use super::{
    close::PROTOCOL_ERROR,
    cutting::Cutting,
    frame::{self, CONTROL, Opcode},
    masks::Masks,
};

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
}
