//! Nobody there, or somebody else: a typed error in time, in words that help.

use std::{
    future::Future as _,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_checks::sim::{Door, Ending, Sim, SimStream, World};
use stomp_session::{
    Closed, Config, Endpoint, Lost, TransportFailure,
    client::{Addresses, Client, Connector, Notice, Runtime as _, TransportError},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{seconds, settings};

/// One broker, tried once.
fn once() -> Config {
    Config::new("tcp://broker".parse().unwrap())
}

/// What `connected` and `closed` say, and after how long.
fn fails(sim: &mut Sim, config: Config) -> (Closed, std::time::Duration) {
    let client: Client = sim.client(config, settings());
    let begin = sim.now();
    let closed = sim.block_on(async {
        let closed = client.connected().await.unwrap_err();
        assert_eq!(client.closed().await, closed);
        closed
    });
    (closed, sim.now().since(begin))
}

#[test]
fn nobody_is_there() {
    for host in ["broker", "nowhere"] {
        let mut sim = Sim::new(1);
        sim.set_door("broker", Door::Refusing);
        let config = Config::new(format!("tcp://{host}").parse().unwrap());
        let (closed, after) = fails(&mut sim, config);
        let told = "cannot connect: connection refused: is a broker listening there?";
        assert_eq!(closed.to_string(), format!("no connection to tcp://{host}:61613: {told}"));
        assert!(after < seconds(1));
    }
}

#[test]
fn the_dial_never_ends() {
    let mut sim = Sim::new(1);
    sim.set_door("broker", Door::Stuck);
    let (closed, after) = fails(&mut sim, once());
    assert_eq!(
        closed.to_string(),
        "no connection to tcp://broker:61613: the connection was not made within 10.0 s: is the host reachable from here?"
    );
    assert_eq!(after, seconds(10));
}

#[test]
fn it_accepts_and_never_answers() {
    for frozen in [false, true] {
        let mut sim = Sim::new(1);
        sim.set_frozen("broker", frozen);
        sim.broker("broker", |broker| broker.silence_new_connections(true));
        let (closed, after) = fails(&mut sim, once());
        let told = "the broker accepted the connection and did not answer CONNECT within 10.0 s";
        assert_eq!(closed.to_string(), format!("no connection to tcp://broker:61613: {told}"));
        assert!((seconds(10)..seconds(11)).contains(&after), "{after:?}");
    }
}

#[test]
fn it_is_something_else() {
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let rows: [(&'static [u8], &str); 5] = [
        (http, "the broker speaks HTTP: STOMP has a port of its own, usually 61613"),
        (b"AMQP\0\0\x09\x01", "the broker speaks AMQP: RabbitMQ's STOMP port is usually 61613"),
        (b"\x15\x03\x03\0\x02\x02\x50", "the broker speaks TLS: use stomp+ssl://"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "the broker sent something that is not STOMP"),
        (b"", "is it a STOMP port without TLS, and is the login right?"),
    ];
    for (octets, told) in rows {
        for seed in 0..20 {
            let mut sim = Sim::new(seed);
            sim.add_stranger("broker", octets);
            let (closed, after) = fails(&mut sim, once());
            assert!(closed.to_string().contains(told), "seed {seed}: {closed}");
            assert!(after < seconds(1), "seed {seed}: {after:?}");
        }
    }
}

#[test]
fn it_closes_or_resets_at_once() {
    for ending in [Ending::Eof, Ending::Reset] {
        let mut sim = Sim::new(1);
        sim.cut_downward("broker", 0, ending);
        let (closed, _) = fails(&mut sim, once());
        assert!(closed.to_string().contains("is it a STOMP port"), "{closed}");
    }
}

#[test]
fn it_refuses_the_login() {
    let rows = [
        (
            BrokerConfig::rabbitmq(),
            "the broker refused the connection: Bad CONNECT: Access refused for user 'me'",
        ),
        (
            BrokerConfig::activemq(),
            "the broker refused the connection: User name [me] or password is invalid.",
        ),
    ];
    for (broker, told) in rows {
        for seed in 0..20 {
            let mut sim = Sim::new(seed);
            sim.add_broker("broker", broker.clone());
            let uri = "failover:(tcp://me:wrong@broker)?startupMaxReconnectAttempts=-1";
            let (closed, _) = fails(&mut sim, Config::new(uri.parse().unwrap()));
            assert!(closed.to_string().contains(told), "seed {seed}: {closed}");
            assert_eq!(sim.dials("broker"), 1, "a wrong login is not tried again");
        }
    }
}

#[test]
fn a_transport_that_fails_for_good_is_not_tried_again() {
    let mut sim = Sim::new(1);
    let config = Config::new("failover:(tcp://broker)?startupMaxReconnectAttempts=-1".parse().unwrap());
    let closed = never_connects(&mut sim, config, || TransportError::permanent("certificate expired").into());
    let reason = TransportFailure::from("certificate expired").of_kind(io::ErrorKind::Other);
    let reason = Lost::DialFailed { reason, permanent: true };
    assert!(matches!(closed, Closed::GaveUp { attempts: 1, last, .. } if last == reason));
}

/// What the system says does not tell everybody what to do.
#[test]
fn a_failed_dial_says_where_to_look() {
    let unreachable = "is the host reachable from here?";
    let rows = [
        (io::ErrorKind::ConnectionRefused, "connection refused: is a broker listening there?".to_owned()),
        (io::ErrorKind::TimedOut, format!("timed out: {unreachable}")),
        (io::ErrorKind::HostUnreachable, format!("host unreachable: {unreachable}")),
        (io::ErrorKind::NetworkUnreachable, format!("network unreachable: {unreachable}")),
        (io::ErrorKind::PermissionDenied, "permission denied".to_owned()),
    ];
    for (kind, told) in rows {
        let mut sim = Sim::new(1);
        let closed = never_connects(&mut sim, once(), move || kind.into());
        let Closed::GaveUp { last: Lost::DialFailed { reason, permanent: false }, .. } = closed else {
            panic!("{closed:?}")
        };
        assert_eq!((reason.text(), reason.kind()), (&*told, Some(kind)));
    }
}

/// How a session ends whose connector always fails like that.
fn never_connects(
    sim: &mut Sim,
    config: Config,
    error: impl Fn() -> io::Error + Send + Sync + 'static,
) -> Closed {
    let world = Arc::new(sim.world());
    let (client, driver) = settings().config(config).build_on(world, Arc::new(Faulty(error))).unwrap();
    drop(sim.spawn(driver.run()));
    sim.block_on(client.closed())
}

/// A connector that always fails.
struct Faulty<E>(E);

impl<E: Fn() -> io::Error + Send + Sync + 'static> Connector for Faulty<E> {
    type Stream = SimStream;

    async fn connect(&self, _: &Endpoint, _: u32) -> io::Result<Self::Stream> {
        Err((self.0)())
    }
}

/// TLS 1.3 with the wrong certificate: the broker says so and closes, and what we wrote meanwhile found nobody.
#[test]
fn a_refusal_that_is_read_outweighs_the_write_that_failed() {
    let mut sim = Sim::new(1);
    let config = Config::new("failover:(tcp://broker)?startupMaxReconnectAttempts=-1".parse().unwrap());
    let world = Arc::new(sim.world());
    let refusing = Refusing(|| TransportError::permanent("certificate required"));
    let (client, driver) = settings().config(config).build_on(world, Arc::new(refusing)).unwrap();
    drop(sim.spawn(driver.run()));
    let closed = sim.block_on(client.closed());
    let reason = TransportFailure::from("certificate required").of_kind(io::ErrorKind::Other);
    let reason = Lost::DialFailed { reason, permanent: true };
    assert!(matches!(closed, Closed::GaveUp { attempts: 1, last, .. } if last == reason));
}

/// A WebSocket that is closed with a reason, and a write that found nobody.
#[test]
fn a_reason_that_is_read_outweighs_the_write_that_failed() {
    let mut sim = Sim::new(1);
    let config = Config::new("tcp://broker".parse().unwrap());
    let refusing = Refusing(|| TransportError::new("a message was too large").of_code(1009));
    let world = Arc::new(sim.world());
    let (client, driver) = settings().config(config).build_on(world, Arc::new(refusing)).unwrap();
    drop(sim.spawn(driver.run()));
    let closed = sim.block_on(client.closed());
    let Closed::GaveUp { last: Lost::BrokeBeforeConnected(reason), .. } = closed else {
        panic!("{closed:?}")
    };
    assert_eq!((reason.text(), reason.code()), ("a message was too large", Some(1009)));
}

/// A connector that connects to who refuses us at the first read.
struct Refusing(fn() -> TransportError);

impl Connector for Refusing {
    type Stream = RefusedStream;

    async fn connect(&self, _: &Endpoint, _: u32) -> io::Result<RefusedStream> {
        Ok(RefusedStream { refusal: self.0, written: false })
    }
}

struct RefusedStream {
    refusal: fn() -> TransportError,
    /// Whether somebody has tried to write.
    written: bool,
}

impl AsyncRead for RefusedStream {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.written {
            true => Poll::Ready(Err((self.refusal)().into())),
            false => Poll::Pending,
        }
    }
}

impl AsyncWrite for RefusedStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        self.written = true;
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn the_next_broker_of_the_list_is_found() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        sim.set_door("broker", Door::Refusing);
        sim.add_stranger("web", b"HTTP/1.1 400 Bad Request\r\n\r\n");
        sim.add_broker("backup", BrokerConfig::default());
        let config = Config::new(
            "failover:(tcp://broker,tcp://nowhere,tcp://web,tcp://backup)?randomize=false".parse().unwrap(),
        );
        let client = sim.client(config, settings());
        let connection = sim.block_on(client.connected()).unwrap();
        assert_eq!(connection.endpoint.host(), "backup");
        sim.block_on(async { client.send("/queue/a", "x").confirmed().await.unwrap() });
    }
}

