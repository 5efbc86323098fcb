//! No secret leaves but in CONNECT and in the handshakes of TLS and of a WebSocket: not in `Debug`, not in an error, not in a log.
//!
//! What is shown here is printed as well: `tests/run` searches the output of the whole run for the canary, and for the line
//! that proves that it saw what was printed here.

mod support;

use std::{
    fmt,
    future::IntoFuture as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Once},
    thread,
    time::Duration,
};

use stomp_checks::{fuzzing::fragments, sim::Sim};
use stomp_proto::{
    Command, Frame, FrameWriter, Item, Limits, Parser, Sender, Version,
    bytes::{Bytes, BytesMut},
};
use stomp_session::{
    Action, Attempt, Brokers, Config, Endpoint, Login, Lost, Profile, Schedule, Session, Timestamp,
    client::{
        Builder, Client, ClientCertificate, Credentials, Notice, TlsBackend, TlsConfig, WebSocketConfig,
    },
};
use stomp_testkit::{
    broker::{Broker, BrokerConfig},
    pki::{Authority, Leaf},
    server::Server,
    tls::{TlsFront, TlsFrontConfig},
};
use support::{Adapter, PATIENCE, Smol, Tokio, connect_with};

/// `tests/run` knows its beginning, too. With everything that means something in a URI.
const CANARY: &str = "canary-7f3a/K@Q:W,X#Y?Z%20B";
/// The same as it stands in a URI.
const ENCODED: &str = "canary-7f3a%2FK%40Q%3AW%2CX%23Y%3FZ%2520B";
/// What `tests/run` must find, or it has not searched what is printed here.
const SHOWN: &str = "shown without its secret:";

/// Shows a value in every way there is.
#[track_caller]
fn show(value: &dyn fmt::Debug) {
    show_text(&format!("{value:?}"));
    assert_hidden(&format!("{value:#?}"));
}

#[track_caller]
fn show_error(error: &dyn std::error::Error) {
    show_text(&format!("{error} {error:?} {:?}", error.source()));
}

#[track_caller]
fn show_text(text: &str) {
    println!("{SHOWN} {text}");
    assert_hidden(text);
}

/// Not even a part of it.
#[track_caller]
fn assert_hidden(text: &str) {
    assert_eq!(fragments(CANARY).find(|fragment| text.contains(fragment)), None, "{text}");
}

fn uri() -> String {
    format!("tcp://me:{ENCODED}@a:61613")
}

fn config() -> Config {
    let mut config = Config::new(uri().parse().unwrap());
    config.login = Some(Login::new("me", CANARY));
    config.add_connect_header("x-token", CANARY);
    config
}

#[test]
fn in_no_frame() {
    let frame =
        Frame::new(Command::Connect).with_header("passcode", CANARY).with_header("authorization", CANARY);
    let mut octets = BytesMut::new();
    frame.encode(Version::V1_2, &mut octets).unwrap();
    assert!(octets.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "it is there");
    let mut parser = Parser::new(Sender::Client, Limits::default());
    parser.feed(&octets[..octets.len() - 1]);
    assert!(parser.next_item().unwrap().is_none());
    show(&parser);
    parser.feed(&octets[octets.len() - 1..]);
    show(&parser.next_borrowed().unwrap());
    parser.feed(&octets);
    let item = parser.next_item().unwrap();
    show(&item);
    let Some(Item::Frame(received)) = item else { panic!("a frame") };
    show(&(&received, received.headers(), &frame, frame.headers()));
    show(&frame.clone().prepare(Version::V1_2));
    show(&FrameWriter::new(Command::Connect, Version::V1_2, &mut BytesMut::new()));
}

#[test]
fn in_no_error_of_the_codec() {
    for wrong in
        ["CONNECT\npasscode SECRET\n\n\0", "CONNECT\npasscode:SECRET\\q\n\n\0", "CONNECT\npasscode:SECRET\n"]
    {
        let mut parser = Parser::new(Sender::Client, Limits::default()).strict();
        parser.feed(wrong.replace("SECRET", CANARY).as_bytes());
        let error = parser.next_item().and_then(|_| parser.finish()).map(|()| parser.is_idle());
        show(&(&error, &parser));
        error.err().into_iter().for_each(|error| show_error(&error));
    }
    let unwritable = Frame::new(Command::Connect).with_header("passcode", format!("{CANARY}\n"));
    show_error(&unwritable.encode(Version::V1_0, &mut BytesMut::new()).unwrap_err());
}

