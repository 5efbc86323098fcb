//! The messages of a subscription that its connection has delivered and nobody has settled.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use stomp_proto::{AckMode, Frame};

use crate::model::ids::ReceiptId;

/// The most that is remembered, for a broker that keeps to no prefetch. What is forgotten is acknowledged only where
/// one ACK means one message: else the broker delivers it again.
const REMEMBERED: usize = 65_536;

/// How the acknowledgement of one message is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// One frame for the message.
    #[default]
    One,
    /// One frame, which the broker takes for all that came before as well.
    Through,
    /// The same, where the broker would take it for messages of others: one frame for each.
    Each,
    /// One frame for the last message before which all are settled. Without `client-individual` (1.0) another would
    /// acknowledge what nobody has handled.
    Prefix,
}

impl Form {
    /// For a subscription that was made in one mode and stands on the wire in another.
    pub(crate) const fn of(asked: AckMode, on_wire: AckMode) -> Self {
        match (asked, on_wire) {
            (AckMode::Client, AckMode::Client) => Self::Through,
            (AckMode::Client, _) => Self::Each,
            (AckMode::ClientIndividual, AckMode::Client) => Self::Prefix,
            _ => Self::One,
        }
    }
}

/// A message, known by the number of its delivery.
#[derive(Debug)]
struct Held {
    number: u64,
    state: State,
    /// What is needed where one ACK means several messages.
    kept: Option<Box<Kept>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is in somebody's hands.
    Open,
    /// Nobody will settle it any more.
    Returned,
    /// It is settled, and its ACK waits for those before it.
    Settled,
    /// It was settled out of order: a hole.
    Gone,
}

/// The ACK of a message, where it may be wanted when the message itself is gone.
#[derive(Debug)]
struct Kept {
    ack: Frame,
    /// The RECEIPT that it asks for.
    receipt: Option<ReceiptId>,
}

impl Kept {
    fn new(ack: Frame, receipt: Option<ReceiptId>) -> Box<Self> {
        Box::new(Self { ack, receipt })
    }
}

/// The room that is kept when there is nothing to hold.
const ROOM: usize = 64;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    form: Form,
    /// The number of the last delivery before the subscription stood: it, and those before it, were of an earlier one.
    before: u64,
    /// A queue in the order of their numbers. Those that were settled out of order leave holes until they are half of it;
    /// the first is none.
    held: VecDeque<Held>,
    /// How many are no holes.
    live: usize,
    /// The number of the last one that was forgotten: whether it was settled is not known any more.
    forgotten: u64,
    /// How many are in somebody's hands.
    open: usize,
}

impl Unsettled {
    pub(crate) fn new(form: Form, before: u64) -> Self {
        Self { form, before, ..Self::default() }
    }

    /// Whether a message came for the subscription as it stands, and not before the broker cancelled it once.
    pub(crate) const fn owns(&self, delivery: u64) -> bool {
        delivery > self.before
    }

    /// Whether nobody has a message that may still be settled.
    pub(crate) const fn is_settled(&self) -> bool {
        self.open == 0
    }

    /// How many messages somebody has that may still be settled.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }

    /// Whether the ACK of a message must be known when it comes.
    pub(crate) fn keeps_acks(&self) -> bool {
        matches!(self.form, Form::Each)
    }

    pub(crate) fn add(&mut self, delivery: u64, ack: Option<Frame>) {
        if self.live >= REMEMBERED
            && let Some(forgotten) = self.pop_first()
        {
            self.forgotten = forgotten.number;
        }
        let held = Held { number: delivery, state: State::Open, kept: ack.map(|ack| Kept::new(ack, None)) };
        self.put(held);
        self.open = self.open.saturating_add(1);
        self.live = self.live.saturating_add(1);
    }

    /// Puts a message in its place: the last one, unless the broker's numbers go back or are repeated.
    fn put(&mut self, held: Held) {
        if self.held.back().is_none_or(|last| last.number < held.number) {
            return self.held.push_back(held);
        }
        match self.find(held.number) {
            Ok(at) => {
                self.note_gone(at);
                if let Some(place) = self.held.get_mut(at) {
                    *place = held;
                }
            }
            Err(at) => self.held.insert(at, held),
        }
    }

    /// Where that number is, or would be.
    fn find(&self, number: u64) -> Result<usize, usize> {
        let first = self.held.front().map_or(0, |held| held.number);
        // Where no number is missing.
        let near = usize::try_from(number.wrapping_sub(first)).unwrap_or(usize::MAX);
        match self.held.get(near) {
            Some(held) if held.number == number => Ok(near),
            _ => self.held.binary_search_by_key(&number, |held| held.number),
        }
    }

    fn get(&self, number: u64) -> Option<&Held> {
        self.held.get(self.find(number).ok()?)
    }

