//! Which handlers were woken: only they are polled.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, PoisonError},
    task::{Wake, Waker},
};

use crate::client::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// The handlers of one runner that were woken since they were last polled. Its lock is held for a few lines, and while
/// no other lock is taken.
#[derive(Default)]
pub(super) struct Ready(Mutex<Woken>);

#[derive(Default)]
struct Woken {
    slots: VecDeque<u64>,
    runner: Option<Waker>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, Woken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the waker of the runner, which is woken when a handler is woken.
    pub(super) fn register(&self, waker: &Waker) {
        let waker = waker.clone();
        let replaced = self.lock().runner.replace(waker);
        drop(replaced);
    }

    /// Takes the handlers that were woken.
    pub(super) fn take(&self) -> VecDeque<u64> {
        mem::take(&mut self.lock().slots)
    }

    fn push(&self, slot: u64) {
        let runner = {
            let mut woken = self.lock();
            woken.slots.push_back(slot);
            woken.runner.take()
        };
        runner.into_iter().for_each(Waker::wake);
    }
}

/// The waker of one handler.
pub(super) struct SlotWaker {
    ready: Arc<Ready>,
    slot: u64,
    queued: AtomicBool,
}

impl SlotWaker {
    pub(super) fn new(ready: Arc<Ready>, slot: u64) -> Self {
        Self { ready, slot, queued: AtomicBool::new(false) }
    }

    /// Whether it was not woken since it was polled.
    pub(super) fn is_quiet(&self) -> bool {
        !self.queued.load(Ordering::Acquire)
    }

    /// It is polled now: from here on a wake counts again. One that came before and was not queued, as the slot was already, has
    /// its effect by this: what was done before it is seen by the poll, which a mere store would not ensure.
    pub(super) fn polled(&self) {
        if !self.is_quiet() {
            self.queued.swap(false, Ordering::AcqRel);
        }
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.slot);
        }
    }
}
