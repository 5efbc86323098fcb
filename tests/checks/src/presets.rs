//! What the presets of the embedded broker are held to: questions as frames, and the answers in a form that can be compared.
//!
//! The answers of real brokers are in `tests/data/presets`, and so is the list of the differences that are left, each with its
//! reason. The program `presets` starts the real ones, asks them, and writes down what they answer.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use stomp_testkit::broker::{Broker, BrokerConfig, ConnectionId, Output};

/// Questions, by name, each with its steps.
///
/// A step is a frame without its NUL, or a number of milliseconds to wait. `2> ` before a frame sends it on a second connection.
/// `{q}` and `{t}` are a queue and a topic of the question's own; `{ack}`, `{message-id}` and `{reply-to}` are the latest values
/// of these headers that were heard; `{4 MiB}` is that much text, and `{120 headers}` as many headers.
pub type Questions = BTreeMap<String, Vec<String>>;

/// What was answered to each question, a line for each frame, and an empty line after each step.
pub type Answers = BTreeMap<String, Vec<String>>;

/// The name of a preset, and how it is made.
pub type Preset = (&'static str, fn() -> BrokerConfig);

/// The brokers whose answers are recorded, by the names of their records, and the presets that follow them.
pub const PRESETS: [Preset; 7] = [
    ("rabbitmq-3.10", BrokerConfig::rabbitmq),
    ("rabbitmq-4.0", BrokerConfig::rabbitmq_4_0),
    ("rabbitmq-4.3", BrokerConfig::rabbitmq_4_3),
    ("activemq-5.17", BrokerConfig::activemq),
    ("activemq-6.3", BrokerConfig::activemq_6),
    ("artemis-2.44", BrokerConfig::artemis),
    ("artemis-2.57", BrokerConfig::artemis_2_57),
];

/// The name of the record of a real broker, by the name in its description.
#[must_use]
pub fn record_name(broker: &str) -> String {
    broker.to_lowercase().replace(' ', "-")
}

/// Somebody who answers on connections.
trait Peer {
    fn connect(&mut self) -> io::Result<usize>;
    fn say(&mut self, connection: usize, octets: &[u8]) -> io::Result<()>;
    /// What has come, and whether the connection has ended.
    fn hear(&mut self, connection: usize, asked: Asked) -> (Vec<u8>, bool);
    fn wait(&mut self, time: Duration);
}

/// What a connection was asked in a step.
#[derive(Clone, Copy, PartialEq)]
enum Asked {
    /// Nothing that must be answered.
    Nothing,
    /// Something with a receipt.
    Receipt,
    /// To let a client in, who does not mean to send heart-beats.
    Connect,
}

impl Asked {
    fn by(frame: &str) -> Self {
        match frame {
            connect if connect.starts_with("CONNECT\n") => Self::Connect,
            receipt if receipt.contains("\nreceipt:") => Self::Receipt,
            _ => Self::Nothing,
        }
    }
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

/// Asks the broker that listens at an address, several questions at once. It is taken to have answered when it has been silent
/// for this long.
///
/// # Errors
/// Returns an error if it cannot be reached or a question is malformed.
pub fn ask_real(questions: &Questions, address: &str, silence: Duration) -> io::Result<Answers> {
    let open = Mutex::new(questions.iter());
    let next = || open.lock().unwrap_or_else(PoisonError::into_inner).next();
    let ask = || {
        let mut answers = Answers::new();
        while let Some((name, steps)) = next() {
            let mut peer = Real { address, silence, sockets: Vec::new() };
            answers.insert(name.clone(), converse(&mut peer, name, steps)?);
        }
        Ok(answers)
    };
    thread::scope(|scope| {
        let askers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(ask)).collect();
        let answers = askers.into_iter().map(|asker| asker.join().map_err(|_| io::ErrorKind::Other)?);
        answers.collect::<io::Result<Vec<Answers>>>().map(|answers| answers.into_iter().flatten().collect())
    })
}

/// Asks a real broker whether it still answers as it is recorded to have answered, and returns what is answered otherwise.
///
/// What differs is asked again, each time with twice the patience: a broker that was busy has not answered otherwise.
///
/// # Errors
/// Returns an error if the broker cannot be reached or a question is malformed.
pub fn differences(questions: &Questions, address: &str, recorded: &Answers) -> io::Result<Answers> {
    let is_other = |name: &String, answer: &[String]| {
        recorded.get(name).is_none_or(|before| in_order(before) != in_order(answer))
    };
    let (mut open, mut others, mut silence) = (questions.clone(), Answers::new(), QUIET);
    for time in 0..TIMES {
        // Their queues may hold messages from the time before, so that they are asked about others.
        let again = AGAIN.repeat(time);
        let named = open.iter().map(|(name, steps)| (format!("{name}{again}"), steps.clone()));
        let answers = ask_real(&named.collect(), address, silence)?;
        others = answers.into_iter().map(|(name, lines)| as_first(&name, lines)).collect();
        others.retain(|name, answer| is_other(name, answer));
        open.retain(|name, _| others.contains_key(name));
        if open.is_empty() {
            break;
        }
        silence *= 2;
    }
    Ok(others)
}

/// An answer as if its question had been asked for the first time.
fn as_first(name: &str, lines: Vec<String>) -> (String, Vec<String>) {
    let first = name.trim_end_matches(AGAIN);
    let lines = lines.into_iter().map(|line| line.replace(&own(name), &own(first)));
    (first.to_owned(), lines.collect())
}

/// What a question's own destinations are called.
fn own(name: &str) -> String {
    name.replace(' ', ".")
}

/// The frames of each connection and command, in their order. At which step a MESSAGE comes, and whether it is before a RECEIPT,
/// depends on how fast the broker is.
fn in_order(answer: &[String]) -> BTreeMap<Vec<&str>, Vec<&str>> {
    let mut frames: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in answer.iter().filter(|line| !line.is_empty()) {
        let connection_and_command = line.splitn(3, ' ').take(2).collect();
        frames.entry(connection_and_command).or_default().push(&**line);
    }
    frames
}

/// What is behind the name of a question that is asked again.
const AGAIN: &str = " again";
/// How often a question is asked whose answer differs.
const TIMES: usize = 5;
/// How many questions are asked at the same time.
const AT_ONCE: usize = 8;
/// How long a real broker is silent before it is taken to have answered.
const QUIET: Duration = Duration::from_millis(400);
/// The same for answers that are written down.
pub const PATIENCE: Duration = Duration::from_millis(800);

fn converse(peer: &mut dyn Peer, name: &str, steps: &[String]) -> io::Result<Vec<String>> {
    let mut heard = BTreeMap::new();
    let mut connections = [None; 2];
    let mut ended = [false; 2];
    let mut lines = Vec::new();
    for step in steps {
        let mut asked = [Asked::Nothing; 2];
        if let Ok(milliseconds) = step.parse() {
            peer.wait(Duration::from_millis(milliseconds));
        } else {
            let (number, frame) = step.strip_prefix("2> ").map_or((0, &**step), |frame| (1, frame));
            let slot = connections.get_mut(number).ok_or(io::ErrorKind::InvalidInput)?;
            let connection = match *slot {
                Some(connection) => connection,
                None => *slot.insert(peer.connect()?),
            };
            asked.get_mut(number).into_iter().for_each(|asked| *asked = Asked::by(frame));
            // One that has been closed says nothing more.
            _ = peer.say(connection, format!("{}\0", filled(frame, name, &heard)).as_bytes());
        }
        for (number, connection) in connections.iter().enumerate() {
            let Some(connection) = connection.filter(|_| ended.get(number) == Some(&false)) else { continue };
            let (octets, is_over) =
                peer.hear(connection, asked.get(number).copied().unwrap_or(Asked::Nothing));
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
    let own = own(name);
    let frame = frame.replace("{q}", &format!("/queue/{own}")).replace("{t}", &format!("/topic/{own}"));
    let frame = frame.replace("{4 MiB}", &"x".repeat(4 << 20));
    let headers = |count: u32| (0..count).map(|number| format!("h{number}:v\n")).collect::<String>();
    let frame = frame.replace("{90 headers}", &headers(90)).replace("{120 headers}", &headers(120));
    heard.iter().fold(frame, |frame, (name, value)| frame.replace(&format!("{{{name}}}"), value))
}

/// Headers whose values differ each time.
const VOLATILE: [&str; 7] =
    ["_AMQ_SCHED_DELIVERY", "ack", "message-id", "server", "session", "timestamp", "scheduledJobId"];
/// Counts that RabbitMQ writes into messages from quorum queues. Its presets know no kinds of queues, and do not write them;
/// how often a message comes back is compared all the same.
const COUNTED: [&str; 2] = ["x-acquired-count", "x-delivery-count"];
/// Beginnings of names that are made up by a broker.
const MADE_UP: [&str; 3] = ["/remote-temp-queue/", "/reply-queue/amq.gen-", "/queue/amq.gen-"];

/// A body of more octets is not shown.
const LONG_BODY: usize = 1000;

/// The frames in these octets as lines, MESSAGEs last, by subscription: they come when they come.
fn frames(octets: &[u8], heard: &mut BTreeMap<String, String>) -> Vec<String> {
    let text = String::from_utf8_lossy(octets);
    let frames =
        text.split('\0').map(|frame| frame.trim_start_matches(['\r', '\n'])).filter(|it| !it.is_empty());
    let mut lines: Vec<_> = frames.map(|frame| shown(frame, heard)).collect();
    let subscription =
        |line: &str| line.split(' ').find(|word| word.starts_with("subscription=")).map(str::to_owned);
    lines.sort_by_key(|line| line.starts_with("MESSAGE").then(|| subscription(line)));
    lines
}

fn shown(frame: &str, heard: &mut BTreeMap<String, String>) -> String {
    let (head, body) = frame.split_once("\n\n").unwrap_or((frame, ""));
    let mut lines = head.lines();
    let command = lines.next().unwrap_or_default();
    let mut headers: Vec<_> = lines.map(|line| line.split_once(':').unwrap_or((line, "no colon"))).collect();
    headers.retain(|(name, _)| !COUNTED.contains(name));
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
    if body.len() > LONG_BODY {
        line.push_str(&format!(" {} octets", body.len()));
    } else if !body.is_empty() {
        line.push_str(&format!(" {:?}", anonymous(body, heard)));
    }
    line
}

/// A text without the ids and ports in it that differ each time.
fn anonymous(text: &str, heard: &BTreeMap<String, String>) -> String {
    let ids = ["ack", "message-id"].into_iter().filter_map(|name| heard.get(name));
    let plain = ids.clone().map(|id| id.replace("\\c", ":"));
    let ids: Vec<_> = ids.cloned().chain(plain).filter(|id| id.len() > 1).collect();
    without_numbers(&ids.iter().fold(text.to_owned(), |text, id| text.replace(id.as_str(), "*")))
}

/// What numbers follow that differ each time: the port of a client, and what brokers of Java make of their start.
const NUMBERED: [&str; 5] =
    ["//127.0.0.1:", "//127.0.0.1\\c", "temp-queue://ID:", "//ID\\c", "no message with id "];

fn without_numbers(text: &str) -> String {
    let mut text = text.to_owned();
    for before in NUMBERED {
        let Some((head, tail)) = text.split_once(before) else { continue };
        let rest = tail.trim_start_matches(|letter: char| !letter.is_whitespace());
        text = format!("{head}{before}*{}", without_numbers(rest));
    }
    text
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

    fn hear(&mut self, connection: usize, _asked: Asked) -> (Vec<u8>, bool) {
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
    silence: Duration,
    sockets: Vec<TcpStream>,
}

/// How long a frame that is to be answered is given for it, on a machine that is busy.
const ANSWER: Duration = Duration::from_secs(8);
/// How long a broker is listened to that is never silent.
const LONG: Duration = Duration::from_secs(3);

impl Peer for Real<'_> {
    fn connect(&mut self) -> io::Result<usize> {
        self.sockets.push(TcpStream::connect(self.address)?);
        Ok(self.sockets.len() - 1)
    }

    fn say(&mut self, connection: usize, octets: &[u8]) -> io::Result<()> {
        let mut socket = self.sockets.get(connection).ok_or(io::ErrorKind::NotConnected)?;
        socket.write_all(octets)
    }

    fn hear(&mut self, connection: usize, asked: Asked) -> (Vec<u8>, bool) {
        let Some(mut socket) = self.sockets.get(connection) else { return Default::default() };
        let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
        let silence = if asked == Asked::Connect { QUIET } else { self.silence };
        let mut patience = if asked == Asked::Nothing { silence } else { ANSWER };
        let end = Instant::now() + patience + LONG;
        // Heart-beats never stop.
        while Instant::now() < end {
            let read = socket.set_read_timeout(Some(patience)).and_then(|()| socket.read(&mut buffer));
            match read {
                Ok(0) => return (heard, true),
                Ok(octets) => heard.extend_from_slice(buffer.get(..octets).unwrap_or_default()),
                Err(error) => {
                    let is_quiet =
                        matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                    return (heard, !is_quiet);
                }
            }
            patience = silence;
        }
        (heard, false)
    }

    fn wait(&mut self, time: Duration) {
        thread::sleep(time);
    }
}
