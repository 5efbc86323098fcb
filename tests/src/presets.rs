//! What the presets of the embedded broker are held to: questions as frames, and the answers in a form that can be compared.
//!
//! The answers of real brokers are in `tests/data/presets`, and so is the list of the differences that are left, each with its
//! reason. The program `presets` asks a real broker and prints what it answers.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::broker::{Broker, BrokerConfig, ConnectionId, Output};

/// Questions, by name, each with its steps.
///
/// A step is a frame without its NUL, or a number of milliseconds to wait. `2> ` before a frame sends it on a second connection.
/// `{q}` and `{t}` are a queue and a topic of the question's own; `{ack}`, `{message-id}` and `{reply-to}` are the latest values
/// of these headers that were heard.
pub type Questions = BTreeMap<String, Vec<String>>;

/// What was answered to each question, a line for each frame, and an empty line after each step.
pub type Answers = BTreeMap<String, Vec<String>>;

/// Somebody who answers on connections.
trait Peer {
    fn connect(&mut self) -> io::Result<usize>;
    fn say(&mut self, connection: usize, octets: &[u8]) -> io::Result<()>;
    /// What has come, and whether the connection has ended.
    fn hear(&mut self, connection: usize) -> (Vec<u8>, bool);
    fn wait(&mut self, time: Duration);
}

/// Asks an embedded broker, in virtual time.
///
/// # Errors
/// Returns an error if a question is malformed.
pub fn ask_preset(questions: &Questions, config: &BrokerConfig) -> io::Result<Answers> {
    let answers = questions.iter().map(|(name, steps)| {
        let mut broker = Broker::new(config.clone());
        broker.set_wall_clock(Duration::from_secs(1_800_000_000));
        let mut peer = Embedded { broker, now: Duration::ZERO, peers: Vec::new() };
        Ok((name.clone(), converse(&mut peer, name, steps)?))
    });
    answers.collect()
}

/// Asks the broker that listens at an address.
///
/// # Errors
/// Returns an error if it cannot be reached or a question is malformed.
pub fn ask_real(questions: &Questions, address: &str) -> io::Result<Answers> {
    let answers = questions.iter().map(|(name, steps)| {
        let mut peer = Real { address, sockets: Vec::new() };
        Ok((name.clone(), converse(&mut peer, name, steps)?))
    });
    answers.collect()
}

fn converse(peer: &mut dyn Peer, name: &str, steps: &[String]) -> io::Result<Vec<String>> {
    let mut heard = BTreeMap::new();
    let mut connections = [None; 2];
    let mut ended = [false; 2];
    let mut lines = Vec::new();
    for step in steps {
        if let Ok(milliseconds) = step.parse() {
            peer.wait(Duration::from_millis(milliseconds));
        } else {
            let (number, frame) = step.strip_prefix("2> ").map_or((0, &**step), |frame| (1, frame));
            let slot = connections.get_mut(number).ok_or(io::ErrorKind::InvalidInput)?;
            let connection = match *slot {
                Some(connection) => connection,
                None => *slot.insert(peer.connect()?),
            };
            // One that has been closed says nothing more.
            _ = peer.say(connection, format!("{}\0", filled(frame, name, &heard)).as_bytes());
        }
        for (number, connection) in connections.iter().enumerate() {
            let Some(connection) = connection.filter(|_| ended.get(number) == Some(&false)) else { continue };
            let (octets, is_over) = peer.hear(connection);
            lines.extend(
                frames(&octets, &mut heard).into_iter().map(|line| format!("{}: {line}", number + 1)),
            );
            if is_over {
                lines.push(format!("{}: closed", number + 1));
                ended.get_mut(number).into_iter().for_each(|ended| *ended = true);
            }
        }
        lines.push(String::new());
    }
    lines.pop();
    Ok(lines)
}

fn filled(frame: &str, name: &str, heard: &BTreeMap<String, String>) -> String {
    let own = name.replace(' ', ".");
    let frame = frame.replace("{q}", &format!("/queue/{own}")).replace("{t}", &format!("/topic/{own}"));
    heard.iter().fold(frame, |frame, (name, value)| frame.replace(&format!("{{{name}}}"), value))
}

/// Headers whose values differ each time.
const VOLATILE: [&str; 7] =
    ["_AMQ_SCHED_DELIVERY", "ack", "message-id", "server", "session", "timestamp", "scheduledJobId"];
/// Beginnings of names that are made up by a broker.
const MADE_UP: [&str; 3] = ["/remote-temp-queue/", "/reply-queue/amq.gen-", "/queue/amq.gen-"];

/// The frames in these octets as lines, MESSAGEs last: they come when they come.
fn frames(octets: &[u8], heard: &mut BTreeMap<String, String>) -> Vec<String> {
    let text = String::from_utf8_lossy(octets);
    let frames =
        text.split('\0').map(|frame| frame.trim_start_matches(['\r', '\n'])).filter(|it| !it.is_empty());
    let mut lines: Vec<_> = frames.map(|frame| shown(frame, heard)).collect();
    lines.sort_by_key(|line| line.starts_with("MESSAGE"));
    lines
}

