//! On which core a thread runs. If the other side of a ping-pong is on another one, each message is the time in which an idle
//! core wakes up, which differs by the whole figure between two runs.

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps this thread on one core until it is dropped: the last one that the program may use. Only Linux can do it.
pub(crate) struct Pinned {
    #[cfg(target_os = "linux")]
    before: Option<CpuSet>,
}

#[cfg(target_os = "linux")]
impl Pinned {
    pub(crate) fn new() -> Self {
        let before = sched_getaffinity(None).ok();
        let last = before.and_then(|before| (0..CpuSet::MAX_CPU).rev().find(|core| before.is_set(*core)));
        if let Some(last) = last {
            let mut only = CpuSet::new();
            only.set(last);
            _ = sched_setaffinity(None, &only);
        }
        Self { before }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            _ = sched_setaffinity(None, before);
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Pinned {
    pub(crate) const fn new() -> Self {
        Self {}
    }
}