/// A broker that accepts, says no more or why it does not want us, and closes; cut anywhere, by the broker or on the way.
#[test]
fn connected_returns_whatever_the_broker_does_around_connected() {
    const SAID: &[u8] = b"CONNECTED\nversion:1.2\n\n\0ERROR\nmessage:no room for you\n\n\0";
    let whole = SAID.iter().position(|octet| *octet == 0).unwrap() + 1;
    for uri in ["tcp://broker", "failover:(tcp://broker)?maxReconnectAttempts=0"] {
        for said in 0..=SAID.len() {
            for seed in 0..4 {
                let mut sim = Sim::new(seed);
                sim.add_stranger("broker", &SAID[..said]);
                let client = sim.client(Config::new(uri.parse().unwrap()), settings());
                let world = sim.world();
                let connected = sim.block_on(async {
                    let mut waiting = pin!(client.connected());
                    let mut patience = pin!(world.sleep(seconds(30)));
                    std::future::poll_fn(|cx| match waiting.as_mut().poll(cx) {
                        Poll::Ready(connected) => Poll::Ready(Some(connected)),
                        Poll::Pending => patience.as_mut().poll(cx).map(|()| None),
                    })
                    .await
                });
                let connected = connected.unwrap_or_else(|| panic!("{uri} {said} {seed}: it never returns"));
                match connected {
                    Ok(_) => assert!(said >= whole),
                    Err(closed) if said < whole => assert!(closed.to_string().contains("is it a STOMP port")),
                    Err(closed) if said == SAID.len() => {
                        assert!(closed.to_string().contains("no room for you"), "{closed}");
                    }
                    Err(closed) => assert!(closed.to_string().contains("closed the connection"), "{closed}"),
                }
            }
        }
    }
}