    fn pop_first(&mut self) -> Option<Held> {
        self.note_gone(0);
        let first = self.held.pop_front();
        self.close_holes();
        first
    }

    fn remove(&mut self, number: u64) {
        if let Ok(at) = self.find(number) {
            self.note_gone(at);
            self.close_holes();
        }
    }

    /// Counts a message no more. Its place is a hole from here on, or another's.
    fn note_gone(&mut self, at: usize) {
        let Some(held) = self.held.get_mut(at).filter(|held| held.state != State::Gone) else { return };
        self.open = self.open.saturating_sub(usize::from(held.state == State::Open));
        self.live = self.live.saturating_sub(1);
        held.state = State::Gone;
    }

    fn close_holes(&mut self) {
        while self.held.front().is_some_and(|held| held.state == State::Gone) {
            self.held.pop_front();
        }
        if self.held.len() / 2 > self.live {
            self.held.retain(|held| held.state != State::Gone);
        }
        if self.held.is_empty() && self.held.capacity() > ROOM {
            self.held = VecDeque::new();
        }
    }

    /// Adds one that nobody will settle.
    pub(crate) fn add_returned(&mut self, delivery: u64) {
        self.add(delivery, None);
        self.give_back(delivery);
    }

    /// Says that nobody will settle it.
    pub(crate) fn give_back(&mut self, delivery: u64) {
        let held = self.find(delivery).ok().and_then(|at| self.held.get_mut(at));
        if let Some(held) = held.filter(|held| held.state == State::Open) {
            held.state = State::Returned;
            self.open = self.open.saturating_sub(1);
        }
    }

    /// Whether that message was settled already, by itself or by a later ACK.
    pub(crate) fn is_covered(&self, delivery: u64) -> bool {
        let may_be_open = self.form == Form::One && delivery <= self.forgotten;
        let is_settled = |held: &Held| matches!(held.state, State::Settled | State::Gone);
        !may_be_open && self.get(delivery).is_none_or(is_settled)
    }

    /// Whether the ACK of a message waits for those before it: [`settle_prefix`](Self::settle_prefix).
    pub(crate) const fn waits(&self) -> bool {
        matches!(self.form, Form::Prefix)
    }

    /// Settles a message whose ACK is written. Gives those of others that must be written as well.
    pub(crate) fn settle(&mut self, delivery: u64) -> Vec<Frame> {
        let mut others = Vec::new();
        let is_cumulative = matches!(self.form, Form::Through | Form::Each);
        while is_cumulative && self.held.front().is_some_and(|first| first.number < delivery) {
            let kept = self.pop_first().and_then(|held| held.kept);
            others.extend(kept.filter(|_| self.form == Form::Each).map(|kept| kept.ack));
        }
        self.remove(delivery);
        others
    }

    /// Settles a message. Gives the ACK of the last one before which all are settled, if there is one now, and before it
    /// those that ask for a RECEIPT.
    pub(crate) fn settle_prefix(
        &mut self,
        delivery: u64,
        ack: Frame,
        receipt: Option<ReceiptId>,
    ) -> Vec<(Frame, Option<ReceiptId>)> {
        let mut acks = Vec::new();
        let Some(held) = self.find(delivery).ok().and_then(|at| self.held.get_mut(at)) else { return acks };
        self.open = self.open.saturating_sub(usize::from(held.state == State::Open));
        (held.state, held.kept) = (State::Settled, Some(Kept::new(ack, receipt)));
        while self.held.front().is_some_and(|first| first.state == State::Settled) {
            let Some(Kept { ack, receipt }) = self.pop_first().and_then(|held| held.kept).map(|kept| *kept)
            else {
                continue;
            };
            acks.pop_if(|(_, receipt)| receipt.is_none());
            acks.push((ack, receipt));
        }
        acks
    }

    /// Whether the acknowledgement of a message is written in more frames than one.
    pub(crate) fn spells_out(&self, delivery: u64) -> bool {
        let mut before = self.held.iter().take_while(|held| held.number < delivery);
        self.form == Form::Each && before.any(|held| held.state != State::Gone && held.kept.is_some())
    }

    /// The numbers of the messages that nobody has settled.
    pub(crate) fn into_numbers(self) -> impl Iterator<Item = u64> {
        let is_left = |held: &Held| matches!(held.state, State::Open | State::Returned);
        self.held.into_iter().filter(is_left).map(|held| held.number)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, string::ToString};

    use stomp_proto::Command;

    use super::*;
    use crate::model::{
        ids::{Ids, Owner},
        random::Random,
    };

    fn ack(number: u64) -> Frame {
        Frame::new(Command::Ack).with_header("id", number.to_string())
    }

    fn number(ack: &Frame) -> u64 {
        ack.header("id").and_then(|id| id.number()).unwrap()
    }

    /// The same, as simply as can be: what is held, whether it was returned, and the RECEIPT of what waits for its turn.
    #[derive(Default)]
    struct Naive {
        form: Form,
        held: BTreeMap<u64, (bool, Option<Option<ReceiptId>>)>,
    }

