//! What outlives a connection: subscriptions, and SENDs that are kept until they are confirmed.

mod kept;
mod names;
mod strikes;
mod subscriptions;
mod suspects;

use alloc::boxed::Box;
use core::time::Duration;

pub(crate) use kept::{KeptSend, KeptSends};
pub(crate) use strikes::Close;
pub(crate) use subscriptions::{Subscription, Subscriptions};
pub(crate) use suspects::Wait;

use self::{
    kept::Deduplication,
    strikes::Sentence,
    suspects::{Clock, back_off},
};
use crate::model::{
    collections::Seldom,
    error::{Ended, Lost, NotSent, Outcome, ServerError, Unknown},
    event::{Event, Events},
    frames,
    ids::{Owner, ReceiptId, SubscriptionId},
    random::Random,
    time::Timestamp,
    verdict::BackOff,
};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) subscriptions: Subscriptions,
    pub(crate) kept: Seldom<KeptSends>,
    pub(crate) deduplication: Deduplication,
    /// Why the next connection begins with a careful replay, if it does.
    pub(crate) careful: Option<Box<Lost>>,
    clock: Clock,
    random: Random,
}

impl Replay {
    pub(crate) fn new(random: Random, identity: Option<u128>, owner: Owner) -> Self {
        Self {
            subscriptions: Subscriptions::new(owner),
            kept: Seldom::default(),
            deduplication: Deduplication::new(identity.unwrap_or_default()),
            careful: None,
            clock: Clock::default(),
            random,
        }
    }

    /// Notes that the broker cannot serve the destination of this subscription for now: SENDs to it wait as well.
    pub(crate) fn close_for(&mut self, id: SubscriptionId) {
        if let Some(held) = self.subscriptions.get(id) {
            self.kept.close(held.subscribe.destination.as_bytes());
        }
    }

    /// Notes that the broker has accepted this subscription, and whether connections were closed at it before.
    pub(crate) fn open_for(&mut self, id: SubscriptionId, was_closed: bool) {
        if let Some(held) = self.subscriptions.get(id) {
            let destination = held.subscribe.destination.as_bytes();
            self.kept.used().into_iter().for_each(|kept| kept.open(destination));
        }
        if was_closed {
            self.clock.relieve();
        }
    }

    /// Notes that the broker has confirmed this SEND.
    pub(crate) fn open_for_kept(&mut self, id: ReceiptId) {
        let Some(kept) = self.kept.used() else { return };
        kept.open_for(id);
        if kept.forgive(id) {
            self.clock.relieve();
        }
    }

    /// Whether a frame may be tried that is only one of several possible causes of such ends.
    pub(crate) fn allows_tries(&self, silent: bool, now: Timestamp) -> bool {
        self.clock.allows(silent, now)
    }

    /// Counts a connection that was lost because something was tried again.
    pub(crate) fn count_cost(&mut self, silent: bool, now: Timestamp) {
        self.clock.count(silent, now);
    }

    /// A delay with jitter for something that was refused this often in a row.
    pub(crate) fn back_off(&mut self, kind: BackOff, refusals: u32) -> Duration {
        back_off(kind, refusals, self.random.fraction())
    }

    /// Takes the subscription that may be sent alone now.
    pub(crate) fn take_subscription_to_try(&mut self, now: Timestamp) -> Option<SubscriptionId> {
        self.subscriptions.waiting().suspect(now, &self.clock)
    }

    /// Takes the SEND that may be sent alone now.
    pub(crate) fn take_kept_to_try(&mut self, now: Timestamp) -> Option<ReceiptId> {
        self.kept.used()?.suspect(now, &self.clock)
    }

    /// When something that waits may be tried again on an established connection. `alone` says whether anything may be
    /// sent alone, and `subscribes` whether messages are still accepted.
    pub(crate) fn deadline(&self, alone: bool, subscribes: bool) -> Option<Timestamp> {
        let none = (None, None);
        let (kept, kept_alone) = self.kept.deadlines(&self.clock);
        let (subscribe, subscribe_alone) =
            if subscribes { self.subscriptions.deadlines(&self.clock) } else { none };
        let alone = Timestamp::first([kept_alone, subscribe_alone]).filter(|_| alone);
        Timestamp::first([alone, kept, subscribe])
    }

