//! An UNSUBSCRIBE that strands no message: it is written when no message may still be settled, and messages that the
//! broker would otherwise keep for the client are given back.
//!
//! ```text
//!            the last message is settled, or its time is over
//!   Waits ───────────────────────────────────────────────► Said ──► goes with the connection
//!            BEGIN, NACK each message, UNSUBSCRIBE, COMMIT  │  ▲
//!                     a MESSAGE or a stray ERROR shows that │  │
//!                     something was on its way: SUBSCRIBE   ▼  │ NACK each message, UNSUBSCRIBE, COMMIT
//!                     for one message, with a receipt     Again ────────► Begun
//!                                                           RECEIPT: BEGIN, with a receipt
//! ```
//!
//! With a broker that returns messages itself, there is only the first step. Other brokers accept a NACK only while its
//! subscription is active, and deliver a message again at once that is NACKed before the UNSUBSCRIBE: hence the
//! transaction.
//!
//! Messages that the broker sends before it reads the UNSUBSCRIBE reach the client as a MESSAGE or as a stray ERROR.
//! Each of them is one delivery, whose number is known. The second subscription asks for a single message. The RECEIPT
//! of its BEGIN comes after the messages that were on their way, so that nothing is left to be sent if the queue holds
//! anything. If the queue was empty, and a message came at that moment, the message shows itself as the first ones did.
//!
//! A broker that limits how many returns it passes on at a time does the rest when it has heard from the queue. The second
//! subscription makes it hear, which matters where the connection is about to be left: what it has not passed on by then is lost
//! with the connection, and counts as delivered.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    string::String,
    vec::Vec,
};
use core::time::Duration;

use stomp_proto::{AckMode, Command, Frame, Version};

use super::{
    context::{Parts, delivery_ids},
    outbox::Kind,
    receipts::Awaited,
    settlement::CATCHES_UP,
};
use crate::{
    model::{
        collections::Empty,
        connection::Connection,
        frames,
        ids::{Ids, ReceiptId, SubscriptionId},
        profile::DeliveryIds,
        time::Timestamp,
    },
    replay::Subscription,
};

/// A subscription that its owner has ended.
#[derive(Debug)]
struct Unsubscription {
    subscription: Subscription,
    how: UnsubscribeOptions,
    stage: Stage,
    /// When UNSUBSCRIBE is written at the latest. None until the first call that brings the time.
    deadline: Option<Timestamp>,
    /// How many messages went back with its UNSUBSCRIBE, and when that was, if they are many.
    returned: usize,
    said_at: Option<Timestamp>,
    /// How often it was subscribed again while its connection is being left.
    again: u32,
}

/// How a subscription is ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnsubscribeOptions {
    /// A durable one is deleted, and not only unsubscribed.
    pub(crate) deletes: bool,
    /// Its owner waits for the broker's answer.
    pub(crate) asks: bool,
    /// Its connection is about to be left, and waits so long for each of the broker's answers.
    pub(crate) leaves: Option<Duration>,
}

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waits,
    Said,
    Again,
    Begun,
    /// Said for a connection that is being left, and nothing more follows.
    Left,
}

/// The most subscriptions that are remembered after their UNSUBSCRIBE. Late messages of one that is forgotten stay with
/// the broker, invisible, until the connection ends.
const REMEMBERED: usize = 256;

/// How often one is subscribed again at most while its connection is being left: once for what was on its way, once for what
/// that has given back, and once more. A queue that is never empty does not keep a connection from being left.
const AGAIN: u32 = 3;

/// The transactions that are open at once for what comes late: RabbitMQ 4 ends a connection that has more than 16.
const TRANSACTIONS: usize = 8;

/// Those that were unsubscribed on this connection.
#[derive(Debug, Default)]
pub(super) struct Unsubscribing {
    table: BTreeMap<SubscriptionId, Unsubscription>,
    /// By the ids on the wire.
    names: BTreeMap<String, SubscriptionId>,
    /// Those without a deadline yet.
    unstamped: Vec<SubscriptionId>,
    deadlines: BTreeSet<(Timestamp, SubscriptionId)>,
    /// Those in stage Said.
    said: BTreeSet<SubscriptionId>,
    /// Those in stage Begun, and those that wait for their turn to be.
    begun: usize,
    turns: VecDeque<SubscriptionId>,
    /// Those whose owner waits for the answer.
    asked: BTreeSet<SubscriptionId>,
}

