//! Rounds in which all take turns.

use std::{
    env, io,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    contest::Contestant,
    goals,
    measure::Hosts,
    results::{Heap, Outcome, Results},
    rows::{self, Row},
};

/// Slices of each.
const ROUNDS: usize = 11;
/// Runs of a check.
const CHECKS: usize = 3;
const JSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/client.jsonl");

/// A row whose contestant is connected.
struct Place {
    row: PlaceOf,
    /// `None` only while it runs.
    contestant: Option<Box<dyn Contestant>>,
    outcome: Outcome,
}

/// What is left of a [`Row`] once it has started.
struct PlaceOf {
    host: crate::measure::Host,
    messages: usize,
    is_ping_pong: bool,
}

/// Measures all rows whose names begin with `only`, prints them, and tells which goals were missed.
///
/// # Errors
/// Returns an error if the results cannot be written.
pub fn once(only: &str) -> io::Result<Vec<bool>> {
    let hosts = Hosts::start();
    let rows = rows::all(hosts.address()).into_iter().filter(|row| row.name.starts_with(only));
    let mut places: Vec<_> = rows.map(|row| Place::new(&hosts, row)).collect();
    for round in 0..=ROUNDS {
        eprint!("\rround {round} of {ROUNDS}");
        places.iter_mut().for_each(|place| place.run(&hosts));
        if round == 0 {
            // It was to fill buffers.
            places.iter_mut().for_each(Place::forget);
        }
    }
    eprintln!();
    let outcomes = places.into_iter().map(|place| place.outcome).collect();
    let heap = if "idle".starts_with(only) { heap()? } else { Vec::new() };
    let results = Results { outcomes, heap };
    results.print();
    results.write_json(Path::new(JSON))?;
    Ok(goals::judge(&results))
}

/// Measures three times. Returns how many goals were missed in more than half of them.
///
/// # Errors
/// Returns an error if the results cannot be written.
pub fn check(only: &str) -> io::Result<usize> {
    let missed = (0..CHECKS).map(|_| once(only)).collect::<io::Result<Vec<_>>>()?;
    let goals = missed.first().map_or(0, Vec::len);
    Ok((0..goals).filter(|goal| missed.iter().filter(|run| run[*goal]).count() * 2 > CHECKS).count())
}

/// Runs one row alone, that many slices, for a profile. Returns `None` if there is none of that name.
#[must_use]
pub fn work(name: &str, rounds: usize) -> Option<()> {
    let hosts = Hosts::start();
    let row = rows::all(hosts.address()).into_iter().find(|row| row.name == name)?;
    let mut place = Place::new(&hosts, row);
    (0..rounds).for_each(|_| place.run(&hosts));
    let results = Results { outcomes: vec![place.outcome], heap: Vec::new() };
    results.print();
    Some(())
}

impl Place {
    fn new(hosts: &Hosts, row: Row) -> Self {
        let is_ping_pong = row.is_ping_pong();
        let Row { name, host, messages, start } = row;
        let contestant = Some(hosts.connect(host, start));
        let row = PlaceOf { host, messages, is_ping_pong };
        Self { row, contestant, outcome: Outcome { name, ..Outcome::default() } }
    }

    fn run(&mut self, hosts: &Hosts) {
        let PlaceOf { host, messages, is_ping_pong } = self.row;
        let Some(contestant) = self.contestant.take() else { return };
        let (contestant, time) = if is_ping_pong {
            let (contestant, time, waits) = hosts.ping_pong(host, contestant, messages);
            self.outcome.add_waits(waits);
            (contestant, time)
        } else {
            hosts.slice(host, contestant, messages)
        };
        self.contestant = Some(contestant);
        self.outcome.cpu.push(time.as_nanos() as f64 / messages as f64);
    }

    fn forget(&mut self) {
        self.outcome.cpu.clear();
        self.outcome.wall.clear();
    }
}

/// Counted by a program of its own, whose allocator counts: here that would cost those who allocate.
fn heap() -> io::Result<Vec<Heap>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "run",
            "-q",
            "--release",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .args(["--bin", "heap"])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("the heap cannot be counted"));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let heap = lines.lines().filter_map(|line| line.rsplit_once('\t'));
    Ok(heap
        .filter_map(|(name, octets)| Some(Heap { name: name.to_owned(), octets: octets.parse().ok()? }))
        .collect())
}
