//! A proxy that injects faults between client and broker: latency, small slices, cuts at an octet, lost or swapped
//! frames.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_lite::future;
use socket2::SockRef;
use stomp_proto::{Command, Sender};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use crate::port::Port;

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

impl Faults {
    const fn stalls(&self) -> bool {
        matches!(self.after, Some((_, Break::Stall)))
    }
}

/// How a direction of a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Break {
    /// The direction is closed, as if by the sender. The other direction continues.
    HalfClose,
    /// The whole connection is reset.
    Reset,
    /// Nothing more is forwarded or read, and neither side is notified. The connection ends with its other direction.
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
    ///
    /// # Panics
    /// Panics if a plan has a bandwidth or a slice of 0, with which nothing is forwarded. [`Break::Stall`] does that.
    pub fn start(broker: SocketAddr, plans: impl IntoIterator<Item = Plan>) -> io::Result<Self> {
        let plans: Vec<_> = plans.into_iter().collect();
        for faults in plans.iter().flat_map(|plan| [&plan.to_broker, &plan.to_client]) {
            let forwards = faults.bandwidth != Some(0) && faults.slice != Some(0);
            assert!(
                forwards,
                "a bandwidth or a slice of 0 forwards nothing; Break::Stall does so on purpose"
            );
        }
        let plans = Arc::new(Mutex::new(plans.into_iter()));
        let serve = move |client| {
            let plan = plans.lock().unwrap_or_else(PoisonError::into_inner).next();
            serve(client, broker, plan.unwrap_or_default())
        };
        Port::open((Ipv4Addr::LOCALHOST, 0), serve).map(Self)
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

async fn serve(mut client: TcpStream, broker: SocketAddr, plan: Plan) -> io::Result<()> {
    let mut broker = TcpStream::connect(broker).await?;
    broker.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_broker, to_broker) = broker.split();
    let stalls = [&plan.to_broker, &plan.to_client].iter().any(|faults| faults.stalls());
    let said = pass(Sender::Client, from_client, to_broker, plan.to_broker);
    let answered = pass(Sender::Server, from_broker, to_client, plan.to_client);
    match stalls {
        // What has stalled never ends by itself.
        true => future::or(said, answered).await,
        false => future::try_zip(said, answered).await.map(|_| ()),
    }
}

/// Forwards one direction until it ends by itself or by its fault. What was read is delayed by the latency.
async fn pass(sender: Sender, mut from: ReadHalf<'_>, to: WriteHalf<'_>, faults: Faults) -> io::Result<()> {
    let (line, arriving) = mpsc::channel(IN_FLIGHT);
    let latency = faults.latency;
    let mut frames = faults.frames.map(|(command, tampering)| Frames::new(sender, command, tampering));
    let read = async move {
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
    mut arriving: mpsc::Receiver<(Instant, Bytes)>,
    mut to: WriteHalf<'_>,
    faults: Faults,
) -> io::Result<()> {
    let mut left = faults.after.map_or(u64::MAX, |(octets, _)| octets);
    while let Some((due, mut octets)) = arriving.recv().await {
        if due > Instant::now() {
            sleep_until(due).await;
        }
        while !octets.is_empty() && left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(faults.slice.unwrap_or(usize::MAX));
            let piece = octets.split_to(most.min(octets.len()));
            write(&mut to, &piece, faults.bandwidth).await?;
            left = left.saturating_sub(piece.len() as u64);
        }
        if left == 0 {
            return broken(to, faults.after.map(|(_, how)| how)).await;
        }
    }
    to.shutdown().await
}

async fn write(to: &mut WriteHalf<'_>, piece: &[u8], bandwidth: Option<u32>) -> io::Result<()> {
    let Some(bandwidth) = bandwidth else { return to.write_all(piece).await };
    // A tenth of a second at a time.
    let share = usize::try_from(bandwidth / 10).unwrap_or(usize::MAX).max(1);
    for part in piece.chunks(share) {
        to.write_all(part).await?;
        sleep(Duration::from_secs(1) * u32::try_from(part.len()).unwrap_or(u32::MAX) / bandwidth).await;
    }
    Ok(())
}

async fn broken(mut to: WriteHalf<'_>, how: Option<Break>) -> io::Result<()> {
    match how {
        Some(Break::HalfClose) => to.shutdown().await,
        Some(Break::Reset) => {
            // Closing with a linger time of zero resets the connection.
            SockRef::from(to.as_ref()).set_linger(Some(Duration::ZERO))?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Some(Break::Stall) | None => future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_plan_that_forwards_nothing_is_refused() {
        let change: [fn(&mut Plan); 2] =
            [|plan| plan.to_broker.slice = Some(0), |plan| plan.to_client.bandwidth = Some(0)];
        for change in change {
            let mut plan = Plan::default();
            change(&mut plan);
            let start = || Proxy::start((Ipv4Addr::LOCALHOST, 1).into(), [plan]);
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(start)).unwrap_err();
            let words = panicked.downcast_ref::<&str>().unwrap();
            assert!(words.contains("Break::Stall does so on purpose"), "{words}");
        }
    }

    #[test]
    fn what_has_stalled_ends_with_the_other_direction() {
        let broker = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut plan = Plan::default();
        plan.to_client.after = Some((1, Break::Stall));
        let proxy = Proxy::start(broker.local_addr().unwrap(), [plan]).unwrap();
        let mut client = std::net::TcpStream::connect(proxy.address()).unwrap();
        let (mut accepted, _) = broker.accept().unwrap();
        accepted.write_all(b"ab").unwrap();
        client.read_exact(&mut [0]).unwrap();
        drop(client);
        accepted.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        let error = (0..1000).find_map(|_| accepted.write_all(&[0; BUFFER]).err());
        let kind = error.expect("nobody reads that much").kind();
        assert!(matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{kind:?}");
    }
}
