//! A fingerprint of a run: everything that happened, folded into one number.

/// FNV-1a (Fowler, Noll and Vo) over what is noted.
#[derive(Clone, Debug)]
pub(super) struct Trace(u64);

/// What is noted.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Note {
    Dialled,
    Polled,
    Read,
    Written,
    Received,
    Passed,
}

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    pub(super) fn note(&mut self, note: Note, of: u64, octets: &[u8]) {
        self.fold(&[note as u8]);
        self.fold(&of.to_le_bytes());
        self.fold(octets);
    }

    pub(super) const fn hash(&self) -> u64 {
        self.0
    }

    fn fold(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
