//! The handler runner: an asynchronous function over a subscription.

mod policy;
mod ready;
mod slot;

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_core::Stream as _;
use stomp_proto::{AckMode, Version};

pub use policy::{Failure, Forward, OnFailure, StopReason, Stopped, Tally};
pub(super) use slot::awaits_end;

use super::{
    message::Message,
    notice::Notice,
    runners::{Call, Report, RunnerId},
    send::SendBuilder,
    shared::Shared,
    state::Timer,
    subscription::Subscription,
};
use crate::{Closed, CommandError, Ended, Nack};
use ready::{Ready, SlotWaker};
use slot::{Slot, Stage, Step};

/// How long running handlers may take after a stop.
const GRACE: Duration = Duration::from_secs(10);
/// The pause before the first NACK that requeues, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// Messages that are begun in one poll: then others get their turn.
const BEGUN: usize = 64;

type Decide<E> = Box<dyn Fn(&Message, &Failure<E>) -> OnFailure + Send>;
type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Subscription {
    /// Runs a handler for each message, and acknowledges those it handled: see [`Runner`].
    pub fn handle<H, F, E>(self, handler: H) -> Runner<H, F, E>
    where
        H: FnMut(Arc<Message>) -> F,
        F: Future<Output = Result<(), E>>,
        E: fmt::Display,
    {
        Runner::new(self, handler)
    }
}

/// Runs a handler for each message of a [`Subscription`]: made by [`Subscription::handle`], awaited or spawned.
///
/// A message whose handler returns `Ok` is acknowledged; what becomes of the others says [`OnFailure`]. A handler that panics
/// has failed. Handlers run side by side in the task that polls the runner, up to a [limit](Self::concurrency): one that
/// wants a core of its own spawns and awaits. A handler whose connection has ended goes on, and keeps its place; it may look
/// out for [`Message::lost`]. Its success can no longer be acknowledged, which [`Tally::ack_lost`] and [`Notice::AckLost`]
/// show.
///
/// It ends when it is [told to](Self::until), when the client [disconnects](super::Client::disconnect), when the subscription
/// ends, or when a failure ends it: it takes no more messages, lets the running handlers end, for at most the
/// [grace](Self::grace) that they have, acknowledges, and unsubscribes. When the session gives up it ends with that as its
/// reason, and its handlers have [`Config::disconnect_timeout`](crate::Config::disconnect_timeout) at most.
///
/// It wants ack mode `client-individual`; `client`, which acknowledges what other handlers still have, is refused. With
/// `auto` the broker has forgotten the message already. In STOMP 1.0, where acknowledgements are cumulative, handlers run one
/// after the other.
///
/// Cancel safe: dropped, it drops its handlers and leaves their messages unacknowledged, and it unsubscribes. Built with
/// `panic = "abort"` a panic ends the program as ever.
///
/// ```
/// use stomp_session::client::{Forward, OnFailure};
/// # async fn store(_: &[u8]) -> std::io::Result<()> { Ok(()) }
/// # async fn example(client: stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
///
/// let orders = client.subscribe("/queue/orders").prefetch(20).await?;
/// let tally = orders
///     .handle(async |order| store(order.body()).await)
///     .concurrency(10)
///     .on_failure(OnFailure::Forward(Forward::to("/queue/errors")))
///     .await?;
/// println!("{} orders", tally.handled);
/// # Ok(()) }
/// ```
#[must_use = "a runner handles nothing until it is awaited"]
pub struct Runner<H, F, E> {
    handler: H,
    subscription: Subscription,
    shared: Arc<Shared>,
    decide: Decide<E>,
    limit: usize,
    grace: Duration,
    until: Option<Until>,
    slots: BTreeMap<u64, Slot<F>>,
    next: u64,
    ready: Arc<Ready>,
    tally: Tally,
    failures_in_a_row: u32,
    registered: Option<RunnerId>,
    phase: Phase<E>,
}

enum Phase<E> {
    Running,
    /// No more messages are taken. The timer is that of the grace, which is the session's business once that has ended.
    Stopping(Timer, Option<StopReason<E>>),
    Ended,
}