    /// Ends a SEND that is kept, with the answer of the broker.
    pub(crate) fn answer(&mut self, id: ReceiptId, outcome: Outcome, events: &mut Events) {
        if let Some(kept) = self.kept.used().and_then(|kept| kept.take(id)) {
            events.discard(frames::foreign_body(&kept.frame));
            events.tell(id, outcome);
        }
    }

    /// Ends a SEND that is kept without an answer. Returns the receipt that its copy on this connection asks for.
    pub(crate) fn end(
        &mut self,
        id: ReceiptId,
        not_sent: NotSent,
        unknown: Unknown,
        events: &mut Events,
    ) -> Option<ReceiptId> {
        let kept = self.kept.used()?.take(id)?;
        events.discard(frames::foreign_body(&kept.frame));
        events
            .tell(id, if kept.handed_over { Outcome::Unknown(unknown) } else { Outcome::NotSent(not_sent) });
        kept.copy
    }

    /// Ends a SEND whose time is over. Returns the receipt that its copy on this connection asks for.
    pub(crate) fn expire(&mut self, id: ReceiptId, events: &mut Events) -> Option<ReceiptId> {
        let (kept, limit) = (self.kept.get(id)?, self.kept.limit(id)?);
        let unknown = match kept.last.clone() {
            Some(last) => Unknown::TimeoutAfter { limit, last },
            None => Unknown::Timeout(limit),
        };
        self.end(id, NotSent::Timeout(limit), unknown, events)
    }

    /// The session ends.
    pub(crate) fn end_all(&mut self, reason: &Lost, events: &mut Events) {
        while let Some(id) = self.kept.first() {
            self.end(id, NotSent::Lost(reason.clone()), Unknown::Lost(reason.clone()), events);
        }
    }

    /// Keeps a SEND until it is tried again, and remembers why.
    pub(crate) fn try_kept_again(&mut self, id: ReceiptId, wait: Wait, reason: Lost) {
        if let Some(kept) = self.kept.get_mut(id) {
            kept.last = Some(reason.into());
            self.kept.wait(id, wait);
        }
    }

    /// Lets a SEND wait for the clock, after such ends.
    pub(crate) fn hold_kept(&mut self, id: ReceiptId, silent: bool) {
        self.kept.wait(id, Wait::for_clock(silent));
    }

    /// Lets a subscription wait until it is sent again, and tells its owner.
    pub(crate) fn subscribe_later(
        &mut self,
        id: SubscriptionId,
        wait: Wait,
        reason: Ended,
        now: Timestamp,
        events: &mut Events,
    ) {
        let at = match wait {
            Wait::Until(at) | Wait::Alone(at) => at,
            Wait::Silence => self.clock.next(true),
            Wait::Clock => self.clock.next(false),
        };
        self.subscriptions.wait(id, wait);
        events.push(Event::Resubscribing { id, reason, delay: at.since(now) });
    }

    /// A subscription ends, not by its owner's wish.
    pub(crate) fn end_subscription(&mut self, id: SubscriptionId, reason: Ended, events: &mut Events) {
        self.subscriptions.remove(id);
        events.push(Event::SubscriptionEnded { id, reason });
    }

    /// Counts a refusal of a subscription. Returns how many there were in a row, or `None` if its owner does not want
    /// another try; the subscription has then ended.
    pub(crate) fn count_refusal(
        &mut self,
        id: SubscriptionId,
        reason: &Ended,
        now: Timestamp,
        events: &mut Events,
    ) -> Option<u32> {
        let counted = self.subscriptions.get_mut(id)?.count_refusal(now);
        if counted.is_none() {
            self.end_subscription(id, reason.clone(), events);
        }
        counted
    }

    /// Notes that a subscription that the broker had accepted before has ended a connection when it was sent.
    pub(crate) fn suspect_subscription(
        &mut self,
        id: SubscriptionId,
        reason: Ended,
        now: Timestamp,
        events: &mut Events,
    ) {
        if self.count_refusal(id, &reason, now, events).is_some() {
            self.clock.count(false, now);
            self.subscribe_later(id, Wait::Clock, reason, now, events);
        }
    }

