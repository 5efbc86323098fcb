//! Handshakes that do not come about.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener},
    thread,
    time::Duration,
};

use stomp_session::{
    Lost,
    client::{Listener, Notice, TlsBackend},
};
use stomp_testkit::{
    broker::BrokerConfig,
    pki::Authority,
    proxy::{Break, Plan, Proxy},
    server::Server,
    tls::TlsFrontConfig,
};

use crate::{
    Bench, QUEUE, assert_passing, refusal,
    support::{Adapter, PATIENCE, patient_with},
    trusting, uri,
};

pub(crate) async fn a_plain_port_is_never_spoken_to_in_the_clear<A: Adapter>(backend: TlsBackend) {
    let server = Server::start(BrokerConfig::default().recording()).unwrap();
    let (lost, text) = refusal::<A>(
        &uri("localhost", server.address()),
        trusting(&Authority::new("the authority"), backend),
    )
    .await;
    assert_passing(&lost);
    assert!(text.contains("TLS"), "{text}");
    let spoken = server.with(|broker| broker.received().any(|(_, frames)| !frames.is_empty()));
    assert!(!spoken, "nothing is said in the clear");
}

pub(crate) async fn tls_is_recognised_by_who_expects_none<A: Adapter>(backend: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    let plain = format!("tcp://guest:guest@localhost:{}", bench.front.address().port());
    let (lost, text) = refusal::<A>(&plain, bench.tls(backend)).await;
    assert!(matches!(lost, Lost::Protocol(_)), "{lost:?}");
    assert!(text.contains("the broker speaks TLS: use stomp+ssl://"), "{text}");
}

/// A broker, or somebody on the way, that says CONNECTED in the clear before the handshake.
pub(crate) async fn what_comes_before_tls_is_not_believed<A: Adapter>(backend: TlsBackend) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let injecting = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"CONNECTED\nversion:1.2\nserver:injected\n\n\0").unwrap();
        let mut heard = Vec::new();
        _ = stream.read_to_end(&mut heard);
        heard
    });
    let (lost, text) =
        refusal::<A>(&uri("localhost", address), trusting(&Authority::new("the authority"), backend)).await;
    assert_passing(&lost);
    assert!(text.contains("does not speak TLS on this port"), "{text}");
    let heard = injecting.join().unwrap();
    assert!(!String::from_utf8_lossy(&heard).contains("guest"), "the login went out in the clear");
}

/// A broker that takes the connection and says nothing more, and not even that there is nothing: ActiveMQ's plain port.
pub(crate) async fn a_handshake_that_stalls_is_given_up<A: Adapter>(backend: TlsBackend) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut tls = trusting(&Authority::new("the authority"), backend);
    tls.handshake_timeout = Duration::from_millis(100);
    let uri = uri("localhost", listener.local_addr().unwrap());
    let (lost, text) = refusal::<A>(&uri, tls).await;
    assert_passing(&lost);
    assert!(text.contains("the TLS handshake did not end within 0.1 s"), "{text}");
    // It is not left to itself: its socket is closed.
    let (mut stalled, _) = listener.accept().unwrap();
    stalled.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut hello = Vec::new();
    stalled.read_to_end(&mut hello).expect("the end of the stream");
    // On a busy machine its time may be over before it has begun.
    assert!(hello.first().is_none_or(|octet| *octet == 0x16), "a ClientHello, and nothing before");
}

pub(crate) async fn a_broken_handshake_is_tried_again<A: Adapter>(backend: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let broken = uri("localhost", listener.local_addr().unwrap());
    let cutting = thread::spawn(move || {
        for _ in 0..4 {
            let (mut stream, _) = listener.accept().unwrap();
            _ = stream.read(&mut [0; 5]).unwrap();
            stream.shutdown(Shutdown::Both).unwrap();
        }
    });
    let uri = format!("failover:({broken})?startupMaxReconnectAttempts=3&initialReconnectDelay=1");
    let (lost, text) = refusal::<A>(&uri, bench.tls(backend)).await;
    assert_passing(&lost);
    assert!(text.contains("4 attempts") && text.contains("TLS handshake"), "{text}");
    cutting.join().unwrap();
}

/// A broker whose certificate is wrong is passed over, and what is said to the next one is said over TLS.
pub(crate) async fn the_next_broker_is_tried<A: Adapter>(backend: TlsBackend) {
    let (stranger, bench) = (Bench::new(TlsFrontConfig::default()), Bench::new(TlsFrontConfig::default()));
    let list = format!("failover:({},{})?randomize=false", stranger.front.uri(), bench.front.uri());
    let (client, _kill) = A::start(crate::config(&list), patient_with(bench.tls(backend)));
    client.connected().await.unwrap();
    assert_eq!(client.connection().unwrap().endpoint.port(), bench.front.address().port());
    client.send(QUEUE, "").confirmed().await.unwrap();
    assert!(!stranger.heard());
    client.disconnect().await.unwrap();
}

/// Places in what the broker says in a handshake: in the head of a record, in each record, between them.
const PLACES: [u64; 7] = [0, 1, 5, 60, 130, 250, 600];

/// The broker's side of the handshake ends after a number of octets.
fn breaking(bench: &Bench, octets: u64, how: Break) -> (Proxy, String) {
    let mut plan = Plan::default();
    plan.to_client.after = Some((octets, how));
    let proxy = Proxy::start(bench.front.address(), [plan]).unwrap();
    let options = "initialReconnectDelay=1&useExponentialBackOff=false&startupMaxReconnectAttempts=-1";
    let list = format!("failover:({})?{options}", uri("localhost", proxy.address()));
    (proxy, list)
}

/// Clients of a broker whose handshake breaks once, each elsewhere: all get in. One after the other: many handshakes at once
/// would make each other late.
async fn all_get_in<A: Adapter>(backend: TlsBackend, how: Break) {
    let bench = Bench::new(TlsFrontConfig::default());
    let tls = bench.tls(backend);
    for octets in PLACES {
        let (_proxy, list) = breaking(&bench, octets, how);
        let (client, mut notices, _kill) = A::start_heard(crate::config(&list), patient_with(tls.clone()));
        client.connected().await.unwrap();
        client.send(QUEUE, "").confirmed().await.unwrap();
        assert_passing(&first_failure(&mut notices).await);
    }
}

async fn first_failure(notices: &mut Listener) -> Lost {
    loop {
        match notices.next().await.expect("the session goes on") {
            Notice::ConnectFailed { reason, .. } => return reason,
            Notice::Connected(_) => panic!("the first attempt breaks"),
            _ => {}
        }
    }
}

pub(crate) async fn an_end_after_any_octet_is_tried_again<A: Adapter>(backend: TlsBackend) {
    all_get_in::<A>(backend, Break::HalfClose).await;
    all_get_in::<A>(backend, Break::Reset).await;
}
