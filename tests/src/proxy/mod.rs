//! A proxy that injects faults between client and broker: latency, small slices, cuts at an octet, lost or swapped
//! frames.

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

/// The maximum number of octets taken in one read.
const BUFFER: usize = 32 * 1024;
/// The number of reads that may be in flight. With latency, this is the capacity of the line.
const IN_FLIGHT: usize = 256;

/// A proxy in front of a broker, on its own port.
///
/// Each connection is subject to the next of the plans given to [`start`](Self::start). Connections after the last plan
/// pass unchanged.
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

/// The faults of one connection.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// Faults of the direction from the client to the broker.
    pub to_broker: Faults,
    /// Faults of the direction from the broker to the client.
    pub to_client: Faults,
}

/// The faults of one direction of a connection. By default there are none.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Faults {
    /// The delay of everything that is sent.
    pub latency: Duration,
    /// The maximum number of octets per second, or `None` for no limit.
    pub bandwidth: Option<u32>,
    /// The maximum number of octets that are forwarded in one write, or `None` for no limit.
    pub slice: Option<usize>,
    /// The number of octets after which the direction ends, and how it ends.
    pub after: Option<(u64, Break)>,
    /// The command of the frames that are tampered with, and how.
    pub frames: Option<(Command, Tampering)>,
}

/// How a direction of a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Break {
    /// The direction is closed, as if by the sender. The other direction continues.
    HalfClose,
    /// The whole connection is reset.
    Reset,
    /// Nothing more is forwarded or read, and neither side is notified.
    Stall,
}

/// How frames are tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tampering {
    /// The frames are dropped.
    Swallow,
    /// Each frame is delivered after the one that follows it.
    Swap,
}

impl Proxy {
    /// Starts a proxy for the broker at this address, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns an error if no port can be opened.
    pub fn start(broker: SocketAddr, plans: impl IntoIterator<Item = Plan>) -> io::Result<Self> {
        let plans: Vec<_> = plans.into_iter().collect();
        let plans = Arc::new(Mutex::new(plans.into_iter()));
        let serve = move |client| {
            let plan = plans.lock().unwrap_or_else(PoisonError::into_inner).next();
            serve(client, broker, plan.unwrap_or_default())
        };
        Port::open(serve).map(Self)
    }

    /// Returns the address on which the proxy listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Returns a URI with which a client can connect through the proxy and log in.
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

/// Forwards one direction until it ends by itself or by its fault. What was read is delayed by the latency.
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
            // If sending fails, the other end has failed, which reports the error itself.
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
            // Closing with a linger time of zero resets the connection.
            SockRef::from(to.get_ref()).set_linger(Some(Duration::ZERO))?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Some(Break::Stall) | None => future::pending().await,
    }
}