#[test]
fn in_nothing_that_is_configured() {
    let brokers: Brokers = format!("failover:({},ssl://me:{ENCODED}@b)", uri()).parse().unwrap();
    show(&(&brokers, Schedule::new(brokers.clone(), 1)));
    show(&(Login::new("me", CANARY), config(), uri().parse::<Endpoint>().unwrap()));
    let credentials = Credentials::new(async |_| Ok::<_, String>(Login::new("me", CANARY)));
    let tls = tls(Vec::new());
    let builder = Client::builder(uri()).credentials(credentials).tls(tls.clone());
    let builder = builder.login(Login::new("me", CANARY)).connect_header("x-token", CANARY);
    show(&(&builder, &tls, &tls.client_certificate, Profile::UNKNOWN));
    for wrong in [
        "tcp://me:SECRET@",
        "tcp://me:SECRET@a:99999",
        "failover:(tcp://me:SECRET@a",
        "foo://me:SECRET@a",
        "tcp://me:SECRET%zz@a",
        "tcp://me:SECRET",
        "ssl://me:SECRET@a:1,ssl://b:x",
        "tcp://me:SECRET@a?x=SECRET",
        "ws://me:SECRET@a/ws?x=SECRET y",
        "ws://a/ws?x=1&stomp.SECRET",
    ] {
        let wrong = wrong.replace("SECRET", CANARY);
        show_error(&wrong.parse::<Brokers>().unwrap_err());
        show_error(&Smol::block_on(Smol::connect(&wrong)).unwrap_err());
    }
}

/// A key that is the canary, and no key.
fn tls(chain: Vec<u8>) -> TlsConfig {
    let mut tls = TlsConfig::default();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n");
    tls.client_certificate = Some(ClientCertificate::pem(chain, key));
    tls
}

#[test]
fn in_no_state_of_a_session() {
    let mut session = Session::new(config(), Timestamp::ZERO);
    session.handle_timeout(Timestamp::ZERO);
    let attempt = session.poll_action();
    let Some(Action::Connect(Attempt { id, .. })) = attempt.clone() else { panic!("{attempt:?}") };
    show(&attempt);
    let input = session.handle_connected(id, None, Timestamp::ZERO);
    show(&(&session, &input));
    assert!(session.poll_transmit(Timestamp::ZERO).is_some_and(|octets: Bytes| !octets.is_empty()));
    session.handle_disconnected(id, Lost::Eof, Timestamp::ZERO);
    show(&session);
    while let Some(event) = session.poll_event() {
        show(&event);
    }
}

#[test]
fn in_nothing_of_the_kit() {
    let config = BrokerConfig::default().user("me", CANARY).recording();
    show(&(&config, Broker::new(config.clone()), Server::start(config.clone()).unwrap()));
    let mut sim = Sim::new(1);
    sim.add_broker("broker", config);
    let client = sim.client(
        Config::new(format!("tcp://me:{ENCODED}@broker").parse().unwrap()),
        Client::builder("tcp://broker"),
    );
    sim.block_on(client.connected()).unwrap();
    show(&(&sim, sim.world(), sim.broker("broker", |broker| format!("{broker:?}"))));
    sim.broker("broker", |broker| broker.received().for_each(|received| show(&received)));
    let identity = Authority::new("an authority").issue(&Leaf::server(&["a"]));
    let secret = identity.key.lines().nth(1).unwrap();
    assert!(!format!("{identity:?}").contains(secret));
}

/// Everything that a library logs is printed.
struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        show_text(&format!("{} {}: {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

static LOG: Log = Log;

fn log_everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOG).expect("nobody else logs");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// Answers handshakes of WebSockets: the first one opens and is closed with all that was sent to it, and the others are refused
/// with the same.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        for turn in 0.. {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = Vec::new();
            let mut room = [0; 4096];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut room) {
                    Ok(0) | Err(_) => return,
                    Ok(count) => request.extend_from_slice(&room[..count]),
                }
            }
            let text = String::from_utf8(request).unwrap();
            assert!(text.contains(&format!("x-token: {CANARY}")), "it is there");
            let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
            let said = match turn {
                0 => {
                    let mut said = format!(
                        "HTTP/1.1 101 {CANARY}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nx-echo: {CANARY}\r\n\
                         Sec-WebSocket-Accept: {accept}\r\n\r\n"
                    )
                    .into_bytes();
                    let words = format!("no {CANARY}");
                    said.extend([0x88, words.len() as u8 + 2, 0x03, 0xf0]);
                    said.extend_from_slice(words.as_bytes());
                    said
                }
                _ => format!("HTTP/1.1 401 {CANARY}\r\nlocation: /{CANARY}\r\n\r\n{text}").into_bytes(),
            };
            _ = stream.write_all(&said);
        }
    };
    thread::spawn(serve);
    address
}

/// A token in the handshake of a WebSocket, in its query, and as a passcode.
async fn a_web_socket<A: Adapter>() {
    let mut web_socket = WebSocketConfig::default();
    web_socket.set_header("x-token", CANARY);
    show(&web_socket);
    fn login() -> Login {
        Login::new("me", CANARY).with_handshake_header("cookie", CANARY)
    }
    let credentials = Credentials::new(async |_| Ok::<_, String>(login()));
    let endpoint: Endpoint = format!("ws://me:{ENCODED}@{}/ws?t={ENCODED}", echo()).parse().unwrap();
    let endpoint = endpoint.with_handshake_header("authorization", CANARY);
    show(&(login(), &endpoint));
    show_text(&endpoint.to_string());
    let settings = Client::builder("tcp://localhost").web_socket(web_socket).credentials(credentials);
    show(&settings);
    let mut config = Config::new(Brokers::from(endpoint));
    config.brokers.reconnect.startup_max_attempts = Some(1);
    let (client, mut notices, _kill) = A::start_heard(config, settings);
    let connected = client.connected().await;
    show(&connected);
    show_error(&connected.unwrap_err());
    let mut told = String::new();
    while let Some(notice) = notices.next().await {
        show(&notice);
        if let Notice::ConnectFailed { reason, .. } = notice {
            show_error(&reason);
            told += &reason.to_string();
        }
    }
    assert!(told.contains("1008") && told.contains("HTTP 401"), "{told}");
}

