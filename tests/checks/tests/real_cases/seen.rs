//! What the clients of a case have seen, to be told when it fails.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use stomp_session::{
    Lost,
    client::{Listener, Notice},
};

/// No more than this is told of a case: what it saw last.
const TOLD: usize = 60;

/// The notices of all clients since the case began.
static SEEN: Mutex<Vec<(Instant, String)>> = Mutex::new(Vec::new());

/// Whether a connection has ended since then that its client had not left.
static LOST: AtomicBool = AtomicBool::new(false);

fn seen() -> MutexGuard<'static, Vec<(Instant, String)>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets what the clients of the case before have seen.
pub(crate) fn begin() {
    seen().clear();
    LOST.store(false, Ordering::Relaxed);
}

/// Whether a client of the case has lost a connection.
pub(crate) fn has_lost_connection() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Notes what happens.
pub(crate) fn note(text: String) {
    let mut seen = seen();
    if seen.len() >= 2 * TOLD {
        seen.drain(..TOLD);
    }
    seen.push((Instant::now(), text));
}

/// Notes what a client is told, until it ends.
pub(super) fn watch(mut notices: Listener) {
    smol::spawn(async move {
        while let Some(notice) = notices.next().await {
            if matches!(&notice, Notice::Disconnected { reason, .. } if *reason != Lost::Disconnected) {
                LOST.store(true, Ordering::Relaxed);
            }
            note(format!("{notice:?}"));
        }
    })
    .detach();
}

/// What was seen last, each with the time since the case began.
pub(crate) fn told(began: Instant) -> String {
    let seen = seen();
    let last = &seen[seen.len().saturating_sub(TOLD)..];
    let line = |(at, text): &(Instant, String)| {
        format!("  {:7.3} s  {text}\n", at.saturating_duration_since(began).as_secs_f64())
    };
    last.iter().map(line).collect()
}
