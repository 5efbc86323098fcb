//! A process of a broker: how to launch, signal, watch and end it without leaving anything behind.

use super::{Description, Launch, Layout, User, probe};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The variable that names the directory in which every living process is noted by its number.
const NOTES: &str = "STOMP_TEST_PIDS";

/// All that a process inherits, so that a developer's settings for a broker of their own change no test.
const INHERITED: [&str; 4] = ["PATH", "JAVA_HOME", "TMPDIR", NOTES];

/// How long a signal may take to have its effect.
const SIGNAL_WITHIN: Duration = Duration::from_secs(10);

/// How many lines of a log an error quotes.
const QUOTED_LINES: usize = 30;

/// A process of a broker. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    directory: PathBuf,
    limits: Limits,
    readiness: Readiness,
    /// A port that must open a WebSocket at that path.
    web_socket: Option<(u16, &'static str)>,
    running: Option<Running>,
}

/// How long a process may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Until it is ready.
    pub(super) ready_within: Duration,
    /// Until it has ended by itself.
    pub(super) stops_within: Duration,
}

/// What shows that a process is ready.
#[derive(Clone, Copy, Debug)]
pub(super) enum Readiness {
    /// Its port accepts a connection.
    Listens,
    /// Its port answers the user's CONNECT.
    Answers(User, &'static str),
}

/// Why a process is not ready.
#[derive(Debug)]
pub(super) enum Failure {
    /// It ended: somebody else may have had its port.
    Died(io::Error),
    /// Trying again would not help.
    Final(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Final(error)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Died(error) | Failure::Final(error) => error,
        }
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Dropped, and so removed, only after the child was waited for.
    _note: Option<Note>,
}

impl Process {
    /// Describes a process that does not run yet and will work in `directory`.
    pub(super) fn new(launch: Launch, directory: &Path, limits: Limits, readiness: Readiness) -> Self {
        let directory = directory.to_owned();
        Self { launch, directory, limits, readiness, web_socket: None, running: None }
    }

    /// Describes a process of a broker that is not started as a whole. Nobody but its owner asks whether it is ready.
    #[doc(hidden)]
    pub fn of(description: &Description, launch: Launch, layout: &Layout) -> Self {
        let Description { ready_within, stops_within, .. } = *description;
        Self::new(launch, layout.directory(), Limits { ready_within, stops_within }, Readiness::Listens)
    }

    /// It is ready only when that port opens a WebSocket at that path, too.
    pub(super) fn opening(mut self, port: u16, path: &'static str) -> Self {
        self.web_socket = Some((port, path));
        self
    }

    /// Returns the name of the process in its description.
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// Returns the port that shows whether the process is ready, which for a node is its STOMP port.
    pub fn port(&self) -> u16 {
        self.launch.port
    }

    /// Returns the id of the process, or `None` if it has not been launched or was ended.
    pub fn id(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// Launches the process without waiting until it is ready. Does nothing if it is running.
    ///
    /// # Errors
    ///
    /// Returns an error if the program cannot be run.
    pub fn launch(&mut self) -> io::Result<()> {
        if self.running.is_none() {
            let child = self.command()?.spawn().map_err(|error| self.cannot("launch", &error))?;
            // The note is taken after the child is owned, so that a failure to take it still kills the child.
            let running = self.running.insert(Running { child, _note: None });
            running._note = Note::take(running.child.id())?;
        }
        Ok(())
    }

    /// Waits until it is ready, dies, or took too long.
    pub(super) fn wait_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.limits.ready_within;
        loop {
            // An answer counts only if ours still lives after it: the port may have become somebody else's.
            let ready = self.is_ready();
            if let Some(status) = self.ended()? {
                let text = format!("ended with {status} before it was ready");
                return Err(Failure::Died(self.complaint(&text)));
            }
            if ready {
                return Ok(());
            }
            if Instant::now() > deadline {
                let text = format!("was not ready within {:?}", self.limits.ready_within);
                return Err(Failure::Final(self.complaint(&text)));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the process without warning (SIGKILL), and waits until it has ended. Does nothing if it is not running.
    ///
    /// # Errors
    ///
    /// Returns an error if the process cannot be killed.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(running) = &mut self.running {
            running.child.kill()?;
            running.child.wait()?;
            self.running = None;
        }
        Ok(())
    }

    /// Asks the process to end (SIGTERM), waits as long as its description allows, and then kills it.
    ///
    /// # Errors
    ///
    /// Returns an error if the signal cannot be sent.
    pub fn stop(&mut self) -> io::Result<()> {
        if self.running.is_some() {
            self.signal("TERM")?;
            // A frozen process takes the request only after it was thawed.
            self.signal("CONT")?;
            let within = self.limits.stops_within;
            wait_until(within, || self.ended().is_ok_and(|status| status.is_some()));
        }
        self.kill()
    }

    /// Stops the process (SIGSTOP). Connections stay open, the system accepts new ones, and nothing is answered.
    ///
    /// # Errors
    ///
    /// Returns an error if the process is not running or does not stop.
    pub fn freeze(&mut self) -> io::Result<()> {
        self.signal("STOP")?;
        self.wait_state("freeze", |state| state == 'T')
    }

    /// Continues a stopped process (SIGCONT).
    ///
    /// # Errors
    ///
    /// Returns an error if the process is not running or does not continue.
    pub fn thaw(&mut self) -> io::Result<()> {
        self.signal("CONT")?;
        self.wait_state("thaw", |state| state != 'T')
    }

    /// Kills the process if it is running, launches it again with the same directory and ports, and waits until it is
    /// ready.
    ///
    /// # Errors
    ///
    /// Returns an error if the process is not ready in time. The error quotes its log.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.launch()?;
        Ok(self.wait_ready()?)
    }