impl<H, F, E> Runner<H, F, E>
where
    H: FnMut(Arc<Message>) -> F,
    F: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    pub(super) fn new(subscription: Subscription, handler: H) -> Self {
        Self {
            handler,
            shared: subscription.shared(),
            subscription,
            decide: Box::new(|_, _| OnFailure::Stop),
            limit: 1,
            grace: GRACE,
            until: None,
            slots: BTreeMap::new(),
            next: 0,
            ready: Arc::default(),
            tally: Tally::default(),
            failures_in_a_row: 0,
            registered: None,
            phase: Phase::Running,
        }
    }

    /// How many handlers may run at once. One after the other unless said otherwise. The subscription's prefetch should not
    /// be less.
    pub fn concurrency(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    /// What becomes of a message whose handler failed. [`OnFailure::Stop`] unless said otherwise.
    pub fn on_failure(self, policy: OnFailure) -> Self {
        self.decide_failure(move |_, _| policy.clone())
    }

    /// The same, decided for each failure. What takes time belongs in the handler, which may do it before it returns its
    /// error.
    pub fn decide_failure(
        mut self,
        decide: impl Fn(&Message, &Failure<E>) -> OnFailure + Send + 'static,
    ) -> Self {
        self.decide = Box::new(decide);
        self
    }

    /// Stops the runner when that future ends: a signal, a channel.
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(stop));
        self
    }

    /// How long all running handlers together may take to end after a stop. 10 s. A client that disconnects has a deadline
    /// of its own.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Takes a message, and polls its handler for the first time.
    fn begin(&mut self, message: Message) {
        let message = Arc::new(message);
        let made = catch_unwind(AssertUnwindSafe(|| (self.handler)(Arc::clone(&message))));
        let stage = match made {
            Ok(handler) => Stage::Handling(Box::pin(handler)),
            Err(payload) => match Failure::<E>::panicked(&*payload) {
                Failure::Panicked(text) => Stage::Failed(text),
                Failure::Error(_) => return,
            },
        };
        let id = self.next;
        self.next = id.saturating_add(1);
        let waker = Arc::new(SlotWaker::new(Arc::clone(&self.ready), id));
        self.slots.insert(id, Slot::new(message, stage, waker));
        self.poll_slot(id);
    }

    /// Polls what a message is at, as far as it goes now.
    fn poll_slot(&mut self, id: u64) {
        while let Some(Poll::Ready(step)) = self.slots.get_mut(&id).map(Slot::poll) {
            let next = self.after(id, step);
            match (next, self.slots.get_mut(&id)) {
                (Some(stage), Some(slot)) => slot.stage = stage,
                _ => drop(self.slots.remove(&id)),
            }
        }
    }

    /// What comes after that: another stage, or nothing.
    fn after(&mut self, id: u64, step: Step<E>) -> Option<Stage<F>> {
        match step {
            Step::Handled(Ok(())) => {
                self.tally.handled = self.tally.handled.saturating_add(1);
                self.failures_in_a_row = 0;
                self.settle(id, None)
            }
            Step::Handled(Err(failure)) => self.fail(id, failure),
            Step::Forwarded(Ok(())) => self.settle(id, None),
            Step::Forwarded(Err(error)) => {
                let lost = self.slots.get(&id).is_some_and(|slot| slot.message.is_lost());
                if lost {
                    self.lose()
                } else {
                    self.stop(Some(StopReason::Forward(error)))
                }
                None
            }
            Step::Paused(nack) => self.settle(id, Some(nack)),
        }
    }

    fn fail(&mut self, id: u64, failure: Failure<E>) -> Option<Stage<F>> {
        self.tally.failed = self.tally.failed.saturating_add(1);
        let message = Arc::clone(&self.slots.get(&id)?.message);
        let decided = catch_unwind(AssertUnwindSafe(|| (self.decide)(&message, &failure)));
        let policy = decided.unwrap_or(OnFailure::Stop);
        match (policy.nack(), policy) {
            (_, OnFailure::Forward(forward)) => Some(self.forward(&message, &forward, &failure)),
            (_, OnFailure::Acknowledge) => self.settle(id, None),
            (Some(nack @ Nack::Requeue), _) => {
                Some(Stage::Pausing(Timer::new(Arc::clone(&self.shared), self.pause()), nack))
            }
            (Some(nack), _) => self.settle(id, Some(nack)),
            (None, _) => {
                self.stop(Some(StopReason::Failed(failure)));
                None
            }
        }
    }

    fn forward(&self, message: &Message, forward: &Forward, failure: &Failure<E>) -> Stage<F> {
        let shared = Arc::clone(&self.shared);
        let profile = shared.with(|inner| inner.profile());
        let headers = forward.headers(message, failure, &profile);
        let copy = SendBuilder::new(shared, &forward.destination, message.body_bytes());
        let copy = copy.headers(&headers).confirmed();
        // ActiveMQ takes a body without a length for text; so it stays.
        let is_text = message.header("content-length").is_none() && !message.body().contains(&0);
        let copy = if is_text { copy.text() } else { copy };
        Stage::Forwarding(Box::new(copy.into_future()))
    }

    /// How long a message that failed keeps its place: the more fail in a row, the longer.
    fn pause(&mut self) -> Duration {
        let (first, longest) = PAUSES;
        let doubled = 2_u32.saturating_pow(self.failures_in_a_row);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        first.saturating_mul(doubled).min(longest)
    }

    /// Acknowledges, or NACKs.
    fn settle(&mut self, id: u64, nack: Option<Nack>) -> Option<Stage<F>> {
        let slot = self.slots.get(&id)?;
        match (slot.message.settle(nack), nack) {
            (Ok(()), _) | (Err(CommandError::NotAcknowledged), None) => {}
            (Err(CommandError::Stale { .. } | CommandError::Unsubscribed | CommandError::Closed), _) => {
                self.lose();
            }
            (Err(error), _) => self.stop(Some(StopReason::Command(error))),
        }
        None
    }

    /// A message could not be settled any more.
    fn lose(&mut self) {
        self.tally.ack_lost = self.tally.ack_lost.saturating_add(1);
        let subscription = self.subscription.id();
        self.shared.with(|inner| inner.note(&Notice::AckLost { subscription }));
    }

    /// Takes no more messages. The first reason counts.
    fn stop(&mut self, reason: Option<StopReason<E>>) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Stopping(Timer::new(Arc::clone(&self.shared), self.grace), reason);
            self.until = None;
            if self.subscription.ack_mode() == AckMode::Auto {
                self.subscription.stop();
            }
            // What waits before it is given back need not wait any more.
            let pausing = self.slots.iter().filter(|(_, slot)| matches!(slot.stage, Stage::Pausing(..)));
            let pausing: Vec<_> = pausing.map(|(id, _)| *id).collect();
            for id in pausing {
                self.settle(id, Some(Nack::Requeue));
                self.slots.remove(&id);
            }
        }
    }

    fn poll_woken(&mut self, waker: &Waker) {
        self.ready.register(waker);
        self.ready.take().into_iter().for_each(|id| self.poll_slot(id));
    }

    /// Whether it is told to stop.
    fn poll_stop(&mut self, cx: &mut Context<'_>) {
        if self.until.as_mut().is_some_and(|until| until.as_mut().poll(cx).is_ready()) {
            self.stop(None);
        }
        let running = self.slots.len();
        let stopping = !matches!(self.phase, Phase::Running);
        let report =
            Report { running, done: stopping && running > 0 && self.slots.values().all(|slot| slot.excused) };
        let waker = cx.waker().clone();
        let call = self.shared.with(|inner| inner.visit(&mut self.registered, report, waker));
        match call {
            Call::Run => {}
            Call::Stop => self.stop(None),
            Call::Abandon => {
                self.stop(None);
                self.abandon();
            }
        }
    }

    /// Begins what there is room for. Whether there may be more.
    fn poll_messages(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..BEGUN {
            if !self.has_room() {
                return false;
            }
            match Pin::new(&mut self.subscription).poll_next(cx) {
                Poll::Ready(Some(message)) => self.begin(message),
                Poll::Ready(None) => {
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
        Poll::Ready(reason.map_or(Ok(tally), |reason| Err(Stopped { tally, reason })))
    }

    /// Whether another message may be begun. In 1.0, where acknowledgements are cumulative, only when no other is under way.
    fn has_room(&self) -> bool {
        let auto = self.subscription.ack_mode() == AckMode::Auto;
        let (stopping, cumulative) = self.shared.with(|inner| {
            let connection = inner.session.connection();
            let cumulative = connection.is_some_and(|connection| connection.version == Version::V1_0);
            (inner.runners.are_stopping(), cumulative)
        });
        let limit = if cumulative && !auto { 1 } else { self.limit };
        let takes = match self.phase {
            Phase::Running => auto || !stopping,
            // What the broker has forgotten already is handled all the same.
            Phase::Stopping(_, None) => auto,
            _ => false,
        };
        takes && self.slots.len() < limit
    }

    fn abandon(&mut self) {
        let count = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        self.tally.abandoned = self.tally.abandoned.saturating_add(count);
        self.slots.clear();
    }
}

impl<H, F, E> Runner<H, F, E> {
    /// Whoever disconnects the client need not wait for this runner any more.
    fn leave(&mut self) {
        if let Some(id) = self.registered.take() {
            self.shared.with(|inner| inner.remove_runner(id));
        }
    }
}

/// The reason to give, if the end was nobody's will.
fn unwilling<E>(ended: &Ended) -> Option<StopReason<E>> {
    match ended {
        Ended::Browsed | Ended::Unsubscribed | Ended::Closed(Closed::Disconnected { .. }) => None,
        other => Some(StopReason::Ended(other.clone())),
    }
}

impl<H, F, E> Future for Runner<H, F, E>
where
    H: FnMut(Arc<Message>) -> F,
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
        this.poll_stop(cx);
        this.poll_end(cx)
    }
}

/// Neither the handler nor what it holds is ever pinned in place: the handlers' futures are boxed.
impl<H, F, E> Unpin for Runner<H, F, E> {}

impl<H, F, E> Drop for Runner<H, F, E> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<H, F, E> fmt::Debug for Runner<H, F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("subscription", &self.subscription)
            .field("running", &self.slots.len())
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}
