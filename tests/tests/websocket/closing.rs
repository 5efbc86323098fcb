//! How a WebSocket ends: each code is a reason, and a close is an answer to DISCONNECT.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use stomp_session::{
    Config, Lost,
    client::{Client, Listener, Notice},
};
use tungstenite::{
    Message, WebSocket,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::support::{Adapter, Kill, PATIENCE, Smol, Tokio, patient_config, patient_settings};

const CONNECTED: &str = "CONNECTED\nversion:1.2\n\n\0";

/// A server that says CONNECTED on its only connection, and then does that.
pub(crate) fn serve<T: Send + 'static>(
    then: impl FnOnce(WebSocket<TcpStream>) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut web_socket = tungstenite::accept(stream).unwrap();
        let connect = web_socket.read().unwrap();
        assert!(connect.into_data().starts_with(b"CONNECT\n"));
        web_socket.send(Message::text(CONNECTED)).unwrap();
        then(web_socket)
    });
    (address, served)
}

/// Reads until the client has closed.
fn drain(web_socket: &mut WebSocket<TcpStream>) -> Option<u16> {
    let mut code = None;
    while let Ok(message) = web_socket.read() {
        if let Message::Close(frame) = message {
            code = frame.map(|frame| frame.code.into());
        }
    }
    code
}

fn client<A: Adapter>(address: SocketAddr) -> (Client, Listener, Kill) {
    let config: Config = patient_config(&format!("ws://me:s3cr3t@{address}/ws"));
    A::start_heard(config, patient_settings())
}

async fn reason(listener: &mut Listener) -> Lost {
    loop {
        if let Some(Notice::Disconnected { reason, .. }) = listener.next().await {
            return reason;
        }
    }
}

fn run<A: Adapter>(case: impl Future<Output = ()>) {
    assert!(A::block_on(A::within(PATIENCE, case)).is_some(), "it did not end within {PATIENCE:?}");
}

async fn each_code_is_a_reason<A: Adapter>() {
    let rows: [(u16, &str, &str); 12] = [
        (1000, "", ""),
        (1001, "going away", ""),
        (1002, "", "1002, it calls what was sent a protocol error"),
        (1003, "text only", "1003, it takes no such data"),
        (1007, "", "1007, what was sent as text is no UTF-8"),
        (1008, "no \"guests\"\n", "1008, its policy was violated: no \\\"guests\\\"\\n"),
        (1009, "too big", "1009, a message was too large"),
        (1011, "oops", "1011, it met an error of its own: oops"),
        (1012, "", "1012, it restarts"),
        (1013, "", "1013, it is overloaded: try again later"),
        (3001, "x", "3001, a code of its software: x"),
        // What the broker repeats of a passcode is hidden.
        (4001, "bad s3cr3t", "4001, a code of its application: bad ***"),
    ];
    for (code, words, expected) in rows {
        let (address, served) = serve(move |mut web_socket| {
            let frame = CloseFrame { code: CloseCode::from(code), reason: words.into() };
            web_socket.close(Some(frame)).unwrap();
            drain(&mut web_socket)
        });
        let (_client, mut listener, _kill) = client::<A>(address);
        match reason(&mut listener).await {
            Lost::Eof => assert_eq!(expected, "", "{code}"),
            Lost::Io(failure) => {
                assert_eq!(failure.code(), Some(code));
                assert!(!expected.is_empty() && failure.text().contains(expected), "{code}: {failure}");
            }
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(served.join().unwrap(), Some(code), "it is answered in kind");
    }
}

/// RabbitMQ answers a DISCONNECT with a close, and not with its RECEIPT.
async fn a_close_answers_a_disconnect<A: Adapter>() {
    let (address, served) = serve(|mut web_socket| {
        let disconnect = web_socket.read().unwrap();
        assert!(disconnect.into_data().starts_with(b"DISCONNECT\n"));
        let frame = CloseFrame { code: CloseCode::Normal, reason: "STOMP died".into() };
        web_socket.close(Some(frame)).unwrap();
        drain(&mut web_socket)
    });
    let (client, _listener, _kill) = client::<A>(address);
    client.connected().await.unwrap();
    client.disconnect().await.expect("it is an answer");
    let closed = client.closed().await;
    assert!(closed.to_string().contains("closed the connection instead of confirming it"), "{closed}");
    served.join().unwrap();
}

/// The client says that it closes, once the broker has confirmed the end.
async fn a_graceful_end_says_goodbye<A: Adapter>() {
    let (address, served) = serve(|mut web_socket| {
        let disconnect = web_socket.read().unwrap().into_data();
        let text = String::from_utf8(disconnect.to_vec()).unwrap();
        let id = text.lines().find_map(|line| line.strip_prefix("receipt:")).unwrap();
        web_socket.send(Message::text(format!("RECEIPT\nreceipt-id:{id}\n\n\0"))).unwrap();
        drain(&mut web_socket)
    });
    let (client, _listener, _kill) = client::<A>(address);
    client.connected().await.unwrap();
    client.disconnect().await.unwrap();
    assert_eq!(served.join().unwrap(), Some(1000));
}

#[test]
fn each_code_is_a_reason_on_tokio() {
    run::<Tokio>(each_code_is_a_reason::<Tokio>());
}

#[test]
fn each_code_is_a_reason_on_smol() {
    run::<Smol>(each_code_is_a_reason::<Smol>());
}

#[test]
fn a_close_answers_a_disconnect_on_both() {
    run::<Tokio>(a_close_answers_a_disconnect::<Tokio>());
    run::<Smol>(a_close_answers_a_disconnect::<Smol>());
}

#[test]
fn a_graceful_end_says_goodbye_on_both() {
    run::<Tokio>(a_graceful_end_says_goodbye::<Tokio>());
    run::<Smol>(a_graceful_end_says_goodbye::<Smol>());
}
