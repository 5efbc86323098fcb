//! Waiting until the broker of a server is in a state, and the states for which tests wait most.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, mpsc::Sender},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{
    hub::Report,
    shared::{Shared, Unmet},
};
use crate::broker::Broker;

/// Waits until a condition holds, see [`Server::wait_for`](super::Server::wait_for).
///
/// It is a future, which any runtime can poll and which needs no timer of the runtime. [`blocking`](Self::blocking)
/// waits on the current thread instead.
///
/// # Cancel safety
/// Dropping it ends the wait, and nothing else.
#[must_use = "nothing is waited for unless it is awaited, or `blocking` is called"]
pub struct Wait<C> {
    shared: Arc<Shared>,
    reports: Sender<Report>,
    condition: C,
    timeout: Duration,
    /// From the first poll.
    deadline: Option<Instant>,
    sleeper: Option<u64>,
}

impl<C: FnMut(&Broker) -> bool> Wait<C> {
    pub(super) fn new(shared: Arc<Shared>, reports: Sender<Report>, timeout: Duration, condition: C) -> Self {
        Self { shared, reports, condition, timeout, deadline: None, sleeper: None }
    }

    /// Waits on the current thread.
    ///
    /// # Errors
    /// Returns an error if the condition does not hold in time, or if the server is stopped before it does.
    pub fn blocking(mut self) -> Result<(), WaitError> {
        let deadline = after(self.timeout);
        let waited = self.shared.wait(deadline, &mut self.condition);
        waited.map_err(|(unmet, state)| self.error(unmet, state))
    }

    fn error(&self, unmet: Unmet, state: String) -> WaitError {
        let timeout = (unmet == Unmet::TimedOut).then_some(self.timeout);
        WaitError { timeout, state }
    }

    /// Makes sure that `context` is woken when the broker changes, or when it is too late.
    fn arm(&mut self, deadline: Instant, context: &Context<'_>) {
        let waker = context.waker().clone();
        match self.sleeper {
            Some(sleeper) => self.shared.set_waker(sleeper, waker),
            None => self.sleeper = Some(self.shared.add_sleeper(deadline, waker)),
        }
        // If the server has stopped, that is seen next.
        _ = self.reports.send(Report::Waiting);
    }
}

impl<C: FnMut(&Broker) -> bool + Unpin> Future for Wait<C> {
    type Output = Result<(), WaitError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let wait = self.get_mut();
        let deadline = *wait.deadline.get_or_insert_with(|| after(wait.timeout));
        // Before the condition is asked: what changes after it wakes us.
        wait.arm(deadline, context);
        let Self { shared, condition, .. } = wait;
        if shared.enter(|broker| condition(broker)) {
            return Poll::Ready(Ok(()));
        }
        let Some(unmet) = shared.unmet(deadline) else { return Poll::Pending };
        let state = shared.lock().snapshot().to_string();
        Poll::Ready(Err(wait.error(unmet, state)))
    }
}

/// Longer than any test runs. A clock can be that far ahead on every system.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The end of a wait that begins now. One that the clock cannot tell is as good as none.
fn after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + FAR)
}

impl<C> Drop for Wait<C> {
    fn drop(&mut self) {
        if let Some(sleeper) = self.sleeper {
            self.shared.remove_sleeper(sleeper);
        }
    }
}

impl<C> fmt::Debug for Wait<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The broker did not get into the state that was waited for.
///
/// Its text ends with the state in which the broker was: connections, subscriptions and messages. `Debug` shows the
/// same text, so that a test that unwraps it can be read.
#[derive(Clone, PartialEq, Eq)]
pub struct WaitError {
    timeout: Option<Duration>,
    state: String,
}

impl WaitError {
    /// Returns `true` if the time was up, and `false` if the server was stopped.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        self.timeout.is_some()
    }

    /// Returns the state of the broker at the end of the wait, as text.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timeout {
            Some(timeout) => write!(f, "the condition did not hold within {timeout:?}")?,
            None => f.write_str("the server was stopped before the condition held")?,
        }
        write!(f, "; the broker at the end:\n{}", self.state)
    }
}

impl fmt::Debug for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for WaitError {}

/// The condition that a destination has been sent this number of messages or more since the broker was created,
/// whatever has become of them.
pub fn received(destination: &str, messages: u64) -> impl FnMut(&Broker) -> bool + Unpin + use<> {
    let destination = destination.to_owned();
    move |broker| broker.accepted(&destination) >= messages
}

/// The condition that a destination has exactly this number of consumers.
pub fn consumers(destination: &str, consumers: usize) -> impl FnMut(&Broker) -> bool + Unpin + use<> {
    let destination = destination.to_owned();
    move |broker| broker.subscribers(&destination) == consumers
}

/// The condition that exactly this number of clients are connected and have logged in.
pub fn connected(clients: usize) -> impl FnMut(&Broker) -> bool + Unpin + use<> {
    move |broker| {
        let connections = broker.connections();
        connections.into_iter().filter(|connection| broker.version(*connection).is_some()).count() == clients
    }
}

/// The condition that no message waits at a destination, and none is delivered and not acknowledged.
pub fn drained(destination: &str) -> impl FnMut(&Broker) -> bool + Unpin + use<> {
    let destination = destination.to_owned();
    move |broker| broker.depth(&destination) == 0 && broker.unacked(&destination) == 0
}