#[test]
fn in_no_handshake_of_a_web_socket() {
    log_everything();
    assert!(Tokio::block_on(Tokio::within(PATIENCE, a_web_socket::<Tokio>())).is_some());
    assert!(Smol::block_on(Smol::within(PATIENCE, a_web_socket::<Smol>())).is_some());
}

fn live<A: Adapter>() {
    log_everything();
    for backend in [TlsBackend::NativeTls, TlsBackend::Rustls] {
        let ended = A::block_on(A::within(PATIENCE, a_life::<A>(backend)));
        assert!(ended.is_some(), "{}: it did not end within {PATIENCE:?}", A::NAME);
    }
}

/// Let in and refused, over plain TCP and over TLS with a key, by URI and by provider: all that there is to see of it.
async fn a_life<A: Adapter>(backend: TlsBackend) {
    let server = Server::start(BrokerConfig::default().user("me", CANARY).without_anonymous()).unwrap();
    let authority = Authority::new("an authority");
    let mut front = TlsFrontConfig::default();
    front.client_authority = Some(authority.certificate().to_owned());
    let broker = authority.issue(&Leaf::server(&["localhost"]));
    let front = TlsFront::start(server.address(), &broker, front).unwrap();
    let identity = authority.issue(&Leaf::client("me"));
    let mut certified = TlsConfig::default();
    certified.backend = backend;
    certified.system_roots = false;
    certified.roots.push(authority.certificate().into());
    certified.client_certificate = Some(ClientCertificate::pem(identity.certificate, identity.key.clone()));
    let settings = || Client::builder("tcp://localhost");
    let key = identity.key.lines().nth(1).unwrap();
    let secured = format!("ssl://me:{ENCODED}@localhost:{}", front.address().port());
    let plain = format!("tcp://me:{ENCODED}@{}", server.address());
    let refused = format!("tcp://somebody:{ENCODED}@{}", server.address());
    show(&connect_with::<A>(Config::new(plain.parse().unwrap())).await.map(|(client, _)| client));
    for uri in [plain, secured.clone(), refused, format!("tcp://me:{ENCODED}@127.0.0.1:1")] {
        let shown = watched::<A>(&server, &uri, settings().tls(certified.clone())).await;
        assert!(!shown.contains(key), "the key is shown");
    }
    certified.client_certificate = tls(authority.certificate().into()).client_certificate;
    watched::<A>(&server, &secured, settings().tls(certified)).await;
    let credentials = Credentials::new(async |_| Ok::<_, String>(Login::new("me", CANARY)));
    watched::<A>(&server, &format!("tcp://{}", server.address()), settings().credentials(credentials)).await;
}

/// Connects, sends, disconnects, and shows everything public on the way.
async fn watched<A: Adapter>(server: &Server, uri: &str, settings: Builder) -> String {
    let mut config = Config::new(uri.parse().unwrap());
    config.connect_timeout = Duration::from_secs(5);
    config.add_connect_header("x-token", CANARY);
    let (client, _kill) = A::start(config, settings);
    let mut notices = client.trace();
    let connected = client.connected().await;
    show(&(&client, &notices, &connected, client.state(), client.watch(), client.begin()));
    show(&(
        client.send("/queue/a", CANARY),
        client.subscribe("/queue/a"),
        client.request("/queue/a", CANARY),
    ));
    if connected.is_ok() {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        client.send("/queue/a", CANARY).confirmed().await.unwrap();
        let message = subscription.next().await.unwrap();
        show(&(&message, &subscription, client.send("/queue/a", CANARY).into_future()));
        message.ack().unwrap();
        // The trace may have begun after the first CONNECT.
        server.close_connections();
        client.send("/queue/a", CANARY).at_least_once().await.unwrap();
    }
    let ended = client.disconnect().await;
    show(&(&ended, client.closed().await, Arc::new(client)));
    let mut shown = Vec::new();
    while let Some(notice) = notices.next().await {
        show(&notice);
        shown.push(notice);
    }
    let says_connect =
        |notice: &_| matches!(notice, Notice::Sent(frame) if frame.command() == Command::Connect);
    assert!(connected.is_err() || shown.iter().any(says_connect), "the trace shows CONNECT");
    format!("{shown:?}")
}

#[test]
fn in_no_life_on_tokio() {
    live::<Tokio>();
}

#[test]
fn in_no_life_on_smol() {
    live::<Smol>();
}