fn shown(frame: &str, heard: &mut BTreeMap<String, String>) -> String {
    let (head, body) = frame.split_once("\n\n").unwrap_or((frame, ""));
    let mut lines = head.lines();
    let command = lines.next().unwrap_or_default();
    let mut headers: Vec<_> = lines.map(|line| line.split_once(':').unwrap_or((line, "no colon"))).collect();
    headers.sort_unstable();
    let mut line = command.to_owned();
    for (name, value) in headers {
        if VOLATILE.contains(&name) || name == "reply-to" {
            heard.insert(name.to_owned(), value.to_owned());
        }
        let made_up = MADE_UP.into_iter().find(|prefix| value.starts_with(prefix));
        let value = match made_up {
            _ if VOLATILE.contains(&name) || (command == "ERROR" && name == "content-length") => {
                "*".to_owned()
            }
            Some(prefix) => format!("{prefix}*"),
            None => anonymous(value, heard),
        };
        line.push_str(&format!(" {name}={value}"));
    }
    // A stack trace follows.
    let body = if command == "ERROR" { body.lines().next().unwrap_or_default() } else { body };
    if !body.is_empty() {
        line.push_str(&format!(" {:?}", anonymous(body, heard)));
    }
    line
}

/// A text without the ids in it that differ each time.
fn anonymous(text: &str, heard: &BTreeMap<String, String>) -> String {
    let ids = ["ack", "message-id"].into_iter().filter_map(|name| heard.get(name));
    let plain = ids.clone().map(|id| id.replace("\\c", ":"));
    let ids: Vec<_> = ids.cloned().chain(plain).filter(|id| id.len() > 1).collect();
    ids.iter().fold(text.to_owned(), |text, id| text.replace(id.as_str(), "*"))
}

struct Embedded {
    broker: Broker,
    now: Duration,
    peers: Vec<(ConnectionId, Vec<u8>, bool)>,
}

impl Embedded {
    fn collect(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            let (Output::Send { connection, .. } | Output::Close { connection }) = output;
            let Some(peer) = self.peers.iter_mut().find(|(id, ..)| *id == connection) else { continue };
            match output {
                Output::Send { bytes, .. } => peer.1.extend_from_slice(&bytes),
                Output::Close { .. } => peer.2 = true,
            }
        }
    }
}

impl Peer for Embedded {
    fn connect(&mut self) -> io::Result<usize> {
        let connection = self.broker.connect(self.now);
        self.peers.push((connection, Vec::new(), false));
        Ok(self.peers.len() - 1)
    }

    fn say(&mut self, connection: usize, octets: &[u8]) -> io::Result<()> {
        let (connection, ..) = self.peers.get(connection).ok_or(io::ErrorKind::NotConnected)?;
        self.broker.receive(*connection, octets, self.now);
        Ok(())
    }

    fn hear(&mut self, connection: usize) -> (Vec<u8>, bool) {
        self.collect();
        let peer = self.peers.get_mut(connection);
        peer.map_or_else(Default::default, |(_, octets, is_over)| (std::mem::take(octets), *is_over))
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.broker.poll_timeout().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.broker.handle_timeout(self.now);
        }
        self.now = end;
    }
}

struct Real<'a> {
    address: &'a str,
    sockets: Vec<TcpStream>,
}

/// How long a real broker is silent before it is taken to have answered.
const QUIET: Duration = Duration::from_millis(400);
/// How long one is listened to that is never silent.
const LONG: Duration = Duration::from_secs(2);

impl Peer for Real<'_> {
    fn connect(&mut self) -> io::Result<usize> {
        self.sockets.push(TcpStream::connect(self.address)?);
        Ok(self.sockets.len() - 1)
    }

    fn say(&mut self, connection: usize, octets: &[u8]) -> io::Result<()> {
        let mut socket = self.sockets.get(connection).ok_or(io::ErrorKind::NotConnected)?;
        socket.write_all(octets)
    }

    fn hear(&mut self, connection: usize) -> (Vec<u8>, bool) {
        let Some(mut socket) = self.sockets.get(connection) else { return Default::default() };
        let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
        if socket.set_read_timeout(Some(QUIET)).is_err() {
            return (heard, true);
        }
        let end = Instant::now() + LONG;
        // Heart-beats never stop.
        while Instant::now() < end {
            match socket.read(&mut buffer) {
                Ok(0) => return (heard, true),
                Ok(octets) => heard.extend_from_slice(buffer.get(..octets).unwrap_or_default()),
                Err(error) => {
                    let is_quiet =
                        matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                    return (heard, !is_quiet);
                }
            }
        }
        (heard, false)
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