impl Empty for Unsubscribing {
    const EMPTY: &'static Self = {
        static EMPTY: Unsubscribing = Unsubscribing {
            table: BTreeMap::new(),
            names: BTreeMap::new(),
            unstamped: Vec::new(),
            deadlines: BTreeSet::new(),
            said: BTreeSet::new(),
            begun: 0,
            turns: VecDeque::new(),
            asked: BTreeSet::new(),
        };
        &EMPTY
    };
}

impl Unsubscribing {
    /// Adds one whose UNSUBSCRIBE is to be written.
    pub(super) fn add(&mut self, id: SubscriptionId, subscription: Subscription, how: UnsubscribeOptions) {
        self.insert(id, Unsubscription::new(subscription, how, Stage::Waits));
        if how.asks {
            self.asked.insert(id);
        }
        self.unstamped.push(id);
    }

    fn insert(&mut self, id: SubscriptionId, it: Unsubscription) {
        self.names.insert(it.subscription.wire_id.clone(), id);
        self.table.insert(id, it);
    }

    /// Whether somebody may still settle messages of it.
    pub(super) fn waits(&self, id: SubscriptionId) -> bool {
        self.table.get(&id).is_some_and(|it| it.stage == Stage::Waits)
    }

    pub(super) fn of(&self, wire_id: &str) -> Option<SubscriptionId> {
        self.names.get(wire_id).copied()
    }

    #[inline]
    pub(super) const fn is_unstamped(&self) -> bool {
        !self.unstamped.is_empty()
    }

    /// Gives those that came since the last call their time.
    pub(super) fn stamp(&mut self, timeout: Duration, now: Timestamp) {
        let deadline = now.after(timeout);
        for id in core::mem::take(&mut self.unstamped) {
            match self.table.get_mut(&id) {
                Some(it) if it.stage == Stage::Said => it.said_at = Some(now),
                Some(it) => {
                    it.deadline = Some(deadline);
                    self.deadlines.insert((deadline, id));
                }
                None => {}
            }
        }
    }

