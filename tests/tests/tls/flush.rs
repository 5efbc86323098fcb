//! TLS over streams that are no sockets, and take little at a time.

use std::{
    collections::VecDeque,
    future::{Future, pending},
    io::{self, Read as _},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use futures_lite::{
    AsyncReadExt as _, AsyncWriteExt as _,
    io::{AsyncRead, AsyncWrite},
};
use rustls::{
    ServerConfig, ServerConnection,
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

/// A runtime in which no time passes, and that dials nobody.
struct Still;

impl Runtime for Still {
    type Stream = Pipes;

    async fn dial(&self, _: &str, _: u16, _: u32) -> io::Result<Pipes> {
        pending().await
    }

    async fn sleep_until(&self, _: Timestamp) {
        pending().await
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
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
}

impl Peer {
    fn new(authority: &Authority, up: &Pipe, down: &Pipe) -> Self {
        let identity = authority.issue(&Leaf::server(&["broker.example"]));
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let tls = ServerConnection::new(Arc::new(config)).unwrap();
        Self { tls, up: up.clone(), down: down.clone(), heard: Vec::new() }
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
        while self.tls.wants_write() {
            self.tls.write_tls(&mut *down).unwrap();
        }
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
            let dial = Dial::new(Arc::new(Still), trusting(&authority, backend).tls);
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

/// An endpoint that asks for no TLS gets what it asks for.
#[test]
fn without_tls_a_stream_stays_what_it_is() {
    let dial = Dial::new(Arc::new(Still), trusting(&Authority::new("nobody"), TlsBackend::default()).tls);
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
