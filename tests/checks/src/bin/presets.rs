//! Writes down what real brokers answer to the questions to which the presets are held: `presets [NAME...]`.
//!
//! It starts each of them, asks it, and writes its answers into `tests/data/presets`.

#![cfg_attr(not(unix), allow(unused_imports, reason = "the module is for Unix"))]

use std::{
    env, fs,
    io::{self, Error},
    path::PathBuf,
    process::ExitCode,
};

use stomp_checks::presets::{PATIENCE, PRESETS, Questions, ask_real, record_name};
#[cfg(unix)]
use stomp_testkit::real::{ALL, RealBroker};

const HELP: &str = "\
usage: presets [NAME...]

Starts the real brokers to which the presets are held, or the named ones, asks them, and writes their answers into
tests/data/presets. The questions are in questions.json there.";

fn main() -> ExitCode {
    let names: Vec<_> = env::args().skip(1).collect();
    let known = |name: &String| PRESETS.iter().any(|(preset, _)| preset == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all = PRESETS.map(|(preset, _)| preset).join(" ");
        eprintln!("{HELP}\n\nThere is no {unknown}, but there are: {all}");
        return ExitCode::from(2);
    }
    for (preset, _) in PRESETS {
        if !names.is_empty() && !names.iter().any(|name| name == preset) {
            continue;
        }
        if let Err(error) = record(preset) {
            eprintln!("presets: {preset}: {error}");
            return ExitCode::FAILURE;
        }
        println!("{preset}");
    }
    ExitCode::SUCCESS
}

#[cfg(unix)]
fn record(preset: &str) -> io::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/presets");
    let questions: Questions = serde_json::from_str(&fs::read_to_string(folder.join("questions.json"))?)?;
    let description = ALL.into_iter().find(|description| record_name(description.name) == preset);
    let description = description.ok_or_else(|| Error::other("no real broker has this name"))?;
    let broker = RealBroker::start(description)?;
    let answers = ask_real(&questions, &format!("127.0.0.1:{}", broker.stomp_port()), PATIENCE)?;
    fs::write(folder.join(format!("{preset}.json")), serde_json::to_string_pretty(&answers)? + "\n")
}

#[cfg(not(unix))]
fn record(_: &str) -> io::Result<()> {
    Err(Error::other("real brokers are processes of Unix"))
}
