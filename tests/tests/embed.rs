//! The loop of `stomp-session/examples/embed.rs`, which people copy, against a peer that reads slowly.

#[allow(dead_code, reason = "the example has a main")]
#[path = "../../stomp-session/examples/embed.rs"]
mod embed;

use std::{
    io::{self, Read, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use stomp_proto::bytes::Bytes;
use stomp_session::Closed;
use stomp_testkit::{broker::BrokerConfig, server::Server};

/// Several times what the system keeps for a connection whose peer does not read.
const BODIES: u8 = 12;
const BODY: usize = 1024 * 1024;

/// Within this time it ends, or the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Passes on what a client says, with pauses in which nothing is taken, and at full speed what it hears.
fn slow_way(broker: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let broker = TcpStream::connect(broker).unwrap();
        let up = (client.try_clone().unwrap(), broker.try_clone().unwrap());
        thread::spawn(move || dribble(up.0, up.1));
        io::copy(&mut { broker }, &mut { client })
    });
    address
}

/// Each pause is several times as long as the loop waits for its socket.
fn dribble(mut client: impl Read, mut broker: TcpStream) -> io::Result<()> {
    let mut piece = vec![0; BODY];
    loop {
        thread::sleep(Duration::from_millis(50));
        let count = client.read(&mut piece)?;
        if count == 0 {
            return broker.shutdown(std::net::Shutdown::Write);
        }
        broker.write_all(&piece[..count])?;
    }
}

#[test]
fn frames_arrive_whole_where_writes_are_short() {
    let server = Server::start(BrokerConfig::default().recording()).unwrap();
    let uri = format!("tcp://guest:guest@{}", slow_way(server.address()));
    let bodies: Vec<Bytes> = (0..BODIES).map(|number| vec![number; BODY].into()).collect();
    let mut job = embed::Job::new(&uri, bodies.clone()).unwrap();
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let closed = job.run().unwrap();
        done.send((job, closed)).unwrap();
    });
    let (job, closed) = ended.recv_timeout(PATIENCE).expect("all frames arrive");
    assert!(matches!(closed, Closed::Disconnected { .. }), "{closed:?}");
    assert!(job.short_writes > 0, "the peer was not slow");
    assert_eq!(job.confirmed, bodies.len());
    assert!(job.received == bodies, "the messages came back whole and in order");
    assert_eq!(server.with(|broker| broker.received().count()), 1, "the first connection did it all");
}
