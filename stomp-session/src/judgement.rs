//! What follows from an ERROR, or from an end without a word: for whom, by the table of [`verdict`](crate::verdict).

use core::time::Duration;

use crate::{
    Ended, Event, Lost, Meaning, NotSent, Outcome, Profile, ReceiptId, ServerError, Session, SubscriptionId,
    Timestamp, Unknown,
    at_least_once::Kept,
    receipts::Awaited,
    suspects::{Wait, back_off},
    verdict::{self, Asked, BackOff, Verdict},
};

/// An EOF that comes within that time after an ERROR is its doing: Artemis goes on receipting before it closes.
const BELATED: Duration = Duration::from_secs(5);

/// What a connection was told that may yet end it.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    /// An ERROR that named nobody, where the broker keeps the connection.
    lone: Option<(ServerError, Timestamp)>,
    /// The subscription or SEND that was refused last.
    refused: Option<(Suspect, Timestamp)>,
    /// What was alone when an ERROR came that names nobody has had its part of it.
    explained: bool,
}

/// Something that is tried again.
#[derive(Clone, Copy, Debug)]
enum Suspect {
    Kept(ReceiptId),
    Subscription(SubscriptionId),
}

impl Session {
    /// An ERROR that names a frame of ours refuses that frame; one that names a subscription ends it, for a while or for good.
    /// The connection goes on: ActiveMQ keeps it, and where the broker closes it an EOF follows. One that names nobody ends
    /// the connection, unless the profile says that the broker keeps it (1.1 and 1.2: the server must close it; RabbitMQ does
    /// not always), and what is pending is unknown: RabbitMQ has stored ten of twenty SENDs that it never receipted. Only a
    /// frame that was alone is what it means.
    pub(crate) fn handle_error(&mut self, error: ServerError) {
        if let Some((id, awaited)) = self.take_awaited(error.frame()) {
            return self.refuse(id, awaited, error);
        }
        if let Some(subscription) = self.subscriptions.of(error.frame()).filter(|id| self.is_on_wire(*id)) {
            self.refuse_subscription(subscription, error, false);
            return self.proceed();
        }
        if let Some(id) = self.stray_id(&error) {
            self.stray_errors = self.stray_errors.saturating_add(1);
            return self.handle_stray(id);
        }
        self.forget_cancelled(error.frame());
        let is_over =
            self.subscriptions.of(error.frame()).is_some() || self.subscriptions.was_removed(error.frame());
        if error.frame().headers().contains("receipt-id") || is_over {
            return self.events.push_back(Event::Error(error));
        }
        if error.frame().headers().contains("subscription") {
            return self.fail(Lost::ServerError(error), true);
        }
        self.handle_lone_error(error);
    }

    /// An ERROR that names nobody.
    fn handle_lone_error(&mut self, error: ServerError) {
        let now = self.now;
        if let Some(connected) = self.connected_mut().filter(|it| it.connection.profile.stays_open) {
            connected.warnings.lone = Some((error.clone(), now));
            return self.events.push_back(Event::Error(error));
        }
        let blames = self.meaning(&error) != Some(Meaning::Connection);
        let alone = blames.then(|| self.take_alone()).flatten();
        if let Some(connected) = self.connected_mut() {
            connected.warnings.explained = alone.is_some();
        }
        match alone {
            Some((_, Awaited::Delivery(id))) => self.suspect_kept(id, &error),
            Some((_, Awaited::Subscribe(id))) => self.refuse_subscription(id, error.clone(), true),
            Some((id, awaited)) => self.refuse(id, awaited, error.clone()),
            None => {}
        }
        self.fail(Lost::ServerError(error), true);
    }

    /// Whether something of its SUBSCRIBE has left: else an ERROR means an earlier one of that name.
    fn is_on_wire(&self, id: SubscriptionId) -> bool {
        let held = self.subscriptions.get(id).filter(|_| !self.subscriptions.waits(id));
        let is_queued =
            |receipt| self.connected().is_some_and(|connected| connected.receipts.is_queued(receipt));
        held.is_some_and(|held| !held.asked.is_some_and(is_queued))
    }

