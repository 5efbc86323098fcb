//! Runs `stomp` and looks at what came of it.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::Value;
use stomp_testkit::{broker::BrokerConfig, server::Server};

/// Longer than anything takes here: what takes longer has hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// What no output may hold.
pub(crate) const PASSCODE: &str = "canary-7f3a";

/// A broker that knows the login of the tool.
pub(crate) fn broker() -> Server {
    start(BrokerConfig::default())
}

pub(crate) fn start(config: BrokerConfig) -> Server {
    Server::start(config.user("keeper", PASSCODE)).expect("a broker starts")
}

/// A command line that finds the broker by the environment.
pub(crate) struct Tool {
    command: Command,
}

impl Tool {
    pub(crate) fn new(server: &Server, arguments: &[&str]) -> Self {
        Self::at(&format!("tcp://{}", server.address()), arguments)
    }

    pub(crate) fn at(uri: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stomp"));
        // What is drawn does not depend on the terminal of whoever runs the tests.
        command.args(arguments).env("TERM", "xterm");
        Self { command }.env("STOMP_URI", uri).env("STOMP_LOGIN", "keeper").env("STOMP_PASSCODE", PASSCODE)
    }

    /// A shell that becomes the tool after this.
    #[cfg(unix)]
    pub(crate) fn after(server: &Server, script: &str, arguments: &[&str]) -> Self {
        let Self { command: tool } = Self::new(server, arguments);
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{script}; exec \"$0\" \"$@\"")])
            .arg(tool.get_program())
            .args(tool.get_args());
        tool.get_envs().for_each(|(name, value)| _ = command.env(name, value.expect("it is set")));
        Self { command }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    #[cfg(unix)]
    pub(crate) fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Starts it, with a pipe for stdin.
    pub(crate) fn start(mut self) -> Running {
        let (input, output) = (Stdio::piped(), Stdio::piped());
        let mut child =
            self.command.stdin(input).stdout(output).stderr(Stdio::piped()).spawn().expect("stomp starts");
        let stderr = collect(child.stderr.take().expect("it is a pipe"));
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        Running { child, stdin, stdout, stderr }
    }

    /// Runs it to its end, without input.
    pub(crate) fn run(self) -> Finished {
        self.run_with("")
    }

    pub(crate) fn run_with(self, input: impl AsRef<[u8]>) -> Finished {
        let mut running = self.start();
        let mut stdin = running.stdin.take().expect("it is a pipe");
        let input = input.as_ref().to_vec();
        // It may end before it has read all.
        let writing = thread::spawn(move || _ = stdin.write_all(&input));
        let finished = running.finish();
        writing.join().expect("it ends when the reader does");
        finished
    }
}

/// All that comes, in the end.
fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut octets = Vec::new();
        _ = pipe.read_to_end(&mut octets);
        sender.send(octets)
    });
    receiver
}

/// A process that runs until it ends, or the test does.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    stderr: Receiver<Vec<u8>>,
}

impl Running {
    /// Writes a line to its stdin.
    pub(crate) fn write_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush()).expect("it reads");
    }

    /// The next line that it prints.
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().expect("it is open").read_line(&mut line).expect("it prints text");
        line
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process has a number"), signal).expect("it runs");
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is ours");
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        drop(self.stdin.take());
        let stdout = self.stdout.take().map(collect);
        let stderr = self.stderr.recv_timeout(PATIENCE);
        if stderr.is_err() {
            _ = self.child.kill();
        }
        let stderr = stderr.expect("it ends in time");
        let stdout = stdout.map(|stdout| stdout.recv_timeout(PATIENCE).expect("it ends in time"));
        let code = self.child.wait().expect("it is ours").code();
        let finished = Finished { code, stdout: stdout.unwrap_or_default(), stderr: text(&stderr) };
        finished.hides_secrets();
        finished
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    fn hides_secrets(&self) {
        assert!(!self.stderr.contains(PASSCODE) && !self.text().contains(PASSCODE), "a secret is shown");
    }

    pub(crate) fn text(&self) -> String {
        text(&self.stdout)
    }

    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stderr, self.text());
        self
    }

    /// Checks what it says on stderr.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "not {words:?}: {}", self.stderr);
        self
    }

    /// What it tells machines.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Waits until the broker is as it should be.
#[track_caller]
pub(crate) fn until(server: &Server, what: &str, is_so: impl FnMut(&stomp_testkit::broker::Broker) -> bool) {
    if let Err(error) = server.wait_for(PATIENCE, is_so).blocking() {
        panic!("{what} did not come: {error}");
    }
}
