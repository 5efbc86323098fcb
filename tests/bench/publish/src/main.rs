//! What a message costs that is published: CPU time of the client's thread over a socket, ours beside async-stomp's `feed`.

#![forbid(unsafe_code)]

mod contestants;
mod sink;

use std::{env, net::SocketAddr, process::ExitCode};

use contestants::{Bulk, Contestant, Feed, Single};
use cpu_time::ThreadTime;
use stomp_bench::table;
use tokio::runtime::{Builder, Runtime};

/// The argument with which a profile is taken.
const WORK: &str = "--work";
const USAGE: &str = "usage: publish [--check | --work NAME ROUNDS]";
/// Messages in a slice.
const MESSAGES: usize = 20_000;
/// Slices of each.
const ROUNDS: usize = 21;
const CHECKS: usize = 3;

/// Whose time ours is compared with, and the least that it must be in times of ours.
const GOALS: [(&str, &str, f64); 2] = [
    ("publisher, plain", "async-stomp, feed, plain", 1.7),
    ("publisher, confirmed", "async-stomp, feed, confirmed", 1.5),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {
            run();
            ExitCode::SUCCESS
        }
        ["--check"] => check(),
        [WORK, name, rounds] => work(name, rounds).map_or_else(usage, |()| ExitCode::SUCCESS),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// One of them alone, that many slices.
fn work(name: &str, rounds: &str) -> Option<()> {
    let rounds = rounds.parse().ok()?;
    let (runtime, contestants) = start();
    let (_, mut contestant) = contestants.into_iter().find(|(contestant, _)| *contestant == name)?;
    (0..rounds).for_each(|_| _ = slice(&runtime, &mut *contestant));
    Some(())
}

/// Each with its name.
type Contestants = Vec<(&'static str, Box<dyn Contestant>)>;

/// All of them, connected.
fn start() -> (Runtime, Contestants) {
    let address = sink::start().expect("a loopback port");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let contestants = runtime.block_on(all(address));
    (runtime, contestants)
}

/// Fails when a goal is missed in two of three runs.
fn check() -> ExitCode {
    let missed: Vec<_> = (0..CHECKS).map(|_| run()).collect();
    let often = (0..GOALS.len()).filter(|goal| missed.iter().filter(|run| run[*goal]).count() * 2 > CHECKS);
    let count = often.count();
    println!("{count} missed");
    if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures all, prints it, and says which goals were missed.
fn run() -> Vec<bool> {
    let (runtime, mut contestants) = start();
    let mut times = vec![Vec::new(); contestants.len()];
    for round in 0..=ROUNDS {
        for (times, (_, contestant)) in times.iter_mut().zip(&mut contestants) {
            let time = slice(&runtime, &mut **contestant);
            // The first is to fill buffers.
            if round > 0 {
                times.push(time);
            }
        }
    }
    let medians: Vec<_> =
        contestants.iter().map(|(name, _)| *name).zip(times.into_iter().map(median)).collect();
    print(&medians);
    judge(&medians)
}

async fn all(address: SocketAddr) -> Contestants {
    vec![
        ("async-stomp, feed, plain", Feed::connect(address, false).await),
        ("publisher, plain", Bulk::connect(address, false).await),
        ("prepared sends, plain", Single::connect(address, true).await),
        ("sends, plain", Single::connect(address, false).await),
        ("async-stomp, feed, confirmed", Feed::connect(address, true).await),
        ("publisher, confirmed", Bulk::connect(address, true).await),
    ]
}

/// Nanoseconds a message.
fn slice(runtime: &Runtime, contestant: &mut dyn Contestant) -> f64 {
    let before = ThreadTime::now();
    runtime.block_on(contestant.send(MESSAGES));
    before.elapsed().as_nanos() as f64 / MESSAGES as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn print(medians: &[(&str, f64)]) {
    let mut rows = vec![["who", "ns a message"].map(str::to_owned).to_vec()];
    rows.extend(medians.iter().map(|(name, time)| vec![(*name).to_owned(), format!("{time:.0}")]));
    table::print(&rows);
}

fn judge(medians: &[(&str, f64)]) -> Vec<bool> {
    let time = |wanted| medians.iter().find(|(name, _)| *name == wanted).map_or(f64::NAN, |(_, time)| *time);
    let mut rows = vec![["goal", "wanted", "measured", ""].map(str::to_owned).to_vec()];
    let mut missed = Vec::new();
    for (ours, theirs, wanted) in GOALS {
        let ratio = time(theirs) / time(ours);
        missed.push(ratio < wanted);
        let verdict = if ratio < wanted { "MISSED" } else { "" };
        let row =
            [format!("{theirs} / {ours}"), format!("{wanted}"), format!("{ratio:.2}"), verdict.to_owned()];
        rows.push(row.to_vec());
    }
    table::print(&rows);
    missed
}
