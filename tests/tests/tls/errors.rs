//! What a program gets that dials by itself: the kind of the error, and those behind it.

use std::{
    error::Error,
    io::{self, Read as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use socket2::SockRef;
use stomp_session::client::{Connector, Dial, Runtime, TlsBackend, TlsConfig, TransportError};
use stomp_testkit::{pki::Authority, tls::TlsFrontConfig};

use crate::{
    Bench,
    support::{Smol, Tokio},
    trusting, uri,
};

/// What becomes of a dial.
type Case = (&'static str, fn(TcpStream), io::ErrorKind);

const CASES: [Case; 2] = [
    (
        "the broker ended the TLS handshake",
        |mut stream| {
            // Closing before all was read would reset it.
            stream.shutdown(Shutdown::Write).unwrap();
            _ = stream.read_to_end(&mut Vec::new());
        },
        io::ErrorKind::UnexpectedEof,
    ),
    (
        "the TLS handshake failed",
        |mut stream| {
            // The handshake has begun.
            stream.read_exact(&mut [0]).unwrap();
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        },
        io::ErrorKind::ConnectionReset,
    ),
];

async fn error<R: Runtime>(dial: &Dial<R>, uri: &str) -> io::Error {
    dial.connect(&uri.parse().unwrap(), 0).await.map(|_| ()).unwrap_err()
}

/// How many errors it is, each the source of the one before.
fn depth(error: &(dyn Error + 'static)) -> usize {
    1 + error.source().map_or(0, depth)
}

async fn errors_keep_their_kind_and_their_cause<R: Runtime>(runtime: R, backend: TlsBackend) {
    let runtime = Arc::new(runtime);
    let dial = |tls: TlsConfig| Dial::new(Arc::clone(&runtime), tls);
    let nobody = dial(trusting(&Authority::new("nobody"), backend));

    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let refused = error(&nobody, &uri("127.0.0.1", gone)).await;
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(refused.raw_os_error().is_some(), "as the system told it: {refused:?}");

    for (words, treat, kind) in CASES {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let treating = thread::spawn(move || treat(listener.accept().unwrap().0));
        let error = error(&nobody, &uri("127.0.0.1", address)).await;
        treating.join().unwrap();
        assert!(error.to_string().starts_with(words), "{error}");
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(depth(&error) > 1 && !TransportError::is_permanent(&error), "{error:?}");
    }

    let bench = Bench::new(TlsFrontConfig::default());
    let untrusted = error(&nobody, &bench.front.uri()).await;
    assert_eq!(untrusted.kind(), io::ErrorKind::InvalidData);
    assert!(TransportError::is_permanent(&untrusted) && depth(&untrusted) > 1, "{untrusted:?}");
    // A connector that hands it on in an error of its own takes nothing away; who says it anew has decided anew.
    let untrusted = io::Error::other(untrusted);
    assert!(TransportError::is_permanent(&untrusted));
    let wrapped = io::Error::other(TransportError::new("behind the proxy").caused_by(untrusted));
    assert!(!TransportError::is_permanent(&wrapped));
    assert!(depth(&wrapped) > 2, "{wrapped:?}");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut hasty = trusting(&Authority::new("nobody"), backend);
    hasty.handshake_timeout = Duration::from_millis(50);
    let late = error(&dial(hasty), &uri("127.0.0.1", silent.local_addr().unwrap())).await;
    assert_eq!(late.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn errors_of_tokio_keep_their_kind_and_their_cause() {
    crate::run::<Tokio, _>(|backend| {
        errors_keep_their_kind_and_their_cause(stomp_tokio::Tokio::new(), backend)
    });
}

#[test]
fn errors_of_smol_keep_their_kind_and_their_cause() {
    crate::run::<Smol, _>(|backend| errors_keep_their_kind_and_their_cause(stomp_smol::Smol::new(), backend));
}