    /// Notes that a SEND was alone when an ERROR came that names nobody. Blames the SEND, or lets it wait for the next try.
    pub(crate) fn strike_kept(
        &mut self,
        id: ReceiptId,
        error: ServerError,
        now: Timestamp,
        events: &mut Events,
    ) {
        self.clock.count(false, now);
        let Some(kept) = self.kept.get_mut(id) else { return };
        match kept.count_words(now) {
            Some(next) => self.try_kept_again(id, Wait::Alone(next), Lost::ServerError(error)),
            None => self.answer(id, Outcome::Rejected(error), events),
        }
    }

    /// Notes that a SEND was alone on a connection when that was closed in silence. If this has happened often enough, the
    /// SEND is given up.
    pub(crate) fn strike_kept_silently(
        &mut self,
        id: ReceiptId,
        close: Close<'_>,
        reason: &Lost,
        events: &mut Events,
    ) {
        self.clock.count(true, close.now);
        let silence = self.clock.silences();
        let Some(kept) = self.kept.get_mut(id) else { return };
        match kept.count_silence(close, silence) {
            Sentence::Blamed => {
                let unknown = Unknown::KillsConnection(reason.clone());
                self.end(id, NotSent::Lost(reason.clone()), unknown, events);
            }
            Sentence::Again { first } => {
                kept.last = Some(reason.clone().into());
                match first {
                    true => self.kept.wait_first(id, Wait::Silence),
                    false => self.kept.wait(id, Wait::Silence),
                }
            }
        }
    }

    /// Notes that a SUBSCRIBE was alone on a connection when that was closed in silence. If this has happened often
    /// enough, a subscription that was accepted before counts as refused, and any other ends.
    pub(crate) fn strike_subscribe(
        &mut self,
        id: SubscriptionId,
        close: Close<'_>,
        reason: &Lost,
        events: &mut Events,
    ) {
        let ended = Ended::KillsConnection(reason.clone());
        self.clock.count(true, close.now);
        let silence = self.clock.silences();
        let Some(held) = self.subscriptions.get_mut(id) else { return };
        let (sentence, has_stood) = (held.count_silence(close, silence), held.has_stood());
        match sentence {
            Sentence::Blamed if !has_stood => return self.end_subscription(id, ended, events),
            Sentence::Blamed if self.count_refusal(id, &ended, close.now, events).is_none() => return,
            _ => self.subscribe_later(id, Wait::Silence, ended, close.now, events),
        }
        if sentence == (Sentence::Again { first: true }) {
            self.subscriptions.waiting().add_first(id, Wait::Silence);
        }
    }

    /// Notes that a subscription that was tried again, though not alone, met the end of its connection. It waits for
    /// the clock.
    pub(crate) fn delay_subscription(
        &mut self,
        id: SubscriptionId,
        reason: &Lost,
        now: Timestamp,
        events: &mut Events,
    ) {
        let silent = reason.is_silent();
        self.clock.count(silent, now);
        let ended = Ended::KillsConnection(reason.clone());
        self.subscribe_later(id, Wait::for_clock(silent), ended, now, events);
    }

    /// The next connection is to be careful: whatever was sent on this one may have ended it.
    pub(crate) fn be_careful(&mut self, reason: &Lost, now: Timestamp) {
        self.clock.count(reason.is_silent(), now);
        self.careful.get_or_insert_with(|| Box::new(reason.clone()));
    }

    /// All that was in question was sent with care.
    pub(crate) fn end_care(&mut self) {
        let was_silent = self.careful.take().is_some_and(|reason| reason.is_silent());
        let has_suspects = || self.kept.has_suspects() || self.subscriptions.has_suspects();
        if was_silent && !has_suspects() {
            self.clock.end_silence();
        }
    }

    /// The connection has ended: what was sent on it is to be sent again.
    pub(crate) fn note_lost(&mut self, now: Timestamp) {
        self.kept.used().into_iter().for_each(KeptSends::note_lost);
        self.subscriptions.note_lost(now);
    }
}
