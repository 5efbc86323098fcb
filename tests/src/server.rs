//! The broker on a TCP port, with threads that provide connections and a clock.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::broker::{Broker, BrokerConfig, ConnectionId, Matcher, Unmet};

mod expect;
mod hub;
#[cfg_attr(not(feature = "websocket"), path = "server/line/plain.rs")]
#[cfg_attr(feature = "websocket", path = "server/line/web.rs")]
pub(crate) mod line;
mod peer;
mod shared;
mod wait;

pub use expect::{Expect, When, satisfied};
use hub::{Hub, Report};
use shared::Shared;
pub use wait::{Wait, WaitError, connected, consumers, drained, received};

/// A [`Broker`] that listens on a TCP port until it is stopped or dropped.
///
/// It is made for tests. It starts quickly, so each test can have its own, and a test can inspect it and make it fail.
///
/// ```
/// use std::{io::{Read, Write}, net::TcpStream};
/// use stomp_testkit::{broker::BrokerConfig, server::Server};
///
/// let server = Server::start(BrokerConfig::default())?;
/// let mut client = TcpStream::connect(server.address())?;
/// client.write_all(b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0")?;
/// client.write_all(b"SEND\ndestination:/queue/a\n\nhello\0DISCONNECT\nreceipt:bye\n\n\0")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
///
/// assert!(answer.ends_with("RECEIPT\nreceipt-id:bye\n\n\0\n"));
/// assert_eq!(server.with(|broker| broker.messages("/queue/a")), ["hello"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a server stops when it is dropped"]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    reports: Sender<Report>,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
    hub: Option<JoinHandle<()>>,
}

/// An event that an observer of a [`Server`] receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A connection has ended.
    Closed {
        /// The id of the connection.
        connection: ConnectionId,
    },
    /// A client has connected.
    Opened {
        /// The id of the connection.
        connection: ConnectionId,
        /// The address of the client.
        client: SocketAddr,
    },
}

/// The number of octets that may wait for one connection, unless the configuration has another.
const OUTPUT_WINDOW: usize = 256 * 1024;
/// How long an acceptor waits when the process has no descriptor left, so that it does not spin.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(10);

