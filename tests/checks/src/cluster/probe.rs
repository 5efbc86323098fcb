//! Whether each node takes a message for the queue of the load, asked all the time without any STOMP library: what a client
//! could have done at that moment.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use stomp_testkit::real::GUEST;

use super::{
    kind::Kind,
    running::Cluster,
    timeline::{Sight, Timeline, View},
};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// What the probes send. Consumers take it for nothing.
pub(super) const BODY: &str = "probe";

/// Whether something listens there.
pub(super) fn listens(address: SocketAddr) -> bool {
    open(address).is_ok()
}

/// Whether a CONNECT is answered there.
pub(super) fn answers(address: SocketAddr, host: &str) -> bool {
    connect(address, host).is_ok()
}

fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connect(address: SocketAddr, host: &str) -> io::Result<TcpStream> {
    let mut stream = open(address)?;
    let (login, passcode) = (GUEST.login, GUEST.passcode);
    let frame = format!("CONNECT\naccept-version:1.2\nhost:{host}\nlogin:{login}\npasscode:{passcode}\n\n\0");
    ask(&mut stream, &frame, "CONNECTED")?;
    Ok(stream)
}

/// Whether the answer is that frame.
fn ask(stream: &mut TcpStream, frame: &str, expected: &str) -> io::Result<()> {
    stream.write_all(frame.as_bytes())?;
    let answer = read(stream)?;
    if answer.starts_with(expected) { Ok(()) } else { Err(io::Error::other(answer)) }
}

/// A frame, which has no NUL in its body.
fn read(stream: &mut TcpStream) -> io::Result<String> {
    let mut frame = Vec::new();
    let mut octet = [0];
    while frame.last() != Some(&0) {
        stream.read_exact(&mut octet)?;
        frame.extend(octet);
    }
    Ok(String::from_utf8_lossy(&frame).trim_start().to_owned())
}

/// Whether a node has a message with that body for whoever asks. It is given back.
pub(super) fn holds(address: SocketAddr, host: &str, kind: &Kind, body: &str) -> bool {
    let subscribe = format!(
        "SUBSCRIBE\nid:probe\ndestination:{}\nack:client-individual\n{}\n\0",
        kind.destination,
        headers(kind)
    );
    let end = format!("\n\n{body}\0");
    let deadline = Instant::now() + 3 * PATIENCE;
    let found = connect(address, host).and_then(|mut stream| {
        stream.write_all(subscribe.as_bytes())?;
        while Instant::now() < deadline {
            if read(&mut stream)?.ends_with(&end) {
                return Ok(true);
            }
        }
        Ok(false)
    });
    found.unwrap_or(false)
}

fn headers(kind: &Kind) -> String {
    kind.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect()
}

/// A thread for each node. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Probes {
    timeline: Arc<Mutex<Timeline>>,
    done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Probes {
    pub(super) fn start(cluster: &Cluster) -> Self {
        let (timeline, done) = (Arc::<Mutex<Timeline>>::default(), Arc::<AtomicBool>::default());
        let threads = (0..cluster.size()).map(|node| {
            let mut probe = Probe::new(cluster, node);
            let (timeline, done) = (Arc::clone(&timeline), Arc::clone(&done));
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let view = probe.look();
                    lock(&timeline).saw(Sight { node, until: Instant::now(), view });
                    thread::sleep(PAUSE);
                }
            })
        });
        Self { threads: threads.collect(), timeline, done }
    }

    /// What was seen since the last call.
    pub(super) fn take(&self) -> Timeline {
        lock(&self.timeline).take()
    }

    /// Whether that many nodes serve now.
    pub(super) fn serving(&self) -> Vec<bool> {
        lock(&self.timeline).now(self.threads.len())
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| {
            let _ = thread.join();
        });
    }
}

fn lock(timeline: &Mutex<Timeline>) -> std::sync::MutexGuard<'_, Timeline> {
    timeline.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The probe of a node.
struct Probe {
    address: SocketAddr,
    host: &'static str,
    frame: String,
    stream: Option<TcpStream>,
}

impl Probe {
    fn new(cluster: &Cluster, node: usize) -> Self {
        let frame = send(cluster.kind());
        Self { address: cluster.address(node), host: cluster.virtual_host(), frame, stream: None }
    }

    /// A connection that fails says nothing yet: the next one tells.
    fn look(&mut self) -> View {
        if let Some(stream) = &mut self.stream
            && ask(stream, &self.frame, "RECEIPT").is_ok()
        {
            return View::Serves;
        }
        self.stream = None;
        let Ok(mut stream) = connect(self.address, self.host) else { return View::Gone };
        if ask(&mut stream, &self.frame, "RECEIPT").is_err() {
            return View::Deaf;
        }
        self.stream = Some(stream);
        View::Serves
    }
}

fn send(kind: &Kind) -> String {
    format!("SEND\ndestination:{}\nreceipt:1\n{}\n{BODY}\0", kind.destination, headers(kind))
}
