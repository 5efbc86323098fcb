//! The cases over a WebSocket: those of every connection that may differ there, and what there is only there.

use std::net::TcpStream;

use stomp_session::{
    Closed, Lost,
    client::{Client, Subscription, TlsBackend, TlsConfig, WebSocketConfig},
};
use stomp_testkit::real::{
    Feature::{
        Acknowledgements, BinaryMessages, Logins, Persistence, Prefetch, Receipts, Redelivery,
        SecureWebSocket,
    },
    OnDisconnect, User, WebSocket,
};
use tungstenite::{ClientRequestBuilder, Message, handshake::client::Response};

use super::{Bench, Case, STEP, connected, crashes, next, relaying, run, settings, start};
use crate::support::Adapter;

/// All cases. The last one kills the broker.
pub(crate) fn cases<A: Adapter>() -> [Case; 12] {
    [
        ("connects", &[], super::connects::<A>),
        ("answers the handshake", &[], answers_the_handshake::<A>),
        ("over TLS", &[SecureWebSocket], over_tls::<A>),
        ("refuses a wrong login", &[Logins], super::refuses_a_wrong_login::<A>),
        (
            "relays headers and a binary body",
            &[Receipts, BinaryMessages],
            relaying::relays_headers_and_body::<A>,
        ),
        ("relays headers and a text", &[Receipts], relays_a_text::<A>),
        ("acks client", &[Prefetch], super::acks_client::<A>),
        ("acks client-individual", &[Acknowledgements], super::acks_individual::<A>),
        ("redelivers after a dropped connection", &[Redelivery], super::redelivers::<A>),
        ("a burst of 1,000 messages of many sizes", &[Prefetch], burst::<A>),
        ("disconnects", &[Receipts], disconnects::<A>),
        ("survives kill -9 of the broker", &[Persistence], |bench| crashes::rounds::<A>(bench, 1)),
    ]
}

impl Bench<'_> {
    fn over(&self) -> WebSocket {
        self.web_socket.expect("these cases are run over a WebSocket alone")
    }
}

/// The subprotocol that is named, and what becomes of a path at which nothing is: a 404 is explained, and final.
fn answers_the_handshake<A: Adapter>(bench: &mut Bench<'_>) {
    let over = bench.over();
    let (_, response) = other_client(bench);
    let named = response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
    assert_eq!(named, over.names_subprotocol.then_some("v12.stomp"));
    let uri = bench.uri();
    let (base, query) = uri.split_at(uri.find('?').unwrap_or(uri.len()));
    let uri = format!("{}/nowhere{query}", base.strip_suffix(over.path).expect("it ends with the path"));
    run::<A>(async {
        let (client, _kill) = start::<A>(super::config(&uri), bench.settings(TlsConfig::default()));
        let connected = client.connected().await.map(drop);
        match over.wrong_path {
            None => connected.expect("every path is served"),
            Some(status) => assert_refused(&connected.unwrap_err(), status),
        }
    });
}

fn assert_refused(error: &Closed, status: u16) {
    let Closed::GaveUp { last: Lost::DialFailed { permanent, .. }, .. } = error else { panic!("{error:?}") };
    let said = error.to_string();
    assert!(said.contains(&format!("HTTP {status}")), "{said}");
    assert_eq!(*permanent, status == 404, "{said}");
    assert_eq!(said.contains("is the path right?"), status == 404, "{said}");
}

fn over_tls<A: Adapter>(bench: &mut Bench<'_>) {
    let uri = bench.broker.secure_web_socket_uri().expect("it is described");
    run::<A>(async {
        for backend in [TlsBackend::NativeTls, TlsBackend::Rustls] {
            let tls = bench.tls(backend, bench.right());
            let (client, _kill) =
                connected(start::<A>(super::config(&uri), bench.settings(tls))).await.unwrap();
            let mut messages = client.subscribe(&bench.destination()).await.unwrap();
            // Several records, and some that are full.
            let body = text(60_000);
            client.send(&bench.destination(), body.clone()).confirmed().await.unwrap();
            let message = next::<A>(&mut messages).await;
            assert!(message.body() == body.as_bytes(), "the body came as it went");
            message.ack().unwrap();
            bench.part(&client).await;
        }
    });
}

fn relays_a_text<A: Adapter>(bench: &mut Bench<'_>) {
    relaying::relays::<A>(bench, "grün €, \u{1f980}\0\n".repeat(100).as_bytes());
}

