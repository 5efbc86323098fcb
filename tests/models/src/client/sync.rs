//! Loom's locks and atomics, under the names of the client's own.

pub(super) use loom::sync::{Mutex, MutexGuard};

pub(super) mod atomic {
    use loom::sync::atomic::fence;
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};

    /// Loom takes a `SeqCst` access for one of `AcqRel`, and knows the total order of fences only. So each has a fence.
    #[derive(Debug)]
    pub(crate) struct AtomicUsize(loom::sync::atomic::AtomicUsize);

    impl AtomicUsize {
        pub(crate) fn new(value: usize) -> Self {
            Self(loom::sync::atomic::AtomicUsize::new(value))
        }

        pub(crate) fn load(&self, order: Ordering) -> usize {
            fenced(order);
            self.0.load(order)
        }

        pub(crate) fn store(&self, value: usize, order: Ordering) {
            self.0.store(value, order);
            fenced(order);
        }

        pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
            let old = self.0.fetch_add(value, order);
            fenced(order);
            old
        }

        pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
            let old = self.0.fetch_sub(value, order);
            fenced(order);
            old
        }
    }

    fn fenced(order: Ordering) {
        if order == Ordering::SeqCst {
            fence(order);
        }
    }
}
