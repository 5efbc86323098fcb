//! The tool `stomp`, as it is run against each broker over each transport.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
};

use serde_json::Value;
use stomp_testkit::real::{
    Feature::{self, Keeping, Prefetch, Redelivery, TemporaryQueues, Tls, WebSocket},
    RealBroker,
};

use super::programs::LIMIT_SECONDS;

/// Its name, what the broker must be able to do, and what is done.
type Case = (&'static str, &'static [Feature], fn(&Tool<'_>));

/// All cases, as they are run over each transport.
pub(crate) const CASES: [Case; 6] = [
    ("stomp check", &[], checks),
    ("stomp send and subscribe", &[Keeping], sends_and_subscribes),
    ("stomp request and reply", &[TemporaryQueues], requests_and_replies),
    ("stomp drain and load", &[Keeping], drains_and_loads),
    ("stomp bench", &[Prefetch], measures),
    ("stomp move and kill -9", &[Keeping, Redelivery], moves),
];

/// The transports, each with what the broker must have for it.
pub(crate) const TRANSPORTS: [(&str, &[Feature]); 3] =
    [("TCP", &[]), ("TLS", &[Tls]), ("WebSocket", &[WebSocket])];

/// Which of them a case is run over.
pub(crate) fn variant(transport: &str) -> String {
    format!("over {transport}")
}

/// The tool, and the broker that it is told of.
pub(crate) struct Tool<'a> {
    program: PathBuf,
    broker: &'a RealBroker,
    transport: &'static str,
    uri: String,
}

impl<'a> Tool<'a> {
    /// For a broker that has this transport.
    pub(crate) fn new(programs: &Path, broker: &'a RealBroker, transport: &'static str) -> Self {
        let uri = match transport {
            "TLS" => broker.tls_uri(),
            "WebSocket" => broker.web_socket_uri(),
            _ => broker.uri(),
        };
        Self { program: programs.join("stomp-tokio/stomp"), broker, transport, uri }
    }

    /// The name of a queue for this transport alone.
    fn queue(&self, purpose: &str) -> String {
        format!("/queue/tool-{}-{purpose}", self.transport)
    }

    /// The tool by itself: it has to be killed.
    fn command(&self, arguments: &[&str]) -> Command {
        self.set(Command::new(&self.program), arguments)
    }

    /// The tool, which is killed if it takes far too long.
    fn limited(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--foreground", "--kill-after=10", LIMIT_SECONDS]).arg(&self.program);
        self.set(command, arguments)
    }

    fn set(&self, mut command: Command, arguments: &[&str]) -> Command {
        let file = |name| self.broker.layout().keys().file(name);
        command.args(arguments).env("STOMP_URI", &self.uri).env_remove("STOMP_LOGIN");
        if self.transport == "TLS" {
            command.args(["--ca-file", &file("authority.pem")]);
            command.args(["--cert-file", &file("client.pem"), "--key-file", &file("client.key")]);
        }
        command
    }

    /// What it prints when it ends well.
    fn run(&self, arguments: &[&str]) -> String {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.limited(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it is built");
        let mut stdin = child.stdin.take().expect("it is a pipe");
        let output = thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input.as_bytes()));
            child.wait_with_output().expect("it ends")
        });
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{printed}{said}", output.status);
        printed
    }

    fn run_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--json"]].concat())).expect("it prints JSON")
    }
}

/// The tool while it runs, of which one output is read. It is killed in the end, if it has not ended.
struct Running<R> {
    child: Child,
    output: BufReader<R>,
}

impl<R: Read> Running<R> {
    /// The next line without its end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it prints text");
        assert!(!line.is_empty(), "it has ended: {:?}", self.child.try_wait());
        line.trim_end().to_owned()
    }

    /// Asks it to end, and waits for that. What it prints meanwhile is read.
    fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success(), "it runs");
        _ = self.output.read_to_end(&mut Vec::new());
        self.child.wait().expect("it is ours");
    }
}