    impl Naive {
        fn settle(&mut self, delivery: u64) -> Vec<u64> {
            let later = self.held.split_off(&delivery);
            let mut others = Vec::new();
            match self.form {
                Form::Through => self.held.clear(),
                Form::Each => others.extend(core::mem::take(&mut self.held).into_keys()),
                Form::One | Form::Prefix => {}
            }
            self.held.extend(later);
            self.held.remove(&delivery);
            others
        }

        fn settle_prefix(
            &mut self,
            delivery: u64,
            receipt: Option<ReceiptId>,
        ) -> Vec<(u64, Option<ReceiptId>)> {
            let mut acks: Vec<(u64, Option<ReceiptId>)> = Vec::new();
            if let Some(held) = self.held.get_mut(&delivery) {
                held.1 = Some(receipt);
            }
            while let Some((number, (_, Some(receipt)))) = self.held.first_key_value() {
                acks.pop_if(|(_, receipt)| receipt.is_none());
                acks.push((*number, *receipt));
                self.held.pop_first();
            }
            acks
        }

        fn is_covered(&self, delivery: u64) -> bool {
            self.held.get(&delivery).is_none_or(|held| held.1.is_some())
        }

        fn open(&self) -> impl Iterator<Item = u64> {
            self.held.iter().filter(|(_, held)| held.1.is_none()).map(|(number, _)| *number)
        }
    }

    /// The number of the next delivery: mostly the one after the last, but those of a subscription among others are sparse, and
    /// what a broker calls its messages may be repeated or go back.
    fn next(last: u64, random: &mut Random) -> u64 {
        match random.next() % 8 {
            0 => last + random.next() % 5,
            1 => last.saturating_sub(random.next() % 5).max(1),
            _ => last + 1,
        }
    }

    #[test]
    fn a_queue_with_holes_is_as_good_as_a_table() {
        for (seed, form) in
            [Form::One, Form::Through, Form::Each, Form::Prefix].into_iter().cycle().take(40).enumerate()
        {
            let mut random = Random::new(seed as u64);
            let (mut ids, mut last) = (Ids::new(Owner::default()), 10_u64);
            let (mut unsettled, mut naive) = (Unsettled::new(form, 0), Naive { form, ..Naive::default() });
            for _ in 0..400 {
                let chosen = last.saturating_sub(random.next() % 12).max(1);
                match random.next() % 5 {
                    0 => {
                        unsettled.give_back(chosen);
                        naive.held.get_mut(&chosen).into_iter().for_each(|held| held.0 = true);
                    }
                    1 | 2 if form == Form::Prefix => {
                        let receipt = random.next().is_multiple_of(2).then(|| ids.receipt());
                        let acks = unsettled.settle_prefix(chosen, ack(chosen), receipt);
                        let acks = acks.iter().map(|(ack, receipt)| (number(ack), *receipt));
                        assert!(acks.eq(naive.settle_prefix(chosen, receipt)));
                    }
                    1 | 2 if !unsettled.is_covered(chosen) => {
                        let others = unsettled.settle(chosen);
                        assert!(others.iter().map(number).eq(naive.settle(chosen)));
                    }
                    _ => {
                        last = next(last, &mut random);
                        unsettled.add(last, unsettled.keeps_acks().then(|| ack(last)));
                        naive.held.insert(last, (false, None));
                    }
                }
                for number in last.saturating_sub(20).max(1)..last + 10 {
                    assert_eq!(
                        unsettled.is_covered(number),
                        naive.is_covered(number),
                        "{form:?} {seed} {number}"
                    );
                    let spelled = form == Form::Each && naive.held.range(..number).next().is_some();
                    assert_eq!(unsettled.spells_out(number), spelled);
                }
                let is_open = |held: &(bool, Option<Option<ReceiptId>>)| !held.0 && held.1.is_none();
                assert_eq!(unsettled.is_settled(), !naive.held.values().any(is_open));
            }
            assert!(unsettled.into_numbers().eq(naive.open()));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_given_back() {
        let mut unsettled = Unsettled::default();
        let many = 2 * REMEMBERED as u64;
        (1..=many).for_each(|number| unsettled.add(number, None));
        assert_eq!((unsettled.held.len(), unsettled.open), (REMEMBERED, REMEMBERED));
        assert!(!unsettled.is_covered(1) && !unsettled.is_covered(many));
        // Every other one, of which each leaves a hole.
        for number in (1..=many).step_by(2) {
            unsettled.settle(number);
            assert!(unsettled.held.len() <= 2 * unsettled.live + 1);
        }
        (1..=many).for_each(|number| drop(unsettled.settle(number)));
        assert!(unsettled.is_settled() && unsettled.held.capacity() <= ROOM);
    }
}
