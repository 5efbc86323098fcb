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

use stomp_testkit::disaster::{self, Law, Outcome, Report};

const USAGE: &str =
    "usage: sim [--seeds COUNT] [--from SEED] [--jobs COUNT] [--except SEED,SEED…] [--tally] [--brief]
       sim --seed SEED [--trace]

Runs sessions, model brokers and a network through disasters, each seed another one, and checks the laws.

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

/// One in this many seeds is hours with queues that cannot be had.
const HOURS: u64 = 1024;

#[derive(Debug)]
struct Arguments {
    from: u64,
    seeds: u64,
    jobs: usize,
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
            explain(seed, arguments.trace, arguments.brief);
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
        let outcome = run_seed(seed, arguments.trace && arguments.seeds == 1);
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

/// INV-19 is checked here, where two runs can be had.
fn run_seed(seed: u64, traced: bool) -> Outcome {
    if is_long(seed) {
        return disaster::suspects(seed, traced);
    }
    let octets = disaster::octets(seed);
    let outcome = disaster::run(&octets, traced);
    if seed.is_multiple_of(TWICE) { disaster::compare(outcome, &octets) } else { outcome }
}

/// The seeds that break each law.
type Tally = BTreeMap<Law, Vec<u64>>;

/// Whether a seed is hours with queues that cannot be had.
const fn is_long(seed: u64) -> bool {
    disaster::WHOLE && seed % HOURS == HOURS / 2
}

fn tell(report: &Report, seconds: f64, tally: &Tally) {
    println!(
        "{} seeds in {seconds:.1} s: {} sessions, {:.1} virtual hours, {} dials, {} connections",
        report.runs,
        report.sessions,
        report.elapsed.as_secs_f64() / 3600.0,
        report.dials,
        report.connections
    );
    println!("{} messages delivered, {} results", report.handed, report.results);
    for (fault, count) in &report.faults {
        println!("{count:>10} {fault}");
    }
    for (law, seeds) in tally {
        println!("{:>10} {law}: seeds {:?}", seeds.len(), &seeds[..seeds.len().min(100)]);
    }
    println!("{} violations", tally.values().map(Vec::len).sum::<usize>());
}

fn explain(seed: u64, traced: bool, brief: bool) {
    let octets = disaster::octets(seed);
    let found = run_seed(seed, false);
    println!("seed {seed}");
    if let Some(violation) = &found.violation {
        println!("{violation}");
    }
    if !traced && !brief && !is_long(seed) {
        let short = disaster::run(&disaster::shrink(&octets), true);
        println!("--- shrunk:\n{}", short.trace);
        short.violation.iter().for_each(|violation| println!("{violation}"));
    }
    println!("replay: sim --seed {seed} --trace");
}
