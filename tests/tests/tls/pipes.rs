//! TLS over streams that are no sockets, and take little at a time.

use std::{
    collections::VecDeque,
    future::{Future, pending, poll_fn},
    io::{self, Read as _},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_lite::{
    AsyncReadExt as _, AsyncWriteExt as _,
    io::{AsyncRead, AsyncWrite},
};
use rustls::{
    HandshakeKind, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use stomp_session::{
    Endpoint, Timestamp,
    client::{Dial, Runtime, TlsBackend},
};
use stomp_testkit::pki::{Authority, Leaf};

use crate::trusting;

/// What one end has written and the other has not read. There is not much room.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<VecDeque<u8>>>);

const ROOM: usize = 1_000;

/// The client's end of two pipes. Nobody is woken: who waits is polled again.
struct Pipes {
    up: Pipe,
    down: Pipe,
}

impl AsyncRead for Pipes {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut down = self.down.0.lock().unwrap();
        if down.is_empty() { Poll::Pending } else { Poll::Ready(down.read(room)) }
    }
}

impl AsyncWrite for Pipes {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let mut up = self.up.0.lock().unwrap();
        let taken = octets.len().min(ROOM - up.len());
        up.extend(&octets[..taken]);
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A runtime in which time passes by hand, and that dials nobody.
#[derive(Clone, Default)]
struct Still {
    now: Arc<Mutex<Timestamp>>,
    /// How often something was left to a thread for slow work.
    unblocked: Arc<AtomicUsize>,
}

impl Runtime for Still {
    type Stream = Pipes;

    async fn dial(&self, _: &str, _: u16, _: u32) -> io::Result<Pipes> {
        pending().await
    }

    async fn sleep_until(&self, at: Timestamp) {
        poll_fn(|_| if self.now() < at { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.unblocked.fetch_add(1, Ordering::Relaxed);
        work()
    }

    fn entropy(&self) -> [u8; 32] {
        [7; 32]
    }
}

/// The broker's end: it reads what there is, and answers what TLS wants it to.
struct Peer {
    tls: ServerConnection,
    up: Pipe,
    down: Pipe,
    heard: Vec<u8>,
    /// How much of what it says still gets through.
    left: usize,
}

fn server_config(authority: &Authority) -> Arc<ServerConfig> {
    let identity = authority.issue(&Leaf::server(&["broker.example"]));
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

impl Peer {
    fn new(authority: &Authority, up: &Pipe, down: &Pipe) -> Self {
        Self::with(server_config(authority), up, down)
    }

    fn with(config: Arc<ServerConfig>, up: &Pipe, down: &Pipe) -> Self {
        let tls = ServerConnection::new(config).unwrap();
        Self { tls, up: up.clone(), down: down.clone(), heard: Vec::new(), left: usize::MAX }
    }

    fn turn(&mut self) {
        let mut up = self.up.0.lock().unwrap();
        while !up.is_empty() {
            self.tls.read_tls(&mut *up).unwrap();
            self.tls.process_new_packets().unwrap();
            // Nothing more in clear is no error but a wait.
            _ = self.tls.reader().read_to_end(&mut self.heard);
        }
        let mut down = self.down.0.lock().unwrap();
        let mut said = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut said).unwrap();
        }
        said.truncate(self.left);
        self.left -= said.len();
        down.extend(said);
    }
}

/// TLS takes whole records, and keeps what the stream has no room for: what was flushed is out.
#[test]
fn what_was_flushed_is_out() {
    for backend in [TlsBackend::NativeTls, TlsBackend::Rustls] {
        for octets in [1, ROOM - 1, 16 * 1024, 50_000] {
            let authority = Authority::new("the authority");
            let (up, down) = (Pipe::default(), Pipe::default());
            let mut peer = Peer::new(&authority, &up, &down);
            let dial = Dial::new(Arc::<Still>::default(), trusting(&authority, backend));
            let endpoint: Endpoint = "ssl://broker.example".parse().unwrap();
            let client = async {
                let mut stream = dial.secure(&endpoint, Pipes { up, down }).await.unwrap();
                stream.write_all(&vec![7; octets]).await.unwrap();
                stream.flush().await.unwrap();
                stream
            };
            let mut client = pin!(client);
            let mut cx = Context::from_waker(Waker::noop());
            let mut turns = (0..10_000).map(|_| {
                peer.turn();
                client.as_mut().poll(&mut cx)
            });
            let flushed = turns.find(Poll::is_ready).expect("an end");
            peer.turn();
            assert!(peer.heard == vec![7; octets], "{backend:?}: {} of {octets}", peer.heard.len());
            drop(flushed);
        }
    }
}

/// A client that comes back reads neither certificates nor the system's trust store again, which takes tens of milliseconds, and
/// resumes its session of TLS. With native-tls it does neither: its connector is made anew for each connection.
#[test]
fn who_comes_back_has_everything_ready() {
    let authority = Authority::new("the authority");
    let (config, runtime) = (server_config(&authority), Still::default());
    let dial = Dial::new(Arc::new(runtime.clone()), trusting(&authority, TlsBackend::Rustls));
    let kinds = [(); 2].map(|()| shake_hands(&dial, &config));
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    assert_eq!(runtime.unblocked.load(Ordering::Relaxed), 1);
}

/// Connects, and reads what the peer says after its handshake: with what a session is resumed.
fn shake_hands(dial: &Dial<Still>, config: &Arc<ServerConfig>) -> HandshakeKind {
    let (up, down) = (Pipe::default(), Pipe::default());
    let mut peer = Peer::with(Arc::clone(config), &up, &down);
    let endpoint: Endpoint = "ssl://broker.example".parse().unwrap();
    let mut client = pin!(async {
        let mut stream = dial.secure(&endpoint, Pipes { up, down }).await.unwrap();
        stream.read(&mut [0]).await
    });
    for _ in 0..100 {
        peer.turn();
        assert!(
            client.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(),
            "nothing is said"
        );
    }
    peer.tls.handshake_kind().unwrap()
}

/// Wherever the broker stops in its handshake: in the head of a record, in a record, between two. The time for it is over when
/// it should be, and not before.
#[test]
fn a_handshake_that_stalls_after_any_octet_is_given_up() {
    for backend in [TlsBackend::NativeTls, TlsBackend::Rustls] {
        let given_up = (0..3_000).step_by(29).take_while(|octets| is_given_up(backend, *octets)).count();
        assert!((10..100).contains(&given_up), "{backend:?}: a handshake has {given_up} times 29 octets");
    }
}

/// Returns whether the handshake is given up when the peer falls silent after that many octets. Otherwise it succeeds.
fn is_given_up(backend: TlsBackend, octets: usize) -> bool {
    let authority = Authority::new("the authority");
    let (up, down, runtime) = (Pipe::default(), Pipe::default(), Still::default());
    let mut peer = Peer::new(&authority, &up, &down);
    peer.left = octets;
    let mut config = trusting(&authority, backend);
    config.handshake_timeout = Duration::from_secs(5);
    let dial = Dial::new(Arc::new(runtime.clone()), config);
    let endpoint: Endpoint = "ssl://broker.example".parse().unwrap();
    let mut client = pin!(dial.secure(&endpoint, Pipes { up, down }));
    let mut cx = Context::from_waker(Waker::noop());
    for passed in [0, 4_999_999] {
        *runtime.now.lock().unwrap() = Timestamp::from_start(Duration::from_micros(passed));
        for _ in 0..100 {
            peer.turn();
            if let Poll::Ready(secured) = client.as_mut().poll(&mut cx) {
                secured.expect("all of the handshake");
                return false;
            }
        }
    }
    *runtime.now.lock().unwrap() = Timestamp::from_start(Duration::from_secs(5));
    let Poll::Ready(Err(error)) = client.as_mut().poll(&mut cx) else { panic!("{backend:?} {octets}") };
    assert_eq!(error.to_string(), "the TLS handshake did not end within 5.0 s: is it a TLS port?");
    true
}

/// An endpoint that asks for no TLS gets what it asks for.
#[test]
fn without_tls_a_stream_stays_what_it_is() {
    let dial = Dial::new(Arc::<Still>::default(), trusting(&Authority::new("nobody"), TlsBackend::default()));
    let (up, down) = (Pipe::default(), Pipe::default());
    down.0.lock().unwrap().extend(b"down");
    let endpoint: Endpoint = "tcp://broker.example".parse().unwrap();
    let said = async {
        let mut stream = dial.secure(&endpoint, Pipes { up: up.clone(), down }).await.unwrap();
        stream.write_all(b"up").await.unwrap();
        let mut said = [0; 4];
        stream.read_exact(&mut said).await.unwrap();
        said
    };
    assert_eq!(futures_lite::future::block_on(said), *b"down");
    assert_eq!(*up.0.lock().unwrap(), *b"up");
}
