//! A message comes to its handler. Most handlers end when they are polled first: then nothing is kept of them.

use std::{fmt, future::Future, task::Poll};

use super::{
    delivery::Delivery,
    outcome::Failure,
    running::Running,
    slot::{OwnWaker, Slot, Stage, Step},
};
use crate::client::{contain::contained, telemetry::handled};

impl<H, E, F> Running<H, E, F>
where
    H: FnMut(Delivery) -> F,
    F: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    /// Takes the next message, and polls its handler for the first time. One that came without its body has failed.
    pub(super) fn begin_next(&mut self) {
        if self.subscription.is_next_over() {
            return self.begin_too_large();
        }
        let delivery = match self.spare.delivery.take() {
            Some(done) => self.subscription.take_next().map(|message| Delivery::new_in(done, message)),
            None => self.subscription.take_next().map(Delivery::new),
        };
        let Some(delivery) = delivery else { return };
        let stage = self.call(&delivery);
        self.begin(delivery, stage);
    }

    /// Takes a message that came without its body: it has failed.
    fn begin_too_large(&mut self) {
        let Some(mut message) = self.subscription.take_next() else { return };
        let failure = message.take_excess().map(Failure::TooLarge);
        self.begin(Delivery::new(message), Stage::Failed(failure));
    }

    /// Polls the first stage of a message for the first time.
    fn begin(&mut self, delivery: Delivery, stage: Stage<F, E>) {
        let waker = self.spare.waker.take();
        let waker = waker.unwrap_or_else(|| OwnWaker::new(&self.ready, self.next));
        let mut slot = Slot::new(delivery, stage, waker);
        match slot.poll() {
            Poll::Ready(Step::Handled(Ok(()))) => self.end_at_once(slot),
            polled => self.keep(slot, polled),
        }
    }

    /// Calls the handler.
    pub(super) fn call(&mut self, delivery: &Delivery) -> Stage<F, E> {
        let (empty_box, handler) = (self.spare.empty_box.take(), &mut self.handler);
        let call = || handled(delivery, delivery.attempt(), empty_box, || handler(delivery.clone()));
        match contained(call) {
            Ok(handler) => Stage::Handling(handler),
            Err(text) => Stage::Failed(Some(Failure::Panicked(text))),
        }
    }

    /// The handler has succeeded. Its number is free, and its waker too, unless somebody has it.
    fn end_at_once(&mut self, slot: Slot<F, E>) {
        self.note_handled();
        let settled = slot.delivery.settle_unless_settled(None);
        self.note_settled(settled);
        let Slot { delivery, empty_box, waker, .. } = slot;
        self.spare.delivery = Some(delivery);
        self.spare.empty_box = empty_box;
        self.spare.waker = Some(waker).filter(OwnWaker::is_unused);
        if self.spare.waker.is_none() {
            self.next = self.next.saturating_add(1);
        }
    }

    /// The message stays in its slot until it is done.
    fn keep(&mut self, slot: Slot<F, E>, polled: Poll<Step<E>>) {
        let id = self.next;
        self.next = id.saturating_add(1);
        self.slots.insert(id, slot);
        if let Poll::Ready(step) = polled {
            let next = self.after(id, step);
            self.enter(id, next);
            self.poll_slot(id);
        }
    }
}
