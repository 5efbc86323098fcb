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

use super::{hub::Report, spawn};
use crate::broker::ConnectionId;

/// The number of buffers of a reader, which fills one while the broker reads the other. It cannot report more than
/// these before the broker has read one.
const BUFFERS: usize = 2;
const BUFFER: usize = 32 * 1024;
/// How long a client may take to read pending output and to close, before its connection is cut.
const LINGER: Duration = Duration::from_secs(5);

pub(super) struct Peer {
    socket: Arc<TcpStream>,
    /// Output to be written, bounded by the broker's window. `None` once no more will follow.
    output: Option<Sender<Bytes>>,
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
        connection: ConnectionId,
        reports: &Sender<Report>,
    ) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let socket = Arc::new(socket);
        let (output, to_write) = mpsc::channel();
        let (buffers, to_fill) = mpsc::channel();
        let held = (0..BUFFERS).map(|_| vec![0; BUFFER].into_boxed_slice()).collect();
        let mut peer = Self {
            socket: socket.clone(),
            output: Some(output),
            buffers: Some(buffers),
            held,
            linger: None,
            ended: 0,
            threads: Vec::new(),
        };
        let reader = (socket.clone(), reports.clone());
        peer.threads.push(spawn("stomp-read", move || read(&reader.0, connection, &to_fill, &reader.1))?);
        let writer = (socket, reports.clone());
        peer.threads.push(spawn("stomp-write", move || write(&writer.0, connection, &to_write, &writer.1))?);
        Ok(peer)
    }

    pub(super) fn send(&self, bytes: Bytes) {
        // A writer that has ended has reported it.
        if let Some(output) = &self.output {
            _ = output.send(bytes);
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
        if self.output.take().is_some() {
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
        self.output = None;
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

fn read(
    socket: &TcpStream,
    connection: ConnectionId,
    buffers: &Receiver<Box<[u8]>>,
    reports: &Sender<Report>,
) {
    while let Ok(mut buffer) = buffers.recv() {
        let octets = read_some(socket, &mut buffer).unwrap_or(0);
        if octets == 0 || reports.send(Report::Received { connection, buffer, octets }).is_err() {
            break;
        }
    }
    _ = reports.send(Report::ReaderEnded(connection));
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
    connection: ConnectionId,
    output: &Receiver<Bytes>,
    reports: &Sender<Report>,
) {
    let mut end = Shutdown::Write;
    while let Ok(bytes) = output.recv() {
        if socket.write_all(&bytes).is_err() {
            end = Shutdown::Both;
            break;
        }
        _ = reports.send(Report::Sent { connection, octets: bytes.len() });
    }
    _ = socket.shutdown(end);
    _ = reports.send(Report::WriterEnded(connection));
}
