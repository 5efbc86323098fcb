//! The messages of a subscription that its connection has delivered and nobody has settled.

use alloc::{collections::BTreeMap, vec::Vec};

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
#[derive(Debug, Default)]
struct Held {
    /// Its ACK, where it may be wanted when the message itself is gone.
    ack: Option<Frame>,
    /// Nobody will settle it any more.
    returned: bool,
    /// It is settled, and its ACK waits for those before it.
    settled: bool,
    /// The RECEIPT that its ACK asks for.
    receipt: Option<ReceiptId>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    form: Form,
    /// The number of the last delivery before the subscription stood: it, and those before it, were of an earlier one.
    before: u64,
    held: BTreeMap<u64, Held>,
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

    /// Whether the ACK of a message must be known when it comes.
    pub(crate) fn keeps_acks(&self) -> bool {
        matches!(self.form, Form::Each)
    }

    pub(crate) fn add(&mut self, delivery: u64, ack: Option<Frame>) {
        if self.held.len() >= REMEMBERED {
            self.forget_first();
        }
        self.held.insert(delivery, Held { ack, ..Held::default() });
        self.open = self.open.saturating_add(1);
    }

    fn forget_first(&mut self) {
        if let Some((number, held)) = self.held.pop_first() {
            self.forgotten = number;
            self.open = self.open.saturating_sub(held.is_open().into());
        }
    }

    /// Adds one that nobody will settle.
    pub(crate) fn add_returned(&mut self, delivery: u64) {
        self.add(delivery, None);
        self.give_back(delivery);
    }

    /// Says that nobody will settle it.
    pub(crate) fn give_back(&mut self, delivery: u64) {
        let Some(held) = self.held.get_mut(&delivery).filter(|held| held.is_open()) else { return };
        held.returned = true;
        self.open = self.open.saturating_sub(1);
    }

    /// Whether that message was settled already, by itself or by a later ACK.
    pub(crate) fn is_covered(&self, delivery: u64) -> bool {
        let may_be_open = self.form == Form::One && delivery <= self.forgotten;
        !may_be_open && self.held.get(&delivery).is_none_or(|held| held.settled)
    }

    /// Whether the ACK of a message waits for those before it: [`settle_prefix`](Self::settle_prefix).
    pub(crate) const fn waits(&self) -> bool {
        matches!(self.form, Form::Prefix)
    }

    /// Settles a message whose ACK is written. Gives those of others that must be written as well.
    pub(crate) fn settle(&mut self, delivery: u64) -> Vec<Frame> {
        let mut others = Vec::new();
        let is_cumulative = matches!(self.form, Form::Through | Form::Each);
        while let Some(first) = self.held.first_entry().filter(|it| is_cumulative && *it.key() < delivery) {
            let held = first.remove();
            self.open = self.open.saturating_sub(held.is_open().into());
            others.extend(held.ack.filter(|_| self.form == Form::Each));
        }
        let settled = self.held.remove(&delivery);
        self.open = self.open.saturating_sub(settled.is_some_and(|held| held.is_open()).into());
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
        let Some(held) = self.held.get_mut(&delivery) else { return acks };
        self.open = self.open.saturating_sub(held.is_open().into());
        (held.settled, held.ack, held.receipt) = (true, Some(ack), receipt);
        while let Some(first) = self.held.first_entry().filter(|first| first.get().settled) {
            let Held { ack, receipt, .. } = first.remove();
            acks.pop_if(|(_, receipt)| receipt.is_none());
            acks.extend(ack.map(|ack| (ack, receipt)));
        }
        acks
    }

    /// Whether the acknowledgement of a message is written in more frames than one.
    pub(crate) fn spells_out(&self, delivery: u64) -> bool {
        self.form == Form::Each && self.held.range(..delivery).any(|(_, held)| held.ack.is_some())
    }

    /// The numbers of the messages that nobody has settled.
    pub(crate) fn into_numbers(self) -> impl Iterator<Item = u64> {
        self.held.into_iter().filter(|(_, held)| !held.settled).map(|(number, _)| number)
    }
}

impl Held {
    const fn is_open(&self) -> bool {
        !self.returned && !self.settled
    }
}
