//! Clients that come back at once with TLS: what a handshake costs, in full and resumed.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use stomp_bench::table;
use stomp_tokio::{Client, Connect as _, TlsBackend, TlsConfig};
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};

use crate::tls_server::Server;

const CLIENTS: usize = 1_000;
/// Of those that read the system's trust store, which takes them long.
const FEW: usize = 100;
/// Between two looks at how many are back.
const BRIEFLY: Duration = Duration::from_millis(2);
/// How long all of them may take to come back.
const LONGEST: Duration = Duration::from_secs(300);

/// How the clients are made.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    backend: TlsBackend,
    /// Whether they trust what the system trusts, as by default, or only the one authority.
    system_roots: bool,
    clients: usize,
}

const KINDS: [Kind; 3] = [
    Kind { name: "rustls", backend: TlsBackend::Rustls, system_roots: false, clients: CLIENTS },
    Kind { name: "rustls, system's roots", backend: TlsBackend::Rustls, system_roots: true, clients: FEW },
    // OpenSSL reads the system's trust store whether it is then used or not.
    Kind { name: "native-tls", backend: TlsBackend::NativeTls, system_roots: true, clients: FEW },
];

pub(crate) fn run() -> io::Result<()> {
    let heads = ["TLS", "the broker", "clients", "", "CPU each", "all back after", "resumed"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for kind in KINDS {
        for resumes in [false, true] {
            eprintln!("{}: {} clients", kind.name, kind.clients);
            rows.extend(measure(kind, resumes)?);
        }
    }
    table::print(&rows);
    Ok(())
}

/// Connects them one after the other, and then all at once, when the broker has hung up.
fn measure(kind: Kind, resumes: bool) -> io::Result<Vec<Vec<String>>> {
    let server = Server::start(resumes)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut clients = Vec::with_capacity(kind.clients);
    let first = phase(&runtime, &server, async {
        for _ in 0..kind.clients {
            clients.push(client(kind, server.address, &server.root).await);
        }
    });
    let again = phase(&runtime, &server, async {
        server.hang_up();
        let begun = Instant::now();
        while server.connected() < kind.clients {
            assert!(begun.elapsed() < LONGEST, "not all clients come back");
            sleep(BRIEFLY).await;
        }
    });
    runtime.block_on(async move { drop(clients) });
    let broker = if resumes { "gives tickets" } else { "resumes nothing" };
    let row = |what: &str, phase: Phase, wall: String| {
        let Phase { cpu, connected, resumed, .. } = phase;
        let each = format!("{:.0} us", cpu.div_f64(connected.max(1) as f64).as_secs_f64() * 1e6);
        let (name, connected) = (kind.name, connected.to_string());
        vec![name.to_owned(), broker.to_owned(), connected, what.to_owned(), each, wall, resumed.to_string()]
    };
    let wall = format!("{:.2?}", again.wall);
    Ok(vec![row("connect", first, String::new()), row("reconnect", again, wall)])
}

struct Phase {
    /// Of all threads but the broker's.
    cpu: Duration,
    wall: Duration,
    connected: usize,
    resumed: usize,
}

fn phase(runtime: &Runtime, server: &Server, work: impl Future<Output = ()>) -> Phase {
    let (process, spent, started) = (ProcessTime::now(), server.spent(), Instant::now());
    runtime.block_on(work);
    let wall = started.elapsed();
    // The broker's thread notes its time when it has nothing to do.
    runtime.block_on(async { sleep(Duration::from_millis(50)).await });
    let cpu = process.elapsed().saturating_sub(server.spent() - spent);
    let (connected, resumed) = server.take_counts();
    Phase { cpu, wall, connected, resumed }
}

async fn client(kind: Kind, address: SocketAddr, root: &str) -> Client {
    let mut tls = TlsConfig::default();
    tls.backend = kind.backend;
    tls.system_roots = kind.system_roots;
    tls.roots.push(root.into());
    tls.server_name = Some("localhost".to_owned());
    // It may take long where a thousand handshakes wait for one core.
    tls.handshake_timeout = Duration::from_secs(60);
    let builder =
        Client::builder(format!("ssl://{address}")).tls(tls).connect_timeout(Duration::from_secs(60));
    builder.connect().await.expect("the broker lets everybody in")
}
