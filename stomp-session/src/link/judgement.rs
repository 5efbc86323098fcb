//! What follows from an ERROR, or from an end without a word: for whom, by the table of
//! [`verdict`].

use alloc::vec::Vec;

use super::{
    Link,
    context::{Cx, Parts},
    isolation::Refused,
    receipts::Awaited,
};
use crate::{
    model::{
        error::{Ended, Lost, Outcome, ServerError},
        event::{Event, Events},
        ids::{ReceiptId, SubscriptionId},
        profile::Meaning,
        time::Timestamp,
        verdict::{self, Asked, Verdict},
    },
    replay::{Close, KeptSend, Replay, Wait},
};

impl Link {
    /// An ERROR that names a frame of ours refuses that frame; one that names a subscription ends it, for a while or for good.
    /// The connection goes on: ActiveMQ keeps it, and where the broker closes it an EOF follows. One that names nobody ends
    /// the connection, unless the profile says that the broker keeps it (1.1 and 1.2: the server must close it; RabbitMQ does
    /// not always), and what is pending is unknown: RabbitMQ has stored ten of twenty SENDs that it never receipted. Only a
    /// frame that was alone is what it means.
    pub(super) fn handle_error(&mut self, error: ServerError, cx: &mut Cx<'_>) -> Result<(), Lost> {
        if let Some((id, awaited)) = self.take_answered(error.frame()) {
            return self.refuse(id, awaited, error, cx);
        }
        let named = cx.replay.subscriptions.of(error.frame());
        if let Some(subscription) = named.filter(|id| self.is_on_wire(*id, cx.replay)) {
            self.refuse_subscription(subscription, error, false, cx);
            return Ok(());
        }
        if self.handle_stray(&error, cx) {
            return Ok(());
        }
        self.forget_cancelled(&error, cx);
        let names = |name| error.frame().headers().contains(name);
        let is_over = named.is_some() || cx.replay.subscriptions.was_removed(error.frame());
        match () {
            () if names("receipt-id") || is_over => {
                cx.events.push(Event::Error(error));
                Ok(())
            }
            () if names("subscription") => Err(Lost::ServerError(error)),
            () => self.handle_lone_error(error, cx),
        }
    }

    /// An ERROR that names nobody.
    fn handle_lone_error(&mut self, error: ServerError, cx: &mut Cx<'_>) -> Result<(), Lost> {
        if self.connection.profile.stays_open {
            self.warnings.note_lone(error.clone(), cx.now);
            cx.events.push(Event::Error(error));
            return Ok(());
        }
        let blames = self.meaning(&error) != Some(Meaning::Connection);
        let suspect = self.suspect().filter(|(id, awaited, is_alone)| {
            // Any other frame that an ERROR answers may stay unknown. A SUBSCRIBE would be sent again and refused again.
            let is_subscribe = blames && matches!(awaited, Awaited::Subscribe(_));
            // A broker refuses at once: a newer one is meant rather.
            *is_alone || (is_subscribe && self.owed(cx.replay).all(|owed| owed < *id))
        });
        let suspect = suspect.and_then(|(id, ..)| Some((id, self.wire.receipts.take(id)?.awaited)));
        self.warnings.explained = suspect.is_some();
        match suspect {
            Some((_, Awaited::Kept(id))) => self.suspect_kept(id, &error, cx),
            Some((_, Awaited::Subscribe(id))) if blames => {
                self.refuse_subscription(id, error.clone(), true, cx);
            }
            // The words blame nobody, and yet it must not end each connection.
            Some((_, Awaited::Subscribe(id))) => {
                cx.replay.close_for(id);
                cx.replay.count_cost(false, cx.now);
                let ended = Ended::Rejected(error.clone());
                cx.replay.subscribe_later(id, Wait::Clock, ended, cx.now, cx.events);
            }
            Some((id, awaited)) => self.refuse(id, awaited, error.clone(), cx)?,
            None => {}
        }
        Err(Lost::ServerError(error))
    }

    /// The frame that may be meant, and whether it was sent alone.
    fn suspect(&self) -> Option<(ReceiptId, Awaited, bool)> {
        let is_alone = |id| self.isolation.as_ref().is_some_and(|isolation| isolation.is_alone(id));
        self.wire.suspect(is_alone)
    }

    /// Whether something of its SUBSCRIBE has left: else an ERROR means an earlier one of that name.
    fn is_on_wire(&self, id: SubscriptionId, replay: &Replay) -> bool {
        let held = replay.subscriptions.get(id).filter(|_| !replay.subscriptions.waits(id));
        held.is_some_and(|held| !held.asked.is_some_and(|asked| self.wire.receipts.is_queued(asked)))
    }

    fn meaning(&self, error: &ServerError) -> Option<Meaning> {
        verdict::meaning(&self.connection.profile, error)
    }

