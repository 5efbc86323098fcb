//! Runs a process for each broker, several at a time, and shows what came of all.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
    sync::Mutex,
    thread,
    time::Instant,
};

use stomp_testkit::real::{self, Description};

use super::{
    Arguments, CHILD, child, is_wanted, programs,
    record::{self, Record, Verdict},
    table, tool,
};

/// So many cases may pass only when they are run once more.
const MOST_AT_SECOND: usize = 5;

/// Runs the suite.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let target = target();
    let directory = target.join(format!("tmp/brokers-{}", std::process::id()));
    let outcome = run_in(&directory, &target, arguments);
    // Programs and what the children have printed: all of it was shown.
    let _ = fs::remove_dir_all(&directory);
    match outcome {
        Ok(records) => conclude(&records, arguments, &target.join("brokers.jsonl")),
        Err(error) => {
            eprintln!("the suite cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The directory that cargo builds in.
fn target() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).to_owned()
}

fn run_in(directory: &Path, target: &Path, arguments: &Arguments) -> io::Result<Vec<Record>> {
    let programs = directory.join("programs");
    fs::create_dir_all(&programs)?;
    if runs_programs(arguments) {
        programs::build(target, &programs)?;
    }
    let waiting = Mutex::new(arguments.brokers.iter());
    let shown = Mutex::new(Vec::new());
    let work = || -> io::Result<()> {
        loop {
            let next = waiting.lock().expect("nobody panics with it").next();
            let Some(&description) = next else { return Ok(()) };
            let name = description.name;
            println!("{name} begins");
            let start = Instant::now();
            let job = Job { directory, programs: &programs, description, parts: &arguments.parts };
            let (status, printed, mut records) = job.run()?;
            // One child's output at a time, and whole.
            let mut shown = shown.lock().expect("nobody panics with it");
            println!("\n=== {name}\n{printed}--- {name}: {} s\n", start.elapsed().as_secs());
            if let Some(sudden) = sudden_end(name, status, &records) {
                records.push(sudden);
            }
            shown.extend(records);
        }
    };
    let outcomes = thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.at_once).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect::<Vec<_>>()
    });
    outcomes.into_iter().collect::<io::Result<()>>()?;
    Ok(shown.into_inner().expect("nobody panics with it"))
}

fn runs_programs(arguments: &Arguments) -> bool {
    arguments.brokers.iter().any(|broker| {
        let cases = [programs::PIPELINE, programs::SMALL, programs::OVER_WEB_SOCKET].into_iter();
        let examples = cases.flat_map(|case| programs::PACKAGES.map(|package| (package.to_owned(), case)));
        let tool = tool::CASES
            .into_iter()
            .flat_map(|(case, ..)| tool::TRANSPORTS.map(|(transport, _)| (tool::variant(transport), case)));
        examples.chain(tool).any(|(of, case)| is_wanted(broker.name, &of, case, &arguments.parts))
    })
}

/// One broker's process.
struct Job<'a> {
    directory: &'a Path,
    programs: &'a Path,
    description: &'static Description,
    parts: &'a [String],
}

impl Job<'_> {
    /// How it ended, what it printed, and what came of its cases.
    fn run(&self) -> io::Result<(ExitStatus, String, Vec<Record>)> {
        let name = self.description.name;
        let file = |kind: &str| self.directory.join(format!("{name}.{kind}"));
        let output = File::create(file("output"))?;
        let mut child = Command::new(std::env::current_exe()?);
        child.arg(CHILD).arg(name).arg(file("records")).arg(self.programs).args(self.parts);
        let status = child.stdout(output.try_clone()?).stderr(output).status()?;
        let printed = String::from_utf8_lossy(&fs::read(file("output"))?).into_owned();
        Ok((status, printed, record::read(&file("records"))))
    }
}

/// A process that ends badly without a case that failed has not finished: that is a failure of its own.
fn sudden_end(broker: &str, status: ExitStatus, records: &[Record]) -> Option<Record> {
    let told = records.iter().any(|record| record.verdict == Verdict::Failed);
    let started = records.iter().any(|record| record.case == child::STARTS);
    if started && (told || status.success()) {
        return None;
    }
    let (broker, case, variant) = (broker.to_owned(), "runs to its end".to_owned(), String::new());
    let reason = format!("its process ended with {status}");
    Some(Record { broker, case, variant, verdict: Verdict::Failed, reason, seconds: 0.0 })
}

/// Shows the table, writes it down, and says whether all is well.
fn conclude(records: &[Record], arguments: &Arguments, file: &Path) -> ExitCode {
    let brokers: Vec<&str> = arguments.brokers.iter().map(|description| description.name).collect();
    let left_out = real::ALL.into_iter().map(|description| description.name);
    let left_out: Vec<_> = left_out.filter(|name| !brokers.contains(name)).collect();
    if !left_out.is_empty() {
        println!("\nleft out: {}", left_out.join(", "));
    }
    print!("\n{}", table::text(&brokers, records));
    let written =
        fs::write(file, "").and_then(|()| records.iter().try_for_each(|record| record.append(file)));
    if let Err(error) = written {
        eprintln!("{} cannot be written: {error}", file.display());
        return ExitCode::FAILURE;
    }
    let count = |verdict| records.iter().filter(|record| record.verdict == verdict).count();
    let [passed, failed, left] = [Verdict::Passed, Verdict::Failed, Verdict::DoesNotApply].map(count);
    let second = records.iter().filter(|record| record.passed_at_second()).count();
    println!("\n{passed} passed ({second} of them at the second time), {failed} failed, {left} do not apply");
    if second > MOST_AT_SECOND {
        println!("that is more than the {MOST_AT_SECOND} that are put down to brokers and a busy machine");
    }
    if failed == 0 && passed > 0 && second <= MOST_AT_SECOND { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
