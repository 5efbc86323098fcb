//! Handlers are woken while their runner polls.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
};

use loom::{
    future::block_on,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::ready::{Ready, SlotWaker};

/// How far somebody has come whom a handler awaits. What he does before he wakes it is for the handler to see: the waker is all
/// that lies between them.
type Progress = Arc<AtomicUsize>;

/// Polls the handlers that were woken, as a runner does, until all have seen `steps`.
fn run(ready: &Ready, handlers: &[(Arc<SlotWaker>, Progress)], steps: usize) {
    let mut seen = vec![0; handlers.len()];
    block_on(poll_fn(|cx| {
        ready.register(cx.waker());
        for slot in ready.take() {
            let slot = slot as usize;
            let (waker, progress) = &handlers[slot];
            assert!(!waker.is_quiet(), "it is polled for a reason");
            waker.polled();
            seen[slot] = progress.load(Ordering::Relaxed);
        }
        if seen.iter().all(|seen| *seen == steps) { Poll::Ready(()) } else { Poll::Pending }
    }));
}

fn handler(ready: &Arc<Ready>, slot: u64) -> (Arc<SlotWaker>, Progress) {
    (Arc::new(SlotWaker::new(Arc::clone(ready), slot)), Arc::default())
}

fn step((waker, progress): &(Arc<SlotWaker>, Progress)) {
    progress.fetch_add(1, Ordering::Relaxed);
    Waker::from(Arc::clone(waker)).wake();
}

/// With three threads all orders are too many: those with at most three preemptions.
fn bounded(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

#[test]
fn a_handler_that_is_woken_again_while_it_is_polled_is_polled_again() {
    loom::model(|| {
        let ready = Arc::new(Ready::default());
        let handlers = [handler(&ready, 0)];
        let awaited = handlers[0].clone();
        let other = thread::spawn(move || (0..2).for_each(|_| step(&awaited)));
        run(&ready, &handlers, 2);
        other.join().unwrap();
    });
}

#[test]
fn two_handlers_that_are_woken_at_once_are_both_polled() {
    bounded(|| {
        let ready = Arc::new(Ready::default());
        let handlers = [handler(&ready, 0), handler(&ready, 1)];
        let others = handlers.clone().map(|awaited| thread::spawn(move || step(&awaited)));
        run(&ready, &handlers, 1);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_handler_that_two_threads_wake_sees_what_both_did() {
    bounded(|| {
        let ready = Arc::new(Ready::default());
        let handlers = [handler(&ready, 0)];
        let others =
            [handlers[0].clone(), handlers[0].clone()].map(|awaited| thread::spawn(move || step(&awaited)));
        run(&ready, &handlers, 2);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}
