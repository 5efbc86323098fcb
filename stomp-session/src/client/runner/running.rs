//! The future of a handler runner.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use stomp_proto::{AckMode, Version};

use super::{
    delivery::Delivery,
    outcome::{Failure, Forward, OnFailure, Options, StopReason, Stopped, Tally, doubled},
    ready::Ready,
    slot::{Rest, Slot, Spare, Stage, Step},
};
use crate::{
    Closed, CommandError, Ended, Nack,
    client::{
        contain::{contained, drop_each},
        notice::Notice,
        runners::{Call, Report, RunnerId},
        send::SendBuilder,
        shared::{Inner, Shared},
        subscription::Subscription,
        sync::atomic::{AtomicBool, Ordering},
        task::Timer,
    },
};

/// The pause before the first NACK that requeues, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// Says of a copy why it has no body.
const MESSAGE_TOO_LARGE: &str = "message-too-large";
/// Messages that are begun in one poll: then others get their turn.
const BEGUN: usize = 64;

/// The future of a [`Runner`](super::Runner) that was created by [`Subscription::handle_with`]. It can be awaited or
/// spawned, and resolves when the runner has ended.
#[must_use = "a runner handles nothing until it is awaited or spawned"]
pub struct Running<H, E, F> {
    pub(super) handler: H,
    pub(super) subscription: Subscription,
    shared: Arc<Shared>,
    options: Options<E>,
    pub(super) slots: BTreeMap<u64, Slot<F, E>>,
    pub(super) next: u64,
    pub(super) ready: Arc<Ready>,
    pub(super) spare: Spare<F>,
    /// Whether no message is taken, since the client disconnects or moves.
    halted: Arc<AtomicBool>,
    /// Whether acknowledgements are cumulative, on which connection.
    cumulative: (Option<u64>, bool),
    pub(super) tally: Tally,
    failures_in_a_row: u32,
    registered: Option<RunnerId>,
    phase: Phase<E>,
}

enum Phase<E> {
    Running,
    /// No more messages are taken. The timer is that of the grace period. Once the session has ended, the session keeps
    /// the time instead.
    Stopping(Timer, Option<StopReason<E>>),
    Ended,
}

