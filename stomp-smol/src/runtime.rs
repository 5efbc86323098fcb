//! What smol lends: TCP, a clock, a pool for slow work.

use std::{future::pending, io, time::Instant};

use smol::{
    Timer,
    net::{TcpStream, resolve},
};
use stomp_session::{
    Timestamp,
    client::{Addresses, Runtime, race},
};

/// Smol as a [`Runtime`]. Its futures can be polled by any executor.
#[derive(Debug)]
pub struct Smol {
    start: Instant,
}

impl Smol {
    /// With a clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for Smol {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for Smol {
    type Stream = TcpStream;

    async fn dial(&self, host: &str, port: u16, attempt: u32) -> io::Result<TcpStream> {
        self.dial_counted(host, port, &Addresses::new(attempt)).await
    }

    async fn dial_counted(&self, host: &str, port: u16, addresses: &Addresses) -> io::Result<TcpStream> {
        let mut resolved = resolve((host, port)).await?;
        addresses.rotate(&mut resolved);
        let count = resolved.len();
        let stream = race(self, resolved.into_iter().map(TcpStream::connect)).await?;
        addresses.reached(count);
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn sleep_until(&self, at: Timestamp) {
        match self.start.checked_add(at.since_start()) {
            Some(at) => drop(Timer::at(at).await),
            None => pending().await,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_start(self.start.elapsed())
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        smol::unblock(work).await
    }

    fn entropy(&self) -> [u8; 32] {
        let mut octets = [0; 32];
        getrandom::fill(&mut octets).expect("an operating system has random octets");
        octets
    }
}
