//! Plants one bug after another in a copy of the workspace, and sees what finds it: first `sim`, then the suites.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use stomp_checks::planted::{Bug, bugs};

const USAGE: &str = "usage: planted [--seeds COUNT] [--copies COUNT] [--table FILE] [NAME…]
       planted --own [--copies COUNT] [NAME…]

Plants each bug of tests/planted, or those named, in a copy of the workspace, and sees what finds it: sim, from seed 0,
or else the suites, the quick ones first. A run over all bugs writes the table. What sim finds without any bug, it runs
first to know, is not taken for a finding. Run it in the workspace.

  --own           tries the test that each bug names, and nothing else
  --seeds COUNT   how many seeds sim gets (3000)
  --copies COUNT  how many bugs are tried at once (2)
  --table FILE    where the table goes (tests/planted/TABLE.md)";

/// What cargo needs to know to build or run `sim`.
const SIM: [&str; 5] = ["-q", "-p", "stomp-checks", "--bin", "sim"];

/// What is run when `sim` finds nothing, the quick ones first, each with the folder that it looks at.
const SUITES: [(&str, &[&str]); 7] = [
    ("stomp-session", &["-p", "stomp-session", "--all-features", "--lib"]),
    ("stomp-proto", &["-p", "stomp-proto", "--lib", "--tests"]),
    ("", &["-p", "stomp-testkit", "--test", "session"]),
    ("", &["-p", "stomp-checks", "--test", "conformance"]),
    ("stomp-proto", &["-p", "stomp-testkit", "--test", "codec_properties"]),
    ("", &["-p", "stomp-checks", "--test", "disaster"]),
    ("", &["-p", "stomp-testkit", "--test", "driver"]),
];

/// Seconds after which a command is ended: a bug may make it run in circles.
const PATIENCE: &str = "600";

struct Arguments {
    seeds: String,
    copies: usize,
    table: PathBuf,
    own: bool,
    names: Vec<String>,
}

/// What sim finds without any bug: by seeds, the laws.
type Known = BTreeMap<u64, String>;

/// What found a bug.
#[derive(Clone)]
enum Found {
    Sim {
        seed: u64,
        law: String,
    },
    Suite(String),
    Nothing,
    /// It proves nothing: what it was planted in does not compile, or does not end and names no law.
    Useless(String),
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
    let mut arguments = Arguments {
        seeds: "3000".into(),
        copies: 2,
        table: "tests/planted/TABLE.md".into(),
        own: false,
        names: Vec::new(),
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => arguments.seeds = words.next()?,
            "--copies" => arguments.copies = words.next()?.parse().ok()?,
            "--own" => arguments.own = true,
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
    // One that fits no more ends the run before it begins.
    bugs.iter().try_for_each(|bug| bug.check(&workspace))?;
    let commit = commit(&workspace)?;
    let shared = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let next = AtomicUsize::new(0);
    let known = match arguments.own {
        true => Known::new(),
        false => Copy::new(&workspace, &shared, 0)?.known(&arguments.seeds)?,
    };
    let rows = thread::scope(|scope| {
        let work = |copy: usize| {
            let (workspace, shared, bugs, next, known) = (&workspace, &shared, &bugs, &next, &known);
            scope.spawn(move || try_all(bugs, next, &Copy::new(workspace, shared, copy)?, arguments, known))
        };
        let copies: Vec<_> = (0..arguments.copies).map(work).collect();
        let rows = copies.into_iter().map(|copy| copy.join().expect("a copy does not panic"));
        rows.collect::<io::Result<Vec<_>>>()
    })?;
    let mut rows = rows.concat();
    rows.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let found = rows.iter().filter(|(_, found)| found.is_something()).count();
    println!("{found} of {} found", rows.len());
    if arguments.names.is_empty() && !arguments.own {
        write_table(&arguments.table, &rows, &arguments.seeds, &commit, &known)?;
    }
    Ok(found + 2 >= rows.len())
}

/// Tries what no other copy has taken.
fn try_all<'a>(
    bugs: &'a [Bug],
    next: &AtomicUsize,
    copy: &Copy,
    arguments: &Arguments,
    known: &Known,
) -> io::Result<Vec<(&'a Bug, Found)>> {
    let mut rows = Vec::new();
    while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
        let start = Instant::now();
        let found = copy.try_out(bug, |copy| match arguments.own {
            true => copy.own(bug),
            false => copy.search(bug, &arguments.seeds, known),
        })?;
        println!("{}: {}, {:.0} s", bug.name, words(&found), start.elapsed().as_secs_f64());
        rows.push((bug, found));
    }
    Ok(rows)
}

