//! Clients of one thread that only beat: memory each, and CPU time a second.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use cpu_time::ThreadTime;
use stats_alloc::{Region, StatsAlloc};
use stomp_bench::table;
use stomp_tokio::{Client, Connect as _, Subscription};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    time::{Instant, sleep, timeout_at},
};

use crate::ALLOCATOR;

/// What the argument of this program says that is the broker of another one.
pub(crate) const SERVE: &str = "--serve-idle";

const CLIENTS: usize = 10_000;
/// Files of the process that are no connections.
const OTHER_FILES: usize = 100;
const BEAT: Duration = Duration::from_secs(10);
/// For which CPU time is counted: several heart-beats of each.
const WATCHED: Duration = Duration::from_secs(30);
/// Connecting at a time, as many as a listener holds.
const AT_ONCE: usize = 100;

pub(crate) fn run() -> io::Result<()> {
    let (mut broker, address) = start()?;
    let clients = CLIENTS.min(most_files()?.saturating_sub(OTHER_FILES));
    if clients < CLIENTS {
        println!("{clients} clients and not {CLIENTS}: the limit of open files is too low (ulimit -n)\n");
    }
    let heads = ["idle clients", "octets of heap each", "CPU a second", "of it a client"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    // Each with a runtime of its own, with which all of it ends.
    for is_subscribed in [false, true] {
        rows.push(measure(&current_thread()?, address, clients, is_subscribed));
    }
    table::print(&rows);
    broker.kill()
}

fn measure(runtime: &Runtime, address: SocketAddr, clients: usize, is_subscribed: bool) -> Vec<String> {
    let region = Region::new(ALLOCATOR);
    let held = runtime.block_on(connect(address, clients, is_subscribed));
    // After the first heart-beats buffers that are not used have been given back.
    runtime.block_on(async { sleep(2 * BEAT).await });
    let octets = allocated(&region) / clients;
    let clock = ThreadTime::now();
    runtime.block_on(async { sleep(WATCHED).await });
    let second = clock.elapsed().div_f64(WATCHED.as_secs_f64());
    let standing = held.iter().filter(|(client, _)| client.connection().is_some()).count();
    assert_eq!(standing, clients, "no connection was lost");
    let what = if is_subscribed { format!("{clients}, a subscription each") } else { clients.to_string() };
    let each = second.div_f64(clients as f64);
    vec![what, octets.to_string(), format!("{:.1} ms", second.as_secs_f64() * 1e3), format!("{each:.1?}")]
}

fn allocated<A>(region: &Region<'_, A>) -> usize
where
    StatsAlloc<A>: Sized,
    A: std::alloc::GlobalAlloc,
{
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

async fn connect(
    address: SocketAddr,
    clients: usize,
    is_subscribed: bool,
) -> Vec<(Client, Option<Subscription>)> {
    let mut held = Vec::with_capacity(clients);
    while held.len() < clients {
        let some = AT_ONCE.min(clients - held.len());
        let connecting: Vec<_> =
            (0..some).map(|_| tokio::spawn(connect_one(address, is_subscribed))).collect();
        for connecting in connecting {
            held.push(connecting.await.expect("nobody panics"));
        }
    }
    held
}

async fn connect_one(address: SocketAddr, is_subscribed: bool) -> (Client, Option<Subscription>) {
    let client = Client::builder(format!("tcp://{address}")).heart_beats(BEAT, BEAT).connect().await;
    let client = client.expect("the broker lets everybody in");
    let subscription = match is_subscribed {
        true => Some(client.subscribe("/queue/orders").await.expect("the broker confirms it")),
        false => None,
    };
    (client, subscription)
}

/// The soft limit of this process. Systems without `/proc` are asked to bear it.
fn most_files() -> io::Result<usize> {
    let Ok(limits) = fs::read_to_string("/proc/self/limits") else { return Ok(usize::MAX) };
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let limit = line.and_then(|line| line.split_whitespace().next());
    Ok(limit.and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX))
}

fn current_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The broker, in a process of its own, so that neither its memory nor its files count.
fn start() -> io::Result<(Child, SocketAddr)> {
    let mut broker = Command::new(env::current_exe()?).arg(SERVE).stdout(Stdio::piped()).spawn()?;
    let mut address = String::new();
    if let Some(stdout) = broker.stdout.take() {
        BufReader::new(stdout).read_line(&mut address)?;
    }
    Ok((broker, address.trim().parse().map_err(io::Error::other)?))
}

/// Is the broker: it says where.
pub(crate) fn serve() -> io::Result<()> {
    current_thread()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move { drop(beat(stream).await) });
        }
    })
}

/// Answers CONNECT and the first SUBSCRIBE, of which a client here sends no other, and beats a little more often than it promises.
async fn beat(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let period = BEAT.mul_f64(0.8);
    let mut next = Instant::now() + period;
    let mut room = [0; 512];
    loop {
        match timeout_at(next, stream.read(&mut room)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(read) => {
                let octets = &room[..read?];
                if octets.starts_with(b"CONNECT") {
                    stream.write_all(b"CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n\0").await?;
                } else if octets.starts_with(b"SUBSCRIBE") {
                    stream.write_all(b"RECEIPT\nreceipt-id:1\n\n\0").await?;
                }
            }
            Err(_) => {
                stream.write_all(b"\n").await?;
                next += period;
            }
        }
    }
}