    /// One without a time wants one at once.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let first = self.deadlines.first().map(|(at, _)| *at);
        if self.unstamped.is_empty() { first } else { Some(Timestamp::ZERO) }
    }

    /// Writes the UNSUBSCRIBEs whose time has come.
    pub(super) fn expire(&mut self, parts: &mut Parts<'_>, ids: &mut Ids, now: Timestamp) {
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.say(id, parts, ids);
        }
    }

    /// DISCONNECT was said: nothing is written any more, whatever is due.
    pub(super) fn forget_deadlines(&mut self) {
        self.deadlines.clear();
    }

    /// Writes the UNSUBSCRIBE if nothing keeps it back any more.
    pub(super) fn proceed(&mut self, id: SubscriptionId, parts: &mut Parts<'_>, ids: &mut Ids) {
        if self.waits(id) && parts.settlement.is_settled(id) {
            self.say(id, parts, ids);
        }
    }

    /// Writes all UNSUBSCRIBEs that were not written. The connection is about to end, and gives back all there is.
    pub(super) fn say_all(&mut self, parts: &mut Parts<'_>) {
        for (id, it) in core::mem::take(self).table {
            match it.stage {
                Stage::Said => {}
                Stage::Left => self.insert(id, it),
                Stage::Waits | Stage::Again | Stage::Begun => {
                    for frame in it.frames(parts.connection) {
                        let _ = parts.wire.push(&frame, Kind::Unanswered);
                    }
                }
            }
        }
    }

    /// Writes all UNSUBSCRIBEs that were not written, for a connection that is about to be left.
    pub(super) fn leave_all(&mut self, timeout: Duration, parts: &mut Parts<'_>, ids: &mut Ids) {
        let waiting: Vec<_> = self.table.keys().copied().filter(|id| self.waits(*id)).collect();
        self.table.values_mut().for_each(|it| it.how.leaves = Some(timeout));
        waiting.into_iter().for_each(|id| self.say(id, parts, ids));
    }

    /// Writes an UNSUBSCRIBE for a connection that is about to be left, and gives nothing back. The broker answers it when it has
    /// passed on what was settled.
    pub(super) fn leave(
        &mut self,
        id: SubscriptionId,
        subscription: Subscription,
        timeout: Duration,
        parts: &mut Parts<'_>,
        ids: &mut Ids,
    ) {
        let how = UnsubscribeOptions { leaves: Some(timeout), ..UnsubscribeOptions::default() };
        let it = Unsubscription::new(subscription, how, Stage::Left);
        it.find_out(&it.frame(parts.connection, false), ids.receipt(), Awaited::Abort, parts);
        self.insert(id, it);
    }

    /// Whether an UNSUBSCRIBE was written behind which messages may come that can be given back.
    pub(super) fn has_said(&self) -> bool {
        !self.said.is_empty()
    }

    /// Subscribes once more where more has gone back at a time than the broker passes on, if that was just now. Whether it does
    /// so anywhere.
    pub(super) fn catch_up(&mut self, parts: &mut Parts<'_>, ids: &mut Ids, now: Timestamp) -> bool {
        let Some(most) = parts.connection.profile.returns_at_once else { return false };
        let is_new = |it: &&mut Unsubscription| it.said_at.is_none_or(|at| now < at.after(CATCHES_UP));
        let said = self.said.iter().copied();
        let behind: Vec<_> = said
            .filter(|id| {
                let it = self.table.get_mut(id).filter(is_new);
                // Nobody asks a second time.
                it.is_some_and(|it| core::mem::take(&mut it.returned) > most)
            })
            .collect();
        behind.into_iter().filter(|id| self.subscribe_again(*id, parts, ids).is_some()).count() > 0
    }

    /// Whether the owner waits for the answer, which has come.
    pub(super) fn take_asked(&mut self, id: SubscriptionId) -> bool {
        self.asked.remove(&id)
    }

    /// The broker has ended it by itself: there is nothing to unsubscribe any more.
    pub(super) fn forget(&mut self, id: SubscriptionId, parts: &mut Parts<'_>) {
        self.take(id);
        parts.settlement.forget(id);
    }

    fn take(&mut self, id: SubscriptionId) -> Option<Unsubscription> {
        let it = self.table.remove(&id)?;
        if self.names.get(&it.subscription.wire_id) == Some(&id) {
            self.names.remove(&it.subscription.wire_id);
        }
        it.deadline.map(|at| self.deadlines.remove(&(at, id)));
        self.said.remove(&id);
        self.begun = self.begun.saturating_sub(usize::from(it.stage == Stage::Begun));
        Some(it)
    }

    /// Writes an UNSUBSCRIBE.
    ///
    /// If it would strand messages that are not settled, they are refused in a transaction around it. If they were
    /// refused before it, they would be delivered again at once, and after it they can no longer be refused.
    fn say(&mut self, id: SubscriptionId, parts: &mut Parts<'_>, ids: &mut Ids) {
        let Some(mut it) = self.take(id) else { return };
        let strands = delivery_ids(parts.connection).filter(|_| it.is_acknowledged());
        let numbers = parts.settlement.take(id);
        let nacks: Vec<_> =
            numbers.filter_map(|number| Some(it.nack(parts.connection, strands?, number))).collect();
        let has_begun = it.stage == Stage::Begun;
        (it.returned, it.said_at) = (nacks.len(), None);
        let begin = (!has_begun && !nacks.is_empty()).then(|| frames::begin(&it.transaction()));
        let commit = (has_begun || !nacks.is_empty()).then(|| frames::commit(&it.transaction()));
        // All that is in them was in a SUBSCRIBE or a MESSAGE of this connection.
        let mut push = |frame| _ = parts.wire.push(&frame, Kind::Unanswered);
        begin.into_iter().chain(nacks).for_each(&mut push);
        let (before, unsubscribe) = it.split_frames(parts.connection);
        before.into_iter().for_each(&mut push);
        if it.own_name().is_some() || it.how.asks || it.how.leaves.is_some() {
            it.find_out(&unsubscribe, ids.receipt(), Awaited::Unsubscribe(id), parts);
        } else {
            push(unsubscribe);
        }
        if let Some(commit) = commit {
            let _ = parts.wire.push(&commit, Kind::Unanswered);
        }
        if strands.is_some() && !it.subscription.is_temporary(&parts.connection.profile) {
            (it.stage, it.deadline) = (Stage::Said, None);
            self.remember(id, it, parts);
        }
        self.begin_next(parts, ids);
    }

    fn remember(&mut self, id: SubscriptionId, it: Unsubscription, parts: &mut Parts<'_>) {
        if self.said.len() >= REMEMBERED
            && let Some(oldest) = self.said.first().copied()
        {
            self.forget(oldest, parts);
        }
        if parts.connection.profile.returns_at_once.is_some_and(|most| it.returned > most) {
            self.unstamped.push(id);
        }
        self.insert(id, it);
        self.said.insert(id);
        parts.settlement.remember(id);
    }

    /// Something was on its way when its UNSUBSCRIBE left, or has gone back too fast. Returns the id of the user's own that is
    /// taken again, if it is subscribed again.
    pub(super) fn subscribe_again(
        &mut self,
        id: SubscriptionId,
        parts: &mut Parts<'_>,
        ids: &mut Ids,
    ) -> Option<Option<&str>> {
        let it = self.table.get_mut(&id).filter(|it| it.stage == Stage::Said)?;
        if it.how.leaves.is_some() {
            it.again = it.again.saturating_add(1);
        }
        if it.again > AGAIN {
            return None;
        }
        it.stage = Stage::Again;
        self.said.remove(&id);
        self.unstamped.push(id);
        let Connection { version, profile, .. } = parts.connection;
        it.subscription.narrow(profile);
        let receipt = ids.receipt();
        let frame = it.subscription.frame(*version, profile);
        it.find_out(&frame, receipt, Awaited::Unsubscribing(id), parts);
        Some(it.own_name().filter(|_| it.how.leaves.is_none()))
    }

    /// The broker has answered: what it had sent before has come.
    pub(super) fn answered(&mut self, id: SubscriptionId, parts: &mut Parts<'_>, ids: &mut Ids) {
        match self.table.get(&id).map(|it| it.stage) {
            Some(Stage::Again) => {
                self.turns.push_back(id);
                self.begin_next(parts, ids);
            }
            Some(Stage::Begun) => self.say(id, parts, ids),
            _ => {}
        }
    }

    /// Begins the transactions that may be open.
    fn begin_next(&mut self, parts: &mut Parts<'_>, ids: &mut Ids) {
        while self.begun < TRANSACTIONS
            && let Some(id) = self.turns.pop_front()
        {
            let Some(it) = self.table.get_mut(&id).filter(|it| it.stage == Stage::Again) else { continue };
            it.stage = Stage::Begun;
            self.begun = self.begun.saturating_add(1);
            let receipt = ids.receipt();
            let begin = frames::begin(&it.transaction());
            it.find_out(&begin, receipt, Awaited::Unsubscribing(id), parts);
        }
    }
}

