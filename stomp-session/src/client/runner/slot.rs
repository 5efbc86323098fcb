//! The state of a message in a runner: in its handler, between two attempts, before its NACK, or being forwarded. The waker
//! of its handler is made once and not for each poll.

use std::{
    cell::Cell,
    future::Future,
    mem,
    ops::{Deref, DerefMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake as _, Waker},
    time::Duration,
};

use super::{
    delivery::Delivery,
    outcome::{Failure, OnFailure},
    ready::{Ready, SlotWaker},
};
use crate::{
    Nack,
    client::{
        contain::{HandlerBox, contained, drop_each, dropped},
        error::SendError,
        send::Sending,
        shared::Shared,
        task::{Timer, Waiting},
        telemetry::Handled,
        waits::For,
    },
};

thread_local! {
    /// Whether the handler that is being polled awaits the end of the session.
    static AWAITS_END: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the future that is being polled awaits the end of the session. If it is a handler, the session must not
/// wait for it.
pub(in crate::client) fn awaits_end() {
    AWAITS_END.set(true);
}

pub(super) struct Slot<F, E> {
    pub(super) delivery: Delivery,
    pub(super) stage: Staged<F, E>,
    pub(super) waker: OwnWaker,
    /// Where its last handler was.
    pub(super) empty_box: Option<HandlerBox<F>>,
    /// Its handler awaits the end of the session, which therefore does not await it.
    pub(super) excused: bool,
}

/// What is left of handlers that have ended, for the next one.
pub(super) struct Spare<F> {
    /// It holds its message until another one takes its place.
    pub(super) delivery: Option<Delivery>,
    pub(super) empty_box: Option<HandlerBox<F>>,
    pub(super) waker: Option<OwnWaker>,
}

impl<F> Default for Spare<F> {
    fn default() -> Self {
        Self { delivery: None, empty_box: None, waker: None }
    }
}

pub(super) enum Stage<F, E> {
    Handling(Handled<F>),
    /// There is no handler: it has panicked where it was made, or was not called.
    Failed(Option<Failure<E>>),
    /// Between two attempts.
    Resting(Box<Rest<E>>),
    /// Before its NACK.
    Pausing(Timer, Nack),
    /// On its way elsewhere.
    Forwarding(Box<Sending>),
    /// What it was at has ended, and nothing else has begun.
    Over,
}

/// What a stage has come to.
pub(super) enum Step<E> {
    Handled(Result<(), Failure<E>>),
    Rested,
    Paused(Nack),
    Forwarded(Result<(), SendError>),
}

impl<F, E> Slot<F, E> {
    pub(super) const fn new(delivery: Delivery, stage: Stage<F, E>, waker: OwnWaker) -> Self {
        Self { delivery, stage: Staged(stage), waker, empty_box: None, excused: false }
    }

    /// Drops the future of this stage. Returns the message of its panic if it panics.
    pub(super) fn end(&mut self) -> Result<(), String> {
        dropped(mem::replace(&mut *self.stage, Stage::Over))
    }
}

impl<F, E> Slot<F, E>
where
    F: Future<Output = Result<(), E>>,
{
    pub(super) fn poll(&mut self) -> Poll<Step<E>> {
        let cx = &mut self.waker.poll();
        match &mut *self.stage {
            Stage::Handling(handler) => {
                AWAITS_END.set(false);
                let polled = contained(|| Pin::new(handler).poll(cx));
                self.excused = AWAITS_END.get();
                match polled {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(result)) => self.handled(result.map_err(Failure::Error)),
                    Err(text) => self.handled(Err(Failure::Panicked(text))),
                }
            }
            Stage::Failed(failure) => match failure.take() {
                Some(failure) => self.handled(Err(failure)),
                None => Poll::Pending,
            },
            Stage::Resting(rest) => rest.poll(cx, &self.delivery).map(|()| Step::Rested),
            Stage::Pausing(timer, nack) => timer.poll(cx).map(|()| Step::Paused(*nack)),
            Stage::Forwarding(sending) => Pin::new(&mut **sending).poll(cx).map(Step::Forwarded),
            Stage::Over => Poll::Pending,
        }
    }

    /// A handler has not succeeded before it is gone.
    fn handled(&mut self, result: Result<(), Failure<E>>) -> Poll<Step<E>> {
        let gone = match mem::replace(&mut *self.stage, Stage::Over) {
            Stage::Handling(handler) => contained(|| handler.empty()),
            other => dropped(other).map(|()| None),
        };
        let gone = gone.map(|empty_box| self.empty_box = empty_box).map_err(Failure::Panicked);
        Poll::Ready(Step::Handled(result.and(gone)))
    }
}

/// A stage that is dropped on its own, because two panics at the same time would abort the program.
pub(super) struct Staged<F, E>(Stage<F, E>);

impl<F, E> Drop for Staged<F, E> {
    fn drop(&mut self) {
        drop_each([mem::replace(&mut self.0, Stage::Over)]);
    }
}

impl<F, E> Deref for Staged<F, E> {
    type Target = Stage<F, E>;

    fn deref(&self) -> &Stage<F, E> {
        &self.0
    }
}

impl<F, E> DerefMut for Staged<F, E> {
    fn deref_mut(&mut self) -> &mut Stage<F, E> {
        &mut self.0
    }
}

/// The pause between two attempts.
pub(super) struct Rest<E> {
    timer: Timer,
    loss: Waiting,
    pub(super) failure: Failure<E>,
    /// What comes when there is no other attempt.
    pub(super) then: OnFailure,
}

impl<E> Rest<E> {
    pub(super) fn new(shared: &Arc<Shared>, pause: Duration, failure: Failure<E>, then: OnFailure) -> Self {
        let timer = Timer::new(Arc::clone(shared), pause);
        Self { timer, loss: Waiting::new(Arc::clone(shared), For::Loss), failure, then }
    }

    /// Ends early when the message will be delivered again.
    fn poll(&mut self, cx: &Context<'_>, delivery: &Delivery) -> Poll<()> {
        let lost = || (delivery.is_owed() && delivery.is_lost()).then_some(());
        match self.loss.poll(cx, |_| lost()) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => self.timer.poll(cx),
        }
    }
}

pub(super) struct OwnWaker {
    slot: Arc<SlotWaker>,
    /// The same, as its future sees it.
    waker: Waker,
}

impl OwnWaker {
    pub(super) fn new(ready: &Arc<Ready>, slot: u64) -> Self {
        let slot = Arc::new(SlotWaker::new(Arc::clone(ready), slot));
        let waker = Waker::from(Arc::clone(&slot));
        Self { slot, waker }
    }

    /// What its handler is polled with now.
    pub(super) fn poll(&self) -> Context<'_> {
        self.slot.polled();
        Context::from_waker(&self.waker)
    }

    pub(super) fn wake(&self) {
        self.slot.wake_by_ref();
    }

    /// Whether its handler has not kept it, and has not woken itself: another one may have it.
    pub(super) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.slot) == 2 && self.slot.is_quiet()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waker_that_a_handler_has_kept_or_used_is_not_the_next_one_s() {
        let ready = Arc::new(Ready::default());
        let waker = OwnWaker::new(&ready, 7);
        assert!(waker.is_unused());
        let kept = waker.poll().waker().clone();
        assert!(!waker.is_unused(), "it may be woken at any time");
        drop(kept);
        assert!(waker.is_unused());
        waker.poll().waker().wake_by_ref();
        assert!(!waker.is_unused(), "its slot is among those that are polled next");
        assert_eq!(ready.take(), [7]);
        waker.poll();
        assert!(waker.is_unused());
    }
}