impl<R> Drop for Running<R> {
    fn drop(&mut self) {
        // It may have been waited for.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn lines(count: usize) -> String {
    (0..count).map(|number| format!("{number}\n")).collect()
}

fn checks(tool: &Tool<'_>) {
    let found = tool.run(&["check"]);
    let (tls, web_socket) = match tool.transport {
        "TLS" => ("TLS         ok", ""),
        "WebSocket" => ("TLS         none", "WebSocket   ok      101, v12.stomp"),
        _ => ("TLS         none", ""),
    };
    for step in ["dial        ok", tls, web_socket, "login       ok", "disconnect  ok"] {
        assert!(found.contains(step), "{step}: {found}");
    }
    let told = tool.run_json(&["check"]);
    assert_eq!(told["brokers"][0]["profile"], tool.broker.description().profile);
}

fn sends_and_subscribes(tool: &Tool<'_>) {
    let queue = tool.queue("sends");
    tool.run_with(&["send", &queue, "--lines", "--at-least-once", "--persistent"], &lines(50));
    assert_eq!(tool.run(&["subscribe", &queue, "-n", "50"]), lines(50));
    tool.run(&["send", &queue, "grün €", "--receipt", "-H", "colour:red"]);
    let told = tool.run_json(&["subscribe", &queue, "-n", "1"]);
    assert_eq!((&told["body"], &told["headers"]["colour"]), (&"grün €".into(), &"red".into()));
}

fn requests_and_replies(tool: &Tool<'_>) {
    let queue = tool.queue("requests");
    let mut command = tool.limited(&["reply", &queue, "--exec", "tr a-z A-Z", "--frames"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it is built");
    let output = BufReader::new(child.stderr.take().expect("it is a pipe"));
    let mut answering = Running { child, output };
    // Not every broker keeps a request until somebody subscribes.
    while !answering.line().contains("<<< RECEIPT") {}
    for _ in 0..3 {
        assert_eq!(tool.run(&["request", &queue, "hello"]).trim_end(), "HELLO");
    }
    answering.end();
}

fn drains_and_loads(tool: &Tool<'_>) {
    let (queue, other) = (tool.queue("drained"), tool.queue("loaded"));
    let file = tool.broker.layout().directory().join(format!("{}.jsonl", tool.transport));
    let file = file.to_str().expect("it is text");
    tool.run_with(&["send", &queue, "--lines", "--receipt"], &lines(200));
    tool.run(&["drain", &queue, "--to", file, "-n", "200"]);
    assert_eq!(fs::read_to_string(file).expect("it is there").lines().count(), 200);
    tool.run(&["load", file, "--dest", &other]);
    assert_eq!(tool.run(&["subscribe", &other, "-n", "200"]), lines(200));
}

fn measures(tool: &Tool<'_>) {
    let told = tool.run_json(&["bench", "round-trip", &tool.queue("measured"), "-n", "200", "-s", "100"]);
    assert_eq!((&told["messages"], &told["octets"]), (&200.into(), &20_000.into()));
    assert!(told["latency_ms"]["p50"].is_f64(), "{told}");
}

/// Killed on its way, it loses nothing; what was copied and not acknowledged comes twice.
fn moves(tool: &Tool<'_>) {
    const COUNT: usize = 1000;
    const KILLS: usize = 3;
    /// What may be on its way when it is killed.
    const WINDOW: usize = 100;
    let (from, to) = (tool.queue("from"), tool.queue("to"));
    tool.run_with(&["send", &from, "--lines", "--receipt", "--persistent"], &lines(COUNT));
    let mut reading = reader(tool.limited(&["subscribe", &to, "--follow"]));
    let (mut came, mut copies) = (BTreeSet::new(), 0);
    let mut read_until = |count: usize| {
        while came.len() < count {
            copies += usize::from(!came.insert(reading.line()));
        }
    };
    // No message comes for that long when all are moved, and nothing is decided by that.
    // With few on their way it is no faster than the reader, and is killed in the middle.
    let arguments = ["move", &from, &to, "--prefetch", "20", "--idle", "600s", "--quiet"];
    for kill in 1..=KILLS {
        let mut moving = tool.command(&arguments).spawn().expect("it is built");
        read_until(kill * COUNT / (KILLS + 2));
        moving.kill().expect("it runs");
        moving.wait().expect("it is ours");
    }
    let moving = reader(tool.limited(&arguments));
    read_until(COUNT);
    moving.end();
    reading.end();
    println!("{COUNT} messages, {KILLS} kills of stomp move: all moved, {copies} copies");
    assert!(copies <= KILLS * WINDOW, "what was under way, and no more, comes twice");
    assert!(came.iter().map(String::as_str).eq(lines(COUNT).lines().collect::<BTreeSet<_>>()));
    // What is left in the queue would come first.
    tool.run(&["send", &from, "the last", "--receipt"]);
    assert_eq!(tool.run(&["subscribe", &from, "-n", "1"]), "the last\n");
}

fn reader(mut command: Command) -> Running<ChildStdout> {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it is built");
    let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
    Running { child, output }
}
