//! The bytes that wait for the transport: whole frames, in order, of one connection.

use alloc::collections::VecDeque;
use core::fmt;

use bytes::{Bytes, BytesMut};
use stomp_proto::{EncodeError, Frame, Version};

use crate::Event;

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
    /// What was pushed and where it ends, to be told when it has been handed over whole.
    traced: Option<VecDeque<(u64, Event)>>,
}

impl Outbox {
    pub(crate) fn push(&mut self, frame: &Frame, version: Version) -> Result<(), EncodeError> {
        frame.encode(version, &mut self.bytes)?;
        self.note(|| Event::FrameSent(without_passcode(frame)));
        Ok(())
    }

    /// Begins to remember frames, or stops.
    pub(crate) fn trace(&mut self, traces: bool) {
        match traces {
            true => drop(self.traced.get_or_insert_default()),
            false => self.traced = None,
        }
    }

    fn note(&mut self, event: impl FnOnce() -> Event) {
        let end = self.handed_over.saturating_add(self.bytes.len() as u64);
        if let Some(traced) = &mut self.traced {
            traced.push_back((end, event()));
        }
    }

    /// The frames that were handed over whole.
    pub(crate) fn take_traced(&mut self) -> impl Iterator<Item = Event> {
        let handed_over = self.handed_over;
        let traced = self.traced.as_mut();
        traced.into_iter().flat_map(move |traced| {
            let whole = traced.partition_point(|(end, _)| *end <= handed_over);
            traced.drain(..whole).map(|(_, event)| event)
        })
    }

    /// Remembers that the last frame was a SEND that nobody confirms.
    pub(crate) fn mark_send(&mut self) {
        self.sends.push_back(self.handed_over.saturating_add(self.bytes.len() as u64));
    }

    /// A heart-beat stands between frames by construction: frames are pushed whole.
    pub(crate) fn push_heart_beat(&mut self) {
        self.bytes.extend_from_slice(b"\n");
        self.note(|| Event::HeartBeatSent);
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

/// A copy, since the body may be anybody's.
fn without_passcode(frame: &Frame) -> Frame {
    let mut copy = frame.clone().into_owned();
    copy.headers_mut().remove("passcode");
    copy
}

/// Shows how much, never what: CONNECT holds the passcode.
impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("octets", &self.bytes.len()).field("sends", &self.sends).finish()
    }
}
