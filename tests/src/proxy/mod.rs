//! A proxy between client and broker that fails on purpose: slow, in slices, cut at an octet, frames lost or swapped.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use smol::{Async, Timer, channel};
use socket2::SockRef;
use stomp_proto::{Command, Sender};

use crate::port::{Connection, Port};

mod frames;

use frames::Frames;

/// Octets taken in one read.
const BUFFER: usize = 32 * 1024;
/// Reads that may be on their way. With latency they are what the line holds.
const IN_FLIGHT: usize = 256;

/// A proxy in front of a broker, on a port of its own. Connections are harmed as the plan says, one part of it for each, and
/// those after the last one pass unharmed.
///
/// ```
/// use stomp_testkit::{broker::BrokerConfig, proxy::{Break, Faults, Plan, Proxy}, server::Server};
///
/// let server = Server::start(BrokerConfig::default())?;
/// let mut plan = Plan::default();
/// plan.to_client.after = Some((10, Break::Reset));
/// let proxy = Proxy::start(server.address(), [plan])?;
/// assert_ne!(proxy.address(), server.address());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Proxy(Port);

/// What is done to one connection.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// To what the client says.
    pub to_broker: Faults,
    /// To what the broker says.
    pub to_client: Faults,
}

/// What is done to one direction of a connection.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Faults {
    /// How much later everything arrives.
    pub latency: Duration,
    /// Octets in a second; none is no limit.
    pub bandwidth: Option<u32>,
    /// The most octets that arrive together; none is no limit.
    pub slice: Option<usize>,
    /// After how many octets it ends, and how.
    pub after: Option<(u64, Break)>,
    /// What is done to the frames of that command.
    pub frames: Option<(Command, Tampering)>,
}

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Break {
    /// No more comes, as if the sender had closed it. The other direction goes on.
    HalfClose,
    /// The connection is reset, in both directions.
    Reset,
    /// Nothing more comes, nothing more is taken, and nobody is told.
    Stall,
}

/// What is done to frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tampering {
    /// They never arrive.
    Swallow,
    /// Each one arrives after the next one.
    Swap,
}

impl Proxy {
    /// In front of the broker at that address.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(broker: SocketAddr, plans: impl IntoIterator<Item = Plan>) -> io::Result<Self> {
        let plans: Vec<_> = plans.into_iter().collect();
        let plans = Arc::new(Mutex::new(plans.into_iter()));
        let serve = move |client| {
            let plan = plans.lock().unwrap_or_else(PoisonError::into_inner).next();
            serve(client, broker, plan.unwrap_or_default())
        };
        Port::open(serve).map(Self)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// The URI under which a client finds it and is let in.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("tcp://guest:guest@{}", self.address())
    }
}

async fn serve(client: Connection, broker: SocketAddr, plan: Plan) -> io::Result<()> {
    let broker: Connection = Async::<std::net::TcpStream>::connect(broker).await?;
    broker.get_ref().set_nodelay(true)?;
    let said = pass(Sender::Client, &client, &broker, plan.to_broker);
    let answered = pass(Sender::Server, &broker, &client, plan.to_client);
    future::try_zip(said, answered).await.map(|_| ())
}

/// One direction, until it ends by itself or by its fault. What is read waits as long as the line is.
async fn pass(sender: Sender, from: &Connection, to: &Connection, faults: Faults) -> io::Result<()> {
    let (line, arriving) = channel::bounded(IN_FLIGHT);
    let latency = faults.latency;
    let mut frames = faults.frames.map(|(command, tampering)| Frames::new(sender, command, tampering));
    let read = async move {
        let mut from = from;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = from.read(&mut buffer).await?;
            let octets = buffer.get(..count).unwrap_or_default();
            let passed = match &mut frames {
                Some(frames) if count > 0 => frames.pass(octets)?,
                _ => Bytes::copy_from_slice(octets),
            };
            // Nobody takes it any more when the other end has failed, which says so itself.
            if line.send((Instant::now() + latency, passed)).await.is_err() || count == 0 {
                return Ok(());
            }
        }
    };
    future::try_zip(read, deliver(arriving, to, faults)).await.map(|_| ())
}

async fn deliver(
    arriving: channel::Receiver<(Instant, Bytes)>,
    to: &Connection,
    faults: Faults,
) -> io::Result<()> {
    let mut left = faults.after.map_or(u64::MAX, |(octets, _)| octets);
    while let Ok((due, mut octets)) = arriving.recv().await {
        if due > Instant::now() {
            Timer::at(due).await;
        }
        while !octets.is_empty() && left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(faults.slice.unwrap_or(usize::MAX));
            let piece = octets.split_to(most.min(octets.len()));
            write(to, &piece, faults.bandwidth).await?;
            left = left.saturating_sub(piece.len() as u64);
        }
        if left == 0 {
            return broken(to, faults.after.map(|(_, how)| how)).await;
        }
    }
    to.get_ref().shutdown(Shutdown::Write)
}

async fn write(mut to: &Connection, piece: &[u8], bandwidth: Option<u32>) -> io::Result<()> {
    let Some(bandwidth) = bandwidth else { return to.write_all(piece).await };
    // A tenth of a second at a time.
    let share = usize::try_from(bandwidth / 10).unwrap_or(usize::MAX).max(1);
    for part in piece.chunks(share) {
        to.write_all(part).await?;
        Timer::after(
            Duration::from_secs(1) * u32::try_from(part.len()).unwrap_or(u32::MAX) / bandwidth.max(1),
        )
        .await;
    }
    Ok(())
}

async fn broken(to: &Connection, how: Option<Break>) -> io::Result<()> {
    match how {
        Some(Break::HalfClose) => to.get_ref().shutdown(Shutdown::Write),
        Some(Break::Reset) => {
            // What is closed without patience for what was not read yet is reset.
            SockRef::from(to.get_ref()).set_linger(Some(Duration::ZERO))?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Some(Break::Stall) | None => future::pending().await,
    }
}
