//! Connections that do nothing.

use std::{
    any::Any,
    env,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    pin::Pin,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tokio::{net::TcpStream, runtime::Runtime};

use crate::{
    contest::Peer as _,
    peers::{
        CONNECTED,
        async_stomp::AsyncStomp,
        iridium::Iridium,
        ours::{self, Which},
        tokio_stomp::TokioStomp,
    },
    sink::Sink,
};

type Connecting = Pin<Box<dyn Future<Output = Box<dyn Any>>>>;

/// A kind of connection.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Whose it is.
    pub name: &'static str,
    is_smol: bool,
    connect: fn(SocketAddr) -> Connecting,
}

/// What the argument of a program says that is to be the sink of another one.
pub const SERVE: &str = "--serve";

/// Between two heart-beats: soon, so that the first ones have passed when it is counted.
const BEAT: Duration = Duration::from_millis(500);

/// All kinds.
#[must_use]
pub fn all() -> Vec<Idle> {
    let idle = |name, connect| Idle { name, is_smol: false, connect };
    vec![
        idle("stomp-tokio", |address| hold(ours::connect_beating(Which::Tokio, address, BEAT))),
        idle("stomp-tokio, a subscription", |address| {
            hold(async move {
                let client = ours::connect_beating(Which::Tokio, address, BEAT).await;
                ours::subscribe(&client, true).await
            })
        }),
        idle("stomp-tokio, no heart-beats", |address| {
            hold(ours::connect_beating(Which::Tokio, address, Duration::ZERO))
        }),
        Idle {
            name: "stomp-smol",
            is_smol: true,
            connect: |address| hold(ours::connect_beating(Which::Smol, address, BEAT)),
        },
        idle("async-stomp", |address| hold(AsyncStomp::connect(address))),
        idle("tokio-stomp-2", |address| hold(TokioStomp::connect(address))),
        idle("iridium-stomp", |address| hold(Iridium::connect(address))),
        idle("iridium-stomp, a subscription", |address| {
            hold(async move {
                let mut iridium = Iridium::connect(address).await;
                iridium.subscribe(true).await;
                iridium
            })
        }),
        idle("a socket of tokio's", |address| {
            hold(async move { TcpStream::connect(address).await.expect(CONNECTED) })
        }),
    ]
}

fn hold<T: 'static>(connecting: impl Future<Output = T> + 'static) -> Connecting {
    Box::pin(async move {
        let held: Box<dyn Any> = Box::new(connecting.await);
        held
    })
}

/// Is the sink, and says where; ends with its standard input.
///
/// # Errors
/// Returns an error if there is no port on loopback.
pub fn serve() -> io::Result<()> {
    println!("{}", Sink::start()?.address);
    io::stdin().read_line(&mut String::new()).map(drop)
}

/// The runtimes, and a sink in a process of its own, so that what it allocates is not counted.
#[derive(Debug)]
pub struct Hosts {
    tokio: Runtime,
    address: SocketAddr,
    /// Ends when its standard input is closed.
    _sink: Child,
}

impl Hosts {
    /// Starts them: this program must [`serve`] when it is told to.
    ///
    /// # Errors
    /// Returns an error if one of them cannot be started.
    pub fn start() -> io::Result<Self> {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut sink = Command::new(env::current_exe()?);
        let mut sink = sink.arg(SERVE).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        if let Some(stdout) = sink.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        let address = address.trim().parse().map_err(io::Error::other)?;
        Ok(Self { tokio, address, _sink: sink })
    }

    /// Connects that many.
    #[must_use]
    pub fn connect(&self, idle: Idle, connections: usize) -> Vec<Box<dyn Any>> {
        let mut held = Vec::with_capacity(connections);
        let connecting = async {
            for _ in 0..connections {
                held.push((idle.connect)(self.address).await);
            }
        };
        if idle.is_smol {
            smol::block_on(connecting)
        } else {
            self.tokio.block_on(connecting)
        }
        held
    }

    /// Lets all of them wait.
    pub fn wait(&self, idle: Idle, time: Duration) {
        if idle.is_smol {
            thread::sleep(time)
        } else {
            self.tokio.block_on(async { tokio::time::sleep(time).await })
        }
    }
}
