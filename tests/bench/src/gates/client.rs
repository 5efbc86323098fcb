//! What the client costs: a program of its own, since a feature is compiled in or it is not.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::callgrind::total;

/// Passes, and as many more: what start and end cost cancels out.
const PASSES: u64 = 20;

/// Messages in a pass of that program.
const MESSAGES: u64 = 256;

/// What a message costs.
pub(crate) fn count_one(what: &str) -> Result<f64, String> {
    Ok(count(what, &[])? / (PASSES * MESSAGES) as f64)
}

/// What a message costs with tracing compiled in, relative to what it costs without.
pub(crate) fn count_traced(what: &str) -> Result<f64, String> {
    Ok(count(what, &["--features", "tracing"])? / count(what, &[])?)
}

/// What all messages of those passes cost.
fn count(what: &str, features: &[&str]) -> Result<f64, String> {
    let program = build(features)?;
    let [fewer, more] = [PASSES, 2 * PASSES].map(|passes| total(&program, &[what], passes));
    Ok(more?.saturating_sub(fewer?) as f64)
}

/// Both are built in one folder, from which a build takes the other's program away.
fn build(features: &[&str]) -> Result<PathBuf, String> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = bench.join("target/client");
    let kept = target.join(if features.is_empty() { "plain" } else { "traced" });
    let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "-q", "--release", "--manifest-path"])
        .arg(bench.join("client/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(features)
        .status();
    match built {
        Ok(status) if status.success() => {}
        other => return Err(format!("the client cannot be built: {other:?}")),
    }
    fs::copy(target.join("release/client"), &kept).map_err(|error| error.to_string())?;
    Ok(kept)
}