impl Server {
    /// Starts a broker on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns the same errors as [`Server::bind`].
    pub fn start(config: BrokerConfig) -> io::Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, 0), config)
    }

    /// Starts a broker on this address.
    ///
    /// # Errors
    /// Returns an error if the server cannot listen on the address or cannot start a thread.
    pub fn bind(address: impl ToSocketAddrs, config: BrokerConfig) -> io::Result<Self> {
        Self::resume(address, Broker::new(config))
    }

    /// Starts a server for an existing broker, with the messages that it holds.
    ///
    /// Together with [`Server::stop`] this restarts a broker:
    ///
    /// ```
    /// # use stomp_testkit::{broker::BrokerConfig, server::Server};
    /// let server = Server::start(BrokerConfig::default().durable_only())?;
    /// let address = server.address();
    /// server.with(|broker| broker.publish("/queue/a", "kept", &[("persistent", "true")]));
    ///
    /// let mut broker = server.stop(); // connections are refused from here …
    /// broker.crash();
    /// let server = Server::resume(address, broker)?; // … to here
    /// assert_eq!(server.with(|broker| broker.depth("/queue/a")), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`Server::bind`].
    pub fn resume(address: impl ToSocketAddrs, broker: Broker) -> io::Result<Self> {
        Self::observed(address, broker, |_| {})
    }

    /// Starts a server for an existing broker, and calls `observer` whenever a connection is opened or closed.
    ///
    /// The observer is called on the thread of the broker.
    ///
    /// # Errors
    /// Returns the same errors as [`Server::bind`].
    pub fn observed(
        address: impl ToSocketAddrs,
        mut broker: Broker,
        observer: impl FnMut(ServerEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        broker.bound_output(OUTPUT_WINDOW);
        broker.record_latest();
        broker.follow_clock(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let shared = Arc::new(Shared::new(broker));
        let (reports, received) = mpsc::channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let hub = Hub::new(shared.clone(), received, reports.clone(), Box::new(observer));
        let hub = spawn("stomp-broker", move || hub.run())?;
        let mut server = Self { address, shared, reports, stopping, acceptor: None, hub: Some(hub) };
        let (reports, stopping) = (server.reports.clone(), server.stopping.clone());
        server.acceptor = Some(spawn("stomp-accept", move || accept(&listener, &reports, &stopping))?);
        Ok(server)
    }

    /// Returns the address on which the server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a URI with which a client can connect and log in.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("tcp://guest:guest@{}", self.address)
    }

    /// Returns a URI with which a client can connect over a WebSocket and log in. Any path is taken. Requires the feature
    /// `websocket`.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn web_socket_uri(&self) -> String {
        format!("ws://guest:guest@{}/ws", self.address)
    }

    /// Calls a closure with the broker, to inspect it or to interfere with it. Output that results is sent at once.
    ///
    /// The server itself reports connections, octets and times to the broker. Do not report them from the closure.
    ///
    /// # Panics
    /// Panics if it is called from a closure that was itself given the broker of this server, or from the condition of a
    /// [`Matcher`], which would wait for itself for ever.
    pub fn with<R>(&self, look: impl FnOnce(&mut Broker) -> R) -> R {
        let result = self.shared.enter(look);
        _ = self.reports.send(Report::Wake);
        result
    }

    /// Waits until a condition holds, for this time at most.
    ///
    /// The condition is asked at once, and then whenever the broker may have changed: there is no polling. The result is
    /// a future that needs nothing of a runtime; [`Wait::blocking`] waits on the current thread.
    ///
    /// ```
    /// use std::{io::Write, net::TcpStream, time::Duration};
    /// use stomp_testkit::{broker::BrokerConfig, server::{Server, received}};
    ///
    /// let server = Server::start(BrokerConfig::default())?;
    /// let mut client = TcpStream::connect(server.address())?;
    /// client.write_all(b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0")?;
    /// client.write_all(b"SEND\ndestination:/queue/a\n\nhello\0")?;
    ///
    /// server.wait_for(Duration::from_secs(10), received("/queue/a", 1)).blocking()?;
    /// assert_eq!(server.with(|broker| broker.messages("/queue/a")), ["hello"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`received`], [`consumers`], [`connected`] and [`drained`] are conditions for which tests often wait. Any closure is
    /// one:
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example(server: stomp_testkit::server::Server) -> Result<(), stomp_testkit::server::WaitError> {
    /// server.wait_for(Duration::from_secs(10), |broker| broker.unacked("/queue/a") == 2).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The time runs from the first poll, or from the call of `blocking`. The condition is asked on the thread that waits. If
    /// it does not hold in time, the error shows the state of the broker.
    ///
    /// # Panics
    /// The wait panics where [`with`](Self::with) does.
    pub fn wait_for<C: FnMut(&Broker) -> bool>(&self, timeout: Duration, condition: C) -> Wait<C> {
        Wait::new(self.shared.clone(), self.reports.clone(), timeout, condition)
    }

    /// Answers certain frames otherwise than the broker would.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stomp_testkit::{broker::{Answer, BrokerConfig, send, subscribe}, server::Server};
    ///
    /// let server = Server::start(BrokerConfig::default())?;
    /// server.when(send().to("/queue/full")).reply(Answer::error("queue full"));
    /// server.when(send().to("/queue/slow")).delay_receipt(Duration::from_secs(1));
    /// server.when(subscribe()).times(2).close();
    /// server.when(send().to("/queue/rpc").body("ping")).respond("pong");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn when(&self, matcher: Matcher) -> When<'_> {
        When::new(self, matcher)
    }

    /// Expects frames of clients from now on: one or more, unless [`Expect::times`] or [`Expect::between`] says otherwise.
    ///
    /// Expectations are checked by [`verify`](Self::verify) and when the server is dropped. [`satisfied`] is the condition
    /// to wait for.
    ///
    /// ```
    /// use std::{io::Write, net::TcpStream, time::Duration};
    /// use stomp_testkit::{broker::{BrokerConfig, send}, server::{Server, satisfied}};
    ///
    /// let server = Server::start(BrokerConfig::default())?;
    /// server.expect(send().to("/queue/a").body_json(&serde_json::json!({"price": 3}))).times(1);
    ///
    /// let mut client = TcpStream::connect(server.address())?;
    /// client.write_all(b"CONNECT\naccept-version:1.2\nhost:localhost\n\n\0")?;
    /// client.write_all(b"SEND\ndestination:/queue/a\n\n{ \"price\": 3 }\0")?;
    /// server.wait_for(Duration::from_secs(10), satisfied()).blocking()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expect(&self, matcher: Matcher) -> Expect<'_> {
        Expect::new(self, matcher)
    }

    /// Checks all expectations.
    ///
    /// # Errors
    /// Returns an error that names those that are not met, and what came instead.
    pub fn verify(&self) -> Result<(), Unmet> {
        self.with(|broker| broker.verify())
    }

    /// Closes all connections without an ERROR, and discards their pending output. Returns once they are closed.
    ///
    /// # Panics
    /// Panics where [`with`](Self::with) does.
    pub fn close_connections(&self) {
        self.shared.refuse_reentry();
        let (done, closed) = mpsc::channel();
        _ = self.reports.send(Report::CloseAll(done));
        _ = closed.recv();
    }

    /// Closes all connections, stops listening, ends all threads, and returns the broker with its messages.
    ///
    /// # Panics
    /// Panics with what an observer or the condition of a [`Matcher`] has panicked with.
    #[must_use = "drop the server to be rid of the broker, too"]
    pub fn stop(mut self) -> Broker {
        self.shut_down();
        std::mem::replace(&mut *self.shared.lock(), Broker::new(BrokerConfig::default()))
    }

    fn shut_down(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            // The acceptor waits for a connection, so make one.
            _ = TcpStream::connect_timeout(&reachable(self.address), Duration::from_secs(1));
            _ = acceptor.join();
        }
        if let Some(hub) = self.hub.take() {
            _ = self.reports.send(Report::Stop);
            if let Err(panic) = hub.join()
                && !thread::panicking()
            {
                resume_unwind(panic);
            }
        }
    }
}

/// # Panics
/// Panics if an [expectation](Server::expect) is not met, and with what an observer or the condition of a [`Matcher`] has
/// panicked with, which has ended the broker. It does not if the thread is panicking already.
impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
        let verified = self.shared.lock().verify();
        if let Err(unmet) = verified
            && !thread::panicking()
        {
            panic!("expectations of the broker were not met:\n{unmet}");
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

fn accept(listener: &TcpListener, reports: &Sender<Report>, stopping: &AtomicBool) {
    loop {
        let accepted = listener.accept();
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        match accepted {
            Ok((socket, client)) => _ = reports.send(Report::Accepted { socket, client }),
            Err(_) => thread::park_timeout(OUT_OF_DESCRIPTORS),
        }
    }
}

/// An address at which a listener can be reached. If it listens on all addresses, this is the loopback address.
#[doc(hidden)]
#[must_use]
pub const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}