impl<H, E, F> Running<H, E, F>
where
    H: FnMut(Delivery) -> F,
    F: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    pub(super) fn new(subscription: Subscription, handler: H, options: Options<E>) -> Self {
        let shared = subscription.shared();
        Self {
            handler,
            halted: shared.with(|inner| inner.runners.halted()),
            shared,
            subscription,
            options,
            slots: BTreeMap::new(),
            next: 0,
            ready: Arc::default(),
            spare: Spare::default(),
            cumulative: (None, false),
            tally: Tally::default(),
            failures_in_a_row: 0,
            registered: None,
            phase: Phase::Running,
        }
    }

    /// Polls the stage of a message, and the stages after it, until one is pending.
    pub(super) fn poll_slot(&mut self, id: u64) {
        while let Some(Poll::Ready(step)) = self.slots.get_mut(&id).map(Slot::poll) {
            let next = self.after(id, step);
            self.enter(id, next);
        }
    }

    pub(super) fn enter(&mut self, id: u64, next: Option<Stage<F, E>>) {
        match (next, self.slots.get_mut(&id)) {
            (Some(stage), Some(slot)) => drop_each([mem::replace(&mut *slot.stage, stage)]),
            (Some(stage), None) => drop_each([stage]),
            (None, _) => {
                let ended = self.slots.remove(&id);
                self.spare.empty_box =
                    ended.and_then(|mut slot| slot.empty_box.take()).or_else(|| self.spare.empty_box.take());
            }
        }
    }

    /// Returns the stage that follows this step, or `None` if the message is done.
    pub(super) fn after(&mut self, id: u64, step: Step<E>) -> Option<Stage<F, E>> {
        match step {
            Step::Handled(Ok(())) => {
                self.note_handled();
                self.settle(id, None)
            }
            Step::Handled(Err(failure)) => self.fail(id, failure),
            Step::Rested => self.try_again(id),
            Step::Paused(nack) => self.settle(id, Some(nack)),
            Step::Forwarded(Ok(())) => self.settle(id, None),
            Step::Forwarded(Err(error)) => {
                let lost = self.slots.get(&id).is_some_and(|slot| slot.delivery.is_lost());
                if lost {
                    self.lose()
                } else {
                    self.stop(Some(StopReason::Forward(error)))
                }
                None
            }
        }
    }

    pub(super) const fn note_handled(&mut self) {
        self.tally.handled = self.tally.handled.saturating_add(1);
        self.failures_in_a_row = 0;
    }

    fn fail(&mut self, id: u64, failure: Failure<E>) -> Option<Stage<F, E>> {
        let delivery = &self.slots.get(&id)?.delivery;
        let decided = contained(|| (self.options.decide)(delivery, &failure));
        let retried = delivery.attempt().saturating_sub(1);
        let mut policy = decided.unwrap_or_default();
        if matches!(failure, Failure::TooLarge(_)) {
            policy = policy.without_retries();
        }
        match policy.after(retried) {
            (Some(pause), then) if self.goes_on() => {
                Some(Stage::Resting(Box::new(Rest::new(&self.shared, pause, failure, then))))
            }
            (Some(_), then) => self.cut_short(id, failure, then),
            (None, policy) => self.finish(id, failure, policy),
        }
    }

    /// Whether a handler may be called again.
    fn goes_on(&self) -> bool {
        let over = || self.shared.with(|inner| inner.closed.is_some() || inner.runners.are_stopping());
        matches!(self.phase, Phase::Running) && !over()
    }

    /// The pause before the next attempt is over.
    fn try_again(&mut self, id: u64) -> Option<Stage<F, E>> {
        if !self.goes_on() {
            return self.hurry(id);
        }
        let slot = self.slots.get_mut(&id)?;
        if slot.delivery.is_owed() && slot.delivery.is_lost() {
            self.tally.failed = self.tally.failed.saturating_add(1);
            self.lose();
            return None;
        }
        slot.delivery = slot.delivery.again();
        let delivery = slot.delivery.clone();
        self.tally.retried = self.tally.retried.saturating_add(1);
        Some(self.call(&delivery))
    }

    /// There is no other attempt. The broker delivers the message again, unless it has forgotten it.
    fn cut_short(&mut self, id: u64, failure: Failure<E>, then: OnFailure) -> Option<Stage<F, E>> {
        if !self.slots.get(&id)?.delivery.is_owed() {
            return self.finish(id, failure, then);
        }
        self.tally.abandoned = self.tally.abandoned.saturating_add(1);
        drop_each([failure]);
        None
    }

    /// Applies the policy to a message whose handler has failed for the last time.
    fn finish(&mut self, id: u64, failure: Failure<E>, policy: OnFailure) -> Option<Stage<F, E>> {
        self.tally.failed = self.tally.failed.saturating_add(1);
        match (policy.nack(), policy) {
            (_, OnFailure::Forward(forward)) => self.forward(id, &forward, failure),
            (None, OnFailure::Acknowledge) => self.settle(id, None),
            (Some(nack @ Nack::Requeue), _) if self.goes_on() => {
                let pause = self.pause();
                Some(Stage::Pausing(Timer::new(Arc::clone(&self.shared), pause), nack))
            }
            (Some(nack), _) => self.settle(id, Some(nack)),
            (None, _) => {
                self.stop(Some(StopReason::Failed(failure)));
                None
            }
        }
    }

    fn forward(&self, id: u64, forward: &Forward, failure: Failure<E>) -> Option<Stage<F, E>> {
        let message = &self.slots.get(&id)?.delivery;
        let shared = Arc::clone(&self.shared);
        let profile = shared.with(|inner| inner.profile());
        // An error may panic where it is shown, and where it is dropped.
        let text = contained(|| failure.to_string()).unwrap_or_else(|text| text);
        let excess = if let Failure::TooLarge(excess) = &failure { Some(*excess) } else { None };
        drop_each([failure]);
        let mut headers = forward.headers(message, &text, &profile);
        excess.iter().for_each(|excess| headers.set(MESSAGE_TOO_LARGE, excess.to_string()));
        let copy = SendBuilder::new(shared, &forward.destination, message.body_bytes());
        let copy = copy.headers(&headers).confirmed();
        // ActiveMQ takes a body without a length for text; so it stays.
        let is_text = message.header("content-length").is_none() && !message.body().contains(&0);
        let copy = if is_text { copy.text() } else { copy };
        Some(Stage::Forwarding(Box::new(copy.into_future())))
    }

    /// Returns how long a failed message still counts towards the limit. The more messages fail in a row, the longer.
    fn pause(&mut self) -> Duration {
        let (first, longest) = PAUSES;
        let pause = doubled(first, self.failures_in_a_row, longest);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        pause
    }

    /// Acknowledges the message, or sends a NACK, unless the handler has settled it.
    fn settle(&mut self, id: u64, nack: Option<Nack>) -> Option<Stage<F, E>> {
        let delivery = &self.slots.get(&id)?.delivery;
        let settled = delivery.settle_unless_settled(nack);
        self.note_settled(settled);
        None
    }

    pub(super) fn note_settled(&mut self, settled: Result<(), CommandError>) {
        match settled {
            Ok(()) | Err(CommandError::AlreadySettled) => {}
            Err(CommandError::Stale { .. } | CommandError::Unsubscribed | CommandError::Closed) => {
                self.lose()
            }
            Err(error) => self.stop(Some(StopReason::Command(error))),
        }
    }

    /// A message could not be settled any more.
    fn lose(&mut self) {
        self.tally.ack_lost = self.tally.ack_lost.saturating_add(1);
        let subscription = self.subscription.id();
        self.shared.with(|inner| inner.note(&Notice::AckLost { subscription }));
    }

    /// Takes no more messages. The first reason counts.
    fn stop(&mut self, reason: Option<StopReason<E>>) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        self.phase = Phase::Stopping(Timer::new(Arc::clone(&self.shared), self.options.grace), reason);
        drop_each(self.options.until.take());
        if self.subscription.ack_mode() == AckMode::Auto {
            self.subscription.stop();
        }
        let waiting = |slot: &Slot<F, E>| matches!(*slot.stage, Stage::Pausing(..) | Stage::Resting(_));
        let waiting: Vec<_> =
            self.slots.iter().filter(|(_, slot)| waiting(slot)).map(|(id, _)| *id).collect();
        for id in waiting {
            let next = self.hurry(id);
            self.enter(id, next);
            // What it is at now has not been polled.
            self.slots.get(&id).into_iter().for_each(|slot| slot.waker.wake());
        }
    }

    /// Ends a wait before its time, and returns the stage that follows.
    fn hurry(&mut self, id: u64) -> Option<Stage<F, E>> {
        match mem::replace(&mut *self.slots.get_mut(&id)?.stage, Stage::Over) {
            Stage::Pausing(_, nack) => self.settle(id, Some(nack)),
            Stage::Resting(rest) => {
                let Rest { failure, then, .. } = *rest;
                self.cut_short(id, failure, then)
            }
            other => Some(other),
        }
    }

    fn poll_woken(&mut self, waker: &Waker) {
        self.ready.register(waker);
        self.ready.take().into_iter().for_each(|id| self.poll_slot(id));
    }

    /// Checks whether the runner is told to stop.
    fn poll_stop(&mut self, cx: &mut Context<'_>) {
        let until = self.options.until.as_mut();
        match until.map(|until| contained(|| until.as_mut().poll(cx))) {
            Some(Ok(Poll::Ready(()))) => self.stop(None),
            Some(Err(text)) => self.stop(Some(StopReason::Panicked(text))),
            Some(Ok(Poll::Pending)) | None => {}
        }
        let running = self.slots.len();
        let stopping = !matches!(self.phase, Phase::Running);
        let owes = |slot: &Slot<F, E>| {
            let rests = matches!(*slot.stage, Stage::Pausing(..) | Stage::Resting(_));
            slot.delivery.is_owed() && !slot.excused && !rests && !slot.delivery.is_lost()
        };
        let owing = self.slots.values().filter(|slot| owes(slot)).count();
        let report = Report {
            running,
            owing,
            done: stopping && running > 0 && self.slots.values().all(|slot| slot.excused),
        };
        let waker = cx.waker().clone();
        let call = self.shared.with(|inner| inner.visit(&mut self.registered, report, waker));
        match call {
            Call::Run | Call::Hold => {}
            Call::Stop => self.stop(None),
            Call::Abandon => {
                self.stop(None);
                self.abandon();
            }
        }
    }

    /// Begins as many messages as there is room for. Returns whether there may be more.
    fn poll_messages(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..BEGUN {
            if !self.has_room() {
                return false;
            }
            match self.subscription.poll_ready(cx) {
                Poll::Ready(true) => self.begin_next(),
                Poll::Ready(false) => {
                    self.stop(self.subscription.ended().and_then(unwilling));
                    return false;
                }
                Poll::Pending => return false,
            }
        }
        true
    }

    fn poll_end(&mut self, cx: &Context<'_>) -> Poll<Result<Tally, Stopped<E>>> {
        let Phase::Stopping(timer, _) = &mut self.phase else { return Poll::Pending };
        if !self.slots.is_empty() && timer.poll_while_open(cx).is_ready() {
            self.abandon();
        }
        if !self.slots.is_empty() {
            return Poll::Pending;
        }
        // Before the session is disconnected for want of runners.
        self.subscription.stop();
        self.leave();
        let Phase::Stopping(_, reason) = mem::replace(&mut self.phase, Phase::Ended) else {
            return Poll::Pending;
        };
        let tally = self.tally;
        Poll::Ready(match reason {
            None => Ok(tally),
            Some(reason) => Err(Stopped { tally, reason }),
        })
    }

    /// Returns whether another message may be begun. In 1.0, where acknowledgements are cumulative, only one may be
    /// under way.
    fn has_room(&mut self) -> bool {
        let auto = self.subscription.ack_mode() == AckMode::Auto;
        let limit = if !auto && self.is_cumulative() { 1 } else { self.options.limit };
        let takes = match self.phase {
            Phase::Running => auto || !self.halted.load(Ordering::Acquire),
            // What the broker has forgotten already is handled all the same.
            Phase::Stopping(_, None) => auto,
            _ => false,
        };
        takes && self.slots.len() < limit
    }

    /// Whether the connection is one of 1.0. It is asked before each message, and locks once for each connection.
    fn is_cumulative(&mut self) -> bool {
        let number = self.shared.connection.load(Ordering::Acquire);
        if self.cumulative.0 != Some(number) {
            let version = |inner: &mut Inner| inner.session.connection().map(|connection| connection.version);
            self.cumulative = (Some(number), self.shared.with(version) == Some(Version::V1_0));
        }
        self.cumulative.1
    }

    /// Drops all handlers. One that panics then has failed.
    fn abandon(&mut self) {
        for (_, mut slot) in mem::take(&mut self.slots) {
            let count = match slot.end() {
                Ok(()) => &mut self.tally.abandoned,
                Err(_) => &mut self.tally.failed,
            };
            *count = count.saturating_add(1);
        }
    }
}

