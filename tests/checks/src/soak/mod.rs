//! Endurance: mixed load on brokers that fail at random, and what the process uses meanwhile.
//!
//! A run samples memory, file descriptors, tasks and latency, draws them, and ends with a [`Verdict`]: what was lost, and what
//! has grown although the load has not.

mod chart;
mod growth;
mod ledger;
mod load;
mod sample;
mod target;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub use growth::{Growth, growth};
pub use ledger::Ledger;
pub use sample::Sample;
pub use target::Kind;

use self::{load::Load, target::Target};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For how long the load runs.
    pub length: Duration,
    /// The brokers, each with the same load.
    pub brokers: Vec<Kind>,
    /// From what faults are drawn.
    pub seed: u64,
    /// Where charts and samples are written.
    pub directory: PathBuf,
}

/// How a run has ended.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// A line for each broker.
    pub brokers: Vec<String>,
    /// The faults that were caused.
    pub faults: usize,
    /// Messages that were confirmed and never came.
    pub lost: u64,
    /// Messages that were to be sent at least once and were given up.
    pub given_up: u64,
    /// What was measured, and whether it has grown.
    pub growth: Vec<Growth>,
}

impl Verdict {
    /// Returns whether nothing was lost, nothing was given up, and nothing has grown.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.given_up == 0 && self.growth.iter().all(|growth| !growth.is_leak())
    }
}

/// Runs it, prints how it goes, and writes `soak.svg` and `soak.jsonl` into the directory of the plan.
///
/// # Errors
/// Returns an error if a broker cannot be started, or a file cannot be written.
pub fn run(plan: &Plan) -> io::Result<Verdict> {
    std::fs::create_dir_all(&plan.directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let over = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let mut targets = Vec::new();
    for (number, kind) in plan.brokers.iter().enumerate() {
        targets.push(Target::start(kind, plan.seed.wrapping_add(number as u64))?);
    }
    let loads: Vec<_> = targets
        .iter()
        .map(|target| Load::start(&runtime, &target.uri(), &target.name(), start, &over))
        .collect();
    let faults: Vec<_> = targets.into_iter().map(|target| target.trouble(start + plan.length)).collect();
    let samples = watch(plan, start, &runtime, &loads)?;
    let faults = faults.into_iter().map(|fault| fault.join().expect("the thread of faults"));
    let faults: Vec<_> = faults.collect::<io::Result<_>>()?;
    over.store(true, Ordering::Relaxed);
    let ledgers: Vec<_> = loads.into_iter().map(|load| load.finish(&runtime)).collect();
    // The brokers live until here: what was confirmed is to be received.
    let count = faults.iter().map(|(count, _)| count).sum();
    drop(faults);
    chart::write_svg(&plan.directory.join("soak.svg"), &samples)?;
    Ok(Verdict {
        brokers: ledgers.iter().map(Ledger::to_string).collect(),
        faults: count,
        lost: ledgers.iter().map(Ledger::lost).sum(),
        given_up: ledgers.iter().map(Ledger::given_up).sum(),
        growth: growth(&samples),
    })
}

/// Samples until the time is over.
fn watch(
    plan: &Plan,
    start: Instant,
    runtime: &tokio::runtime::Runtime,
    loads: &[Load],
) -> io::Result<Vec<Sample>> {
    let mut lines = io::BufWriter::new(std::fs::File::create(plan.directory.join("soak.jsonl"))?);
    let mut samples = Vec::new();
    let every = (plan.length / 720).clamp(Duration::from_secs(1), Duration::from_secs(5));
    let mut told = Duration::ZERO;
    while start.elapsed() < plan.length {
        thread::sleep(every);
        let sample = Sample::take(start.elapsed(), runtime, loads)?;
        sample.write(&mut lines)?;
        samples.push(sample);
        if start.elapsed() - told >= Duration::from_secs(60) {
            told = start.elapsed();
            println!("{}", samples.last().map(Sample::to_string).unwrap_or_default());
        }
    }
    println!("{}", chart::text(&samples));
    Ok(samples)
}
