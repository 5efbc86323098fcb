//! A message under way: in its handler, in its pause, or on its way elsewhere.

use std::{
    cell::Cell,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{policy::Failure, ready::SlotWaker};
use crate::{
    Nack,
    client::{error::SendError, message::Message, send::Sending, state::Timer},
};

thread_local! {
    /// Whether the handler that is being polled awaits the end of the session.
    static AWAITS_END: Cell<bool> = const { Cell::new(false) };
}

/// Says that whoever is being polled awaits the end of the session: if it is a handler, the session must not await it.
pub(in crate::client) fn awaits_end() {
    AWAITS_END.set(true);
}

pub(super) struct Slot<F> {
    pub(super) message: Arc<Message>,
    pub(super) stage: Stage<F>,
    waker: Arc<SlotWaker>,
    /// Its handler awaits the end of the session, which therefore does not await it.
    pub(super) excused: bool,
}

pub(super) enum Stage<F> {
    Handling(Pin<Box<F>>),
    /// On its way elsewhere.
    Forwarding(Box<Sending>),
    /// Before its NACK.
    Pausing(Timer, Nack),
    /// Its handler has panicked where it was made.
    Failed(String),
}

/// What a stage has come to.
pub(super) enum Step<E> {
    Handled(Result<(), Failure<E>>),
    Forwarded(Result<(), SendError>),
    Paused(Nack),
}

impl<F> Slot<F> {
    pub(super) const fn new(message: Arc<Message>, stage: Stage<F>, waker: Arc<SlotWaker>) -> Self {
        Self { message, stage, waker, excused: false }
    }
}

impl<F, E> Slot<F>
where
    F: Future<Output = Result<(), E>>,
{
    pub(super) fn poll(&mut self) -> Poll<Step<E>> {
        self.waker.polled();
        let waker = Waker::from(Arc::clone(&self.waker));
        let cx = &mut Context::from_waker(&waker);
        match &mut self.stage {
            Stage::Handling(handler) => {
                AWAITS_END.set(false);
                let polled = poll_contained(handler, cx).map(Step::Handled);
                self.excused = AWAITS_END.get();
                polled
            }
            Stage::Forwarding(sending) => Pin::new(&mut **sending).poll(cx).map(Step::Forwarded),
            Stage::Pausing(timer, nack) => timer.poll(cx).map(|()| Step::Paused(*nack)),
            Stage::Failed(text) => Poll::Ready(Step::Handled(Err(Failure::Panicked(mem::take(text))))),
        }
    }
}

/// A handler that panics has failed, and harms no other.
fn poll_contained<F, E>(handler: &mut Pin<Box<F>>, cx: &mut Context<'_>) -> Poll<Result<(), Failure<E>>>
where
    F: Future<Output = Result<(), E>>,
{
    match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
        Ok(polled) => polled.map_err(Failure::Error),
        Err(payload) => Poll::Ready(Err(Failure::panicked(&*payload))),
    }
}
