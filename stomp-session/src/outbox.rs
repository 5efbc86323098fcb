//! The bytes that wait for the transport: whole frames, in order, of one connection.

use alloc::collections::VecDeque;
use core::fmt;

use bytes::{Bytes, BytesMut};
use stomp_proto::{EncodeError, Frame, Version};

/// The most that is handed over at once.
const BATCH: usize = 64 * 1024;

/// Encoded frames. Small ones coalesce, so that one write carries many. It dies with its connection: what was queued
/// when that died is never sent on the next.
#[derive(Default)]
pub(crate) struct Outbox {
    bytes: BytesMut,
    handed_over: u64,
    /// Where each SEND without receipt ends, in octets of the connection.
    sends: VecDeque<u64>,
}

impl Outbox {
    pub(crate) fn push(&mut self, frame: &Frame, version: Version) -> Result<(), EncodeError> {
        frame.encode(version, &mut self.bytes)
    }

    /// Remembers that the last frame was a SEND that nobody confirms.
    pub(crate) fn mark_send(&mut self) {
        self.sends.push_back(self.handed_over.saturating_add(self.bytes.len() as u64));
    }

    /// A heart-beat stands between frames by construction: frames are pushed whole.
    pub(crate) fn push_heart_beat(&mut self) {
        self.bytes.extend_from_slice(b"\n");
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// SENDs without receipt of which not every octet was handed over.
    pub(crate) fn unsent(&self) -> usize {
        self.sends.len()
    }

    pub(crate) fn take(&mut self) -> Option<Bytes> {
        if self.bytes.is_empty() {
            return None;
        }
        let batch = self.bytes.split_to(self.bytes.len().min(BATCH)).freeze();
        self.handed_over = self.handed_over.saturating_add(batch.len() as u64);
        while self.sends.front().is_some_and(|end| *end <= self.handed_over) {
            self.sends.pop_front();
        }
        Some(batch)
    }
}

/// Shows how much, never what: CONNECT holds the passcode.
impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("octets", &self.bytes.len()).field("sends", &self.sends).finish()
    }
}
