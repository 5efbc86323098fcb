//! Runs sessions through disasters, seed after seed: see the module `disaster`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use stomp_checks::disaster::{self, Law, Outcome, Report, Rounds};

const USAGE: &str =
    "usage: sim [--clusters] [--seeds COUNT] [--from SEED] [--jobs COUNT] [--except SEED,SEED…] [--tally] [--brief]
       sim [--clusters] --seed SEED [--trace]

Runs sessions, model brokers and a network through disasters, each seed another one, and checks the laws.

  --clusters      clusters and pairs that lose nodes, six rounds a seed, and nothing else
  --seeds COUNT   how many seeds (1000)
  --from SEED     the first one (0)
  --jobs COUNT    how many threads (all processors)
  --except SEEDS  leaves these out
  --brief         tells the law that was broken, and no more
  --tally         goes on after a violation, and counts them by law
  --seed SEED     this one alone
  --trace         writes down all that happens";

/// One in this many seeds is run twice, to see that it is the same run.
const TWICE: u64 = 64;

/// One in this many seeds is hours with queues that cannot be had, and one is SENDs that end connections.
const HOURS: u64 = 1024;

/// One in this many seeds is rounds of a cluster.
const CLUSTERS: u64 = 512;

/// What a seed stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Clusters,
    Disaster,
    Killers,
    Suspects,
}

#[derive(Debug)]
struct Arguments {
    from: u64,
    seeds: u64,
    jobs: usize,
    clusters: bool,
    trace: bool,
    tally: bool,
    brief: bool,
    except: BTreeSet<u64>,
}

fn main() -> ExitCode {
    match arguments(env::args().skip(1)) {
        Ok(Some(arguments)) => run(&arguments),
        Ok(None) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// `None` if only the usage is wanted.
fn arguments(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut arguments = Arguments {
        from: 0,
        seeds: 1000,
        jobs,
        clusters: false,
        trace: false,
        tally: false,
        brief: false,
        except: BTreeSet::new(),
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().ok_or_else(|| format!("{word} wants a number"))?;
            value.replace('_', "").parse::<u64>().map_err(|_| format!("{value} is no number"))
        };
        match word.as_str() {
            "--seeds" => arguments.seeds = number()?,
            "--from" => arguments.from = number()?,
            "--jobs" => arguments.jobs = usize::try_from(number()?).unwrap_or(usize::MAX).max(1),
            "--seed" => (arguments.from, arguments.seeds) = (number()?, 1),
            "--clusters" => arguments.clusters = true,
            "--trace" => arguments.trace = true,
            "--tally" => arguments.tally = true,
            "--brief" => arguments.brief = true,
            "--except" => arguments.except = list(&words.next().unwrap_or_default())?,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("unknown: {word}")),
        }
    }
    Ok(Some(arguments))
}

fn list(seeds: &str) -> Result<BTreeSet<u64>, String> {
    let seed = |seed: &str| seed.parse().map_err(|_| format!("{seed} is no number"));
    seeds.split(',').filter(|seed| !seed.is_empty()).map(seed).collect()
}

fn run(arguments: &Arguments) -> ExitCode {
    let start = Instant::now();
    // A panic is a finding, and is told as one.
    std::panic::set_hook(Box::new(|_| {}));
    let next = AtomicU64::new(arguments.from);
    let shared = Mutex::new((Report::default(), None::<u64>));
    let tally = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| work(arguments, &next, &shared, &tally));
        }
    });
    let (report, failed) = shared.into_inner().unwrap_or_default();
    let seconds = start.elapsed().as_secs_f64();
    let tally = tally.into_inner().unwrap_or_default();
    match failed {
        None => {
            tell(&report, seconds, &tally);
            if tally.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Some(seed) => {
            explain(arguments, seed);
            ExitCode::FAILURE
        }
    }
}