    fn meaning(&self, error: &ServerError) -> Option<Meaning> {
        let profile = self.connection().map_or(&Profile::UNKNOWN, |connection| &connection.profile);
        verdict::meaning(profile, error)
    }

    /// The id of the subscription that was ended, if an ERROR that names nobody answers a message which the broker had for
    /// it. One that means an ACK of ours has another text.
    fn stray_id<'a>(&self, error: &'a ServerError) -> Option<&'a str> {
        let (frame, message) = (error.frame(), error.text("message").unwrap_or_default());
        let names_nobody = !["receipt-id", "subscription"].iter().any(|name| frame.headers().contains(name));
        let strays = self.connection().map_or(&[][..], |connection| connection.profile.strays);
        let strays = strays.iter().filter(|stray| names_nobody && message == stray.message);
        let mut ids = strays.filter_map(|stray| stray.id(frame.body()));
        ids.find(|id| self.subscriptions.was_removed_id(id))
    }

    /// ERRORs that answered nothing: RabbitMQ sends up to 200 after an UNSUBSCRIBE on a busy queue.
    #[must_use]
    pub const fn stray_errors(&self) -> u64 {
        self.stray_errors
    }

    /// A frame was refused by name.
    fn refuse(&mut self, id: ReceiptId, awaited: Awaited, error: ServerError) {
        match awaited {
            Awaited::Disconnect => return self.fail(Lost::ServerError(error), true),
            Awaited::Delivery(kept) => self.refuse_kept(kept, error),
            Awaited::Subscribe(subscription) => self.refuse_subscription(subscription, error, false),
            _ => self.resolve(id, awaited, Outcome::Rejected(error)),
        }
        self.proceed();
    }

    fn refuse_kept(&mut self, id: ReceiptId, error: ServerError) {
        match verdict::judge(Asked::Named, self.meaning(&error)) {
            Verdict::Again(back_off) => {
                let refusals = self.deliveries.get_mut(id).map_or(1, Kept::count_refusal);
                let delay = self.back_off(back_off, refusals);
                self.try_kept_again(id, Wait::Until(self.now.after(delay)), Lost::ServerError(error));
                self.note_refused(Suspect::Kept(id));
            }
            _ => self.answer_delivery(id, Outcome::Rejected(error)),
        }
    }

    /// A SEND that was alone when an ERROR came that names nobody, after which the connection ends.
    fn suspect_kept(&mut self, id: ReceiptId, error: &ServerError) {
        let (now, reason) = (self.now, Lost::ServerError(error.clone()));
        self.clock.count(false, now);
        if let Verdict::Again(_) = verdict::judge(Asked::Alone, self.meaning(error)) {
            return self.try_kept_again(id, Wait::Clock, reason);
        }
        match self.count_strike(id, false) {
            Some(next) => self.try_kept_again(id, Wait::Alone(next), reason),
            None => self.answer_delivery(id, Outcome::Rejected(error.clone())),
        }
    }

    /// When it may be tried again; nothing if it is to blame.
    fn count_strike(&mut self, id: ReceiptId, silent: bool) -> Option<Timestamp> {
        let (now, broker) = (self.now, self.broker().cloned());
        let broker = broker.as_ref().or(self.last_broker.as_deref())?;
        self.deliveries.get_mut(id)?.count_strike(silent, broker, now)
    }

    fn try_kept_again(&mut self, id: ReceiptId, wait: Wait, reason: Lost) {
        if let Some(kept) = self.deliveries.get_mut(id) {
            kept.last = Some(reason.into());
            self.deliveries.wait(id, wait);
        }
    }

    fn back_off(&mut self, kind: BackOff, refusals: u32) -> Duration {
        back_off(kind, refusals, self.random.fraction())
    }

    /// A SUBSCRIBE was refused, or a subscription that stood was cancelled. `ends` says whether that ends the connection.
    fn refuse_subscription(&mut self, id: SubscriptionId, error: ServerError, ends: bool) {
        self.void_subscribe(id);
        let Some(held) = self.subscriptions.get(id) else {
            // Its owner has unsubscribed meanwhile.
            return self.events.push_back(Event::Error(error));
        };
        let asked = if held.has_stood() { Asked::Again } else { Asked::First };
        let verdict = verdict::judge(asked, self.meaning(&error));
        let reason = Ended::Rejected(error);
        match verdict {
            Verdict::Again(_) if ends => self.suspect_subscription(id, reason, false),
            Verdict::Again(kind) => {
                let Some(refusals) = self.count_refusal(id, &reason) else { return };
                let delay = self.back_off(kind, refusals);
                self.subscribe_later(id, Wait::Until(self.now.after(delay)), reason, delay);
                self.note_refused(Suspect::Subscription(id));
            }
            _ => self.end_subscription(id, reason),
        }
    }

    /// Waits for no RECEIPT any more: one that follows an ERROR is no success.
    fn void_subscribe(&mut self, id: SubscriptionId) {
        let asked = self.subscriptions.get_mut(id).and_then(|held| held.asked.take());
        if let (Some(connected), Some(asked)) = (self.connected_mut(), asked) {
            let _ = connected.receipts.take(asked);
        }
    }

    /// A subscription that once stood ends a connection when it is sent.
    fn suspect_subscription(&mut self, id: SubscriptionId, reason: Ended, silent: bool) {
        if self.count_refusal(id, &reason).is_none() {
            return;
        }
        self.clock.count(silent, self.now);
        let delay = self.clock.next().since(self.now);
        self.subscribe_later(id, Wait::Clock, reason, delay);
    }

    /// How often it was refused in a row; nothing if its owner wants no other try, and it has ended.
    fn count_refusal(&mut self, id: SubscriptionId, reason: &Ended) -> Option<u32> {
        let now = self.now;
        let counted = self.subscriptions.get_mut(id)?.count_refusal(now);
        if counted.is_none() {
            self.end_subscription(id, reason.clone());
        }
        counted
    }

    /// What the connection has delivered for it, nobody can settle any more.
    fn subscribe_later(&mut self, id: SubscriptionId, wait: Wait, reason: Ended, delay: Duration) {
        self.subscriptions.wait(id, wait);
        if let Some(connected) = self.connected_mut() {
            connected.unsettled.remove(&id);
        }
        self.skip_uncollected(id);
        self.events.push_back(Event::Resubscribing { id, reason, delay });
    }

    fn end_subscription(&mut self, id: SubscriptionId, reason: Ended) {
        self.subscriptions.remove(id);
        self.events.push_back(Event::SubscriptionEnded { id, reason });
    }

    fn note_refused(&mut self, suspect: Suspect) {
        let now = self.now;
        if let Some(connected) = self.connected_mut() {
            connected.warnings.refused = Some((suspect, now));
        }
    }

    /// Where too many connections were lost just now, what may be the cause of that as well waits for the clock too.
    pub(crate) fn hold_kept(&mut self, id: ReceiptId) {
        self.deliveries.wait(id, Wait::Clock);
    }

    /// The same for a subscription.
    pub(crate) fn hold_subscription(&mut self, id: SubscriptionId) {
        let delay = self.clock.next().since(self.now);
        let reason = self.careful.clone().unwrap_or(Lost::Eof);
        self.subscriptions.wait(id, Wait::Clock);
        self.events.push_back(Event::Resubscribing { id, reason: Ended::KillsConnection(reason), delay });
    }

    /// Why the connection has ended, if it was told before its end.
    pub(crate) fn explain(&self, reason: Lost) -> Lost {
        let warned = self.connected().and_then(|connected| connected.warnings.lone.as_ref());
        match warned {
            Some((error, at)) if is_silent(&reason) && self.now.since(*at) < BELATED => {
                Lost::ServerError(error.clone())
            }
            _ => reason,
        }
    }

    /// Who is suspected when a connection ends, before it is left.
    pub(crate) fn suspects(&self, reason: &Lost) -> Suspects {
        let Some(connected) = self.connected() else { return Suspects::default() };
        let refused = connected.warnings.refused.filter(|(_, at)| self.now.since(*at) < BELATED);
        let unanswered =
            self.subscriptions.iter().filter(|(_, held)| held.is_suspect() && held.asked.is_some());
        Suspects {
            alone: self.killer(reason),
            refused: refused.map(|(suspect, _)| suspect),
            unanswered: unanswered.map(|(id, _)| id).next(),
            explained: connected.warnings.explained,
        }
    }

    /// The frame with which the connection ended without a word, if one was alone.
    fn killer(&self, reason: &Lost) -> Option<Awaited> {
        let connected = self.connected().filter(|connected| !connected.unanswered)?;
        let id = connected.receipts.only_on_wire()?;
        let is_alone = connected.isolation.as_ref().is_some_and(|isolation| isolation.is_alone(id));
        connected.receipts.awaited(id).filter(|_| is_silent(reason) && is_alone)
    }

    /// The connection has ended: what is suspected waits, or is over.
    pub(crate) fn blame(&mut self, suspects: &Suspects, reason: &Lost) {
        match (suspects.alone, suspects.refused, suspects.unanswered) {
            (Some(Awaited::Delivery(id)), ..) => self.blame_kept(id, reason),
            (Some(Awaited::Subscribe(id)), ..) | (_, None, Some(id)) => self.blame_subscribe(id, reason),
            (_, Some(Suspect::Kept(id)), _) if self.deliveries.get(id).is_some() => {
                self.clock.count(false, self.now);
                self.hold_kept(id);
            }
            (_, Some(Suspect::Subscription(id)), _) if self.subscriptions.waits(id) => {
                self.clock.count(false, self.now);
                self.subscribe_later(
                    id,
                    Wait::Clock,
                    Ended::KillsConnection(reason.clone()),
                    self.clock.next().since(self.now),
                );
            }
            _ => {}
        }
    }

    fn blame_kept(&mut self, id: ReceiptId, reason: &Lost) {
        self.clock.count(true, self.now);
        match self.count_strike(id, true) {
            Some(next) => self.try_kept_again(id, Wait::Alone(next), reason.clone()),
            None => {
                let unknown = Unknown::KillsConnection(reason.clone());
                self.end_delivery(id, NotSent::Lost(reason.clone()), unknown);
            }
        }
    }

    fn blame_subscribe(&mut self, id: SubscriptionId, reason: &Lost) {
        let (now, ended) = (self.now, Ended::KillsConnection(reason.clone()));
        let Some(held) = self.subscriptions.get_mut(id) else { return };
        if held.has_stood() {
            return self.suspect_subscription(id, ended, is_silent(reason));
        }
        let Some(broker) = self.last_broker.as_deref() else { return };
        let next = held.count_silence(broker, now);
        self.clock.count(true, now);
        match next {
            Some(next) => self.subscribe_later(id, Wait::Alone(next), ended, next.since(now)),
            None => self.end_subscription(id, ended),
        }
    }

    /// Whether the next connection is to be careful: this one has ended by an ERROR that names nobody and nobody is known to
    /// be the cause, or it is the second in a row that did not last.
    pub(crate) fn note_end(&mut self, lasted: bool, reason: &Lost, suspects: &Suspects) {
        self.short_lived = if lasted { 0 } else { self.short_lived.saturating_add(1) };
        let is_unexplained = match reason {
            Lost::ServerError(error) => self.meaning(error) != Some(Meaning::Connection),
            _ => false,
        };
        if (is_unexplained || self.short_lived >= 2) && suspects.is_none() {
            self.careful.get_or_insert_with(|| reason.clone());
        }
    }
}

/// What is suspected to have ended a connection.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    alone: Option<Awaited>,
    refused: Option<Suspect>,
    /// A subscription that was tried again, among others.
    unanswered: Option<SubscriptionId>,
    /// The cause is known already.
    explained: bool,
}

impl Suspects {
    const fn is_none(&self) -> bool {
        self.alone.is_none() && self.refused.is_none() && self.unanswered.is_none() && !self.explained
    }
}

const fn is_silent(reason: &Lost) -> bool {
    matches!(reason, Lost::Eof | Lost::Io(_))
}