    /// Returns everything that the process has written since its first launch.
    ///
    /// # Errors
    ///
    /// Returns an error if the process was never launched.
    pub fn log(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.log_file())?).into_owned())
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.launch.name))
    }

    fn command(&self) -> io::Result<Command> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let mut command = Command::new(&self.launch.program);
        command.args(&self.launch.arguments).current_dir(&self.directory);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.env_clear().env("LANG", "C.UTF-8");
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.launch.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn is_ready(&self) -> bool {
        let Launch { port, further_ports, .. } = &self.launch;
        let first = match self.readiness {
            Readiness::Listens => probe::listens(*port),
            Readiness::Answers(user, host) => probe::answers(*port, user, host),
        };
        // RabbitMQ 4.3 opens its port for TLS after the one without.
        let further = || further_ports.iter().all(|port| probe::listens(*port));
        first && further() && self.web_socket.is_none_or(|(port, path)| probe::opens(port, path))
    }

    /// How it ended, if it did so by itself.
    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        match &mut self.running {
            Some(running) => running.child.try_wait(),
            None => Err(self.complaint("does not run")),
        }
    }

    /// Sends a signal. The standard library knows only SIGKILL; the shell's own `kill` exists on every machine.
    fn signal(&mut self, name: &str) -> io::Result<()> {
        if let Some(status) = self.ended()? {
            return Err(self.complaint(&format!("got no SIG{name}: it had ended with {status}")));
        }
        let target = self.id().map(|id| id.to_string()).unwrap_or_default();
        let kill = ["-c", "kill -s \"$1\" \"$2\"", "sh", name, &target];
        let status = Command::new("sh").args(kill).stderr(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(self.complaint(&format!("could not be sent SIG{name}"))) }
    }

    /// Waits until the system shows the process in a state that `wanted` accepts.
    fn wait_state(&mut self, action: &str, wanted: impl Fn(char) -> bool) -> io::Result<()> {
        let Some(id) = self.id() else { return Err(self.complaint("does not run")) };
        if wait_until(SIGNAL_WITHIN, || state(id).is_some_and(&wanted)) {
            return Ok(());
        }
        Err(self.complaint(&format!("did not {action} within {SIGNAL_WITHIN:?}")))
    }

    fn cannot(&self, action: &str, error: &io::Error) -> io::Error {
        let program = self.launch.program.display();
        io::Error::new(error.kind(), format!("cannot {action} {} ({program}): {error}", self.launch.name))
    }

    /// An error about this process that quotes the end of its log.
    fn complaint(&self, what: &str) -> io::Error {
        let log = self.log().unwrap_or_else(|error| format!("no log: {error}"));
        io::Error::other(format!("{} {what}; the end of its log:\n{}", self.launch.name, tail(&log)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("cannot kill {}: {error}", self.launch.name);
        }
    }
}

/// A file that tells whoever cleans up after an interrupt that a process lives.
#[derive(Debug)]
struct Note {
    file: PathBuf,
}

impl Note {
    /// Takes a note of a process where the environment wants it.
    fn take(id: u32) -> io::Result<Option<Self>> {
        std::env::var_os(NOTES).map(|directory| Self::write(Path::new(&directory), id)).transpose()
    }

    fn write(directory: &Path, id: u32) -> io::Result<Self> {
        let note = Self { file: directory.join(id.to_string()) };
        fs::write(&note.file, format!("{id}\n"))?;
        Ok(note)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // Whoever cleans up may have been quicker.
        let _ = fs::remove_file(&self.file);
    }
}

