//! Clusters of real brokers under load, while their nodes die: `clusters [--kind KIND]… [--rounds N] [--seconds S]`.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports, reason = "the module is for Linux"))]

use std::{
    env, io,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
use stomp_checks::cluster::{Blow, Interrupt, KINDS, Kind, Report, Trial, kinds};

const HELP: &str = "\
Runs clusters of real brokers under load (20 producers at least once, 21 consumers) while their nodes die, freeze and
lose each other, and checks after each round that everything that was confirmed has been received.

Usage: clusters [--kind KIND]... [--blow BLOW]... [--rounds N] [--seconds S] [--rebalance S]

  --kind KIND   a cluster by its name, as rabbitmq-4.3, or all that begin with that, as rabbitmq; all by default
  --blow BLOW   kill, freeze:S, black-hole:S, partition:S, most-down:S, rolling or full; those of the kind by default
  --rounds N    the number of rounds for each kind; each of its blows once by default
  --seconds S   begin no round of a kind after this number of seconds
  --rebalance S the clients rebalance every S seconds, and are at all nodes again at the end of each round
  --help        print this text

Columns: `outage` is the longest time for which no node took messages, as probes saw it; `traffic` the longest time for
which no new message was received; `client` the longest time for which one client was without a confirmation, or without
a message; `own` the longest part of such a time in which the cluster took messages, which is the client's share; `at`
how many clients each node has at the end.

Linux, root and the program `ip` are needed. The exit code is 1 if a message was lost or given up or a subscription has
ended, or if a cluster failed, and 2 if a client was later than is allowed.
";

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("clusters runs on Linux");
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let task = match Task::of(env::args().skip(1)) {
        Ok(Some(task)) => task,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("clusters: {wrong}\n\n{HELP}");
            return ExitCode::from(1);
        }
    };
    let interrupt = Interrupt::default();
    listen_for_signals(&interrupt);
    let (mut report, mut failed) = (Report::default(), false);
    for kind in &task.kinds {
        if let Err(error) = rounds(kind, &task, &interrupt, &mut report) {
            println!("{}: {error}", kind.name);
            failed = true;
        }
    }
    println!("\n{report}");
    match (failed || report.broken() > 0, report.late() > 0) {
        (true, _) => ExitCode::from(1),
        (false, true) => ExitCode::from(2),
        (false, false) => ExitCode::SUCCESS,
    }
}

#[cfg(target_os = "linux")]
fn rounds(kind: &'static Kind, task: &Task, interrupt: &Interrupt, report: &mut Report) -> io::Result<()> {
    let began = Instant::now();
    let mut trial = Trial::start(kind, task.rebalance, interrupt)?;
    println!("{} is up after {:.1?}", kind.description.name, began.elapsed());
    let blows = if task.blows.is_empty() { kind.blows } else { &task.blows };
    for blow in blows.iter().cycle().take(task.rounds.unwrap_or(blows.len())) {
        if task.seconds.is_some_and(|seconds| began.elapsed() > seconds) {
            break;
        }
        let row = trial.round(*blow)?;
        println!("{row}");
        report.add(row);
    }
    Ok(())
}

/// Brokers are ended by whoever started them, and so on an interrupt as well.
#[cfg(target_os = "linux")]
fn listen_for_signals(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let waited = runtime.and_then(|runtime| runtime.block_on(signal()));
        if let Err(error) = waited {
            eprintln!("clusters: signals are not heard: {error}");
            return;
        }
        interrupt.set();
    });
}

#[cfg(target_os = "linux")]
async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    std::future::poll_fn(|cx| {
        let signals = [&mut interrupt, &mut terminate, &mut hangup];
        let came = signals.into_iter().any(|signal| signal.poll_recv(cx).is_ready());
        if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    Ok(())
}

#[cfg(target_os = "linux")]
#[derive(Default)]
struct Task {
    kinds: Vec<&'static Kind>,
    blows: Vec<Blow>,
    rounds: Option<usize>,
    seconds: Option<Duration>,
    rebalance: Option<Duration>,
}

#[cfg(target_os = "linux")]
impl Task {
    /// `None` if only the help is asked for.
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut task = Self::default();
        while let Some(option) = arguments.next() {
            if option == "--help" || option == "-h" {
                return Ok(None);
            }
            let value = arguments.next().ok_or_else(|| format!("{option} takes a value"))?;
            let wrong = || format!("{option} cannot be {value}");
            match option.as_str() {
                "--kind" => task
                    .kinds
                    .extend(Some(kinds(&value)).filter(|kinds| !kinds.is_empty()).ok_or_else(wrong)?),
                "--blow" => task.blows.push(Blow::named(&value).ok_or_else(wrong)?),
                "--rounds" => task.rounds = Some(value.parse().map_err(|_| wrong())?),
                "--seconds" => task.seconds = Some(seconds(&value).ok_or_else(wrong)?),
                "--rebalance" => task.rebalance = Some(seconds(&value).ok_or_else(wrong)?),
                _ => return Err(format!("unknown option {option}")),
            }
        }
        if task.kinds.is_empty() {
            task.kinds = KINDS.iter().collect();
        }
        Ok(Some(task))
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}
