//! SENDs that are kept until a broker has them: in order, within bounds, over any number of connections. A broker recognises
//! the copies of one by its id.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use stomp_proto::Frame;

use super::{
    strikes::{Close, Sentence, Strikes},
    suspects::{Clock, Wait, Waiting},
};
use crate::model::{
    collections::{Empty, Numbers},
    config::AtLeastOnce,
    error::Lost,
    ids::ReceiptId,
    time::Timestamp,
    timed::Timed,
};

/// The most destinations that are remembered. A SEND to one that is forgotten is tried once more.
const REMEMBERED: usize = 1024;

/// A SEND that nobody has confirmed.
#[derive(Debug)]
pub(crate) struct KeptSend {
    id: ReceiptId,
    pub(crate) frame: Frame,
    /// Something of a copy was handed over, on this connection or an earlier one.
    pub(crate) handed_over: bool,
    /// The receipt that the copy on this connection asks for.
    pub(crate) copy: Option<ReceiptId>,
    strikes: Strikes,
    /// Refusals that were considered temporary.
    refusals: u32,
    /// Why it is tried again.
    pub(crate) last: Option<Box<Lost>>,
    /// The destination, if it is ordered.
    lane: Option<Vec<u8>>,
}

impl KeptSend {
    fn new(id: ReceiptId, frame: Frame, lane: Option<Vec<u8>>) -> Self {
        let strikes = Strikes::default();
        Self { id, frame, handed_over: false, copy: None, strikes, refusals: 0, last: None, lane }
    }

    /// Counts a temporary refusal. Returns how many there were.
    pub(crate) const fn count_refusal(&mut self) -> u32 {
        self.refusals = self.refusals.saturating_add(1);
        self.refusals
    }

    /// Counts an ERROR that named nobody while the SEND was alone. Returns when it may be tried again, or `None` if it is
    /// to blame.
    pub(crate) fn count_words(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.strikes.add_worded(now)
    }

    /// Counts a connection that was closed in silence while the SEND was alone on it.
    pub(crate) fn count_silence(&mut self, close: Close<'_>, silence: u32) -> Sentence {
        self.strikes.add_silent(close, silence)
    }
}

/// The SENDs that are kept.
#[derive(Debug, Default)]
pub(crate) struct KeptSends {
    /// Boxed: they are large, and are moved when they are taken out.
    kept: Timed<Box<KeptSend>>,
    /// Those that may be written, the oldest first.
    ready: Numbers,
    /// How many were written on this connection.
    written: usize,
    /// Those that wait until they may be written again.
    waiting: Waiting<ReceiptId>,
    /// The ordered ones of each destination: only the first of each is ready or written.
    lanes: BTreeMap<Vec<u8>, BTreeSet<ReceiptId>>,
    /// Those of which nothing has left since they were to be written.
    unsent: Numbers,
    octets: usize,
    /// Destinations that a broker has said it cannot serve for now. SENDs to one of these wait until one of them is
    /// confirmed.
    closed: BTreeSet<Vec<u8>>,
}

impl Empty for KeptSends {
    const EMPTY: &'static Self = {
        static EMPTY: KeptSends = KeptSends {
            kept: Timed::new(),
            ready: Numbers::new(),
            written: 0,
            waiting: Waiting::new(),
            lanes: BTreeMap::new(),
            unsent: Numbers::new(),
            octets: 0,
            closed: BTreeSet::new(),
        };
        &EMPTY
    };
}

impl KeptSends {
    /// Only what the clock allows is sent to this destination from now on, since each SEND would end a connection.
    pub(crate) fn close(&mut self, destination: &[u8]) {
        self.closed.insert(destination.to_vec());
        if self.closed.len() > REMEMBERED {
            self.closed.pop_first();
        }
    }

    /// Closes the destination of one that was refused there.
    pub(crate) fn close_for(&mut self, id: ReceiptId) {
        if let Some(destination) = self.destination(id) {
            self.close(&destination);
        }
    }

    pub(crate) fn is_closed(&self, id: ReceiptId) -> bool {
        !self.closed.is_empty()
            && self.destination(id).is_some_and(|destination| self.closed.contains(&destination))
    }

    /// The broker has accepted a SEND to this destination. Those that have waited for that are sent.
    pub(crate) fn open(&mut self, destination: &[u8]) {
        if !self.closed.remove(destination) {
            return;
        }
        let Self { kept, waiting, ready, .. } = self;
        let goes_there = |kept: &KeptSend| {
            kept.frame.header("destination").is_some_and(|header| *header.octets() == *destination)
        };
        let all = kept.iter().map(|(_, kept)| kept);
        let waited = all.filter(|kept| goes_there(kept) && waiting.is_on_clock(kept.id));
        let waited: Vec<_> = waited.map(|kept| kept.id).collect();
        for id in waited {
            waiting.remove(id);
            ready.insert(id.number());
        }
    }

    /// Whether it waits until it may be written again.
    pub(crate) fn waits(&self, id: ReceiptId) -> bool {
        self.waiting.contains(id)
    }

