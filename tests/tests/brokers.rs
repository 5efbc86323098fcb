//! One suite over real brokers: each case for each broker, adapter and version.
//!
//! A broker is a description (`stomp_testkit::real`); nothing here asks for a broker's name. A broker that cannot be started
//! is a failure. Arguments choose: the names of brokers, and parts of the titles that cases have.

mod real_cases;
mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, Command, ExitCode, Stdio},
    time::Instant,
};

use real_cases::{Bench, Case};
use stomp_session::proto::Version;
use stomp_testkit::real::{self, Description, RealBroker};
use support::{Adapter, Smol, Tokio};

/// Counts what passed, and prints each case.
#[derive(Default)]
struct Report {
    passed: u32,
    failed: u32,
    /// Parts of titles: a case runs when its own has them all.
    wanted: Vec<String>,
}

impl Report {
    fn case(&mut self, name: &str, case: impl FnOnce()) {
        if !self.wanted.iter().all(|part| name.contains(part)) {
            return;
        }
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(case));
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("{name} ... {verdict} ({:.1} s)", start.elapsed().as_secs_f64());
        if outcome.is_ok() { self.passed += 1 } else { self.failed += 1 }
    }
}

fn main() -> ExitCode {
    let mut report = Report { wanted: std::env::args().skip(1).collect(), ..Report::default() };
    let named = |description: &&Description| report.wanted.iter().any(|part| part == description.name);
    let named: Vec<_> = real::ALL.into_iter().filter(named).collect();
    for description in if named.is_empty() { real::ALL.to_vec() } else { named } {
        match RealBroker::start(description) {
            Ok(mut broker) if description.nodes > 1 => cluster_cases(&mut broker, description, &mut report),
            Ok(mut broker) => all_cases(&mut broker, description, &mut report),
            Err(error) => {
                println!("{} cannot be started: {error}", description.name);
                report.failed += 1;
            }
        }
    }
    println!("\n{} passed, {} failed", report.passed, report.failed);
    if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn all_cases(broker: &mut RealBroker, description: &Description, report: &mut Report) {
    adapter_cases::<Tokio>(broker, description, report);
    adapter_cases::<Smol>(broker, description, report);
    // They take minutes, and what they try is the session and the broker, which are the same under each adapter.
    let long = real_cases::crashes::cases::<Tokio>(description).into_iter();
    let long = long.map(|(name, case)| (Version::V1_2, name, case));
    run_cases::<Tokio>(long, broker, description, report);
    for package in ["stomp-tokio", "stomp-smol"] {
        let uri = broker.uri();
        report.case(&format!("{} {package}: the pipeline", description.name), || pipeline(package, &uri));
        report.case(&format!("{} {package}: the small examples", description.name), || {
            small_examples(package, &uri)
        });
    }
}

/// What only a broker of several nodes does.
fn cluster_cases(broker: &mut RealBroker, description: &Description, report: &mut Report) {
    let cases = real_cases::cluster::cases::<Tokio>().into_iter();
    let cases = cases.map(|(name, case)| (Version::V1_2, name, case));
    run_cases::<Tokio>(cases, broker, description, report);
}

fn adapter_cases<A: Adapter>(broker: &mut RealBroker, description: &Description, report: &mut Report) {
    let versions = Version::ALL.into_iter().flat_map(|version| {
        let cases = real_cases::cases::<A>();
        cases.map(|(name, case)| (version, name, case))
    });
    let once = real_cases::tls::cases::<A>().into_iter();
    let once = once.chain(real_cases::traps::cases::<A>()).chain(real_cases::sends::cases::<A>());
    let once = once.chain(real_cases::durable::cases::<A>());
    let once = once.map(|(name, case)| (Version::V1_2, name, case));
    run_cases::<A>(versions.chain(once), broker, description, report);
}

fn run_cases<A: Adapter>(
    cases: impl Iterator<Item = (Version, &'static str, Case)>,
    broker: &mut RealBroker,
    description: &Description,
    report: &mut Report,
) {
    for (version, name, case) in cases {
        let title = format!("{} {} {version}: {name}", description.name, A::NAME);
        // A comma would make it several queues on ActiveMQ.
        let queue = format!("{}-{version}-{}", A::NAME, name.replace([' ', ','], "-"));
        let mut bench = Bench { broker, description, version, queue };
        report.case(&title, || case(&mut bench));
    }
}

/// The main job as its user runs it.
fn pipeline(package: &str, uri: &str) {
    let printed = example(package, "pipeline", uri);
    let expected = "pipeline: 10 produced, 10 transformed, 10 consumed, 0 failed";
    assert_eq!(printed.lines().last(), Some(expected));
}

/// The small examples: the transformer works until it is interrupted.
fn small_examples(package: &str, uri: &str) {
    assert_eq!(example(package, "producer", uri), "10 sent\n");
    let transformer =
        command(package, "transformer", uri).stdout(Stdio::piped()).spawn().expect("cargo runs");
    let consumed = command(package, "consumer", uri).output().expect("cargo runs");
    interrupt(&transformer);
    let transformed = transformer.wait_with_output().expect("it ends");
    assert!(consumed.status.success(), "consumer: {}", String::from_utf8_lossy(&consumed.stderr));
    assert!(transformed.status.success(), "the transformer ends well when it is interrupted");
    assert_eq!(String::from_utf8_lossy(&transformed.stdout), "10 transformed, 0 failed\n");
    let expected: String = (1..=10).map(|count| format!("{{\\\"count\\\":{count}}}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&consumed.stdout), expected);
}

/// As Ctrl-C does.
fn interrupt(process: &Child) {
    let killed = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(killed.expect("kill runs").success(), "the process has ended by itself");
}

/// What an example prints.
fn example(package: &str, name: &str, uri: &str) -> String {
    let output = command(package, name, uri).output().expect("cargo runs");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Cargo becomes the example, so that its process is that of the example.
fn command(package: &str, name: &str, uri: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "-q", "--release", "-p", package, "--example", name, "--", uri]);
    command
}