/// Runs seeds until there are no more, or somebody has found something.
fn work(
    arguments: &Arguments,
    next: &AtomicU64,
    shared: &Mutex<(Report, Option<u64>)>,
    tally: &Mutex<Tally>,
) {
    let mut sum = Report::default();
    let end = arguments.from.saturating_add(arguments.seeds);
    let mut found = None;
    while found.is_none() {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            break;
        }
        if arguments.except.contains(&seed) {
            continue;
        }
        let outcome = arguments.run_seed(seed, arguments.trace && arguments.seeds == 1);
        if arguments.trace && arguments.seeds == 1 {
            print!("{}", outcome.trace);
            println!("trace hash {:016x}", outcome.hash);
        }
        sum.add(&outcome.report);
        if let Some(violation) = outcome.violation {
            if arguments.tally {
                tally
                    .lock()
                    .into_iter()
                    .for_each(|mut tally| tally.entry(violation.law).or_default().push(seed));
            } else {
                found = Some(seed);
            }
        }
    }
    if found.is_some() {
        next.store(end, Ordering::Relaxed);
    }
    if let Ok(mut shared) = shared.lock() {
        shared.0.add(&sum);
        shared.1 = [shared.1, found].into_iter().flatten().min();
    }
}

impl Arguments {
    /// What is run for a seed.
    const fn kind(&self, seed: u64) -> Run {
        match seed % HOURS {
            _ if self.clusters => Run::Clusters,
            _ if !disaster::WHOLE => Run::Disaster,
            at if at == HOURS / 2 => Run::Suspects,
            at if at == HOURS / 8 => Run::Killers,
            _ if seed % CLUSTERS == CLUSTERS / 2 => Run::Clusters,
            _ => Run::Disaster,
        }
    }

    /// INV-19 is checked here, where two runs can be had.
    fn run_seed(&self, seed: u64, traced: bool) -> Outcome {
        match self.kind(seed) {
            Run::Clusters => return disaster::clusters(seed, traced),
            Run::Suspects => return disaster::suspects(seed, traced),
            Run::Killers => return disaster::killers(seed, traced),
            Run::Disaster => {}
        }
        let octets = disaster::octets(seed);
        let outcome = disaster::run(&octets, traced);
        if seed.is_multiple_of(TWICE) { disaster::compare(outcome, &octets) } else { outcome }
    }
}

/// The seeds that break each law.
type Tally = BTreeMap<Law, Vec<u64>>;

fn tell(report: &Report, seconds: f64, tally: &Tally) {
    println!(
        "{} seeds in {seconds:.1} s: {} sessions, {:.1} virtual hours, {} dials, {} connections",
        report.runs,
        report.sessions,
        report.elapsed.as_secs_f64() / 3600.0,
        report.dials,
        report.connections
    );
    println!(
        "{} messages delivered, {} results, {} clients moved by themselves",
        report.handed, report.results, report.rebalanced
    );
    for (fault, count) in &report.faults {
        println!("{count:>10} {fault}");
    }
    tell_rounds(report);
    for (law, seeds) in tally {
        println!("{:>10} {law}: seeds {:?}", seeds.len(), &seeds[..seeds.len().min(100)]);
    }
    println!("{} violations", tally.values().map(Vec::len).sum::<usize>());
}

/// One line for each kind of what went wrong with clusters.
fn tell_rounds(report: &Report) {
    if report.rounds_of.is_empty() {
        return;
    }
    let heads = ["rounds", "confirmed", "lost", "copies", "longest gap", "after it could"];
    let [rounds, confirmed, lost, copies, gap, late] = heads;
    println!("{rounds:>10} {confirmed:>10} {lost:>6} {copies:>8} {gap:>12} {late:>15}");
    for (incident, of) in &report.rounds_of {
        let (gap, late) = (of.gap.as_secs_f64(), of.late.as_secs_f64());
        let Rounds { rounds, confirmed, lost, copies, .. } = of;
        println!(
            "{rounds:>10} {confirmed:>10} {lost:>6} {copies:>8} {gap:>10.1} s {late:>13.1} s  {incident}"
        );
    }
}

fn explain(arguments: &Arguments, seed: u64) {
    let octets = disaster::octets(seed);
    let found = arguments.run_seed(seed, false);
    println!("seed {seed}");
    if let Some(violation) = &found.violation {
        println!("{violation}");
    }
    if !arguments.trace && !arguments.brief && arguments.kind(seed) == Run::Disaster {
        let short = disaster::run(&disaster::shrink(&octets), true);
        println!("--- shrunk:\n{}", short.trace);
        short.violation.iter().for_each(|violation| println!("{violation}"));
    }
    let clusters = if arguments.clusters { " --clusters" } else { "" };
    println!("replay: sim{clusters} --seed {seed} --trace");
}
