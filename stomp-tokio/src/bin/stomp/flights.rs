//! Work that is done side by side and begun in order, with a bound.

use std::{
    future::{Future, poll_fn, ready},
    task::Poll,
};

use tokio::task::JoinSet;

/// So many octets may be under way, beside one message of any size.
const OCTETS: usize = 16 << 20;

/// A bounded number of futures under way, each with some octets.
pub(crate) struct Flights<T> {
    tasks: JoinSet<(usize, T)>,
    bound: usize,
    octets: usize,
}

impl<T: Send + 'static> Flights<T> {
    pub(crate) fn new(bound: usize) -> Self {
        Self { tasks: JoinSet::new(), bound: bound.max(1), octets: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.tasks.len() >= self.bound || self.octets >= OCTETS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Begins one. It is polled before this returns: a send takes its place in the order of first polls.
    pub(crate) async fn begin(&mut self, octets: usize, work: impl Future<Output = T> + Send + 'static) {
        self.octets += octets;
        let mut work = Box::pin(async move { (octets, work.await) });
        match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            Poll::Ready(done) => self.tasks.spawn(ready(done)),
            Poll::Pending => self.tasks.spawn(work),
        };
    }

    /// The next one that is done, or `None` when none is under way. It is cancel safe.
    pub(crate) async fn landed(&mut self) -> Option<T> {
        match self.tasks.join_next().await? {
            Ok((octets, done)) => {
                self.octets -= octets;
                Some(done)
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
