//! A broker behind TLS, in a thread of its own, which lets everybody in and hangs up on all when told to.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures_rustls::TlsAcceptor;
use futures_util::{AsyncReadExt as _, AsyncWriteExt as _};
use rustls::{
    HandshakeKind, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::NoServerSessionStorage,
};
use stomp_bench_client::sink::{Meter, Spent};
use stomp_testkit::pki::{Authority, Leaf};
use stomp_tokio::Compat;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::broadcast,
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The certificate of its authority, in PEM.
    pub(crate) root: String,
    counts: Arc<Counts>,
    spent: Arc<Spent>,
    hang_up: broadcast::Sender<()>,
}

/// Connections since they were asked for last.
#[derive(Default)]
struct Counts {
    connected: AtomicUsize,
    resumed: AtomicUsize,
}

impl Server {
    pub(crate) fn start(resumes: bool) -> io::Result<Self> {
        let authority = Authority::new("an authority");
        let config = config(&authority, resumes)?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (counts, spent) = (Arc::new(Counts::default()), Arc::new(Spent::default()));
        let (hang_up, _) = broadcast::channel(1);
        let (shared, noted, ended) = (Arc::clone(&counts), Arc::clone(&spent), hang_up.clone());
        thread::spawn(move || serve(listener, TlsAcceptor::from(Arc::new(config)), &shared, noted, &ended));
        let root = authority.certificate().to_owned();
        Ok(Self { address, root, counts, spent, hang_up })
    }

    /// CPU time of its thread, when that last waited.
    pub(crate) fn spent(&self) -> Duration {
        self.spent.total()
    }

    pub(crate) fn hang_up(&self) {
        _ = self.hang_up.send(());
    }

    pub(crate) fn connected(&self) -> usize {
        self.counts.connected.load(Ordering::Relaxed)
    }

    /// How many connections there were, and how many of them resumed a session, since this was called last.
    pub(crate) fn take_counts(&self) -> (usize, usize) {
        let Counts { connected, resumed } = &*self.counts;
        (connected.swap(0, Ordering::Relaxed), resumed.swap(0, Ordering::Relaxed))
    }
}

fn config(authority: &Authority, resumes: bool) -> io::Result<ServerConfig> {
    let identity = authority.issue(&Leaf::server(&["localhost"]));
    let certificate =
        CertificateDer::from_pem_slice(identity.certificate.as_bytes()).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?.with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).map_err(io::Error::other)?;
    if resumes {
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(io::Error::other)?;
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

thread_local! {
    /// Of the broker's thread, which alone has one.
    static METER: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

fn serve(
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
    counts: &Arc<Counts>,
    spent: Arc<Spent>,
    hang_up: &broadcast::Sender<()>,
) {
    METER.set(Some(Meter::new(spent)));
    let note = || METER.with_borrow_mut(|meter| meter.as_mut().map_or((), Meter::note));
    let runtime = Builder::new_current_thread().enable_all().on_thread_park(note).build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("a listener");
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counts, mut end) = (acceptor.clone(), Arc::clone(counts), hang_up.subscribe());
            tokio::spawn(async move {
                let connection = connect(stream, &acceptor, &counts).await;
                _ = end.recv().await;
                drop(connection);
            });
        }
    });
}

/// Answers CONNECT.
async fn connect(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    counts: &Counts,
) -> io::Result<futures_rustls::server::TlsStream<Compat<TcpStream>>> {
    let mut stream = acceptor.accept(Compat::from(stream)).await?;
    if stream.read(&mut [0; 1024]).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    stream.write_all(b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0").await?;
    stream.flush().await?;
    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
        counts.resumed.fetch_add(1, Ordering::Relaxed);
    }
    counts.connected.fetch_add(1, Ordering::Relaxed);
    Ok(stream)
}
