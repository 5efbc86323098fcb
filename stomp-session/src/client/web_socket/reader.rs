//! What a server sends, as the octets of its messages: heads are taken out in place, and nothing is gathered but what is
//! about the connection.

use super::frame::{CONTROL, End, Head, HeadReader, Opcode, read_close};

/// Reads frames, however they are cut.
#[derive(Debug)]
pub(super) struct Reader {
    at: At,
    /// A message has begun and is not complete.
    in_message: bool,
    /// The payload of the last ping, which is to be answered. Section 5.5.3: earlier ones need not be.
    ping: Option<Vec<u8>>,
    end: Option<End>,
}

#[derive(Debug)]
enum At {
    Head(HeadReader),
    Data { left: u64 },
    Control { opcode: Opcode, left: usize, payload: Vec<u8> },
}

impl Default for Reader {
    fn default() -> Self {
        Self { at: At::Head(HeadReader::default()), in_message: false, ping: None, end: None }
    }
}

impl Reader {
    /// Reads what came. What belongs to messages is moved to the front, and its length is returned.
    ///
    /// What comes behind the end is ignored.
    pub(super) fn read(&mut self, octets: &mut [u8]) -> usize {
        let (mut from, mut to) = (0_usize, 0_usize);
        while from < octets.len() && self.end.is_none() {
            let waiting = octets.len().saturating_sub(from);
            match &mut self.at {
                At::Head(head) => {
                    let octet = octets.get(from).copied().unwrap_or_default();
                    let taken = head.take(octet);
                    from = from.saturating_add(1);
                    match taken.and_then(|head| head.map_or(Ok(()), |head| self.begin(head))) {
                        Ok(()) => {}
                        Err(what) => self.end = Some(End::Broken(what)),
                    }
                }
                At::Data { left } => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(waiting);
                    octets.copy_within(from..from.saturating_add(count), to);
                    (from, to) = (from.saturating_add(count), to.saturating_add(count));
                    *left = left.saturating_sub(count as u64);
                    if *left == 0 {
                        self.at = At::Head(HeadReader::default());
                    }
                }
                At::Control { left, payload, .. } => {
                    let count = waiting.min(*left);
                    payload.extend_from_slice(
                        octets.get(from..).and_then(|it| it.get(..count)).unwrap_or_default(),
                    );
                    from = from.saturating_add(count);
                    *left = left.saturating_sub(count);
                    self.end_control();
                }
            }
        }
        to
    }

    fn begin(&mut self, head: Head) -> Result<(), &'static str> {
        let Head { opcode, last, length } = head;
        if opcode.is_control() {
            let left = usize::try_from(length).unwrap_or(CONTROL);
            self.at = At::Control { opcode, left, payload: Vec::new() };
            self.end_control();
            return Ok(());
        }
        match (opcode, self.in_message) {
            (Opcode::Continuation, false) => return Err("a piece of a message that has not begun"),
            (Opcode::Text | Opcode::Binary, true) => return Err("a message within another"),
            _ => {}
        }
        self.in_message = !last;
        if length > 0 {
            self.at = At::Data { left: length };
        }
        Ok(())
    }

    /// Ends a frame about the connection, if it is complete.
    fn end_control(&mut self) {
        let At::Control { opcode, left: 0, payload } = &mut self.at else { return };
        let payload = std::mem::take(payload);
        match opcode {
            Opcode::Ping => self.ping = Some(payload),
            Opcode::Close => self.end = Some(read_close(&payload)),
            _ => {}
        }
        self.at = At::Head(HeadReader::default());
    }

    /// The ping that is to be answered.
    pub(super) fn take_ping(&mut self) -> Option<Vec<u8>> {
        self.ping.take()
    }

    pub(super) const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a server.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut octets = vec![first, u8::try_from(payload.len()).unwrap()];
        octets.extend_from_slice(payload);
        octets
    }

    /// What is read, in whichever steps it comes.
    fn read(octets: &[u8], step: usize) -> (Vec<u8>, Reader) {
        let (mut reader, mut read) = (Reader::default(), Vec::new());
        for piece in octets.chunks(step) {
            let mut piece = piece.to_vec();
            let count = reader.read(&mut piece);
            read.extend_from_slice(&piece[..count]);
        }
        (read, reader)
    }

    #[test]
    fn pieces_are_joined_and_control_frames_taken_out_however_they_are_cut() {
        let octets = [
            frame(0x02, b"SE"),
            frame(0x89, b"one"),
            frame(0x00, b""),
            frame(0x00, b"ND"),
            frame(0x8a, b"unasked"),
            frame(0x89, b"two"),
            frame(0x80, b"\n"),
            frame(0x81, b"text"),
        ]
        .concat();
        for step in 1..=octets.len() {
            let (text, mut reader) = read(&octets, step);
            assert_eq!(text, b"SEND\ntext", "in steps of {step}");
            assert_eq!(reader.take_ping().as_deref(), Some(&b"two"[..]), "the last one is answered");
            assert_eq!(reader.end(), None);
        }
    }

    #[test]
    fn nothing_counts_behind_the_end() {
        for step in 1..20 {
            let octets = [frame(0x82, b"a"), frame(0x88, b"\x03\xf1too large"), frame(0x82, b"b")].concat();
            let (text, reader) = read(&octets, step);
            assert_eq!(text, b"a");
            assert_eq!(reader.end(), Some(&End::Closed { code: Some(1009), words: "too large".into() }));
        }
    }

    #[test]
    fn what_breaks_the_order_ends_it() {
        let rows: [(Vec<u8>, &str); 4] = [
            (frame(0x80, b"x"), "has not begun"),
            ([frame(0x02, b"x"), frame(0x82, b"y")].concat(), "within another"),
            (frame(0x88, b"x"), "half a code"),
            (frame(0x92, b"x"), "extension"),
        ];
        for (octets, expected) in rows {
            let (_, reader) = read(&octets, 3);
            let Some(End::Broken(what)) = reader.end() else { panic!("{octets:x?}: {:?}", reader.end()) };
            assert!(what.contains(expected), "{octets:x?}: {what}");
        }
    }
}
