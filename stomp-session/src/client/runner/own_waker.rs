//! The waker of a handler, made once and not for each poll.

use std::{
    sync::Arc,
    task::{Context, Wake as _, Waker},
};

use super::ready::{Ready, SlotWaker};

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