    /// See [`Waiting::has_suspects`].
    pub(crate) fn has_suspects(&self) -> bool {
        self.waiting.has_suspects()
    }

    /// One was confirmed.
    pub(crate) fn open_for(&mut self, id: ReceiptId) {
        if !self.closed.is_empty()
            && let Some(destination) = self.destination(id)
        {
            self.open(&destination);
        }
    }

    /// One was confirmed. Returns whether a connection was ever closed in silence when it was alone: what closed it is over.
    pub(crate) fn forgive(&mut self, id: ReceiptId) -> bool {
        self.get_mut(id).is_some_and(|kept| kept.strikes.forgive())
    }

    fn destination(&self, id: ReceiptId) -> Option<Vec<u8>> {
        Some(self.get(id)?.frame.header("destination")?.octets().into_owned())
    }

    pub(crate) fn add(&mut self, id: ReceiptId, frame: Frame, how: AtLeastOnce, default_timeout: Duration) {
        let destination = frame.header("destination").filter(|_| how.ordered);
        let lane = destination.map(|destination| destination.octets().into_owned());
        let is_first = lane.as_ref().is_none_or(|lane| {
            let lane = self.lanes.entry(lane.clone()).or_default();
            lane.insert(id) && lane.len() == 1
        });
        if is_first {
            self.ready.insert(id.number());
        }
        self.octets = self.octets.saturating_add(frame.size());
        let limit = how.timeout.unwrap_or(default_timeout);
        self.kept.add(id.number(), Box::new(KeptSend::new(id, frame, lane)), limit);
        self.unsent.insert(id.number());
    }

    #[inline]
    pub(crate) const fn is_unstamped(&self) -> bool {
        self.kept.is_unstamped()
    }

    /// Commands bring no time: what was added since the last call gets its deadline now.
    pub(crate) fn stamp(&mut self, now: Timestamp) {
        self.kept.stamp(now);
    }

    /// The next one to be written, if that many may be out.
    pub(crate) fn next(&self, window: usize) -> Option<ReceiptId> {
        let number = self.ready.first().filter(|_| self.written < window)?;
        self.kept.get(number).map(|kept| kept.id)
    }

    pub(crate) fn get(&self, id: ReceiptId) -> Option<&KeptSend> {
        self.kept.get(id.number()).map(Box::as_ref)
    }

    /// The time that ends the wait.
    pub(crate) fn limit(&self, id: ReceiptId) -> Option<Duration> {
        self.kept.limit(id.number())
    }

    pub(crate) fn note_written(&mut self, id: ReceiptId, receipt: ReceiptId) {
        self.ready.remove(id.number());
        if let Some(kept) = self.kept.get_mut(id.number()) {
            let before = kept.copy.replace(receipt);
            self.written = self.written.saturating_add(usize::from(before.is_none()));
        }
    }

    pub(crate) fn note_handed_over(&mut self, id: ReceiptId) {
        if let Some(kept) = self.get_mut(id) {
            kept.handed_over = true;
        }
        self.unsent.remove(id.number());
    }

    /// Takes one out: it is not written again.
    pub(crate) fn take(&mut self, id: ReceiptId) -> Option<Box<KeptSend>> {
        let kept = self.kept.take(id.number())?;
        self.ready.remove(id.number());
        self.written = self.written.saturating_sub(usize::from(kept.copy.is_some()));
        self.waiting.remove(id);
        self.unsent.remove(id.number());
        self.octets = self.octets.saturating_sub(kept.frame.size());
        if let Some(lane) = &kept.lane {
            self.leave_lane(lane, id);
        }
        Some(kept)
    }

    /// Lets the next one of the same destination in.
    fn leave_lane(&mut self, lane: &[u8], id: ReceiptId) {
        let Some(others) = self.lanes.get_mut(lane) else { return };
        let was_first = others.first() == Some(&id);
        others.remove(&id);
        match others.first().filter(|_| was_first) {
            Some(next) => self.ready.insert(next.number()),
            None if others.is_empty() => _ = self.lanes.remove(lane),
            None => {}
        }
    }

