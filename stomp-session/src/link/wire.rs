//! What leaves on a connection, and the RECEIPTs that are awaited for it.

use alloc::boxed::Box;
use core::time::Duration;

use bytes::Bytes;
use stomp_proto::{Command, EncodeError, Frame, PreparedFrame, Version};

use super::{
    outbox::{Kind, Outbox, Place, Progress},
    receipts::{Awaited, Pending, Receipts, Stage},
};
use crate::model::{
    connection::Connection,
    error::CommandError,
    event::Event,
    frames::Header,
    ids::ReceiptId,
    profile::{FrameLimit, FrameUnit},
    time::Timestamp,
};

/// The frames that wait for the transport, and those that wait for an answer.
#[derive(Debug)]
pub(crate) struct Wire {
    version: Version,
    /// The broker that reads it, and what it reads: nothing that is larger is written.
    broker: &'static str,
    limits: &'static [FrameLimit],
    usual: Outbox,
    /// What leaves before the usual, while something is sent alone.
    ahead: Option<Box<Outbox>>,
    pub(super) receipts: Receipts,
    /// A frame without a RECEIPT was handed over, or one whose RECEIPT did not come: an ERROR may mean that.
    pub(super) unanswered: bool,
    /// An ACK or NACK was handed over, which an ERROR may mean where its words are not known.
    settled: bool,
    /// SENDs without a RECEIPT: those that were appended, those of them that were handed over to the last octet, and those of
    /// these of which a later RECEIPT says that they were received.
    sends: u64,
    sends_gone: u64,
    sends_received: u64,
    /// Something was handed over that is lost with the connection.
    plain: bool,
}

/// How far the frames of a connection had come: the places of the next frames.
#[cfg(feature = "client")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireMark {
    usual: Place,
    ahead: Option<Place>,
}

const fn kind_of(id: ReceiptId, awaited: Awaited) -> Kind {
    match awaited {
        Awaited::Subscribe(_) => Kind::Replayed(id),
        _ => Kind::Receipted(id),
    }
}

