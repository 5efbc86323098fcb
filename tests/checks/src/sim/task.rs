//! Tasks: futures that run beside each other, their wakers, and the handles that wait for them.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use super::World;

/// Names a task. 0 is the one that the test blocks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskId(pub(super) u64);

impl TaskId {
    pub(super) const MAIN: Self = Self(0);
}

pub(super) type Spawned = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks that were woken.
#[derive(Debug, Default)]
pub(super) struct Woken(Mutex<BTreeSet<TaskId>>);

impl Woken {
    pub(super) fn add(&self, id: TaskId) {
        lock(&self.0).insert(id);
    }

    /// Takes one of those that were woken: given their count, `choose` says which.
    pub(super) fn take(&self, choose: impl FnOnce(usize) -> usize) -> Option<TaskId> {
        let mut woken = lock(&self.0);
        let chosen = woken.iter().nth(choose(woken.len())).copied()?;
        woken.remove(&chosen);
        Some(chosen)
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

/// Wakes a task by noting its name.
struct TaskWaker {
    id: TaskId,
    woken: Arc<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.woken.add(self.id);
    }
}

pub(super) fn waker(id: TaskId, woken: &Arc<Woken>) -> Waker {
    Arc::new(TaskWaker { id, woken: Arc::clone(woken) }).into()
}

/// A task: await it for its result. Dropping the handle lets it run on.
pub struct Task<T> {
    id: TaskId,
    world: World,
    outcome: Arc<Mutex<Outcome<T>>>,
}

struct Outcome<T> {
    result: Option<T>,
    waker: Option<Waker>,
}

impl<T: Send + 'static> Task<T> {
    /// The handle, and what is to be run.
    pub(super) fn new(world: World, future: impl Future<Output = T> + Send + 'static) -> (Self, Spawned) {
        let outcome = Arc::new(Mutex::new(Outcome { result: None, waker: None }));
        let id = TaskId(world.with(super::world::State::number));
        let told = Arc::clone(&outcome);
        let work = async move {
            let result = future.await;
            let waker = {
                let mut outcome = lock(&told);
                outcome.result = Some(result);
                outcome.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
        };
        (Self { id, world, outcome }, Box::pin(work))
    }
}

impl<T> Task<T> {
    pub(super) const fn id(&self) -> TaskId {
        self.id
    }

    /// Drops the task's future, wherever it stands.
    pub fn cancel(self) {
        self.world.with(|state| state.cancelled.push(self.id));
    }

    /// Whether the task has ended. Afterwards it can still be awaited.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        lock(&self.outcome).result.is_some()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut outcome = lock(&self.outcome);
        match outcome.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                outcome.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
