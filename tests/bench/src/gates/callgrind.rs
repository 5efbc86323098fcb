//! Instructions, counted by callgrind: this program runs itself under it.

use std::{
    env, io,
    path::Path,
    process::{Command, Output},
};

use crate::workload::{self, Workload};

/// What to do when there is no valgrind.
const MISSING: &str = "valgrind cannot be run, and without it no instruction can be counted. Install it:
    Debian, Ubuntu    apt-get install valgrind
    Fedora            dnf install valgrind
    Arch              pacman -S valgrind";

/// Octets that are enough for the difference of two counts.
const ENOUGH: u64 = 256 * 1024;

/// How many instructions a frame, or an octet, of that workload takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instructions {
    pub(crate) per_frame: f64,
    pub(crate) per_octet: f64,
}

/// Counts twice, with more passes the second time, so that what start and end cost cancels out.
pub(crate) fn count(name: &str) -> Result<Instructions, String> {
    let Workload { frames, octets, .. } = workload::find(name).ok_or("no such workload")?;
    let few = 1 + ENOUGH / octets;
    let myself = env::current_exe().map_err(|error| error.to_string())?;
    let [fewer, more] = [few, 2 * few].map(|passes| total(&myself, &[crate::WORK, name], passes));
    let instructions = more?.saturating_sub(fewer?) as f64;
    Ok(Instructions {
        per_frame: instructions / (few * frames) as f64,
        per_octet: instructions / (few * octets) as f64,
    })
}

/// All instructions of a process that runs a workload that number of times.
pub(crate) fn total(program: &Path, arguments: &[&str], passes: u64) -> Result<u64, String> {
    let output = run(program, arguments, passes).map_err(|error| format!("{MISSING}\n({error})"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    collected(&log).filter(|_| output.status.success()).ok_or_else(|| format!("callgrind failed: {log}"))
}

fn run(program: &Path, arguments: &[&str], passes: u64) -> io::Result<Output> {
    Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .arg(passes.to_string())
        .output()
}

/// The count in callgrind's `Collected : 123`.
fn collected(log: &str) -> Option<u64> {
    log.lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok())
}
