//! Plants one bug after another in a copy of the workspace, and sees what finds it: first `sim`, then the suites.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use stomp_testkit::planted::{Bug, bugs};

const USAGE: &str = "usage: planted [--seeds COUNT] [--table FILE] [NAME…]

Plants each bug of tests/planted, or those named, in a copy of the workspace, and writes a table of what found it.
Run it in the workspace.

  --seeds COUNT   how many seeds sim gets (3000)
  --table FILE    where the table goes (tests/planted/TABLE.md)";

/// What is run when `sim` finds nothing.
const SUITES: [&[&str]; 3] = [
    &["test", "-q", "-p", "stomp-proto", "--lib", "--tests"],
    &["test", "-q", "-p", "stomp-session", "--all-features", "--lib"],
    &[
        "test",
        "-q",
        "-p",
        "stomp-testkit",
        "--test",
        "session",
        "--test",
        "driver",
        "--test",
        "conformance",
        "--test",
        "codec_properties",
    ],
];

struct Arguments {
    seeds: String,
    table: PathBuf,
    names: Vec<String>,
}

/// What found a bug.
enum Found {
    Sim { seed: u64, law: String },
    Compiler,
    Suite(String),
    Nothing,
}

fn main() -> ExitCode {
    let Some(arguments) = arguments(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments =
        Arguments { seeds: "3000".into(), table: "tests/planted/TABLE.md".into(), names: Vec::new() };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => arguments.seeds = words.next()?,
            "--table" => arguments.table = words.next()?.into(),
            name if !name.starts_with('-') => arguments.names.push(word),
            _ => return None,
        }
    }
    Some(arguments)
}

/// Whether all but two were found.
fn run(arguments: &Arguments) -> io::Result<bool> {
    let workspace = env::current_dir()?;
    let chosen = |bug: &Bug| arguments.names.is_empty() || arguments.names.contains(&bug.name);
    let bugs: Vec<_> = bugs(&workspace)?.into_iter().filter(chosen).collect();
    let copy = env::temp_dir().join(format!("stomp-planted-{}", std::process::id()));
    copy_sources(&workspace, &copy)?;
    let mut rows = Vec::new();
    for bug in &bugs {
        println!("{}: {}", bug.name, bug.why);
        let originals = bug.files().map(|file| Ok((file, fs::read(copy.join(file))?)));
        let originals = originals.collect::<io::Result<Vec<_>>>()?;
        bug.plant(&copy)?;
        let found = search(&copy, &arguments.seeds)?;
        println!("    {}", words(&found));
        // The first one is the one from before the bug, where a file is edited twice.
        for (file, text) in originals {
            fs::write(copy.join(file), text)?;
        }
        rows.push((bug, found));
        write_table(&arguments.table, &rows, &arguments.seeds)?;
    }
    fs::remove_dir_all(&copy)?;
    let missed = rows.iter().filter(|(_, found)| matches!(found, Found::Nothing)).count();
    println!("{} of {} found", rows.len() - missed, rows.len());
    Ok(missed <= 2)
}

/// All but what is built and what git keeps.
fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name == ".git" {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_sources(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn search(copy: &Path, seeds: &str) -> io::Result<Found> {
    let built =
        cargo(copy, &["build", "-q", "-p", "stomp-testkit", "--no-default-features", "--bin", "sim"])?;
    if !built.0 {
        return Ok(Found::Compiler);
    }
    let sim = [
        "run",
        "-q",
        "-p",
        "stomp-testkit",
        "--no-default-features",
        "--bin",
        "sim",
        "--",
        "--jobs",
        "1",
        "--seeds",
        seeds,
    ];
    let (calm, said) = cargo(copy, &sim)?;
    if !calm {
        let mut lines = said.lines();
        let seed = lines.find_map(|line| line.strip_prefix("seed ")).and_then(|seed| seed.parse().ok());
        let law = lines.next().and_then(|line| line.split_once(':')).map(|(law, _)| law.to_owned());
        return Ok(Found::Sim { seed: seed.unwrap_or_default(), law: law.unwrap_or_default() });
    }
    for suite in SUITES {
        let (passed, said) = cargo(copy, suite)?;
        if !passed {
            let failed = said.lines().find_map(|line| line.strip_suffix(" --- FAILED"));
            return Ok(Found::Suite(failed.unwrap_or("a suite does not end well").to_owned()));
        }
    }
    Ok(Found::Nothing)
}

/// Runs cargo in the copy: whether it went well, and what it said. Building takes most of the time.
fn cargo(copy: &Path, arguments: &[&str]) -> io::Result<(bool, String)> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| copy.join("target"), PathBuf::from);
    let output = Command::new("cargo")
        .args(arguments)
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.success(), said))
}

fn words(found: &Found) -> String {
    match found {
        Found::Sim { seed, law } => format!("sim, {law}, seed {seed}"),
        Found::Compiler => "the compiler".to_owned(),
        Found::Suite(test) => format!("`{test}`"),
        Found::Nothing => "**nothing**".to_owned(),
    }
}

fn write_table(path: &Path, rows: &[(&Bug, Found)], seeds: &str) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    let found = rows.iter().filter(|(_, found)| !matches!(found, Found::Nothing)).count();
    writeln!(file, "# Planted bugs\n")?;
    writeln!(
        file,
        "Written by `cargo run -p stomp-testkit --bin planted -- --seeds {seeds}`: each bug is planted in a copy of the\n\
         workspace, then `sim` runs from seed 0, and if it finds nothing the suites do. {found} of {} found.\n",
        rows.len()
    )?;
    writeln!(file, "| bug | breaks | what it does | found by | seeds |\n| --- | --- | --- | --- | ---: |")?;
    for (bug, found) in rows {
        let (by, count) = match found {
            Found::Sim { seed, law } => (format!("sim: {law}"), (seed + 1).to_string()),
            other => (words(other), String::new()),
        };
        writeln!(file, "| {} | {} | {} | {by} | {count} |", bug.name, bug.law, bug.why)?;
    }
    Ok(())
}
