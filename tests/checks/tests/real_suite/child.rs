//! The cases of one broker, one after another.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use stomp_session::proto::Version;
use stomp_testkit::real::{Description, Feature, RealBroker, WebSocket};

use super::{
    Child, is_wanted, programs,
    record::{Record, Verdict},
    tool,
    watchdog::Watchdog,
};
use crate::real_cases::{self, Bench, Case, seen};
use crate::support::{Adapter, Smol, Tokio};

/// The case that stands for the broker's start.
pub(crate) const STARTS: &str = "is started";

/// Writes down what comes of each case, and prints it.
struct Report<'a> {
    description: &'static Description,
    parts: &'a [String],
    records: &'a Path,
    watchdog: Watchdog,
    failed: bool,
}

/// Runs the cases that have all these parts in their titles.
pub(crate) fn run(child: &Child, parts: &[String]) -> ExitCode {
    let description = child.broker;
    let mut report = Report {
        description,
        parts,
        records: &child.records,
        watchdog: Watchdog::start(&child.records),
        failed: false,
    };
    let start = Instant::now();
    match RealBroker::start(description) {
        Ok(mut broker) => {
            report.write(STARTS, "", Verdict::Passed, String::new(), start);
            if description.nodes > 1 {
                cluster_cases(&mut broker, &mut report);
            } else {
                all_cases(&mut broker, &child.programs, &mut report);
            }
        }
        Err(error) => report.write(STARTS, "", Verdict::Failed, error.to_string(), start),
    }
    if report.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

impl Report<'_> {
    /// Runs a case, and writes down what came of it.
    fn case(&mut self, name: &str, variant: &str, needs: &[Feature], case: impl FnOnce()) {
        if self.wants(name, variant) {
            let (verdict, reason, start) = self.outcome(name, variant, needs, case);
            self.write(name, variant, verdict, reason, start);
        }
    }

    fn wants(&self, name: &str, variant: &str) -> bool {
        is_wanted(self.description.name, variant, name, self.parts)
    }

    /// Runs a case. What its clients were told is shown if it fails.
    fn outcome(
        &mut self,
        name: &str,
        variant: &str,
        needs: &[Feature],
        case: impl FnOnce(),
    ) -> (Verdict, String, Instant) {
        let start = Instant::now();
        seen::begin();
        self.watchdog.begin(self.record(name, variant, Verdict::Failed, "it did not end".to_owned(), start));
        let lacked = needs.iter().find_map(|feature| self.description.behaviour.lacks(*feature));
        let (verdict, reason) = match lacked {
            Some(reason) => (Verdict::DoesNotApply, reason.to_owned()),
            None => match catch_unwind(AssertUnwindSafe(case)) {
                Ok(()) => (Verdict::Passed, String::new()),
                Err(panic) => (Verdict::Failed, words(&*panic)),
            },
        };
        self.watchdog.end();
        if verdict == Verdict::Failed {
            // What they were told last is noted by another thread.
            thread::sleep(Duration::from_millis(200));
            println!("{name} has failed: {reason}\nwhat its clients saw last:\n{}", seen::told(start));
        }
        (verdict, reason, start)
    }

    fn write(&mut self, name: &str, variant: &str, verdict: Verdict, reason: String, start: Instant) {
        let record = self.record(name, variant, verdict, reason, start);
        let Record { broker, reason, seconds, .. } = &record;
        self.failed |= verdict == Verdict::Failed;
        println!("{broker} {variant}: {name} ... {} ({seconds:.1} s) {reason}", verdict.text());
        record.append(self.records).expect("the records can be written");
    }

    fn record(&self, case: &str, variant: &str, verdict: Verdict, reason: String, start: Instant) -> Record {
        let (broker, case, variant) = (self.description.name.to_owned(), case.to_owned(), variant.to_owned());
        Record { broker, case, variant, verdict, reason, seconds: start.elapsed().as_secs_f64() }
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn all_cases(broker: &mut RealBroker, programs: &Path, report: &mut Report<'_>) {
    let has_port = has_port(report.description);
    let newest = newest(report.description);
    let answers = real_cases::answers::case(report.description);
    run_cases::<Tokio>(answers.map(|case| (newest, case)).into_iter(), broker, report);
    if has_port {
        adapter_cases::<Tokio>(&versions(report.description).collect::<Vec<_>>(), broker, report);
        // What differs by version is the session's, which is the same under each adapter: the second one speaks the newest.
        adapter_cases::<Smol>(&[newest], broker, report);
    }
    web_socket_cases::<Tokio>(broker, report);
    web_socket_cases::<Smol>(broker, report);
    if report.description.application {
        application_cases::<Tokio>(broker, report);
        application_cases::<Smol>(broker, report);
    }
    if has_port {
        // They take minutes, and what they try is the session and the broker, which are the same under each adapter.
        let long = real_cases::crashes::cases::<Tokio>();
        run_cases::<Tokio>(long.into_iter().map(|case| (newest, case)), broker, report);
    }
    tool_cases(broker, programs, report);
    example_cases(broker, programs, report);
}

/// The examples of both adapters. The producer of the small ones has ended before the others subscribe.
fn example_cases(broker: &RealBroker, programs: &Path, report: &mut Report<'_>) {
    let has_port = has_port(report.description);
    for package in programs::PACKAGES {
        let (uri, programs) = (broker.uri(), programs.join(package));
        if has_port {
            report.case(programs::PIPELINE, package, &[], || programs::pipeline(&programs, &uri));
        }
        report.case(programs::SMALL, package, &[Feature::Keeping], || {
            programs::small_examples(&programs, &uri)
        });
        report.case(programs::OVER_WEB_SOCKET, package, &[Feature::WebSocket, Feature::Receipts], || {
            programs::pipeline(&programs, &broker.web_socket_uri())
        });
    }
}

/// The tool over each transport.
fn tool_cases(broker: &RealBroker, programs: &Path, report: &mut Report<'_>) {
    let has_port = has_port(report.description);
    for (transport, needed) in tool::TRANSPORTS.into_iter().filter(|(name, _)| has_port || *name != "TCP") {
        for (name, needs, case) in tool::CASES {
            report.case(name, &tool::variant(transport), &[needs, needed].concat(), || {
                case(&tool::Tool::new(programs, broker, transport))
            });
        }
    }
}

/// What only a broker of several nodes does.
fn cluster_cases(broker: &mut RealBroker, report: &mut Report<'_>) {
    let newest = newest(report.description);
    let cases = real_cases::cluster::cases::<Tokio>();
    run_cases::<Tokio>(cases.into_iter().map(|case| (newest, case)), broker, report);
}

/// The cases of each of these versions, and those of the newest version alone.
fn adapter_cases<A: Adapter>(versions: &[Version], broker: &mut RealBroker, report: &mut Report<'_>) {
    let newest = newest(report.description);
    let versions = versions.iter().flat_map(|version| {
        let cases = real_cases::cases::<A>();
        cases.into_iter().map(move |case| (*version, case))
    });
    let once = real_cases::tls::cases::<A>().into_iter();
    let once = once.chain(real_cases::traps::cases::<A>()).chain(real_cases::sends::cases::<A>());
    let once = once.chain(real_cases::durable::cases::<A>()).chain(real_cases::limits::cases::<A>());
    let once = once.chain(real_cases::quorum::cases::<A>());
    run_cases::<A>(versions.chain(once.map(|case| (newest, case))), broker, report);
}

/// Whether the broker is reached over TCP, and not over a WebSocket alone.
fn has_port(description: &Description) -> bool {
    description.node_ports.contains(&"stomp")
}

/// The versions that the broker speaks, oldest first.
fn versions(description: &Description) -> impl Iterator<Item = Version> {
    let spoken = description.behaviour.versions;
    Version::ALL.into_iter().filter(|version| spoken.contains(&&*version.to_string()))
}

fn newest(description: &Description) -> Version {
    versions(description).max().expect("the description names a version that there is")
}

fn run_cases<A: Adapter>(
    cases: impl Iterator<Item = (Version, Case)>,
    broker: &mut RealBroker,
    report: &mut Report<'_>,
) {
    for (version, (name, needs, case)) in cases {
        run_case::<A>(name, needs, case, (version, None), broker, report);
    }
}

/// Runs a case. If it fails after the broker has ended a connection, it is run once more, with the broker started again and on
/// another queue: brokers have seldom failures of their own, above all on a busy machine. That it has failed first is told, and
/// counted. Where the broker is killed on purpose, connections end, and a failure is one at once.
fn run_case<A: Adapter>(
    name: &str,
    needs: &[Feature],
    case: fn(&mut Bench<'_>),
    (version, web_socket): (Version, Option<WebSocket>),
    broker: &mut RealBroker,
    report: &mut Report<'_>,
) {
    let (description, variant) = (report.description, format!("{} {version}", A::NAME));
    if !report.wants(name, &variant) {
        return;
    }
    let run = |broker: &mut RealBroker, report: &mut Report<'_>, queue: String| {
        let mut bench = Bench { broker, description, version, web_socket, queue };
        let outcome = report.outcome(name, &variant, needs, || case(&mut bench));
        if outcome.0 == Verdict::Failed {
            recover(broker);
        }
        outcome
    };
    let queue = queue::<A>(version, name);
    let (mut verdict, mut reason, mut start) = run(broker, report, queue.clone());
    let is_killed = needs.contains(&Feature::Persistence) || description.nodes > 1;
    if verdict == Verdict::Failed && seen::has_lost_connection() && !is_killed {
        let first = reason;
        (verdict, reason, start) = run(broker, report, format!("{queue}-again"));
        if verdict == Verdict::Passed {
            reason = format!("{AT_SECOND}{first}");
        }
    }
    report.write(name, &variant, verdict, reason, start);
}

/// How the reason begins that a case has which has passed only when it was run once more.
const AT_SECOND: &str = "at the second time, after ";

/// What differs over a WebSocket.
fn web_socket_cases<A: Adapter>(broker: &mut RealBroker, report: &mut Report<'_>) {
    over_web_socket::<A>(real_cases::web_socket::cases::<A>(), broker, report);
}

/// What an application does, which has its own clients over a WebSocket.
fn application_cases<A: Adapter>(broker: &mut RealBroker, report: &mut Report<'_>) {
    over_web_socket::<A>(real_cases::application::cases::<A>(), broker, report);
}

fn over_web_socket<A: Adapter>(
    cases: impl IntoIterator<Item = Case>,
    broker: &mut RealBroker,
    report: &mut Report<'_>,
) {
    let over = (newest(report.description), report.description.behaviour.web_socket);
    for (name, needs, case) in cases {
        let name = format!("over WebSocket: {name}");
        run_case::<A>(&name, &[&[Feature::WebSocket], needs].concat(), case, over, broker, report);
    }
}

/// The name of a queue for that case alone. A comma would make it several queues on ActiveMQ.
fn queue<A: Adapter>(version: Version, case: &str) -> String {
    format!("{}-{version}-{}", A::NAME, case.replace([' ', ',', ':'], "-"))
}

/// Shows the log of a broker with which a case has failed, and starts it again: the next case finds it running.
fn recover(broker: &mut RealBroker) {
    for node in 0..broker.description().nodes {
        let log = broker.node(node).log().unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        println!("the log of {} ends:\n  {}", broker.node(node).name(), last.join("\n  "));
    }
    if let Err(error) = broker.restart() {
        println!("the broker does not come back: {error}");
    }
}

/// How many lines of a log are shown.
const LOG_LINES: usize = 25;
