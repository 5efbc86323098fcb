//! Nobody there, or somebody else: a typed error in time, in words that help.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_session::{
    Closed, Config, Lost,
    client::{Client, Runtime as _, TransportError},
};
use stomp_testkit::{
    broker::BrokerConfig,
    sim::{Door, Ending, Sim},
};

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
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "the broker sent what is no STOMP"),
        (b"", "is it a STOMP port, without TLS, and the login right?"),
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
    let world = std::sync::Arc::new(sim.world());
    let (client, driver) =
        stomp_session::client::client(config, settings(), world, std::sync::Arc::new(Faulty));
    drop(sim.spawn(driver.run()));
    let closed = sim.block_on(client.closed());
    let reason = Lost::DialFailed { reason: "certificate expired".into(), permanent: true };
    assert!(matches!(closed, Closed::GaveUp { attempts: 1, last, .. } if last == reason));
}

/// A connector whose configuration is wrong.
struct Faulty;

impl stomp_session::client::Connector for Faulty {
    type Stream = stomp_testkit::sim::SimStream;

    async fn connect(&self, _: &stomp_session::Endpoint, _: u32) -> io::Result<Self::Stream> {
        Err(TransportError::permanent("certificate expired").into())
    }
}

/// TLS 1.3 with the wrong certificate: the broker says so and closes, and what we wrote meanwhile found nobody.
#[test]
fn a_refusal_that_is_read_outweighs_the_write_that_failed() {
    let mut sim = Sim::new(1);
    let config = Config::new("failover:(tcp://broker)?startupMaxReconnectAttempts=-1".parse().unwrap());
    let world = std::sync::Arc::new(sim.world());
    let (client, driver) =
        stomp_session::client::client(config, settings(), world, std::sync::Arc::new(Refusing));
    drop(sim.spawn(driver.run()));
    let closed = sim.block_on(client.closed());
    let reason = Lost::DialFailed { reason: "certificate required".into(), permanent: true };
    assert!(matches!(closed, Closed::GaveUp { attempts: 1, last, .. } if last == reason));
}

/// A connector that connects to who refuses us at the first read.
struct Refusing;

impl stomp_session::client::Connector for Refusing {
    type Stream = RefusedStream;

    async fn connect(&self, _: &stomp_session::Endpoint, _: u32) -> io::Result<RefusedStream> {
        Ok(RefusedStream { written: false })
    }
}

struct RefusedStream {
    /// Whether somebody has tried to write.
    written: bool,
}

impl AsyncRead for RefusedStream {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.written {
            true => Poll::Ready(Err(TransportError::permanent("certificate required").into())),
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
