//! Instructions, counted by callgrind: this program runs itself under it.

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::{self, Command},
};

use stomp_bench::workload::Workload;

use crate::workload;

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
    let log = run(program, arguments, passes, Path::new("/dev/null"))?;
    collected(&log).ok_or_else(|| format!("callgrind failed: {log}"))
}

/// All calls of `memcpy` and `memmove` of such a process.
pub(crate) fn copies(program: &Path, arguments: &[&str], passes: u64) -> Result<u64, String> {
    let profile = env::temp_dir().join(format!("callgrind.{}", process::id()));
    let copies = run(program, arguments, passes, &profile)
        .and_then(|_| fs::read_to_string(&profile).map_err(|error| error.to_string()))
        .map(|profile| calls(&profile, |name| ["memcpy", "memmove"].iter().any(|copy| name.contains(copy))));
    _ = fs::remove_file(&profile);
    copies
}

/// What callgrind says, if all went well.
fn run(program: &Path, arguments: &[&str], passes: u64, profile: &Path) -> Result<String, String> {
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args(arguments)
        .arg(passes.to_string())
        .output();
    let output = output.map_err(|error| format!("{MISSING}\n({error})"))?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(log) } else { Err(format!("callgrind failed: {log}")) }
}

/// The count in callgrind's `Collected : 123`.
fn collected(log: &str) -> Option<u64> {
    log.lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok())
}

/// The calls of all functions with such names. A name is written once, with the number that stands for it from then on.
fn calls(profile: &str, is_counted: impl Fn(&str) -> bool) -> u64 {
    let mut names = BTreeMap::new();
    let (mut called, mut total) = ("", 0);
    for line in profile.lines() {
        if let Some(function) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
            let (number, name) = function.split_once(' ').unwrap_or((function, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            called = number;
        } else if let Some(calls) = line.strip_prefix("calls=")
            && names.get(called).is_some_and(|name| is_counted(name))
        {
            total += calls.split(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_name() {
        let profile = "fn=(1) main\n16 400\ncfn=(2) __memcpy_avx_unaligned\ncalls=3 0\n16 9\ncfn=(3) malloc\n\
                       calls=5 0\n16 9\nfn=(4) other\ncfn=(2)\ncalls=4 0\n";
        assert_eq!(calls(profile, |name| name.contains("memcpy")), 7);
        assert_eq!(calls(profile, |name| name == "malloc"), 5);
    }
}
