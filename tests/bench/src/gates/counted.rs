//! What the session costs, and what the client costs: programs of their own, since a feature is compiled in or it is not.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use crate::callgrind::{copies, total};

/// Passes of the smaller count, at least, and octets of it.
const PASSES: u64 = 20;
const ENOUGH: u64 = 256 * 1024;

/// The package `counted` with some features.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    features: &'static [&'static str],
    built: OnceLock<Result<PathBuf, String>>,
}

/// The session without the client.
pub(crate) static SESSION: Program = Program::new("session", &[]);
/// The client around it.
pub(crate) static CLIENT: Program = Program::new("client", &["--features", "client"]);
/// The client with tracing compiled in.
pub(crate) static TRACED: Program = Program::new("traced", &["--features", "client,tracing"]);

impl Program {
    const fn new(name: &'static str, features: &'static [&'static str]) -> Self {
        Self { name, features, built: OnceLock::new() }
    }

    /// Instructions a frame of that workload.
    pub(crate) fn instructions(&self, workload: &str) -> Result<f64, String> {
        self.per_frame(workload, total)
    }

    /// Calls of `memcpy` and `memmove` a frame.
    pub(crate) fn copies(&self, workload: &str) -> Result<f64, String> {
        self.per_frame(workload, copies)
    }

    /// Allocations a frame.
    pub(crate) fn allocations(&self, workload: &str) -> Result<f64, String> {
        self.ask(&["--allocations", workload])
    }

    /// Octets of heap that an idle session holds.
    pub(crate) fn idle(&self) -> Result<f64, String> {
        self.ask(&["--idle-session"])
    }

    /// Counts twice, with more passes the second time, so that what start and end cost cancels out.
    fn per_frame(
        &self,
        workload: &str,
        count: impl Fn(&Path, &[&str], u64) -> Result<u64, String>,
    ) -> Result<f64, String> {
        let program = self.build()?;
        let pass = self.say(&["--pass", workload])?;
        let numbers = pass
            .split_once(' ')
            .and_then(|(frames, octets)| Some((frames.parse().ok()?, octets.parse().ok()?)));
        let (frames, octets): (u64, u64) = numbers.ok_or("no such workload")?;
        let few = PASSES.min(1 + ENOUGH / octets.max(1));
        let [fewer, more] = [few, 2 * few].map(|passes| count(program, &[workload], passes));
        Ok(more?.saturating_sub(fewer?) as f64 / (few * frames) as f64)
    }

    fn ask(&self, arguments: &[&str]) -> Result<f64, String> {
        self.say(arguments)?.parse().map_err(|_| format!("no number for {arguments:?}"))
    }

    fn say(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(self.build()?).args(arguments).output();
        let Output { status, stdout, .. } = output.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&stdout).trim().to_owned();
        if status.success() { Ok(said) } else { Err(format!("{arguments:?}: {status}")) }
    }

    /// Once. All are built in one folder, from which a build takes the others' program away.
    fn build(&self) -> Result<&Path, String> {
        self.built.get_or_init(|| build(self.name, self.features)).as_deref().map_err(Clone::clone)
    }
}

fn build(name: &str, features: &[&str]) -> Result<PathBuf, String> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = bench.join("target/counted");
    let kept = target.join(name);
    let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "-q", "--release", "--manifest-path"])
        .arg(bench.join("counted/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(features)
        .status();
    match built {
        Ok(status) if status.success() => {}
        other => return Err(format!("{name} cannot be built: {other:?}")),
    }
    fs::copy(target.join("release/counted"), &kept).map_err(|error| error.to_string())?;
    Ok(kept)
}