impl<H, E, F> Running<H, E, F> {
    /// From now on, a disconnect does not wait for this runner.
    fn leave(&mut self) {
        if let Some(id) = self.registered.take() {
            self.shared.with(|inner| inner.remove_runner(id));
        }
    }
}

/// Returns the reason of an end that the application did not bring about.
fn unwilling<E>(ended: &Ended) -> Option<StopReason<E>> {
    match ended {
        Ended::Browsed | Ended::Unsubscribed | Ended::Closed(Closed::Disconnected { .. }) => None,
        other => Some(StopReason::Ended(other.clone())),
    }
}

impl<H, E, F> Future for Running<H, E, F>
where
    H: FnMut(Delivery) -> F,
    F: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    type Output = Result<Tally, Stopped<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if matches!(this.phase, Phase::Ended) {
            return Poll::Pending;
        }
        if this.subscription.ack_mode() == AckMode::Client {
            this.stop(Some(StopReason::Command(CommandError::CumulativeAck)));
        }
        if this.registered.is_none() {
            // Before a handler can disconnect.
            this.poll_stop(cx);
        }
        this.poll_woken(cx.waker());
        if this.poll_messages(cx) {
            cx.waker().wake_by_ref();
        }
        this.spare.delivery = None;
        this.poll_stop(cx);
        this.poll_end(cx)
    }
}

/// Neither the handler nor what it holds is ever pinned in place: the handlers' futures are boxed.
impl<H, E, F> Unpin for Running<H, E, F> {}

impl<H, E, F> Drop for Running<H, E, F> {
    fn drop(&mut self) {
        self.leave();
        drop_each(self.options.until.take());
    }
}

impl<H, E, F> fmt::Debug for Running<H, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("subscription", &self.subscription)
            .field("running", &self.slots.len())
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}
