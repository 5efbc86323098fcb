//! Where the frames of STOMP end that a session writes, and so where messages do.
//!
//! Some brokers take a message for a frame and read no further (ActiveMQ), so each frame is a message of its own, and so is
//! each heart-beat. What the session writes is known to be right, and so this need not look at more than where it ends.

use memchr::memchr;

/// Follows what is written, from frame to frame.
#[derive(Debug, Default)]
pub(super) struct Cutting {
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
    pub(super) fn next(&mut self, octets: &[u8]) -> (usize, bool) {
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