    /// An ERROR that answers a message which the broker had for a subscription that was unsubscribed. One that means an ACK of
    /// ours has another text.
    fn handle_stray(&mut self, error: &ServerError, cx: &mut Cx<'_>) -> bool {
        let (frame, message) = (error.frame(), error.text("message").unwrap_or_default());
        let names_nobody = !["receipt-id", "subscription"].iter().any(|name| frame.headers().contains(name));
        let strays = self.connection.profile.strays.iter();
        let mut ids = strays
            .filter(|stray| names_nobody && message == stray.message)
            .filter_map(|stray| stray.id(frame.body()));
        let was_removed =
            |id: &&str| cx.replay.subscriptions.was_removed_id(id) || self.unsubscribing.of(id).is_some();
        let Some(wire_id) = ids.find(was_removed) else { return false };
        cx.replay.subscriptions.count_stray_error();
        let id = self.unsubscribing.of(wire_id);
        // Where another subscription has the id now, that gives it back.
        self.settlement.count_stray(id.or_else(|| cx.replay.subscriptions.named(wire_id)));
        if let Some(id) = id {
            self.subscribe_again(id, cx);
        }
        true
    }

    /// An ERROR that names a subscription says that the broker has ended it: there is nothing to unsubscribe any more.
    fn forget_cancelled(&mut self, error: &ServerError, cx: &mut Cx<'_>) {
        let id = error.frame().header("subscription");
        if let Some(id) = id.and_then(|id| self.unsubscribing.of(&id.text().ok()?)) {
            let Self { unsubscribing, connection, wire, settlement, .. } = self;
            unsubscribing.forget(id, &mut Parts { connection, wire, settlement });
            let is_awaited = unsubscribing.take_asked(id);
            if cx.replay.subscriptions.release(id) || is_awaited {
                cx.events.push(Event::Unsubscribed(id));
            }
        }
    }

    /// A frame was refused by name.
    fn refuse(
        &mut self,
        id: ReceiptId,
        awaited: Awaited,
        error: ServerError,
        cx: &mut Cx<'_>,
    ) -> Result<(), Lost> {
        match awaited {
            Awaited::Disconnect => return Err(Lost::ServerError(error)),
            Awaited::Kept(kept) => self.refuse_kept(kept, error, cx),
            Awaited::Subscribe(subscription) => self.refuse_subscription(subscription, error, false, cx),
            _ => self.answer(id, awaited, Outcome::Rejected(error), cx),
        }
        Ok(())
    }

    fn refuse_kept(&mut self, id: ReceiptId, error: ServerError, cx: &mut Cx<'_>) {
        match verdict::judge(Asked::Named, self.meaning(&error)) {
            Verdict::Again(kind) => {
                let refusals = cx.replay.kept.get_mut(id).map_or(1, KeptSend::count_refusal);
                let until = cx.now.after(cx.replay.back_off(kind, refusals));
                cx.replay.try_kept_again(id, Wait::Until(until), Lost::ServerError(error));
                self.warnings.note_refused(Refused::Kept(id), cx.now);
            }
            _ => cx.replay.answer(id, Outcome::Rejected(error), cx.events),
        }
    }

    /// A SEND that was alone when an ERROR came that names nobody, after which the connection ends.
    fn suspect_kept(&self, id: ReceiptId, error: &ServerError, cx: &mut Cx<'_>) {
        let reason = Lost::ServerError(error.clone());
        match verdict::judge(Asked::Alone, self.meaning(error)) {
            Verdict::Again(_) => {
                cx.replay.kept.close_for(id);
                cx.replay.count_cost(false, cx.now);
                cx.replay.try_kept_again(id, Wait::Clock, reason);
            }
            _ if self.owes_answer(cx.replay) => {
                cx.replay.count_cost(false, cx.now);
                cx.replay.try_kept_again(id, Wait::Clock, reason);
            }
            _ => cx.replay.strike_kept(id, error.clone(), cx.now, cx.events),
        }
    }

    /// The SUBSCRIBEs that were given up and that the broker may still answer: with the end of the connection, too.
    fn owed(&self, replay: &Replay) -> impl Iterator<Item = ReceiptId> {
        let is_open = |(receipt, id): &(&ReceiptId, &SubscriptionId)| {
            replay.subscriptions.get(**id).is_none_or(|held| held.asked == Some(**receipt))
        };
        self.late.iter().filter(is_open).map(|(receipt, _)| *receipt)
    }

    fn owes_answer(&self, replay: &Replay) -> bool {
        self.owed(replay).next().is_some()
    }