impl Wire {
    /// Goes on with what CONNECT was written into.
    pub(super) fn new(connection: &Connection, outbox: Outbox) -> Self {
        Self {
            version: connection.version,
            broker: connection.profile.name,
            limits: connection.profile.frame_limits,
            usual: outbox,
            ahead: None,
            receipts: Receipts::of(connection.id),
            unanswered: false,
            settled: false,
            sends: 0,
            sends_gone: 0,
            sends_received: 0,
            plain: false,
        }
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// Appends a frame that asks for no RECEIPT.
    pub(super) fn push(&mut self, frame: &Frame, kind: Kind) -> Result<(), CommandError> {
        let place = self.usual.push(frame, self.version, kind)?;
        self.check(place, frame)?;
        self.count(kind);
        Ok(())
    }

    /// Takes a frame back that was just appended and is larger than what the broker reads.
    #[inline]
    fn check(&mut self, place: Place, frame: &Frame) -> Result<(), CommandError> {
        if self.limits.is_empty() { Ok(()) } else { self.check_limits(place, frame) }
    }

    fn check_limits(&mut self, place: Place, frame: &Frame) -> Result<(), CommandError> {
        let (limits, broker) = (self.limits, self.broker);
        let outbox =
            if self.usual.holds(place) { &self.usual } else { self.ahead.as_deref().unwrap_or(&self.usual) };
        let size = |limit: &FrameLimit| match limit.unit {
            FrameUnit::Octets => outbox.size_of_last(),
            // The session adds few: mostly they need not be counted.
            FrameUnit::Headers if frame.headers().len().saturating_add(4) <= limit.most => 0,
            FrameUnit::Headers => outbox.headers_of_last(),
        };
        let mut sizes = limits.iter().map(|limit| (*limit, size(limit)));
        let Some((limit, size)) = sizes.find(|(limit, size)| *size > limit.most) else { return Ok(()) };
        self.withdraw(place);
        Err(CommandError::FrameTooLarge { broker, limit, size })
    }

    fn count(&mut self, kind: Kind) {
        self.sends = self.sends.saturating_add(u64::from(kind == Kind::Send));
    }

    /// Appends an ACK or NACK of these headers. It waits for nothing that is sent alone.
    pub(super) fn push_settlement(
        &mut self,
        command: Command,
        headers: [&[Header<'_>]; 2],
    ) -> Result<(), EncodeError> {
        let version = self.version;
        self.first().push_headers(command, headers, version, Kind::Settlement)?;
        Ok(())
    }

    /// Appends an ACK that asks for that RECEIPT, and waits for it unless somebody has begun to. `timeout` runs from the call.
    pub(super) fn push_ack(
        &mut self,
        ack: &Frame,
        id: ReceiptId,
        awaited: Awaited,
        timeout: Duration,
    ) -> Result<(), EncodeError> {
        let (version, sends) = (self.version, if self.ahead.is_some() { 0 } else { self.sends });
        let place = self.first().push(ack, version, Kind::ConfirmedAck(id))?;
        match self.receipts.awaited(id) {
            Some(_) => self.receipts.note_written(id, place),
            None => self.receipts.add(id, awaited, Stage::Queued(place), timeout, sends),
        }
        Ok(())
    }

    /// Appends a frame that asks for that RECEIPT, and waits for it. `timeout` runs from the call.
    pub(super) fn push_awaited(
        &mut self,
        frame: &Frame,
        id: ReceiptId,
        awaited: Awaited,
        timeout: Duration,
    ) -> Result<(), CommandError> {
        let place = self.usual.push(frame, self.version, kind_of(id, awaited))?;
        self.check(place, frame)?;
        self.receipts.add(id, awaited, Stage::Queued(place), timeout, self.sends);
        Ok(())
    }

    /// Appends a copy of a SEND that is kept, with one header more. `is_ahead` says that it leaves before the usual frames, if
    /// anything does.
    pub(super) fn push_copy(
        &mut self,
        frame: &Frame,
        header: Option<(&str, &[u8])>,
        receipt: ReceiptId,
        of: ReceiptId,
        is_ahead: bool,
    ) -> Result<(), CommandError> {
        let (version, sends) = (self.version, if is_ahead { 0 } else { self.sends });
        let outbox = if is_ahead { self.first() } else { &mut self.usual };
        let place = outbox.push_with(frame, header, version, Kind::Replayed(receipt))?;
        self.check(place, frame)?;
        self.receipts.add(receipt, Awaited::Kept(of), Stage::Queued(place), Duration::MAX, sends);
        Ok(())
    }

    /// The same for a frame that leaves before the usual ones, if anything does.
    pub(super) fn push_ahead(
        &mut self,
        frame: &Frame,
        id: ReceiptId,
        awaited: Awaited,
    ) -> Result<(), CommandError> {
        let version = self.version;
        let place = self.first().push(frame, version, kind_of(id, awaited))?;
        self.check(place, frame)?;
        self.receipts.add(id, awaited, Stage::Queued(place), Duration::MAX, 0);
        Ok(())
    }

    /// Appends a prepared SEND with that body, which asks for a RECEIPT or not.
    pub(super) fn push_prepared(
        &mut self,
        send: &PreparedFrame,
        body: &Bytes,
        receipt: Option<(ReceiptId, Duration)>,
    ) -> Result<(), CommandError> {
        let kind = receipt.map_or(Kind::Send, |(id, _)| Kind::Receipted(id));
        let place = self.usual.push_prepared(send, body, kind)?;
        self.check(place, send.frame())?;
        self.count(kind);
        if let Some((id, timeout)) = receipt {
            self.receipts.add(id, Awaited::Command, Stage::Queued(place), timeout, self.sends);
        }
        Ok(())
    }

    pub(super) fn push_heart_beat(&mut self) {
        self.first().push_heart_beat();
    }

    /// The outbox from which the next octets come.
    fn first(&mut self) -> &mut Outbox {
        self.ahead.as_deref_mut().unwrap_or(&mut self.usual)
    }

    /// Whether nothing waits that may leave now.
    pub(super) fn is_drained(&self) -> bool {
        self.ahead.as_deref().unwrap_or(&self.usual).is_empty()
    }

    /// From here on what waits leaves before everything that is appended as usual.
    pub(super) fn hold(&mut self, mut usual: Outbox, traces: bool) {
        usual.trace(traces);
        self.ahead = Some(Box::new(core::mem::replace(&mut self.usual, usual)));
    }

    /// The next octets for the transport; `note` is told what they are of. `holds` says whether the usual ones still wait.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        receipt_timeout: Duration,
        holds: bool,
        mut note: impl FnMut(ReceiptId, Awaited, Progress),
    ) -> Option<Bytes> {
        let Self { usual, ahead, receipts, unanswered, settled, sends_gone, plain, .. } = self;
        let mut tell = |kind: Kind, progress| {
            *plain |= kind.is_plain();
            match kind {
                Kind::Receipted(id) | Kind::Replayed(id) => {
                    if let Some(awaited) = receipts.note(id, progress, now, receipt_timeout) {
                        note(id, awaited, progress);
                    }
                }
                Kind::ConfirmedAck(id) => match receipts.note(id, progress, now, receipt_timeout) {
                    // The time of the whole runs from the first of them.
                    Some(Awaited::AckPart(whole)) => _ = receipts.note(whole, progress, now, receipt_timeout),
                    Some(_) => {}
                    None => *settled = true,
                },
                Kind::Send => {
                    *unanswered = true;
                    *sends_gone = sends_gone.saturating_add(u64::from(progress == Progress::Gone));
                }
                Kind::Unanswered => *unanswered = true,
                Kind::Settlement => *settled = true,
                Kind::Quiet => {}
            }
        };
        let Some(first) = ahead else { return usual.take(tell) };
        if let Some(octets) = first.take(&mut tell) {
            return Some(octets);
        }
        if holds {
            return None;
        }
        *ahead = None;
        usual.take(tell)
    }

    /// Waits no more for a RECEIPT. Withdraws the frame if nothing of it has left; returns the wait, and the body that is done
    /// with.
    pub(super) fn forget(&mut self, id: ReceiptId) -> Option<(Pending, Option<Bytes>)> {
        let pending = self.receipts.take(id)?;
        let body = match pending.stage {
            Stage::OnWire if pending.awaited.is_ack() => {
                self.settled = true;
                None
            }
            Stage::Queued(place) if !pending.awaited.is_ack() => self.withdraw(place),
            Stage::Queued(_) | Stage::Unwritten => None,
            Stage::OnWire => {
                // A broker that refuses a SUBSCRIBE says so at once: what comes later does not mean that.
                self.unanswered |= !matches!(pending.awaited, Awaited::Subscribe(_));
                None
            }
        };
        Some((pending, body))
    }

    fn withdraw(&mut self, place: Place) -> Option<Bytes> {
        let outbox = if self.usual.holds(place) { &mut self.usual } else { self.first() };
        outbox.withdraw(place).flatten().map(|body| *body)
    }

    /// The command or kept SEND that a RECEIPT confirms, if it is one.
    pub(super) fn take_command(&mut self, frame: &Frame) -> Option<(ReceiptId, Awaited)> {
        let number = frame.header("receipt-id")?.number()?;
        self.take_named(number, |awaited| matches!(awaited, Awaited::Command | Awaited::Kept(_)))
    }

    /// What a RECEIPT or an ERROR answers that carries this `receipt-id`, if somebody waits for it.
    pub(super) fn take_answered(&mut self, frame: &Frame) -> Option<(ReceiptId, Awaited)> {
        let text = frame.header("receipt-id")?;
        // The examples of 1.0 pad; later versions forbid it.
        let is_padded = self.version == Version::V1_0;
        let number = if is_padded { text.padded_number() } else { text.number() }?;
        self.take_named(number, |_| true)
    }

    fn take_named(
        &mut self,
        number: u64,
        is_meant: impl FnOnce(Awaited) -> bool,
    ) -> Option<(ReceiptId, Awaited)> {
        let (id, Pending { awaited, sends_before, .. }) = self.receipts.take_answered(number, is_meant)?;
        // 1.2, "RECEIPT": all frames before it were received, if not processed.
        self.sends_received = self.sends_received.max(sends_before);
        Some((id, awaited))
    }

    /// The frame that alone is on the wire and unanswered, if nothing else can be meant. `is_alone` says whether it was sent
    /// alone on purpose: then an acknowledgement is not meant either.
    pub(super) fn suspect(&self, is_alone: impl Fn(ReceiptId) -> bool) -> Option<(ReceiptId, Awaited, bool)> {
        let id = self.receipts.only_on_wire().filter(|_| !self.unanswered)?;
        let (awaited, is_alone) = (self.receipts.awaited(id)?, is_alone(id));
        (is_alone || !self.settled).then_some((id, awaited, is_alone))
    }

    /// SENDs without a RECEIPT that were not handed over, and those that were and of which nothing is known.
    pub(super) const fn lost_sends(&self) -> (u64, u64) {
        let Self { sends, sends_gone, sends_received, .. } = self;
        (sends.saturating_sub(*sends_gone), sends_gone.saturating_sub(*sends_received))
    }

    #[cfg(feature = "client")]
    pub(super) fn mark(&self) -> WireMark {
        WireMark { usual: self.usual.next_place(), ahead: self.ahead.as_deref().map(Outbox::next_place) }
    }

    /// What was written before that and waits.
    #[cfg(feature = "client")]
    pub(super) fn before(&self, mark: &WireMark) -> impl Iterator<Item = Kind> {
        // The places of an outbox that was made later are greater, and what was usual then may be ahead now.
        let end = |outbox: &Outbox| match mark.ahead {
            Some(ahead) if outbox.next_place().is_in_outbox_of(ahead) => ahead,
            _ => mark.usual,
        };
        self.ahead
            .as_deref()
            .into_iter()
            .chain([&self.usual])
            .flat_map(move |outbox| outbox.before(end(outbox)))
    }

    /// Whether something was handed over since the last call that is lost with the connection.
    #[cfg(feature = "client")]
    pub(super) const fn take_plain(&mut self) -> bool {
        core::mem::replace(&mut self.plain, false)
    }

    /// SENDs without a RECEIPT: all, and those that were handed over to the last octet.
    #[cfg(feature = "client")]
    pub(super) const fn sends(&self) -> (u64, u64) {
        (self.sends, self.sends_gone)
    }

    /// Octets that wait for the transport.
    pub(super) fn len(&self) -> usize {
        self.usual.len().saturating_add(self.ahead.as_deref().map_or(0, Outbox::len))
    }

    /// Octets of ACKs, NACKs and other frames without an answer that wait.
    #[cfg(feature = "client")]
    pub(super) fn unanswered_octets(&self) -> usize {
        self.usual.unanswered().saturating_add(self.ahead.as_deref().map_or(0, Outbox::unanswered))
    }

    pub(super) fn trace(&mut self, traces: bool) {
        self.outboxes().for_each(|outbox| outbox.trace(traces));
    }

    /// The frames and heart-beats that were handed over whole since the last call, if they are traced.
    pub(super) fn take_traced(&mut self) -> impl Iterator<Item = Event> {
        self.outboxes().flat_map(Outbox::take_traced)
    }

    /// In the order in which their frames leave.
    fn outboxes(&mut self) -> impl Iterator<Item = &mut Outbox> {
        self.ahead.as_deref_mut().into_iter().chain([&mut self.usual])
    }

    /// The bodies that it holds, for whoever must see to it where they are dropped.
    pub(super) fn take_bodies(&mut self) -> impl Iterator<Item = Bytes> {
        self.outboxes().flat_map(Outbox::take_bodies)
    }

    /// Gives memory back that a quiet connection does not need.
    pub(super) fn shrink(&mut self) {
        self.outboxes().for_each(Outbox::shrink);
        self.receipts.shrink();
    }
}