impl Unsubscription {
    const fn new(subscription: Subscription, how: UnsubscribeOptions, stage: Stage) -> Self {
        Self { subscription, how, stage, deadline: None, returned: 0, said_at: None, again: 0 }
    }

    /// Sends a frame whose RECEIPT comes behind what the broker had sent before. It is not taken back: others build on it.
    fn find_out(&self, frame: &Frame, receipt: ReceiptId, awaited: Awaited, parts: &mut Parts<'_>) {
        // It cannot fail: it is made of what was sent on this connection before.
        let _ = parts.wire.push_awaited(frame, receipt, awaited, self.how.leaves.unwrap_or(Duration::MAX));
    }

    /// The id, if the user chose it.
    fn own_name(&self) -> Option<&str> {
        self.subscription.subscribe.id.as_deref()
    }

    /// Whether anything of it can be stranded, at a place that does not go with it.
    fn is_acknowledged(&self) -> bool {
        self.subscription.subscribe.ack_mode != AckMode::Auto && !self.how.deletes
    }

    fn transaction(&self) -> String {
        format!("unsubscribe-{}", self.subscription.wire_id)
    }

    fn nack(&self, connection: &Connection, ids: DeliveryIds, number: u64) -> Frame {
        let wire_id = &self.subscription.wire_id;
        let id = ids.id(wire_id, connection.session.as_deref().unwrap_or_default(), number);
        let nack = Frame::new(Command::Nack);
        let nack = match connection.version {
            Version::V1_2 => nack.with_header("id", id),
            _ => nack.with_header("subscription", wire_id).with_header("message-id", id),
        };
        nack.with_header("transaction", self.transaction())
    }

    fn frames(&self, connection: &Connection) -> impl Iterator<Item = Frame> {
        let (before, frame) = self.split_frames(connection);
        before.into_iter().chain([frame])
    }

    /// The UNSUBSCRIBE, and the one before it where a durable subscription is deleted in two steps.
    fn split_frames(&self, connection: &Connection) -> (Option<Frame>, Frame) {
        let twice = self.how.deletes && connection.profile.deletes_unsubscribed;
        (twice.then(|| self.frame(connection, false)), self.frame(connection, self.how.deletes))
    }

    fn frame(&self, connection: &Connection, deletes: bool) -> Frame {
        let Subscription { wire_id, subscribe, .. } = &self.subscription;
        let mut frame = frames::unsubscribe(wire_id, &subscribe.destination, connection.version);
        let names = connection.profile.durable.iter().filter(|_| deletes);
        for (name, value) in names.filter_map(|name| Some((name, subscribe.headers.get(name)?))) {
            frame.headers_mut().push(name, value.octets());
        }
        frame
    }
}
