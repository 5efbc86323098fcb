//! What a refusal of the handshake means: a login that is refused is final at the start and held back later, a wrong path is
//! final at the start, and everything else passes.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use stomp_checks::sim::{Sim, Weather};
use stomp_session::{
    Closed, Config, Login, Lost,
    client::{Client, Credentials, Notice},
};
use tungstenite::{Message, handshake::server::Request};

use crate::support::{Adapter, PATIENCE, Smol, Tokio, patient_config, patient_settings};

/// What there is to see of a client whose only server answers its handshakes like that: how often it was dialled, and the
/// last reason.
fn refused(answer: &'static [u8]) -> (u64, Lost) {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let world = sim.world();
    world.add_stranger("broker", answer);
    let uri = "failover:(ws://me:s3cr3t@broker/ws?token=s3cr3t)?startupMaxReconnectAttempts=3";
    let runtime = world.clone();
    let builder = Client::builder("ws://broker").config(Config::new(uri.parse().unwrap()));
    let (client, driver) = builder.dial_on(|_| runtime).unwrap();
    drop(world.spawn(driver.run()));
    let closed = sim.block_on(client.connected()).unwrap_err();
    assert!(!format!("{closed} {closed:?}").contains("s3cr3t"), "{closed}");
    let Closed::GaveUp { last, .. } = closed else { panic!("{closed:?}") };
    (world.dials("broker"), last)
}

#[test]
fn each_error_of_http_has_its_verdict() {
    let login: [(&[u8], u16, &str); 2] = [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", 401, "authorization"),
        (b"HTTP/1.1 403 s3cr3t\r\ncontent-length: 6\r\n\r\ns3cr3t", 403, "cookie and origin"),
    ];
    for (answer, status, expected) in login {
        let (dials, lost) = refused(answer);
        let Lost::LoginRefused(reason) = lost else { panic!("{lost:?}") };
        assert_eq!((dials, reason.code()), (1, Some(status)), "final for that broker");
        assert!(reason.text().contains(expected), "{reason}");
    }
    let others: [(&[u8], u16, bool, &str); 7] = [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", 404, true, "is the path right?"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", 200, false, "does the path lead to a WebSocket?"),
        (b"HTTP/1.1 302 Found\r\nlocation: /s3cr3t\r\n\r\n", 302, false, "to which it leads"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 400, false, "HTTP 400 Bad Request"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, false, "does not answer"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 503, false, "not available"),
        (b"HTTP/1.1 599 s3cr3t\r\n\r\n", 599, false, "HTTP 599"),
    ];
    for (answer, status, is_final, expected) in others {
        let (dials, lost) = refused(answer);
        let Lost::DialFailed { reason, permanent } = lost else { panic!("{lost:?}") };
        assert_eq!((reason.code(), permanent, dials), (Some(status), is_final, if is_final { 1 } else { 4 }));
        assert!(reason.text().contains(expected), "{status}: {reason}");
    }
}

#[test]
fn what_is_no_http_is_told_apart() {
    for (answer, expected) in [
        (&b"ERROR\nmessage:Illegal command\n\n\0"[..], "is it a port of STOMP without WebSocket? use tcp://"),
        (b"\x15\x03\x03\0\x02\x02\x46", "use wss://"),
        (b"AMQP\0\0\x09\x01", "something that is not HTTP"),
        (b"", "closed the connection instead of answering"),
    ] {
        let (dials, lost) = refused(answer);
        assert!(matches!(lost, Lost::DialFailed { permanent: false, .. }), "{lost:?}");
        assert!(dials == 4 && lost.to_string().contains(expected), "{lost}");
    }
}

/// Lets the first connection and the third one in, and refuses the second. The tokens of all three go to `seen`.
fn serve_three(listener: &TcpListener, seen: &Mutex<Vec<String>>) {
    for turn in 0..3 {
        let (mut stream, _) = listener.accept().unwrap();
        if turn == 1 {
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let token = request.lines().find_map(|line| line.strip_prefix("authorization: "));
            seen.lock().unwrap().extend(token.map(str::to_owned));
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n").unwrap();
            continue;
        }
        #[allow(clippy::result_large_err, reason = "tungstenite's own type")]
        let note = |request: &Request, response| {
            let token = request.headers()["authorization"].to_str().unwrap().to_owned();
            seen.lock().unwrap().push(token);
            Ok(response)
        };
        let mut web_socket = tungstenite::accept_hdr(stream, note).unwrap();
        let connect = web_socket.read().unwrap().into_data();
        assert!(!connect.windows(6).any(|window| window == b"login:"), "it has no login of STOMP");
        web_socket.send(Message::text("CONNECTED\nversion:1.2\n\n\0")).unwrap();
        if turn == 2 {
            // DISCONNECT, which is answered with a close.
            web_socket.read().unwrap();
        }
    }
}

/// Each connection is asked for a token.
async fn a_token_that_is_refused_later_is_replaced<A: Adapter>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let serving = thread::spawn(move || serve_three(&listener, &notes));
    let number = Mutex::new(0);
    let credentials = Credentials::new(move |_| {
        let mut number = number.lock().unwrap();
        *number += 1;
        let token = format!("Bearer t0ken-{number}");
        async move { Ok::<_, String>(Login::unnamed().with_handshake_header("authorization", token)) }
    });
    let uri = format!("failover:(ws://{address}/ws)?refusalDelay=1&initialReconnectDelay=1");
    let (client, mut listener, _kill) =
        A::start_heard(patient_config(&uri), patient_settings().credentials(credentials));
    let mut refusals = 0;
    let mut connections = 0;
    while connections < 2 {
        match listener.next().await.expect("the session goes on") {
            Notice::ConnectFailed { reason: Lost::LoginRefused(reason), .. } => {
                assert_eq!(reason.code(), Some(401));
                refusals += 1;
            }
            notice @ Notice::ConnectFailed { .. } => panic!("{notice:?}"),
            Notice::Connected(_) => connections += 1,
            notice => assert!(!format!("{notice:?}").contains("t0ken")),
        }
    }
    assert_eq!(refusals, 1);
    assert_eq!(*seen.lock().unwrap(), ["Bearer t0ken-1", "Bearer t0ken-2", "Bearer t0ken-3"]);
    _ = client.disconnect().await;
    drop(client);
    serving.join().unwrap();
}

#[test]
fn a_token_that_is_refused_later_is_replaced_on_both() {
    let ended =
        Tokio::block_on(Tokio::within(PATIENCE, a_token_that_is_refused_later_is_replaced::<Tokio>()));
    assert!(ended.is_some());
    let ended = Smol::block_on(Smol::within(PATIENCE, a_token_that_is_refused_later_is_replaced::<Smol>()));
    assert!(ended.is_some());
}
