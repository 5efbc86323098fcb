//! What becomes of the messages of a connection: acknowledged, refused, or given back unsettled. Before it is left, everything
//! goes back: how far that has come, and how long it may take.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use core::time::Duration;

use stomp_proto::{AckMode, Command, Frame, Version};

use super::{
    receipts::{Awaited, Stage},
    unsettled::{Form, Unsettled},
    wire::Wire,
};
use crate::model::{
    error::CommandError,
    frames::{self, FrameError, Header},
    ids::{Ids, ReceiptId, SubscriptionId},
    message::{Arrival, Arrived},
    profile::DeliveryIds,
    time::Timestamp,
};

/// What was delivered and not settled, where anything is settled at all.
#[derive(Debug, Default)]
pub(crate) struct Settlement {
    /// Boxed: a node of the tree has room for eleven, and most have one.
    unsettled: BTreeMap<SubscriptionId, Box<Unsettled>>,
    /// The number of the newest delivery.
    deliveries: u64,
    /// The RECEIPTs that are missing of acknowledgements that were spelled out.
    parts: BTreeMap<ReceiptId, BTreeSet<ReceiptId>>,
}

impl Settlement {
    /// A subscription is sent, in one mode and on the wire in another.
    pub(super) fn begin(&mut self, id: SubscriptionId, asked: AckMode, on_wire: AckMode) {
        if asked != AckMode::Auto {
            let unsettled = Unsettled::new(Form::of(asked, on_wire), self.deliveries);
            self.unsettled.insert(id, Box::new(unsettled));
        }
    }

    /// Counts a message, as the broker does if it numbers them.
    pub(super) fn count(&mut self, message: &Frame, ids: Option<DeliveryIds>) {
        let next = self.deliveries.saturating_add(1);
        let id = || message.header("message-id")?.text().ok();
        self.deliveries = ids.and_then(|ids| ids.number(&id()?)).unwrap_or(next);
    }

    /// The number of the newest delivery.
    pub(super) const fn newest(&self) -> u64 {
        self.deliveries
    }

    /// Notes that the message which was counted last needs an acknowledgement. Returns its number.
    pub(super) fn deliver(&mut self, id: SubscriptionId, frame: &Frame, version: Version) -> u64 {
        if let Some(unsettled) = self.unsettled.get_mut(&id) {
            let ack = unsettled.keeps_acks().then(|| acknowledgement(frame, version).ok()).flatten();
            unsettled.add(self.deliveries, ack);
        }
        self.deliveries
    }

    /// The same for a message that nobody will settle.
    pub(super) fn deliver_to_nobody(&mut self, id: SubscriptionId, frame: &Frame, version: Version) {
        let delivery = self.deliver(id, frame, version);
        self.give_back(id, delivery);
    }

    /// Counts a message that never came: an ERROR stands for it.
    pub(super) fn count_stray(&mut self, id: Option<SubscriptionId>) {
        self.deliveries = self.deliveries.saturating_add(1);
        if let Some(unsettled) = id.and_then(|id| self.unsettled.get_mut(&id)) {
            unsettled.add_returned(self.deliveries);
        }
    }

    /// Says that nobody will settle a message.
    pub(super) fn give_back(&mut self, id: SubscriptionId, delivery: u64) {
        if let Some(unsettled) = self.unsettled.get_mut(&id) {
            unsettled.give_back(delivery);
        }
    }

    /// Whether a subscription was sent whose messages are settled.
    pub(super) fn holds(&self, id: SubscriptionId) -> bool {
        self.unsettled.contains_key(&id)
    }

    /// Whether a message came for the subscription as it stands.
    pub(super) fn owns(&self, arrival: &Arrival) -> bool {
        let unsettled = self.unsettled.get(&arrival.subscription());
        unsettled.is_some_and(|unsettled| unsettled.owns(arrival.delivery))
    }

    /// Whether nobody has a message of it that may still be settled.
    pub(super) fn is_settled(&self, id: SubscriptionId) -> bool {
        self.unsettled.get(&id).is_none_or(|unsettled| unsettled.is_settled())
    }

    /// Messages of all subscriptions that somebody has and may still settle.
    pub(super) fn open(&self) -> usize {
        self.unsettled.values().map(|unsettled| unsettled.open()).sum()
    }

    /// Nothing of it can be settled any more.
    pub(super) fn forget(&mut self, id: SubscriptionId) {
        self.unsettled.remove(&id);
    }

