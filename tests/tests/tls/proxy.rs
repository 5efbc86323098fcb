//! TLS of ours over streams of somebody else's: through an HTTP proxy (RFC 9110, section 9.3.6).

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
};

use futures_lite::{
    AsyncReadExt as _, AsyncWriteExt as _,
    io::{AsyncRead, AsyncWrite},
};
use stomp_session::{
    Closed, Endpoint, Lost,
    client::{Client, Connector, Dial, TlsBackend, TlsConfig, TransportStream},
};
use stomp_testkit::{pki::Leaf, tls::TlsFrontConfig};

use crate::{
    Bench, QUEUE, assert_final, config,
    support::{Smol, Tokio, patient_with},
};

/// A proxy that serves one client. It tells what it was asked for.
fn proxy() -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
        let asked = lines.next().unwrap().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "", "the client waits for the answer");
        let authority =
            asked.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1")).unwrap();
        let broker = TcpStream::connect(authority).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let up = [client.try_clone().unwrap(), broker.try_clone().unwrap()];
        let up = thread::spawn(move || copy(up));
        copy([broker, client]);
        up.join().unwrap();
        asked
    });
    (address, serving)
}

fn copy([mut from, mut to]: [TcpStream; 2]) {
    _ = io::copy(&mut from, &mut to);
    _ = to.shutdown(Shutdown::Write);
}

/// Asks a proxy for a way to the broker.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), endpoint: &Endpoint) -> io::Result<()> {
    let request = format!("CONNECT {}:{} HTTP/1.1\r\n\r\n", endpoint.host(), endpoint.port());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; b"HTTP/1.1 200 OK\r\n\r\n".len()];
    stream.read_exact(&mut answer).await?;
    if answer.starts_with(b"HTTP/1.1 2") { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}

struct TokioProxied(SocketAddr, Dial<stomp_tokio::Tokio>);

impl Connector for TokioProxied {
    type Stream = TransportStream;

    async fn connect(&self, endpoint: &Endpoint, _: u32) -> io::Result<TransportStream> {
        let stream = tokio::net::TcpStream::connect(self.0).await?;
        let mut stream = stomp_tokio::Compat::from(stream);
        ask(&mut stream, endpoint).await?;
        self.1.secure(endpoint, stream).await
    }
}

struct SmolProxied(SocketAddr, Dial<stomp_smol::Smol>);

impl Connector for SmolProxied {
    type Stream = TransportStream;

    async fn connect(&self, endpoint: &Endpoint, _: u32) -> io::Result<TransportStream> {
        let mut stream = smol::net::TcpStream::connect(self.0).await?;
        ask(&mut stream, endpoint).await?;
        self.1.secure(endpoint, stream).await
    }
}

#[test]
fn tokio_speaks_tls_through_a_proxy() {
    crate::run::<Tokio, _>(async |backend| {
        converses(backend, async |uri, tls: TlsConfig, proxy| {
            let dial = Dial::new(Arc::new(stomp_tokio::Tokio::new()), tls.clone());
            let connected = stomp_tokio::Connect::connect_via(
                patient_with(tls).config(config(&uri)),
                TokioProxied(proxy, dial),
            )
            .await;
            connected.unwrap()
        })
        .await;
    });
}

#[test]
fn smol_speaks_tls_through_a_proxy() {
    crate::run::<Smol, _>(async |backend| {
        converses(backend, async |uri, tls: TlsConfig, proxy| {
            let dial = Dial::new(Arc::new(stomp_smol::Smol::new()), tls.clone());
            let connected = stomp_smol::Connect::connect_via(
                patient_with(tls).config(config(&uri)),
                SmolProxied(proxy, dial),
            )
            .await;
            connected.unwrap()
        })
        .await;
    });
}

async fn converses(backend: TlsBackend, connect: impl AsyncFn(String, TlsConfig, SocketAddr) -> Client) {
    let bench = Bench::new(TlsFrontConfig::default());
    let (address, serving) = proxy();
    let client = connect(bench.front.uri(), bench.tls(backend), address).await;
    client.send(QUEUE, "").confirmed().await.unwrap();
    client.disconnect().await.unwrap();
    assert_eq!(bench.server.with(|broker| broker.depth(QUEUE)), 1);
    let asked = serving.join().unwrap();
    assert_eq!(asked, format!("CONNECT localhost:{} HTTP/1.1", bench.front.address().port()));
}

/// It is the broker that is to be trusted, not the proxy: its certificate is issued for the host of the endpoint.
#[test]
fn the_broker_behind_a_proxy_is_who_it_should_be() {
    crate::run::<Smol, _>(async |backend| {
        let bench = Bench::with(&Leaf::server(&["wrong.example"]), TlsFrontConfig::default());
        let (address, _serving) = proxy();
        let tls = bench.tls(backend);
        let dial = Dial::new(Arc::new(stomp_smol::Smol::new()), tls.clone());
        let (runtime, connector) = (Arc::new(stomp_smol::Smol::new()), Arc::new(SmolProxied(address, dial)));
        let (client, driver) =
            patient_with(tls).config(config(&bench.front.uri())).build_on(runtime, connector).unwrap();
        let _driver = smol::spawn(driver.run());
        let Err(Closed::GaveUp { last, .. }) = client.connected().await else { panic!("it is trusted") };
        assert_final(&last);
        assert!(
            matches!(&last, Lost::DialFailed { reason, .. } if reason.text().contains("localhost")),
            "{last:?}"
        );
        assert!(!bench.heard());
    });
}