/// A name with several addresses, of which only the last one is a broker's.
struct Rotating {
    world: World,
    addresses: Vec<&'static str>,
}

impl Connector for Rotating {
    type Stream = SimStream;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<SimStream> {
        self.connect_counted(endpoint, &Addresses::new(attempt)).await
    }

    async fn connect_counted(&self, endpoint: &Endpoint, addresses: &Addresses) -> io::Result<SimStream> {
        let mut resolved = self.addresses.clone();
        addresses.rotate(&mut resolved);
        let stream = self.world.dial(resolved[0], endpoint.port(), 0).await?;
        addresses.reached(resolved.len());
        Ok(stream)
    }
}

#[test]
fn at_the_start_each_address_is_tried() {
    let rows: [(&'static [u8], bool); 4] = [
        (b"", true),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", true),
        (b"ERROR\nmessage:not now\n\n\0", true),
        (b"ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'me'\n\0", false),
    ];
    for (octets, found) in rows {
        let mut sim = Sim::new(1);
        sim.add_stranger("first", octets);
        sim.add_stranger("second", octets);
        sim.add_broker("third", BrokerConfig::default());
        let world = sim.world();
        let rotating = Rotating { world: world.clone(), addresses: vec!["first", "second", "third"] };
        let (client, driver) =
            settings().config(once()).build_on(Arc::new(world.clone()), Arc::new(rotating)).unwrap();
        let connected = sim.block_on(async {
            let mut driver = pin!(driver.run());
            let mut waiting = pin!(client.connected());
            std::future::poll_fn(|cx| {
                let _ = driver.as_mut().poll(cx);
                waiting.as_mut().poll(cx)
            })
            .await
        });
        assert_eq!(connected.is_ok(), found, "{connected:?}");
        let dials = ["first", "second", "third"].map(|host| world.dials(host));
        let expected = if found { [1, 1, 1] } else { [1, 0, 0] };
        assert_eq!(dials, expected, "a login that was refused is not repeated at other addresses");
    }
}

/// A connector with a bug: it panics at its first try.
struct Panicking {
    world: World,
    tries: std::sync::atomic::AtomicU32,
}

impl Connector for Panicking {
    type Stream = SimStream;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<SimStream> {
        let first = self.tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        assert!(!first, "no proxy for {endpoint}");
        self.world.connect(endpoint, attempt).await
    }
}

#[test]
fn a_connector_that_panics_has_failed_and_is_tried_again() {
    let mut sim = Sim::new(1);
    let world = sim.world();
    let config = Config::new("failover:(tcp://broker)?startupMaxReconnectAttempts=-1".parse().unwrap());
    let connector = Panicking { world: world.clone(), tries: 0.into() };
    let (client, driver) = settings().config(config).build_on(Arc::new(world), Arc::new(connector)).unwrap();
    let mut listener = client.listen();
    drop(sim.spawn(driver.run()));
    sim.block_on(client.connected()).unwrap();
    let reason = sim.block_on(async {
        loop {
            if let Notice::ConnectFailed { reason, .. } = listener.next().await.unwrap() {
                break reason;
            }
        }
    });
    let told = "the connector panicked: no proxy for tcp://broker:61613";
    assert_eq!(reason, Lost::DialFailed { reason: told.into(), permanent: false });
}

/// What has failed can be told by the kind of its error, and not by words of the operating system alone.
#[test]
fn a_lost_connection_keeps_the_kind_of_its_error() {
    let mut sim = Sim::new(1);
    sim.set_door("broker", Door::Refusing);
    let (closed, _) = fails(&mut sim, once());
    let Closed::GaveUp { last: Lost::DialFailed { reason, permanent: false }, .. } = &closed else {
        panic!("{closed:?}");
    };
    assert_eq!(reason.kind(), Some(io::ErrorKind::ConnectionRefused));
    assert!(reason.text().contains("is a broker listening there?"), "{reason}");

    let mut sim = Sim::new(1);
    let client = sim.client(once(), settings());
    let mut listener = client.listen();
    sim.block_on(client.connected()).unwrap();
    sim.cut("broker", Ending::Reset);
    let reason = sim.block_on(async {
        loop {
            if let Notice::Disconnected { reason, .. } = listener.next().await.unwrap() {
                break reason;
            }
        }
    });
    let Lost::Io(failure) = &reason else { panic!("{reason:?}") };
    assert_eq!(failure.kind(), Some(io::ErrorKind::ConnectionReset));
}
