//! What the process uses, and how long messages take.

use std::{
    fmt, fs,
    io::{self, Write},
    time::Duration,
};

use super::load::Load;

/// One look at the process.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The time since the start.
    pub at: Duration,
    /// The memory that is resident, in KiB.
    pub memory: u64,
    /// The open file descriptors.
    pub files: usize,
    /// The tasks of the runtime.
    pub tasks: usize,
    /// The threads.
    pub threads: u64,
    /// The messages that were received so far, of those that are sent at least once.
    pub received: u64,
    /// The median of their latencies since the last sample, and the 99th percentile.
    pub latency: (Duration, Duration),
}

impl Sample {
    pub(super) fn take(at: Duration, runtime: &tokio::runtime::Runtime, loads: &[Load]) -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let mut latencies: Vec<_> = loads.iter().flat_map(|load| load.ledger.take_latencies()).collect();
        latencies.sort();
        let part = |hundredths: usize| {
            latencies.get((latencies.len() * hundredths / 100).min(latencies.len().saturating_sub(1)))
        };
        Ok(Self {
            at,
            memory: field(&status, "VmRSS:"),
            files: fs::read_dir("/proc/self/fd")?.count(),
            tasks: runtime.metrics().num_alive_tasks(),
            threads: field(&status, "Threads:"),
            received: loads.iter().map(|load| load.ledger.total()).sum(),
            latency: (part(50).copied().unwrap_or_default(), part(99).copied().unwrap_or_default()),
        })
    }

    /// Writes it as a line of JSON.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { at, memory, files, tasks, threads, received, latency: (median, most) } = self;
        writeln!(
            out,
            r#"{{"s":{:.1},"memory_kib":{memory},"files":{files},"tasks":{tasks},"threads":{threads},"received":{received},"p50_ms":{:.3},"p99_ms":{:.3}}}"#,
            at.as_secs_f64(),
            median.as_secs_f64() * 1e3,
            most.as_secs_f64() * 1e3
        )
    }
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, memory, files, tasks, threads, received, latency: (median, most) } = self;
        write!(
            f,
            "{:>5} s: {memory} KiB, {files} files, {tasks} tasks, {threads} threads, {received} received, p50 {median:.1?}, p99 {most:.1?}",
            at.as_secs()
        )
    }
}