/// A text with that many octets.
fn text(octets: usize) -> String {
    "0123456789abcdef\n".chars().cycle().take(octets).collect()
}

/// Where a message has a length of another form, a buffer ends, or a frame is more than a message.
const SIZES: [usize; 12] = [0, 1, 100, 125, 126, 4096, 8192, 65_000, 65_535, 65_536, 300_000, 1_000_000];

/// Each size among small ones: as messages of any size, and cut into many where the broker puts them together again.
fn burst<A: Adapter>(bench: &mut Bench<'_>) {
    let over = bench.over();
    let limits = [Some(over.message_limit), over.joins_messages.then_some(Some(1000))];
    run::<A>(async {
        for message_limit in limits.into_iter().flatten() {
            let mut web_socket = WebSocketConfig::default();
            web_socket.message_limit = message_limit;
            let settings = || settings(TlsConfig::default()).web_socket(web_socket.clone());
            let (sender, _kill) = connected(start::<A>(bench.config(), settings())).await.unwrap();
            let (receiver, _kill) = connected(start::<A>(bench.config(), settings())).await.unwrap();
            let mut messages = receiver.subscribe(&bench.destination()).prefetch(100).await.unwrap();
            // The headers of a frame want room as well.
            let most = over.frame_limit.map_or(usize::MAX, |limit| limit - 1000);
            let bodies: Vec<_> = (0..1000).map(|number| body(number, most)).collect();
            futures_lite::future::zip(
                send(&sender, &bench.destination(), &bodies),
                receive::<A>(&mut messages, &bodies),
            )
            .await;
            bench.part(&receiver).await;
            bench.part(&sender).await;
        }
    });
}

/// One in fifty is large.
fn body(number: usize, most: usize) -> String {
    let octets = if number.is_multiple_of(50) { SIZES[number / 50 % SIZES.len()] } else { number % 200 };
    text(octets.min(most))
}

async fn send(client: &Client, destination: &str, bodies: &[String]) {
    let (last, others) = bodies.split_last().expect("there are some");
    let message = client.send(destination, "").prepare().unwrap();
    for body in others {
        message.send(body.clone()).await.unwrap();
    }
    client.send(destination, last.clone()).confirmed().await.unwrap();
}

async fn receive<A: Adapter>(messages: &mut Subscription, bodies: &[String]) {
    for body in bodies {
        let message = next::<A>(messages).await;
        assert!(message.body() == body.as_bytes(), "{} octets came of {}", message.body().len(), body.len());
        message.ack().unwrap();
    }
}

/// What it answers DISCONNECT with, which the client takes for an answer.
fn disconnects<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        client.send(&bench.destination(), "the last").confirmed().await.unwrap();
        bench.part(&client).await;
    });
    let (mut stream, _) = other_client(bench);
    let User { login, passcode } = bench.broker.login();
    let host = bench.description.behaviour.virtual_host;
    let connect =
        format!("CONNECT\naccept-version:1.2\nhost:{host}\nlogin:{login}\npasscode:{passcode}\n\n\0");
    stream.send(Message::text(connect)).unwrap();
    let connected = stream.read().unwrap();
    assert!(connected.to_text().unwrap().starts_with("CONNECTED\n"), "{connected}");
    stream.send(Message::text("DISCONNECT\nreceipt:bye\n\n\0")).unwrap();
    let answer = stream.read();
    let receipt = matches!(&answer, Ok(message) if message.to_text().unwrap().contains("receipt-id:bye"));
    let expected = match bench.over().disconnect {
        OnDisconnect::Receipt => receipt,
        OnDisconnect::Closes => matches!(answer, Ok(Message::Close(_)) | Err(_)),
    };
    assert!(expected, "{answer:?}");
}

/// Somebody else's WebSocket.
fn other_client(bench: &Bench<'_>) -> (tungstenite::WebSocket<TcpStream>, Response) {
    let (port, path) = (bench.broker.layout().port(0, bench.over().port), bench.over().path);
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(STEP)).unwrap();
    let uri = format!("ws://127.0.0.1:{port}{path}").parse().unwrap();
    let request = ClientRequestBuilder::new(uri).with_sub_protocol("v12.stomp");
    tungstenite::client(request, stream).unwrap()
}