    /// A SUBSCRIBE was refused, or a subscription that stood was cancelled. `ends` says whether that ends the connection.
    fn refuse_subscription(
        &mut self,
        id: SubscriptionId,
        error: ServerError,
        mut ends: bool,
        cx: &mut Cx<'_>,
    ) {
        let is_alone = |id| self.isolation.as_ref().is_some_and(|isolation| isolation.is_alone(id));
        let Some(held) = cx.replay.subscriptions.get_mut(id) else {
            // Its owner has unsubscribed meanwhile.
            return cx.events.push(Event::Error(error));
        };
        // A RECEIPT that follows an ERROR is no success.
        if let Some(asked) = held.asked.take() {
            // What is tried alone is tried by the clock, wherever a refusal may end the connection.
            ends |= !self.connection.profile.stays_open && is_alone(asked);
            self.warnings.explained |= ends;
            let _ = self.wire.receipts.take(asked);
            self.late.remove(&asked);
        }
        let said = verdict::meaning(&self.connection.profile, &error);
        held.note_cancelled(said == Some(Meaning::Cancelled));
        let asked = if held.has_stood() { Asked::Again } else { Asked::First };
        let verdict = verdict::judge(asked, said);
        let reason = Ended::Rejected(error);
        // Nobody can settle any more what was delivered for it.
        self.settlement.forget(id);
        match verdict {
            Verdict::Again(_) if ends => {
                if said == Some(Meaning::Passing) {
                    cx.replay.close_for(id);
                }
                cx.replay.suspect_subscription(id, reason, cx.now, cx.events);
            }
            Verdict::Again(kind) => {
                let refusals = cx.replay.count_refusal(id, &reason, cx.now, cx.events);
                let Some(refusals) = refusals else { return };
                let until = cx.now.after(cx.replay.back_off(kind, refusals));
                cx.replay.subscribe_later(id, Wait::Until(until), reason, cx.now, cx.events);
                self.warnings.note_refused(Refused::Subscription(id), cx.now);
            }
            _ => cx.replay.end_subscription(id, reason, cx.events),
        }
    }

    /// The reason why the connection has ended, if it was announced before, and what is suspected.
    pub(crate) fn explain(&self, reason: Lost, cx: &Cx<'_>) -> (Lost, Suspects) {
        let reason = self.warnings.explain(reason, cx.now);
        let is_unanswered = |id: &SubscriptionId| {
            let held = cx.replay.subscriptions.get(*id).filter(|held| held.is_suspect() && held.has_stood());
            held.and_then(|held| held.asked).is_some_and(|asked| !self.wire.receipts.is_queued(asked))
        };
        let is_cause = reason.is_silent() || matches!(reason, Lost::ServerError(_));
        let alone = self.suspect().filter(|(.., is_alone)| *is_alone && reason.is_silent());
        let blames_nobody =
            matches!(&reason, Lost::ServerError(error) if self.meaning(error) == Some(Meaning::Connection));
        let suspects = Suspects {
            alone: alone.map(|(_, awaited, _)| awaited),
            is_ambiguous: self.owes_answer(cx.replay),
            refused: self.warnings.refused(cx.now),
            unanswered: cx.replay.subscriptions.ready().filter(|_| is_cause).find(is_unanswered),
            is_explained: self.warnings.explained,
            blames_nobody,
        };
        (reason, suspects)
    }
}

/// What is suspected to have ended a connection.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    alone: Option<Awaited>,
    /// A SUBSCRIBE without an answer may be the cause as well.
    is_ambiguous: bool,
    /// What was refused by name just before.
    refused: Vec<Refused>,
    /// A subscription that was tried again, among others.
    unanswered: Option<SubscriptionId>,
    /// The cause is known already.
    is_explained: bool,
    /// The words are about the connection.
    blames_nobody: bool,
}

impl Suspects {
    /// The connection has ended: what is suspected waits, or is over. If it is not the first one that was short-lived, or
    /// after an ERROR that nobody is known to be the cause of, the next connection is careful.
    pub(crate) fn blame(self, reason: &Lost, is_short_lived: bool, close: Close<'_>, cx: &mut Cx<'_>) {
        let Cx { replay, events, .. } = cx;
        let now = close.now;
        // What was sent again since is judged by that.
        let mut refused = self.refused;
        refused.retain(|refused| match *refused {
            Refused::Kept(id) => replay.kept.waits(id),
            Refused::Subscription(id) => replay.subscriptions.waits(id),
        });
        match (self.alone, self.unanswered) {
            _ if !refused.is_empty() => hold_refused(&refused, reason, replay, now, events),
            (Some(Awaited::Kept(id)), _) if self.is_ambiguous => {
                replay.count_cost(true, now);
                replay.try_kept_again(id, Wait::Silence, reason.clone());
            }
            (Some(Awaited::Kept(id)), _) => replay.strike_kept_silently(id, close, reason, events),
            (Some(Awaited::Subscribe(id)), _) => replay.strike_subscribe(id, close, reason, events),
            (_, Some(id)) => replay.delay_subscription(id, reason, now, events),
            _ if self.is_explained => {}
            _ if is_short_lived => replay.be_careful(reason, now),
            _ if matches!(reason, Lost::ServerError(_)) && !self.blames_nobody => {
                replay.be_careful(reason, now);
            }
            _ => {}
        }
    }
}

/// The refusals have ended the connection after all: what was refused waits for the clock.
fn hold_refused(
    refused: &[Refused],
    reason: &Lost,
    replay: &mut Replay,
    now: Timestamp,
    events: &mut Events,
) {
    replay.count_cost(false, now);
    for refused in refused {
        match *refused {
            Refused::Kept(id) => replay.hold_kept(id, false),
            Refused::Subscription(id) => {
                let ended = Ended::KillsConnection(reason.clone());
                replay.subscribe_later(id, Wait::Clock, ended, now, events);
            }
        }
    }
}
