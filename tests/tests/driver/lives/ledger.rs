//! What a life has promised, and what has come of it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use stomp_session::client::{CommitError, Message, SendError};
use stomp_testkit::broker::Broker;

/// What is known of bodies, each of which is sent once.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    confirmed: BTreeSet<String>,
    /// Said not to have been sent, or aborted.
    never: BTreeSet<String>,
    /// Seen by a consumer, whatever became of it.
    seen: BTreeSet<String>,
    /// Whose message the broker may have forgotten.
    handled: BTreeSet<String>,
}

impl Ledger {
    fn with<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(super) fn sent(&self, body: String, outcome: &Result<(), SendError>) {
        self.with(|entries| match outcome {
            Ok(()) => _ = entries.confirmed.insert(body),
            Err(SendError::Rejected(_) | SendError::Unknown(_)) => {}
            Err(_) => _ = entries.never.insert(body),
        });
    }

    pub(super) fn committed(&self, bodies: Vec<String>, outcome: &Result<(), CommitError>) {
        self.with(|entries| match outcome {
            Ok(()) => entries.confirmed.extend(bodies),
            Err(CommitError::Command(_)) => entries.never.extend(bodies),
            Err(_) => {}
        });
    }

    pub(super) fn aborted(&self, bodies: Vec<String>) {
        self.with(|entries| entries.never.extend(bodies));
    }

    pub(super) fn saw(&self, message: &Message) {
        let body = text(message.body());
        self.with(|entries| entries.seen.insert(body));
    }

    pub(super) fn handled(&self, message: &Message) {
        let body = text(message.body());
        self.with(|entries| entries.handled.insert(body));
    }

    /// Whatever was confirmed was handled or is still there, and what was never sent is nowhere.
    #[track_caller]
    pub(super) fn balance(&self, broker: &Broker, seed: u64) {
        let kept: BTreeSet<_> =
            broker.queues().iter().flat_map(|queue| broker.messages(queue)).map(|body| text(&body)).collect();
        self.with(|entries| {
            let there = |body: &&String| kept.contains(*body) || entries.handled.contains(*body);
            let lost: Vec<_> = entries.confirmed.iter().filter(|body| !there(body)).collect();
            assert!(lost.is_empty(), "seed {seed}: confirmed and lost: {lost:?}");
            let undone = |body: &&String| kept.contains(*body) || entries.seen.contains(*body);
            let ghosts: Vec<_> = entries.never.iter().filter(undone).collect();
            assert!(ghosts.is_empty(), "seed {seed}: never sent, and there: {ghosts:?}");
        });
    }

    pub(super) fn totals(&self) -> [u64; 3] {
        let count = |set: &BTreeSet<String>| set.len() as u64;
        self.with(|entries| [count(&entries.confirmed), count(&entries.never), count(&entries.handled)])
    }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}
