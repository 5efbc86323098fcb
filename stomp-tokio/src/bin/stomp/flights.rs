//! Work that is done side by side and begun in order, with a bound.

use std::{
    future::{Future, poll_fn, ready},
    task::Poll,
};

use tokio::task::JoinSet;

/// A bounded number of futures under way.
pub(crate) struct Flights<T> {
    tasks: JoinSet<T>,
    bound: usize,
}

impl<T: Send + 'static> Flights<T> {
    pub(crate) fn new(bound: usize) -> Self {
        Self { tasks: JoinSet::new(), bound: bound.max(1) }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.tasks.len() >= self.bound
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Begins one. It is polled before this returns: a send takes its place in the order of first polls.
    pub(crate) async fn begin(&mut self, work: impl Future<Output = T> + Send + 'static) {
        let mut work = Box::pin(work);
        match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            Poll::Ready(done) => self.tasks.spawn(ready(done)),
            Poll::Pending => self.tasks.spawn(work),
        };
    }

    /// The next one that is done, or `None` when none is under way. It is cancel safe.
    pub(crate) async fn landed(&mut self) -> Option<T> {
        loop {
            match self.tasks.join_next().await? {
                Ok(done) => return Some(done),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
    }
}