/// Asks until the answer is yes or the time is over; returns the last answer.
fn wait_until(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The state letter of a process, while it exists.
fn state(id: u32) -> Option<char> {
    parse_state(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// The state follows the program's name, which is in parentheses and may itself hold any character.
fn parse_state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::{ACTIVEMQ_5_17, GUEST};
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    const SHORT: Limits =
        Limits { ready_within: Duration::from_millis(300), stops_within: Duration::from_millis(300) };

    /// A process that is a shell script, ready when somebody listens on `port`.
    fn script(layout: &Layout, text: &str, port: u16) -> Process {
        let launch = Launch {
            name: "script".to_owned(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), text.into()],
            environment: vec![("COLOUR", "green".into())],
            port,
            further_ports: Vec::new(),
        };
        Process::new(launch, layout.directory(), SHORT, Readiness::Listens)
    }

    fn layout() -> Layout {
        Layout::new(&ACTIVEMQ_5_17).unwrap()
    }

    #[test]
    fn a_process_that_dies_is_told_apart_and_quoted() {
        let layout = layout();
        let mut process = script(&layout, "echo no $COLOUR today >&2; exit 3", layout.port(0, "stomp"));
        process.launch().unwrap();
        let Err(Failure::Died(error)) = process.wait_ready() else { panic!("the process did not die") };
        assert!(error.to_string().contains("no green today"), "{error}");
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }

    #[test]
    fn an_answer_of_somebody_else_does_not_count_for_a_dead_process() {
        let layout = layout();
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut process = script(&layout, "exit 1", stranger.local_addr().unwrap().port());
        process.launch().unwrap();
        process.running.as_mut().unwrap().child.wait().unwrap();
        assert!(matches!(process.wait_ready(), Err(Failure::Died(_))));
    }

    #[test]
    fn one_whose_second_port_is_still_closed_is_not_ready() {
        let layout = layout();
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut process = script(&layout, "exec sleep 60", first.local_addr().unwrap().port());
        process.launch.further_ports = vec![layout.port(0, "tls")];
        process.launch().unwrap();
        assert!(!process.is_ready());
        let _second = TcpListener::bind((Ipv4Addr::LOCALHOST, layout.port(0, "tls"))).unwrap();
        assert!(process.is_ready());
    }

    #[test]
    fn a_silent_process_runs_into_its_deadline() {
        let layout = layout();
        let mut process = script(&layout, "exec sleep 60", layout.port(0, "stomp"));
        process.readiness = Readiness::Answers(GUEST, "/");
        process.launch().unwrap();
        let Err(Failure::Final(error)) = process.wait_ready() else { panic!("it cannot be ready") };
        assert!(error.to_string().contains("not ready within 300ms"), "{error}");
    }

    #[test]
    fn freezing_and_thawing_show_in_its_state() {
        let layout = layout();
        let mut process = script(&layout, "exec sleep 60", layout.port(0, "stomp"));
        process.launch().unwrap();
        let id = process.id().unwrap();
        process.freeze().unwrap();
        assert_eq!(state(id), Some('T'));
        process.thaw().unwrap();
        assert_ne!(state(id), Some('T'));
        process.freeze().unwrap();
        process.stop().unwrap();
        assert_eq!(state(id), None);
        assert!(process.freeze().is_err(), "there is nothing left to freeze");
    }

    #[test]
    fn one_that_ignores_the_request_to_end_is_killed() {
        let layout = layout();
        let text = "trap '' TERM; echo ready; while :; do sleep 1; done";
        let mut process = script(&layout, text, layout.port(0, "stomp"));
        process.launch().unwrap();
        assert!(wait_until(SIGNAL_WITHIN, || process.log().is_ok_and(|log| log.contains("ready"))));
        let id = process.id().unwrap();
        process.stop().unwrap();
        assert_eq!(state(id), None);
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let layout = layout();
        let mut process = script(&layout, "exec sleep 60", layout.port(0, "stomp"));
        process.launch().unwrap();
        let id = process.id().unwrap();
        drop(process);
        assert_eq!(state(id), None);
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let layout = layout();
        let mut process = script(&layout, "", 1);
        process.launch.program = "/nowhere/broker".into();
        let error = process.launch().unwrap_err();
        assert!(error.to_string().contains("cannot launch script (/nowhere/broker)"), "{error}");
    }

    #[test]
    fn a_note_lasts_as_long_as_its_process() {
        let layout = layout();
        let note = Note::write(layout.directory(), 4711).unwrap();
        let file = layout.directory().join("4711");
        assert_eq!(fs::read_to_string(&file).unwrap(), "4711\n");
        drop(note);
        assert!(!file.exists());
    }

    #[test]
    fn the_state_is_read_behind_any_program_name() {
        assert_eq!(parse_state("12 (java) S 1 2"), Some('S'));
        assert_eq!(parse_state("12 (a ) T (b) Z 1 2"), Some('Z'));
        assert_eq!(parse_state(""), None);
    }

    #[test]
    fn a_long_log_is_quoted_from_its_end() {
        let log: String = (0..100).map(|line| format!("line {line}\n")).collect();
        assert!(tail(&log).starts_with("line 70\n"));
        assert_eq!(tail("one"), "one");
    }
}