    /// Those that were on the wire of an earlier connection.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = ReceiptId> + use<> {
        let ready = self.ready.iter().filter_map(|number| self.kept.get(number));
        let mut out: Vec<_> = ready.filter(|kept| kept.handed_over).map(|kept| kept.id).collect();
        out.sort_unstable();
        out.into_iter()
    }

    pub(crate) fn get_mut(&mut self, id: ReceiptId) -> Option<&mut KeptSend> {
        self.kept.get_mut(id.number()).map(Box::as_mut)
    }

    /// Waits until it may be written again.
    pub(crate) fn wait(&mut self, id: ReceiptId, wait: Wait) {
        if self.note_waits(id) {
            self.waiting.add(id, wait);
        }
    }

    /// Waits until it may be written again, before all that wait in the same way.
    pub(crate) fn wait_first(&mut self, id: ReceiptId, wait: Wait) {
        if self.note_waits(id) {
            self.waiting.add_first(id, wait);
        }
    }

    fn note_waits(&mut self, id: ReceiptId) -> bool {
        let Some(kept) = self.kept.get_mut(id.number()) else { return false };
        let copy = kept.copy.take();
        self.written = self.written.saturating_sub(usize::from(copy.is_some()));
        self.ready.remove(id.number());
        true
    }

    /// Lets those in that may go among the others.
    pub(crate) fn release(&mut self, now: Timestamp) {
        while let Some(id) = self.waiting.due(now) {
            self.ready.insert(id.number());
        }
    }

    /// Takes one that may be sent alone now.
    pub(crate) fn suspect(&mut self, now: Timestamp, clock: &Clock) -> Option<ReceiptId> {
        let id = self.waiting.suspect(now, clock)?;
        self.ready.insert(id.number());
        Some(id)
    }

    /// See [`Waiting::deadline`] and [`Waiting::suspect_deadline`].
    pub(crate) fn deadlines(&self, clock: &Clock) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.waiting.deadline(), self.waiting.suspect_deadline(clock))
    }

    /// The connection has ended: what was written on it is to be written again.
    pub(crate) fn note_lost(&mut self) {
        for (_, kept) in self.kept.iter_mut() {
            if kept.copy.take().is_some() {
                self.unsent.insert(kept.id.number());
                self.ready.insert(kept.id.number());
            }
        }
        self.written = 0;
    }

    /// Whether one of them has not begun to leave whose receipt is less than that.
    #[cfg(feature = "client")]
    pub(crate) fn holds_unsent(&self, before: ReceiptId) -> bool {
        self.unsent.first().is_some_and(|first| first < before.number())
    }

    /// The oldest.
    pub(crate) fn first(&self) -> Option<ReceiptId> {
        self.kept.iter().next().map(|(_, kept)| kept.id)
    }

    /// One whose time is over.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Option<ReceiptId> {
        let number = self.kept.overdue(now)?;
        self.kept.get(number).map(|kept| kept.id)
    }

    pub(crate) const fn len(&self) -> usize {
        self.kept.len()
    }

    /// Octets that their frames take.
    pub(crate) const fn octets(&self) -> usize {
        self.octets
    }

    /// Those that are not out on this connection.
    pub(crate) const fn waiting(&self) -> usize {
        self.kept.len().saturating_sub(self.written)
    }

    /// When the next wait ends.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.kept.deadline()
    }

    /// Gives memory back that a quiet session does not need.
    pub(crate) fn shrink(&mut self) {
        self.kept.shrink();
        self.ready.shrink();
        self.unsent.shrink();
    }
}

/// What the ids of a client begin with: its identity in hexadecimal digits, and a hyphen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deduplication([u8; PREFIX]);

const PREFIX: usize = 33;

/// The digits of the largest number.
const DIGITS: usize = 20;

/// An id.
pub(crate) struct DeduplicationId {
    text: [u8; PREFIX + DIGITS],
    length: usize,
}

impl Deduplication {
    pub(crate) fn new(identity: u128) -> Self {
        let (mut prefix, mut rest) = ([b'-'; PREFIX], identity);
        for digit in prefix.iter_mut().take(PREFIX - 1).rev() {
            *digit = b"0123456789abcdef".get((rest % 16) as usize).copied().unwrap_or_default();
            rest >>= 4;
        }
        Self(prefix)
    }

    /// The id of that SEND: its number follows.
    pub(crate) fn of(&self, id: ReceiptId) -> DeduplicationId {
        let mut rest = id.number();
        let length =
            PREFIX.saturating_add(1).saturating_add(rest.checked_ilog10().unwrap_or_default() as usize);
        let mut text = [0; PREFIX + DIGITS];
        text.iter_mut().zip(self.0).for_each(|(octet, prefix)| *octet = prefix);
        for digit in text.get_mut(PREFIX..length).unwrap_or_default().iter_mut().rev() {
            *digit = b'0' | (rest % 10) as u8;
            rest /= 10;
        }
        DeduplicationId { text, length }
    }
}

impl DeduplicationId {
    pub(crate) fn text(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{ConnectionId, Number};

    #[test]
    fn the_destinations_that_are_remembered_are_bounded() {
        let mut kept = KeptSends::default();
        for number in 0..5000 {
            kept.close(alloc::format!("/temp-queue/{number}").as_bytes());
        }
        assert_eq!(kept.closed.len(), REMEMBERED);
    }

    #[test]
    fn it_is_what_formatting_says() {
        let connection = ConnectionId(Number::default());
        for number in [0, 1, 9, 10, 12_345, u64::MAX] {
            for identity in [0, 1, 0xfeed_beef, u128::MAX, u128::MAX << 64] {
                let found = Deduplication::new(identity).of(connection.receipt(number));
                assert_eq!(found.text(), alloc::format!("{identity:032x}-{number}").as_bytes());
            }
        }
    }
}
