//! Ends a process whose case does not end: whatever it waits for, the suite goes on with the next broker.

use std::{
    fs,
    path::Path,
    process::{self, Command},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::record::Record;

/// Longer than any case takes, even on a busy machine. Each wait within a case has an end of its own, which comes before.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Watches the cases of this process.
pub(crate) struct Watchdog(Arc<Mutex<Option<Running>>>);

/// The case that runs, and what is recorded if it never ends.
struct Running {
    since: Instant,
    record: Record,
}

impl Watchdog {
    /// Begins to watch. Records go to that file.
    pub(crate) fn start(records: &Path) -> Self {
        let running = Arc::new(Mutex::new(None));
        let (watched, records) = (Arc::clone(&running), records.to_owned());
        thread::spawn(move || watch(&watched, &records));
        Self(running)
    }

    /// A case begins, of which this is recorded if it never ends.
    pub(crate) fn begin(&self, record: Record) {
        *lock(&self.0) = Some(Running { since: Instant::now(), record });
    }

    /// The case has ended.
    pub(crate) fn end(&self) {
        *lock(&self.0) = None;
    }
}

fn lock(running: &Mutex<Option<Running>>) -> MutexGuard<'_, Option<Running>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(watched: &Mutex<Option<Running>>, records: &Path) {
    loop {
        thread::sleep(Duration::from_secs(1));
        let running = lock(watched);
        if let Some(Running { since, record }) = &*running
            && since.elapsed() > LIMIT
        {
            println!("{}: {} did not end within {LIMIT:?}", record.broker, record.case);
            let _ = record.append(records);
            kill_children();
            process::exit(1);
        }
    }
}

/// Kills what this process has started and not waited for: its broker, and the programs of the case.
fn kill_children() {
    let own = process::id().to_string();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The program's name may hold blanks, and is in brackets: behind it are the state and the parent.
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        if parent == Some(&*own) {
            let _ = Command::new("kill").args(["-KILL", &name]).status();
        }
    }
}