/// The commit that was tried.
fn commit(workspace: &Path) -> io::Result<String> {
    let git = |arguments: &[&str]| -> io::Result<String> {
        let output = Command::new("git").args(arguments).current_dir(workspace).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = if git(&["status", "--porcelain"])?.is_empty() { "" } else { ", with changes" };
    Ok(git(&["rev-parse", "--short", "HEAD"])? + changed)
}

/// A copy of the workspace, in which one bug at a time is planted, and where what was built for the last one helps the next.
struct Copy {
    sources: PathBuf,
    target: PathBuf,
    workspace: PathBuf,
}

impl Copy {
    fn new(workspace: &Path, shared: &Path, number: usize) -> io::Result<Self> {
        let place = shared.join(format!("planted{number}"));
        let (sources, target) = (place.join("copy"), place.join("target"));
        if sources.exists() {
            fs::remove_dir_all(&sources)?;
        }
        copy_sources(workspace, &sources)?;
        Ok(Self { sources, target, workspace: workspace.to_owned() })
    }

    fn try_out(&self, bug: &Bug, search: impl FnOnce(&Self) -> io::Result<Found>) -> io::Result<Found> {
        let originals = bug.files().map(|file| Ok((file, fs::read(self.sources.join(file))?)));
        let originals = originals.collect::<io::Result<Vec<_>>>()?;
        bug.plant(&self.sources)?;
        let found = search(self);
        // The first one is the one from before the bug, where a file is edited twice.
        for (file, text) in originals.into_iter().rev() {
            fs::write(self.sources.join(file), text)?;
        }
        found
    }

    /// The tests of a suite that fail without the bug, which stays planted.
    fn failing(&self, bug: &Bug, suite: &[&str]) -> io::Result<Vec<String>> {
        let planted = bug.files().map(|file| Ok((file, fs::read(self.sources.join(file))?)));
        let planted = planted.collect::<io::Result<Vec<_>>>()?;
        for (file, _) in &planted {
            fs::copy(self.workspace.join(file), self.sources.join(file))?;
        }
        let (_, said) = self.suite(suite)?;
        for (file, text) in planted {
            fs::write(self.sources.join(file), text)?;
        }
        let failed = said.lines().filter_map(|line| line.strip_suffix(" --- FAILED"));
        Ok(failed.map(str::to_owned).collect())
    }

    /// What sim finds without any bug.
    fn known(&self, seeds: &str) -> io::Result<Known> {
        let (is_calm, said) = self.sim("run", &["--", "--seeds", seeds, "--tally"])?;
        let known = tally(&said);
        if !is_calm && known.is_empty() {
            return Err(io::Error::other(said));
        }
        println!("without any bug: {known:?}");
        Ok(known)
    }

    /// Runs the test that the bug names.
    fn own(&self, bug: &Bug) -> io::Result<Found> {
        let Some((target, test)) = &bug.test else { return Ok(Found::Nothing) };
        let (passed, said) = self.suite(&["-p", "stomp-testkit", "--test", target, "--", "--exact", test])?;
        Ok(match () {
            () if passed => Found::Nothing,
            () if said.contains(&format!("{test} --- FAILED")) => Found::Suite(format!("{target}: {test}")),
            () => Found::Useless(format!("{target} ended without naming a test")),
        })
    }

    fn search(&self, bug: &Bug, seeds: &str, known: &Known) -> io::Result<Found> {
        let (is_built, said) = self.sim("build", &[])?;
        if !is_built {
            let error = said.lines().find(|line| line.starts_with("error")).unwrap_or("cargo does not end");
            return Ok(Found::Useless(format!("cannot be built: {error}")));
        }
        if let Some(found) = self.simulate(bug, seeds.parse().unwrap_or_default(), known)? {
            return Ok(found);
        }
        let own = self.own(bug)?;
        if own.is_something() {
            return Ok(own);
        }
        for (folder, suite) in SUITES {
            if !bug.files().any(|file| file.starts_with(folder)) {
                continue;
            }
            let (passed, said) = self.suite(suite)?;
            let failed: Vec<_> = said.lines().filter_map(|line| line.strip_suffix(" --- FAILED")).collect();
            if !passed && failed.is_empty() {
                return Ok(Found::Useless(format!("{suite:?} ended without naming a test")));
            }
            // A test that fails without the bug as well proves nothing.
            let known = if passed { Vec::new() } else { self.failing(bug, suite)? };
            if let Some(test) = failed.iter().find(|test| known.iter().all(|known| known != *test)) {
                return Ok(Found::Suite(format!("{}: {test}", suite[suite.len() - 1])));
            }
        }
        Ok(Found::Nothing)
    }

    /// Runs sim until it finds what it does not find without the bug. A law that is broken without it proves something only
    /// if it is the one that the bug breaks.
    fn simulate(&self, bug: &Bug, seeds: u64, known: &Known) -> io::Result<Option<Found>> {
        let except: Vec<_> = known.keys().map(u64::to_string).collect();
        let except = except.join(",");
        let mut from = 0;
        while from < seeds {
            let (first, count) = (from.to_string(), (seeds - from).to_string());
            let words = ["--", "--brief", "--except", &except, "--from", &first, "--seeds", &count];
            let (is_calm, said) = self.sim("run", &words)?;
            if is_calm {
                return Ok(None);
            }
            let Some((seed, law)) = violation(&said) else {
                return Ok(Some(Found::Useless("`sim` stopped, and named no law".to_owned())));
            };
            let is_own = law.split(' ').next() == Some(&bug.law);
            if is_own || known.values().all(|other| *other != law) {
                return Ok(Some(Found::Sim { seed, law }));
            }
            from = seed + 1;
        }
        Ok(None)
    }

    /// Builds or runs `sim` in the copy, optimised a little: piece by piece it is still built in a few seconds instead of a
    /// minute, and its seeds take a tenth of the time that they take without.
    fn sim(&self, command: &str, arguments: &[&str]) -> io::Result<(bool, String)> {
        let mut cargo = self.cargo(&[command]);
        cargo.args(SIM).args(arguments).env("CARGO_TARGET_DIR", &self.target).env("CARGO_INCREMENTAL", "1");
        run_through(cargo.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_DEV_OPT_LEVEL", "1"))
    }

    /// Each copy builds the suites by itself: in a folder that two copies share, cargo takes the crates of one for those of the
    /// other.
    fn suite(&self, arguments: &[&str]) -> io::Result<(bool, String)> {
        run_through(self.cargo(&["test", "-q"]).args(arguments).env("CARGO_TARGET_DIR", &self.target))
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args([PATIENCE, "cargo"]).args(arguments).current_dir(&self.sources);
        command
    }
}

/// Whether it went well, and what it said.
fn run_through(command: &mut Command) -> io::Result<(bool, String)> {
    let output = command.output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
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

/// What `sim` says of all seeds that break a law, each line as `4 INV-1 (Ends): seeds [1, 2]` with the count before.
fn tally(said: &str) -> Known {
    let lines = said.lines().filter_map(|line| {
        let (law, seeds) = line.trim().split_once(": seeds [")?;
        Some((law.split_once(' ')?.1, seeds.strip_suffix(']')?))
    });
    let seeds = |(law, seeds): (&str, &str)| {
        let seeds = seeds.split(", ").filter_map(|seed| seed.parse().ok());
        seeds.map(|seed| (seed, law.to_owned())).collect::<Vec<_>>()
    };
    lines.flat_map(seeds).collect()
}

/// What `sim` says of a seed that breaks a law: the seed and the law.
fn violation(said: &str) -> Option<(u64, String)> {
    let mut lines = said.lines();
    let seed = lines.find_map(|line| line.strip_prefix("seed "))?.parse().ok()?;
    let (law, _) = lines.next()?.split_once(": ")?;
    Some((seed, law.to_owned()))
}

impl Found {
    const fn is_something(&self) -> bool {
        matches!(self, Self::Sim { .. } | Self::Suite(_))
    }
}

fn words(found: &Found) -> String {
    match found {
        Found::Sim { seed, law } => format!("sim, {law}, seed {seed}"),
        Found::Suite(test) => format!("`{test}`"),
        Found::Nothing => "**nothing**".to_owned(),
        Found::Useless(why) => format!("**{why}**"),
    }
}

fn write_table(
    path: &Path,
    rows: &[(&Bug, Found)],
    seeds: &str,
    commit: &str,
    known: &Known,
) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    let found = rows.iter().filter(|(_, found)| found.is_something()).count();
    let by_sim = rows.iter().filter(|(_, found)| matches!(found, Found::Sim { .. })).count();
    writeln!(file, "# Planted bugs\n")?;
    writeln!(
        file,
        "Written by `cargo run -p stomp-checks --bin planted -- --seeds {seeds}` on commit {commit}: each bug is planted in a\n\
         copy of the workspace, then `sim` runs from seed 0, and if it finds nothing the suites do, the quick ones first.\n\
         {found} of {} found, {by_sim} of them by `sim`.\n",
        rows.len()
    )?;
    if !known.is_empty() {
        let seeds: Vec<_> = known.iter().map(|(seed, law)| format!("{seed} ({law})")).collect();
        writeln!(
            file,
            "These seeds break a law without any bug, and are left out: {}. Such a law counts only where the bug is\n\
             planted to break it.\n",
            seeds.join(", ")
        )?;
    }
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
