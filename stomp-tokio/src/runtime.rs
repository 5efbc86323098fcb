//! What tokio provides: TCP, a clock, and threads for slow work.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use stomp_session::{
    Timestamp,
    client::{Addresses, KeepAlive, Runtime, race_addresses},
};
use tokio::{
    net::{TcpStream, lookup_host},
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

use crate::{socket::Socket, tcp};

/// The tokio runtime as a [`Runtime`] for one client. Its futures must be polled within a tokio runtime with I/O and
/// time enabled.
///
/// It keeps whether the broker of its latest connection has promised heart-beats, and therefore cannot be shared by
/// clients.
#[derive(Debug)]
pub struct Tokio {
    start: Instant,
    keep_alive: Option<KeepAlive>,
    /// Whether the broker of the latest connection has promised heart-beats.
    beats: Arc<AtomicBool>,
}

impl Tokio {
    /// Creates a runtime whose clock starts now and whose connections are [kept alive](KeepAlive) with the default
    /// settings.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), keep_alive: Some(KeepAlive::default()), beats: Arc::default() }
    }

    /// Sets how connections are kept alive. `None` leaves the defaults of the system.
    #[must_use]
    pub fn keep_alive(self, keep_alive: Option<KeepAlive>) -> Self {
        Self { keep_alive, ..self }
    }
}

impl Default for Tokio {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for Tokio {
    type Stream = Socket;

    async fn dial(&self, host: &str, port: u16, attempt: u32) -> io::Result<Socket> {
        self.dial_counted(host, port, &Addresses::new(attempt)).await
    }

    async fn dial_counted(&self, host: &str, port: u16, addresses: &Addresses) -> io::Result<Socket> {
        let resolved = lookup_host((host, port)).await?;
        let stream =
            race_addresses(self, addresses, resolved, SocketAddr::is_ipv6, TcpStream::connect).await?;
        stream.set_nodelay(true)?;
        self.beats.store(false, Ordering::Relaxed);
        let beats = self.keep_alive.as_ref().map(|keep_alive| {
            tcp::keep_alive(&stream, keep_alive);
            Arc::clone(&self.beats)
        });
        Ok(Socket::new(stream, beats))
    }

    async fn sleep_until(&self, at: Timestamp) {
        match self.start.checked_add(at.since_start()) {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_start(self.start.elapsed())
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime is shutting down: nobody polls this again.
            Err(Err(_)) => pending().await,
        }
    }

    fn broker_beats(&self, promised: bool) {
        self.beats.store(promised, Ordering::Relaxed);
    }

    fn entropy(&self) -> [u8; 32] {
        let mut octets = [0; 32];
        getrandom::fill(&mut octets).expect("an operating system has random octets");
        octets
    }
}
