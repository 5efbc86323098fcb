//! What waits for the transport, frame by frame.

mod size;

use alloc::{boxed::Box, collections::VecDeque};
use core::{fmt, mem};

use bytes::{Bytes, BytesMut};
use stomp_proto::{Command, EncodeError, Frame, FrameWriter, PreparedFrame, Version};

use crate::model::{
    event::Event,
    frames::{self, Header},
    ids::ReceiptId,
};

/// The most that is handed over at once.
const BATCH: usize = 64 * 1024;

/// A body of that length leaves as it is: copying it would cost more than the two writes more.
const LARGE: usize = 16 * 1024;

/// Room beyond a batch, for the frame that makes it full.
const SPARE: usize = 4 * 1024;

/// What withdrawn frames may hold where there is hardly anything else.
const HOLES: usize = 4 * 1024;

/// Where a frame stands: counts the frames of its outbox, from a number on that no other outbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

#[cfg(feature = "client")]
impl Place {
    /// Whether both are places of one outbox.
    pub(crate) const fn is_in_outbox_of(self, other: Self) -> bool {
        self.0 >> OUTBOX == other.0 >> OUTBOX
    }
}

/// Places of one outbox share what is left of this bit.
const OUTBOX: u32 = 40;

/// Who wants to know when a frame is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody, and the broker has nothing to say against it: CONNECT, and a heart-beat.
    Quiet,
    /// It asked for that RECEIPT.
    Receipted(ReceiptId),
    /// The same, and it is sent again on the next connection.
    Replayed(ReceiptId),
    /// A SEND without a RECEIPT.
    Send,
    /// An ACK or NACK.
    Settlement,
    /// An ACK that asked for that RECEIPT.
    ConfirmedAck(ReceiptId),
    /// Any other frame without one. An ERROR may mean it at any time.
    Unanswered,
}

impl Kind {
    /// The RECEIPT that it asks for.
    const fn receipt(self) -> Option<ReceiptId> {
        match self {
            Self::Receipted(id) | Self::Replayed(id) | Self::ConfirmedAck(id) => Some(id),
            Self::Quiet | Self::Send | Self::Settlement | Self::Unanswered => None,
        }
    }

    /// Whether it counts among those that bring more messages, or have no answer.
    const fn counts(self) -> bool {
        matches!(self, Self::Settlement | Self::ConfirmedAck(_) | Self::Unanswered)
    }

    /// Whether it is lost with its connection, and somebody has asked for it.
    pub(crate) const fn is_plain(self) -> bool {
        !matches!(self, Self::Quiet | Self::Replayed(_))
    }
}

/// How far a frame has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its first octets were handed over.
    Begun,
    /// All of it was.
    Gone,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    kind: Kind,
    /// The octets in the buffer that have not left.
    length: usize,
    /// The body, which leaves before the last of these octets, the NUL.
    body: Option<Box<Bytes>>,
    begun: bool,
    withdrawn: bool,
}

/// Encoded frames. Small ones coalesce, so that one write carries many. It dies with its connection: what was queued
/// when that died is never sent on the next.
#[derive(Default)]
pub(crate) struct Outbox {
    /// What stands before `bytes`, each a batch of whole frames: they leave as they are, and nothing is copied when `bytes`
    /// grows.
    full: VecDeque<Bytes>,
    /// Octets in them.
    filled: usize,
    /// The frames one behind the other, large bodies left out.
    bytes: BytesMut,
    /// In the order of their places, of which some are missing: those of withdrawn frames whose octets were given back.
    entries: VecDeque<Entry>,
    /// The place of the next frame.
    next: u64,
    /// Octets in the buffers of frames that were withdrawn.
    withdrawn: usize,
    /// Octets of the bodies that were left out.
    bodies: usize,
    /// Octets of frames that have no answer.
    unanswered: usize,
    trace: Option<Box<Trace>>,
}

/// What is to be told of frames when they have left.
#[derive(Default)]
struct Trace {
    /// Nothing, where the frame was withdrawn.
    waiting: VecDeque<(Place, Option<Event>)>,
    gone: VecDeque<Event>,
}

impl Outbox {
    /// One of several: its places are those of no other.
    pub(crate) fn numbered(number: u64) -> Self {
        Self { next: number << OUTBOX, ..Self::default() }
    }

