//! What the clients of a case have seen, to be told when it fails.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use stomp_session::client::Listener;

/// No more than this is told of a case: what it saw last.
const TOLD: usize = 60;

/// The notices of all clients since the case began.
static SEEN: Mutex<Vec<(Instant, String)>> = Mutex::new(Vec::new());

fn seen() -> MutexGuard<'static, Vec<(Instant, String)>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets what the clients of the case before have seen.
pub(crate) fn begin() {
    seen().clear();
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