    /// The same. Returns the numbers of what nobody has settled.
    pub(super) fn take(&mut self, id: SubscriptionId) -> impl Iterator<Item = u64> {
        self.unsettled.remove(&id).unwrap_or_default().into_numbers()
    }

    /// Remembers what comes late for it.
    pub(super) fn remember(&mut self, id: SubscriptionId) {
        self.unsettled.insert(id, Box::default());
    }

    /// Writes what settles a message.
    pub(super) fn settle(
        &mut self,
        command: Command,
        message: &dyn Arrived,
        headers: &[Header<'_>],
        wire: &mut Wire,
    ) -> Result<(), CommandError> {
        frames::with_ack_headers(message.frame(), wire.version(), |ack| {
            self.settle_named(command, message, [ack, headers], wire)
        })
        .map_err(|error| no_ack(message.frame(), error))?
    }

    fn settle_named(
        &mut self,
        command: Command,
        message: &dyn Arrived,
        [ack, headers]: [&[Header<'_>]; 2],
        wire: &mut Wire,
    ) -> Result<(), CommandError> {
        let (id, delivery) = (message.arrival().subscription(), message.arrival().delivery);
        let unsettled = self.unsettled.entry(id).or_default();
        if unsettled.is_covered(delivery) {
            return Err(CommandError::AlreadySettled);
        }
        if command == Command::Ack && unsettled.waits() {
            let ack = acknowledgement(message.frame(), wire.version())?;
            return write_prefix(unsettled.settle_prefix(delivery, ack, None), wire);
        }
        wire.push_settlement(command, [ack, headers])?;
        for ack in unsettled.settle(delivery) {
            // One that cannot be written stays with the broker, which delivers it again.
            let _ = wire.push_settlement(command, [&headers_of(&ack), headers]);
        }
        Ok(())
    }

    /// Writes what acknowledges a message, and asks for RECEIPTs: all of them are the answer. Returns that of the whole.
    pub(super) fn confirm(
        &mut self,
        message: &dyn Arrived,
        timeout: Duration,
        wire: &mut Wire,
        ids: &mut Ids,
    ) -> Result<ReceiptId, CommandError> {
        let ack = acknowledgement(message.frame(), wire.version())?;
        let (id, delivery) = (message.arrival().subscription(), message.arrival().delivery);
        let unsettled = self.unsettled.entry(id).or_default();
        if unsettled.is_covered(delivery) {
            return Err(CommandError::AlreadySettled);
        }
        let whole = ids.receipt();
        if unsettled.waits() {
            wire.receipts.add(whole, Awaited::Ack, Stage::Unwritten, timeout, 0);
            let written = write_prefix(unsettled.settle_prefix(delivery, ack, Some(whole)), wire);
            return written.map(|()| whole);
        }
        if !unsettled.spells_out(delivery) {
            wire.push_ack(&ack, whole, Awaited::Ack, timeout)?;
            unsettled.settle(delivery);
            return Ok(whole);
        }
        wire.receipts.add(whole, Awaited::Ack, Stage::Unwritten, timeout, 0);
        let mut parts = BTreeSet::new();
        for ack in unsettled.settle(delivery).into_iter().chain([ack]) {
            let part = ids.receipt();
            // One that cannot be written stays with the broker, which delivers it again.
            if wire.push_ack(&ack, part, Awaited::AckPart(whole), Duration::MAX).is_ok() {
                parts.insert(part);
            }
        }
        self.parts.insert(whole, parts);
        Ok(whole)
    }

    /// One of the ACKs was answered that an acknowledgement was spelled out in. Whether it was the last one.
    pub(super) fn answer_part(&mut self, whole: ReceiptId, part: ReceiptId) -> bool {
        let Some(parts) = self.parts.get_mut(&whole) else { return false };
        parts.remove(&part);
        parts.is_empty()
    }

    /// Those of whose RECEIPTs are missing are not waited for any more.
    pub(super) fn take_parts(&mut self, whole: ReceiptId) -> impl Iterator<Item = ReceiptId> + use<> {
        self.parts.remove(&whole).unwrap_or_default().into_iter()
    }

    /// The ACKs that settle a message in a transaction, after which it counts as settled.
    pub(super) fn take_settlement(
        &mut self,
        message: &dyn Arrived,
        version: Version,
    ) -> Result<Vec<Frame>, CommandError> {
        let ack = acknowledgement(message.frame(), version)?;
        let (id, delivery) = (message.arrival().subscription(), message.arrival().delivery);
        let unsettled = self.unsettled.entry(id).or_default();
        if unsettled.is_covered(delivery) {
            return Err(CommandError::AlreadySettled);
        }
        if unsettled.waits() {
            return Err(CommandError::NotInTransaction);
        }
        let mut acks = vec![ack];
        acks.extend(unsettled.settle(delivery));
        Ok(acks)
    }
}

/// Writes ACKs of which each means all before it as well.
fn write_prefix(acks: Vec<(Frame, Option<ReceiptId>)>, wire: &mut Wire) -> Result<(), CommandError> {
    for (ack, receipt) in acks {
        // Nobody may wait for it any more.
        match receipt.filter(|id| wire.receipts.awaited(*id).is_some()) {
            Some(id) => wire.push_ack(&ack, id, Awaited::Ack, Duration::MAX)?,
            None => wire.push_settlement(Command::Ack, [&headers_of(&ack), &[]])?,
        }
    }
    Ok(())
}

/// The acknowledgement with other headers added, under another command.
pub(super) fn with_command(command: Command, ack: &Frame, headers: &[(&str, &str)]) -> Frame {
    let frame = frames::with_command(command, ack);
    headers.iter().fold(frame, |frame, (name, value)| frame.with_header(name, value))
}

/// The headers of an ACK that was kept, whose names are ours.
fn headers_of(ack: &Frame) -> Vec<Header<'_>> {
    let names = ["id", "subscription", "message-id"];
    names.into_iter().filter_map(|name| Some((name, ack.header(name)?.octets()))).collect()
}

fn acknowledgement(message: &Frame, version: Version) -> Result<Frame, CommandError> {
    frames::ack(message, version).map_err(|error| no_ack(message, error))
}

fn no_ack(message: &Frame, error: FrameError) -> CommandError {
    match error {
        FrameError::MissingHeader { header, .. } => CommandError::NoAckHeader(header),
        // It came as a MESSAGE, and every version has ACK.
        _ => CommandError::WrongCommand(message.command()),
    }
}

/// The most round trips that ask whether all has come.
const ROUNDS: u32 = 8;

/// How long a broker may take until it has passed on what it was given.
pub(super) const CATCHES_UP: Duration = Duration::from_secs(1);

/// Settlements that came in quick succession: the broker may not have passed all of them on.
#[derive(Debug, Default)]
pub(super) struct Burst {
    count: usize,
    last: Timestamp,
}

impl Burst {
    pub(super) fn add(&mut self, count: usize, now: Timestamp) {
        if self.is_over(now) {
            self.count = 0;
        }
        (self.count, self.last) = (self.count.saturating_add(count), now);
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now >= self.last.after(CATCHES_UP)
    }

    /// Whether it has more than that, and was just now.
    pub(super) fn exceeds(&self, most: usize, now: Timestamp) -> bool {
        self.count > most && !self.is_over(now)
    }
}

/// Everything goes back, within a time.
#[derive(Debug)]
pub(super) struct GivingBack {
    /// How long the broker may take for each of its answers, and until when for all of them.
    pub(super) timeout: Duration,
    until: Timestamp,
    /// The round trips.
    rounds: u32,
    /// The number of the newest delivery when the last one began, unless something was asked for since.
    newest: Option<u64>,
    pub(super) is_over: bool,
}

impl GivingBack {
    pub(super) fn new(left: Duration, now: Timestamp) -> Self {
        let (timeout, until) = (left.mul_f64(0.25), now.after(left.mul_f64(0.75)));
        Self { timeout, until, rounds: 0, newest: None, is_over: false }
    }

    /// The broker does not answer in time, or has nothing to answer: it is asked no more.
    pub(super) const fn stop(&mut self) {
        self.is_over = true;
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        (!self.is_over).then_some(self.until)
    }

    /// Whether a round trip is to begin, when that is the newest delivery: not if the last one has brought nothing.
    pub(super) fn begin_round(&mut self, newest: u64) -> bool {
        if self.newest == Some(newest) || self.rounds >= ROUNDS {
            return false;
        }
        (self.rounds, self.newest) = (self.rounds.saturating_add(1), Some(newest));
        true
    }

    /// More may come: the last round trip says nothing any more.
    pub(super) const fn forget_round(&mut self) {
        self.newest = None;
    }
}