    /// Whether a frame waits here.
    pub(crate) fn holds(&self, place: Place) -> bool {
        self.find(place).is_some()
    }

    /// The place of the next frame.
    #[cfg(feature = "client")]
    pub(crate) const fn next_place(&self) -> Place {
        Place(self.next)
    }

    /// What waits before that place.
    #[cfg(feature = "client")]
    pub(crate) fn before(&self, place: Place) -> impl Iterator<Item = Kind> {
        let before = self.entries.iter().take_while(move |entry| entry.place < place);
        before.filter(|entry| !entry.withdrawn).map(|entry| entry.kind)
    }

    /// Appends a frame, with the `receipt` that its kind says, or nothing. A heart-beat stands between frames by
    /// construction: frames are pushed whole.
    pub(crate) fn push(&mut self, frame: &Frame, version: Version, kind: Kind) -> Result<Place, EncodeError> {
        self.push_with(frame, None, version, kind)
    }

    /// The same with one header more.
    pub(crate) fn push_with(
        &mut self,
        frame: &Frame,
        header: Option<(&str, &[u8])>,
        version: Version,
        kind: Kind,
    ) -> Result<Place, EncodeError> {
        let before = self.bytes.len();
        let writer = frame.writer(version, &mut self.bytes);
        let written = writer.and_then(|mut writer| {
            header.map_or(Ok(()), |(name, value)| writer.header(name.as_bytes(), value))?;
            finish(writer, frame.body(), kind)
        });
        let body = is_large(frame.body()).then(|| frame.body_bytes());
        self.finish_push(before, written, body, kind, || {
            let more = header.into_iter();
            let frame = more.fold(frame.clone(), |frame, (name, value)| frame.with_header(name, value));
            as_written(frame, kind)
        })
    }

    /// The same for a prepared frame with that body.
    pub(crate) fn push_prepared(
        &mut self,
        prepared: &PreparedFrame,
        body: &Bytes,
        kind: Kind,
    ) -> Result<Place, EncodeError> {
        let before = self.bytes.len();
        let written = finish(prepared.writer(&mut self.bytes), body, kind);
        let left_out = is_large(body).then(|| body.clone());
        self.finish_push(before, written, left_out, kind, || {
            as_written(prepared.frame().clone().with_body(body.clone()), kind)
        })
    }

    /// Takes back what could not be written whole. Otherwise a frame begins at `before`; a body that was left out is put in
    /// when it leaves.
    fn finish_push(
        &mut self,
        before: usize,
        written: Result<(), EncodeError>,
        body: Option<Bytes>,
        kind: Kind,
        frame: impl FnOnce() -> Frame,
    ) -> Result<Place, EncodeError> {
        written.inspect_err(|_| self.bytes.truncate(before))?;
        if let Some(body) = &body {
            self.bytes.extend_from_slice(b"\0");
            self.bodies = self.bodies.saturating_add(body.len());
        }
        let length = self.bytes.len().saturating_sub(before);
        self.close_batch(before);
        let entry = Entry { kind, length, body: body.map(Box::new), ..Entry::QUIET };
        Ok(self.append(entry, || Event::FrameSent(frames::without_secrets(&frame()))))
    }

