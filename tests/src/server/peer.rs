//! The socket of one connection and its two threads, a reader and a writer. Neither waits for other connections.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;

use super::{
    hub::Report,
    line::{Came, Line},
    spawn,
};
use crate::broker::ConnectionId;

/// The number of buffers of a reader, which fills one while the broker reads the other. It cannot report more than
/// these before the broker has read one.
const BUFFERS: usize = 2;
const BUFFER: usize = 32 * 1024;
/// How long a client may take to read pending output and to close, before its connection is cut.
const LINGER: Duration = Duration::from_secs(5);

/// What the writer is to do.
pub(super) enum Write {
    /// Frames of the broker.
    Frames(Bytes),
    /// What the reader has to answer that is no business of the broker.
    #[cfg_attr(not(feature = "websocket"), allow(dead_code, reason = "plain STOMP has no such thing"))]
    Raw(Vec<u8>),
    /// Nothing more.
    End,
}

pub(super) struct Peer {
    socket: Arc<TcpStream>,
    /// Output to be written, bounded by the broker's window. `None` once no more will follow.
    output: Option<Sender<Write>>,
    buffers: Option<Sender<Box<[u8]>>>,
    /// Buffers that the reader gets back when it may go on.
    pub(super) held: Vec<Box<[u8]>>,
    linger: Option<Duration>,
    /// How many of its threads have reported their end.
    pub(super) ended: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Peer {
    pub(super) fn start(
        socket: TcpStream,
        line: Line,
        connection: ConnectionId,
        reports: &Sender<Report>,
    ) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let socket = Arc::new(socket);
        let (output, to_write) = mpsc::channel();
        let (buffers, to_fill) = mpsc::channel();
        let held = (0..BUFFERS).map(|_| vec![0; BUFFER].into_boxed_slice()).collect();
        let line = Arc::new(line);
        let mut peer = Self {
            socket: socket.clone(),
            output: Some(output.clone()),
            buffers: Some(buffers),
            held,
            linger: None,
            ended: 0,
            threads: Vec::new(),
        };
        let reader = Reader { socket: socket.clone(), line: line.clone(), answers: output };
        let (to_hub, to_hub_too) = (reports.clone(), reports.clone());
        peer.threads.push(spawn("stomp-read", move || read(&reader, connection, &to_fill, &to_hub))?);
        let work = move || write(&socket, &line, connection, &to_write, &to_hub_too);
        peer.threads.push(spawn("stomp-write", work)?);
        Ok(peer)
    }

    pub(super) fn send(&self, bytes: Bytes) {
        // A writer that has ended has reported it.
        if let Some(output) = &self.output {
            _ = output.send(Write::Frames(bytes));
        }
    }

    /// Lets the reader continue.
    pub(super) fn release(&mut self) {
        let Some(buffers) = &self.buffers else { return };
        self.held.drain(..).for_each(|buffer| _ = buffers.send(buffer));
    }

    /// Writes pending output, then ends. Reading continues, since a reset would destroy output that the client has not
    /// read.
    pub(super) fn close(&mut self, now: Duration) {
        if let Some(output) = self.output.take() {
            _ = output.send(Write::End);
            self.linger = Some(now.saturating_add(LINGER));
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended == self.threads.len()
    }

    pub(super) const fn deadline(&self) -> Option<Duration> {
        self.linger
    }

    /// Ends it at once.
    pub(super) fn cut(&mut self) {
        self.linger = None;
        self.output.take().into_iter().for_each(|output| _ = output.send(Write::End));
        _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Waits for its threads, which a cut socket and closed channels end.
impl Drop for Peer {
    fn drop(&mut self) {
        self.cut();
        self.buffers = None;
        self.threads.drain(..).for_each(|thread| _ = thread.join());
    }
}

struct Reader {
    socket: Arc<TcpStream>,
    line: Arc<Line>,
    answers: Sender<Write>,
}

fn read(reader: &Reader, connection: ConnectionId, buffers: &Receiver<Box<[u8]>>, reports: &Sender<Report>) {
    while let Ok(buffer) = buffers.recv() {
        let (buffer, octets) = reader.next(buffer);
        if octets == 0 || reports.send(Report::Received { connection, buffer, octets }).is_err() {
            break;
        }
    }
    _ = reports.send(Report::ReaderEnded(connection));
}

impl Reader {
    /// Reads until something has come for the broker, and returns its length. At the end, that is 0.
    fn next(&self, mut buffer: Box<[u8]>) -> (Box<[u8]>, usize) {
        if buffer.len() < BUFFER {
            buffer = vec![0; BUFFER].into_boxed_slice();
        }
        loop {
            let octets = read_some(&self.socket, &mut buffer).unwrap_or(0);
            match self.line.came(buffer.get(..octets).unwrap_or_default()) {
                _ if octets == 0 => return (buffer, 0),
                Came::Plain => return (buffer, octets),
                Came::Read { payload, answer, ended } => {
                    if !answer.is_empty() {
                        _ = self.answers.send(Write::Raw(answer));
                    }
                    if ended || !payload.is_empty() {
                        let length = payload.len();
                        return (payload.into_boxed_slice(), length);
                    }
                }
            }
        }
    }
}

fn read_some(mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn write(
    mut socket: &TcpStream,
    line: &Line,
    connection: ConnectionId,
    output: &Receiver<Write>,
    reports: &Sender<Report>,
) {
    let mut end = Shutdown::Write;
    while let Ok(next) = output.recv() {
        let (written, octets) = match next {
            Write::Frames(bytes) => (socket.write_all(&line.say(&bytes)), bytes.len()),
            Write::Raw(answer) => (socket.write_all(&answer), 0),
            Write::End => {
                _ = socket.write_all(&line.close());
                break;
            }
        };
        if written.is_err() {
            end = Shutdown::Both;
            break;
        }
        if octets > 0 {
            _ = reports.send(Report::Sent { connection, octets });
        }
    }
    _ = socket.shutdown(end);
    _ = reports.send(Report::WriterEnded(connection));
}
