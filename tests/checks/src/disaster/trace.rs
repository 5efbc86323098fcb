//! What happened, folded into a number, and written down where somebody wants to read it.

use std::fmt::Write as _;

use stomp_session::Timestamp;

/// FNV-1a (Fowler, Noll and Vo) over everything that is noted.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    lines: Option<String>,
}

/// Octets of one piece that are written down.
const SHOWN: usize = 400;

impl Trace {
    /// `kept` says whether it is written down.
    pub(super) fn new(kept: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: kept.then(String::new) }
    }

    /// Notes octets that somebody wrote or read.
    pub(super) fn octets(&mut self, now: Timestamp, who: impl FnOnce() -> String, octets: &[u8]) {
        self.fold(octets);
        if let Some(lines) = &mut self.lines {
            let (shown, more) = octets.split_at(octets.len().min(SHOWN));
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            _ = writeln!(lines, "{now} {} {}{more}", who(), shown.escape_ascii());
        }
    }

    /// Notes what else happened: `code` for the number, the words for the reader.
    pub(super) fn note(&mut self, now: Timestamp, code: u64, words: impl FnOnce() -> String) {
        let micros = u64::try_from(now.since_start().as_micros()).unwrap_or(u64::MAX);
        self.fold(&micros.to_le_bytes());
        self.fold(&code.to_le_bytes());
        if let Some(lines) = &mut self.lines {
            _ = writeln!(lines, "{now} {}", words());
        }
    }

    /// Notes words.
    pub(super) fn words(&mut self, now: Timestamp, words: &str) {
        self.fold(words.as_bytes());
        self.note(now, 0, || words.to_owned());
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn into_lines(self) -> String {
        self.lines.unwrap_or_default()
    }

    fn fold(&mut self, octets: &[u8]) {
        for octet in octets {
            self.hash = (self.hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