    /// The same for a frame of these headers, without a body, which need not be made first.
    pub(crate) fn push_headers(
        &mut self,
        command: Command,
        headers: [&[Header<'_>]; 2],
        version: Version,
        kind: Kind,
    ) -> Result<Place, EncodeError> {
        let before = self.bytes.len();
        let written = write_headers(command, headers, version, &mut self.bytes);
        written.inspect_err(|_| self.bytes.truncate(before))?;
        let length = self.bytes.len().saturating_sub(before);
        self.close_batch(before);
        Ok(self.append(Entry { kind, length, ..Entry::QUIET }, || {
            let headers = headers.into_iter().flatten();
            let frame =
                headers.fold(Frame::new(command), |frame, (name, value)| frame.with_header(name, value));
            Event::FrameSent(frame)
        }))
    }

    pub(crate) fn push_heart_beat(&mut self) {
        if self.entries.is_empty() {
            // All that leaves for long, where there is nothing else.
            self.entries.reserve_exact(1);
        }
        self.bytes.extend_from_slice(b"\n");
        self.append(Entry { length: 1, ..Entry::QUIET }, || Event::HeartBeatSent);
    }

    /// A batch is full when another frame, which begins there, makes it too large.
    #[inline]
    fn close_batch(&mut self, start: usize) {
        if self.bytes.len() > BATCH && start > 0 {
            self.begin_batch(start);
        }
    }

    fn begin_batch(&mut self, start: usize) {
        let full = self.bytes.split_to(start.min(self.bytes.len())).freeze();
        let mut next = BytesMut::with_capacity(BATCH.saturating_add(SPARE));
        next.extend_from_slice(&self.bytes);
        self.bytes = next;
        self.filled = self.filled.saturating_add(full.len());
        self.full.push_back(full);
    }

    /// The first octets, of the first batch only.
    fn split_to(&mut self, length: usize) -> Bytes {
        let Some(batch) = self.full.front_mut() else {
            return self.bytes.split_to(length.min(self.bytes.len())).freeze();
        };
        let octets = batch.split_to(length.min(batch.len()));
        self.filled = self.filled.saturating_sub(octets.len());
        if batch.is_empty() {
            self.full.pop_front();
        }
        octets
    }

    fn append(&mut self, mut entry: Entry, event: impl FnOnce() -> Event) -> Place {
        let place = Place(self.next);
        entry.place = place;
        self.next = self.next.saturating_add(1);
        if let Some(trace) = &mut self.trace {
            trace.waiting.push_back((place, Some(event())));
        }
        if entry.kind.counts() {
            self.unanswered = self.unanswered.saturating_add(entry.length);
        }
        self.entries.push_back(entry);
        place
    }

    /// Begins to remember frames, or stops.
    pub(crate) fn trace(&mut self, traces: bool) {
        match traces {
            true => drop(self.trace.get_or_insert_default()),
            false => self.trace = None,
        }
    }

    /// The frames and heart-beats that were handed over whole since the last call, if they are traced.
    pub(crate) fn take_traced(&mut self) -> impl Iterator<Item = Event> {
        self.trace.iter_mut().flat_map(|trace| trace.gone.drain(..))
    }

    /// Takes a frame back of which nothing was handed over. Gives the body that it does not need any more, or nothing
    /// at all when it is too late.
    pub(crate) fn withdraw(&mut self, place: Place) -> Option<Option<Box<Bytes>>> {
        let at = self.find(place)?;
        let entry = self.entries.get_mut(at).filter(|entry| !entry.begun)?;
        entry.withdrawn = true;
        let body = entry.body.take();
        self.withdrawn = self.withdrawn.saturating_add(entry.length);
        self.bodies = self.bodies.saturating_sub(body.as_ref().map_or(0, |body| body.len()));
        if let Some(trace) = &mut self.trace {
            trace.forget(place);
        }
        if self.withdrawn > self.waiting().max(HOLES) {
            self.close_holes();
        }
        Some(body)
    }

    fn find(&self, place: Place) -> Option<usize> {
        let first = self.entries.front()?.place;
        // Where no place is missing.
        let near = usize::try_from(place.0.checked_sub(first.0)?).ok()?;
        match self.entries.get(near) {
            Some(entry) if entry.place == place => Some(near),
            _ => self.entries.binary_search_by_key(&place, |entry| entry.place).ok(),
        }
    }

    /// Gives back what the frames hold that were withdrawn. It is done when they hold more than all others, so that one in a
    /// long queue costs no more than one in a short one.
    #[cold]
    fn close_holes(&mut self) {
        let mut waiting = BytesMut::with_capacity(self.waiting());
        for entry in mem::take(&mut self.entries) {
            let octets = self.split_to(entry.length);
            if !entry.withdrawn {
                waiting.extend_from_slice(&octets);
                self.entries.push_back(entry);
            }
        }
        (self.bytes, self.withdrawn) = (waiting, 0);
        if let Some(trace) = &mut self.trace {
            trace.waiting.retain(|(_, event)| event.is_some());
        }
    }

    /// Octets that wait, large bodies apart.
    fn waiting(&self) -> usize {
        self.filled.saturating_add(self.bytes.len()).saturating_sub(self.withdrawn)
    }

    /// Octets that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting().saturating_add(self.bodies)
    }

    /// Octets of ACKs, NACKs and other frames without an answer that wait.
    #[cfg(feature = "client")]
    pub(crate) const fn unanswered(&self) -> usize {
        self.unanswered
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// The next octets, and who they are of: at most 64 KiB, or one large body.
    pub(crate) fn take(&mut self, mut tell: impl FnMut(Kind, Progress)) -> Option<Bytes> {
        self.pass_over_withdrawn();
        let first = self.entries.front_mut()?;
        if let Some(body) = first.body.take_if(|_| first.length == 1) {
            self.bodies = self.bodies.saturating_sub(body.len());
            return Some(*body);
        }
        let batch = self.full.front().map_or(BATCH, |batch| batch.len().min(BATCH));
        let mut length: usize = 0;
        while let Some(entry) = self.entries.front_mut().filter(|entry| !entry.withdrawn && length < batch) {
            // All but the NUL, where a body comes before it.
            let octets = entry.length.saturating_sub(usize::from(entry.body.is_some()));
            let room = batch.saturating_sub(length);
            if octets > room && length > 0 {
                break;
            }
            let taken = octets.min(room);
            let is_whole = taken == entry.length;
            // One that leaves at once is told once.
            if !mem::replace(&mut entry.begun, true) && !is_whole {
                tell(entry.kind, Progress::Begun);
            }
            length = length.saturating_add(taken);
            entry.length = entry.length.saturating_sub(taken);
            if entry.kind.counts() {
                self.unanswered = self.unanswered.saturating_sub(taken);
            }
            if entry.length > 0 {
                break;
            }
            tell(entry.kind, Progress::Gone);
            self.pass();
        }
        Some(self.split_to(length))
    }

    fn pass_over_withdrawn(&mut self) {
        while let Some(entry) = self.entries.front().filter(|entry| entry.withdrawn) {
            let length = entry.length;
            let _ = self.split_to(length);
            self.withdrawn = self.withdrawn.saturating_sub(length);
            self.pass();
        }
    }

    fn pass(&mut self) {
        let passed = self.entries.pop_front();
        if let (Some(trace), Some(entry)) = (&mut self.trace, passed) {
            let is_traced = trace.waiting.front().is_some_and(|(place, _)| *place == entry.place);
            let event = is_traced.then(|| trace.waiting.pop_front()).flatten();
            trace.gone.extend(event.and_then(|(_, event)| event));
        }
    }

    /// Gives memory back that a quiet connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.entries.is_empty() {
            (self.full, self.bytes) = (VecDeque::new(), BytesMut::new());
            self.entries = VecDeque::new();
        }
    }

