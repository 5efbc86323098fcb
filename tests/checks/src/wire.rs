//! A stream in memory, of which a test plays the other end, and what it takes to open a WebSocket on it.

use std::{
    collections::VecDeque,
    future::pending,
    io::{self, Read as _},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_session::{
    Endpoint, Timestamp,
    client::{Dial, Runtime, TlsConfig, TransportStream, WebSocketConfig},
};
use tungstenite::{
    Message, WebSocket,
    handshake::derive_accept_key,
    protocol::{Role, WebSocketConfig as ServerConfig},
};

/// A stream that gives and takes as much at a time as it is told, in turn. 0 is a wait.
#[derive(Clone, Debug, Default)]
pub struct Wire(Arc<Mutex<Ends>>);

/// Both directions of a wire.
#[derive(Debug, Default)]
pub struct Ends {
    /// What the client wrote.
    pub up: Vec<u8>,
    /// What it has not read.
    pub down: VecDeque<u8>,
    /// Nothing comes behind that.
    pub ended: bool,
    /// Nothing is taken of what the client writes.
    pub full: bool,
    /// How much is given and taken at a time, again and again; everything at once if there are none.
    pub steps: Vec<usize>,
    /// How often something was given or taken.
    pub turn: usize,
    /// How often somebody wanted to read.
    pub reads: usize,
}

impl Ends {
    fn step(&mut self, cx: &Context<'_>) -> Poll<usize> {
        let step = self.steps.iter().copied().cycle().nth(self.turn % self.steps.len().max(1));
        let step = step.unwrap_or(usize::MAX);
        self.turn += 1;
        if step == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(step)
    }
}

impl Wire {
    /// Creates a wire with an answer to the handshake, and what follows at once.
    #[must_use]
    pub fn new(down: &[u8], steps: &[usize]) -> Self {
        let mut ends = Ends { steps: steps.to_vec(), ..Ends::default() };
        ends.down.extend(down);
        Self(Arc::new(Mutex::new(ends)))
    }

    /// Looks at both directions.
    pub fn with<R>(&self, look: impl FnOnce(&mut Ends) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the messages that the client has sent, read by somebody else's WebSocket.
    ///
    /// # Panics
    ///
    /// Panics if the client has not asked for a WebSocket.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let mut up = self.with(|ends| ends.up.clone());
        let request = up.windows(4).position(|window| window == b"\r\n\r\n").expect("a request") + 4;
        let up = up.split_off(request);
        let config = ServerConfig::default().max_message_size(None).max_frame_size(None);
        let mut server = WebSocket::from_partially_read(Nowhere, up, Role::Server, Some(config));
        std::iter::from_fn(|| server.read().ok()).collect()
    }
}

/// Nothing follows what was read already.
struct Nowhere;

impl io::Read for Nowhere {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl io::Write for Nowhere {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.with(|ends| {
            ends.reads += 1;
            let Poll::Ready(step) = ends.step(cx) else { return Poll::Pending };
            if ends.down.is_empty() && !ends.ended {
                return Poll::Pending;
            }
            let most = step.min(room.len());
            Poll::Ready(ends.down.read(room.get_mut(..most).unwrap_or_default()))
        })
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|ends| {
            if ends.full {
                return Poll::Pending;
            }
            let Poll::Ready(step) = ends.step(cx) else { return Poll::Pending };
            let taken = step.min(octets.len());
            ends.up.extend_from_slice(octets.get(..taken).unwrap_or_default());
            Poll::Ready(Ok(taken))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A runtime in which no time passes, and that dials nobody. Its luck is always the same.
#[derive(Debug)]
pub struct Still;

/// The key of a handshake with that luck.
const KEY: &[u8] = b"BwcHBwcHBwcHBwcHBwcHBw==";

impl Runtime for Still {
    type Stream = Wire;

    async fn dial(&self, _: &str, _: u16, _: u32) -> io::Result<Wire> {
        pending().await
    }

    async fn sleep_until(&self, _: Timestamp) {
        pending().await
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }

    fn entropy(&self) -> [u8; 32] {
        [7; 32]
    }
}

/// Returns the answer of a server that opens a WebSocket, with these lines besides.
#[must_use]
pub fn answer(lines: &str) -> String {
    let accept = derive_accept_key(KEY);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    )
}

/// Opens a WebSocket.
///
/// # Errors
///
/// Returns an error if the handshake fails.
pub async fn open(endpoint: &Endpoint, config: WebSocketConfig, wire: &Wire) -> io::Result<TransportStream> {
    let dial = Dial::new(Arc::new(Still), TlsConfig::default()).web_socket(config);
    dial.secure(endpoint, wire.clone()).await
}
