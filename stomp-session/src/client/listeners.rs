//! The notices that the listeners of a session have not read yet.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    task::Waker,
};

use super::notice::Notice;
use crate::Closed;

/// The notices that one listener has not read yet.
#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice>,
    octets: usize,
    missed: u64,
    traces: bool,
    waker: Option<Waker>,
}

/// The octets of notices that may wait for their listener. Beyond them, the listener misses notices.
const BUDGET: usize = 256 * 1024;

impl Queue {
    fn push(&mut self, notice: &Notice) {
        if notice.is_traced() && !self.traces {
            return;
        }
        let size = notice.size();
        // The end is told whatever else was missed.
        if self.octets.saturating_add(size) > BUDGET && !matches!(notice, Notice::Closed(_)) {
            self.missed = self.missed.saturating_add(1);
            return;
        }
        self.confess();
        self.notices.push_back(notice.clone());
        self.octets = self.octets.saturating_add(size);
    }

    /// Adds a notice of what was missed, once there is room again.
    fn confess(&mut self) {
        if let missed @ 1.. = mem::take(&mut self.missed) {
            self.notices.push_back(Notice::Missed(missed));
            self.octets = self.octets.saturating_add(size_of::<Notice>());
        }
    }

    fn pop(&mut self) -> Option<Notice> {
        if self.notices.is_empty() {
            self.confess();
        }
        let notice = self.notices.pop_front()?;
        self.octets = self.octets.saturating_sub(notice.size());
        Some(notice)
    }
}

/// All listeners of a session.
#[derive(Default)]
pub(super) struct Listeners {
    queues: BTreeMap<u64, Queue>,
    next: u64,
}

impl Listeners {
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(super) fn any_traces(&self) -> bool {
        self.queues.values().any(|queue| queue.traces)
    }

    /// Adds a listener. If the session has ended, this is its first notice.
    pub(super) fn add(&mut self, traces: bool, closed: Option<&Closed>) -> u64 {
        let id = self.next;
        self.next = id.saturating_add(1);
        let mut queue = Queue { traces, ..Queue::default() };
        if let Some(closed) = closed {
            queue.push(&Notice::Closed(closed.clone()));
        }
        self.queues.insert(id, queue);
        id
    }

    /// Adds a notice to all queues. `wake` gets the wakers of listeners that have something to read.
    pub(super) fn tell(&mut self, notice: &Notice, mut wake: impl FnMut(Option<Waker>)) {
        for queue in self.queues.values_mut() {
            queue.push(notice);
            if !queue.notices.is_empty() {
                wake(queue.waker.take());
            }
        }
    }

    /// Takes the next notice of this listener, or stores the waker. Also returns a waker that is no longer needed.
    pub(super) fn take(&mut self, id: u64, waker: Waker) -> (Option<Notice>, Option<Waker>) {
        let Some(queue) = self.queues.get_mut(&id) else { return (None, Some(waker)) };
        match queue.pop() {
            Some(notice) => (Some(notice), Some(waker)),
            None => (None, queue.waker.replace(waker)),
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Waker> {
        self.queues.remove(&id)?.waker
    }
}