    /// The bodies that it holds, for whoever must see to it where they are dropped.
    pub(crate) fn take_bodies(&mut self) -> impl Iterator<Item = Bytes> {
        self.entries.iter_mut().filter_map(|entry| entry.body.take()).map(|body| *body)
    }
}

impl Entry {
    const QUIET: Self =
        Self { place: Place(0), kind: Kind::Quiet, length: 0, body: None, begun: false, withdrawn: false };
}

impl Trace {
    /// The copy of a frame that was withdrawn goes with it.
    fn forget(&mut self, place: Place) {
        let found = self.waiting.binary_search_by_key(&place, |(place, _)| *place);
        if let Some((_, event)) = found.ok().and_then(|at| self.waiting.get_mut(at)) {
            *event = None;
        }
    }
}

fn write_headers(
    command: Command,
    headers: [&[Header<'_>]; 2],
    version: Version,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let mut writer = FrameWriter::new(command, version, out)?;
    for (name, value) in headers.into_iter().flatten() {
        writer.header(name.as_bytes(), value)?;
    }
    writer.finish(b"")
}

const fn is_large(body: &[u8]) -> bool {
    body.len() >= LARGE
}

/// Writes the end of a frame, but not a large body and what is behind it.
fn finish(mut writer: FrameWriter<'_>, body: &[u8], kind: Kind) -> Result<(), EncodeError> {
    if let Some(id) = kind.receipt() {
        writer.number(b"receipt", id.number())?;
    }
    if is_large(body) { writer.finish_head(body) } else { writer.finish(body) }
}

/// The frame that was written for this one.
fn as_written(frame: Frame, kind: Kind) -> Frame {
    match kind.receipt() {
        Some(id) => frame.with_header("receipt", id.wire()),
        None => frame,
    }
}

/// Shows how much, never what: CONNECT holds the passcode.
impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("frames", &self.entries.len()).field("octets", &self.len()).finish()
    }
}
