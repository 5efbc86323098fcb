//! Through a proxy that fails on purpose.

use std::{net::SocketAddr, time::Duration};

use smol::LocalExecutor;
use stomp_session::{
    Config, Unknown,
    client::{Client, SendError},
    proto::Command,
};
use stomp_testkit::{
    broker::BrokerConfig,
    proxy::{Break, Faults, Plan, Proxy, Tampering},
    server::{Server, drained, received},
};

use crate::{
    Line, QUEUE, Way,
    support::{Adapter, Kill, PATIENCE},
};

/// A broker behind a proxy.
struct Bench {
    server: Server,
    way: Way,
    _proxy: Proxy,
}

impl Bench {
    /// What happens to octets happens to those of TLS and of a WebSocket: between the client and who speaks it.
    fn of_octets(line: Line, plans: impl IntoIterator<Item = Plan>) -> Self {
        let server = Server::start(BrokerConfig::default()).expect("a loopback port");
        let (way, proxy) = tampered(line, server.address(), plans);
        Self { server, way, _proxy: proxy }
    }

    /// What happens to frames happens to what was said in TLS or in a WebSocket.
    fn of_frames(line: Line, plans: impl IntoIterator<Item = Plan>) -> Self {
        let server = Server::start(BrokerConfig::default()).expect("a loopback port");
        let proxy = Proxy::start(server.address(), plans).expect("a loopback port");
        Self { way: line.to_plain(proxy.address()), server, _proxy: proxy }
    }

    fn config(&self) -> Config {
        patient(&self.way)
    }

    async fn client<A: Adapter>(&self) -> (Client, Kill) {
        self.way.connect_with::<A>(self.config()).await.expect("the broker lets us in")
    }
}

/// A way to that address over a proxy.
fn tampered(line: Line, address: SocketAddr, plans: impl IntoIterator<Item = Plan>) -> (Way, Proxy) {
    let mut way = line.to(address);
    let proxy = Proxy::start(way.address, plans).expect("a loopback port");
    way.address = proxy.address();
    (way, proxy)
}

/// Comes back soon, and for as long as it takes.
fn patient(way: &Way) -> Config {
    let options = "useExponentialBackOff=false&initialReconnectDelay=1&startupMaxReconnectAttempts=-1";
    crate::config(&format!("failover:({})?{options}", way.uri()))
}

fn to_client(faults: Faults) -> Plan {
    let mut plan = Plan::default();
    plan.to_client = faults;
    plan
}

fn to_broker(faults: Faults) -> Plan {
    let mut plan = Plan::default();
    plan.to_broker = faults;
    plan
}

fn faults(set: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::default();
    set(&mut faults);
    faults
}

fn tamper(command: Command, tampering: Tampering) -> Faults {
    faults(|faults| faults.frames = Some((command, tampering)))
}

pub(crate) async fn one_octet_at_a_time_and_late<A: Adapter>(line: Line) {
    let slow = faults(|faults| {
        faults.slice = Some(1);
        faults.latency = Duration::from_millis(20);
    });
    let mut plan = to_client(slow.clone());
    plan.to_broker = slow;
    let bench = Bench::of_octets(line, [plan]);
    let (client, _kill) = bench.client::<A>().await;
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    for number in 0..10 {
        client.send(QUEUE, vec![number; 1000]).confirmed().await.unwrap();
        let message = messages.next().await.unwrap();
        assert_eq!(message.body(), vec![number; 1000]);
        message.ack().unwrap();
    }
    client.disconnect().await.unwrap();
    assert_eq!(bench.server.with(|broker| (broker.depth(QUEUE), broker.unacked(QUEUE))), (0, 0));
}

/// Cut after each octet, in both ways, up to and into the first message: it arrives whole, or not, and in the end once.
pub(crate) async fn an_end_after_any_octet_of_the_broker<A: Adapter>(line: Line) {
    ends_anywhere::<A>(line, to_client).await;
}

pub(crate) async fn an_end_after_any_octet_of_ours<A: Adapter>(line: Line) {
    ends_anywhere::<A>(line, to_broker).await;
}

/// Each octet has a client of its own, all at once: they come back only after a while.
async fn ends_anywhere<A: Adapter>(line: Line, direction: fn(Faults) -> Plan) {
    let server = Server::start(BrokerConfig::default()).unwrap();
    let executor = LocalExecutor::new();
    let mut clients = Vec::new();
    let (octets, step) = match line {
        Line::Plain => (300, 1),
        // The handshake, and what follows.
        Line::Web => (600, 5),
        // A handshake, and what follows; each takes its time.
        Line::Tls(_) | Line::WebTls(_) => (6000, 400),
    };
    for octets in (0..octets).step_by(step) {
        let how = if (octets / step as u64).is_multiple_of(2) { Break::Reset } else { Break::HalfClose };
        let plan = direction(faults(|faults| faults.after = Some((octets, how))));
        let (way, proxy) = tampered(line, server.address(), [plan]);
        let queue = format!("/queue/{octets}");
        server.with(|broker| broker.publish(&queue, "whole", &[("persistent", "true")]));
        let (client, kill) = A::start(patient(&way), way.settings());
        let server = &server;
        clients.push(executor.spawn(async move {
            arrives_whole(server, &client, &queue).await;
            drop((way, proxy, kill));
        }));
    }
    let all = async {
        for client in clients {
            client.await;
        }
    };
    executor.run(all).await;
}

/// Takes what is in the queue until the broker knows that it was taken.
async fn arrives_whole(server: &Server, client: &Client, queue: &str) {
    let mut messages = client.subscribe(queue).await.unwrap();
    let mut came = 0;
    // Its connection may be lost before the broker has the ACK: then it comes again.
    let take = async {
        while let Some(message) = messages.next().await {
            assert_eq!(message.body(), b"whole");
            _ = message.ack();
            came += 1;
        }
        panic!("the subscription goes on");
    };
    let taken = async { server.wait_for(PATIENCE, drained(queue)).await.unwrap() };
    smol::future::or(taken, take).await;
    assert!((1..=2).contains(&came), "{queue}: it came {came} times");
    // One of them may meet the end that is still to come; the session goes on.
    while client.send(QUEUE, "").confirmed().await.is_err() {}
}

pub(crate) async fn a_receipt_that_never_comes<A: Adapter>(line: Line) {
    let bench = Bench::of_frames(line, [to_client(tamper(Command::Receipt, Tampering::Swallow))]);
    let mut config = bench.config();
    config.receipt_timeout = Duration::from_millis(100);
    let (client, _kill) = bench.way.connect_with::<A>(config).await.unwrap();
    let sent = client.send(QUEUE, "").confirmed().await;
    assert_eq!(sent, Err(SendError::Unknown(Unknown::Timeout(Duration::from_millis(100)))));
    // It is there, or will be.
    bench.server.wait_for(PATIENCE, received(QUEUE, 1)).await.unwrap();
    client.send(QUEUE, "").await.expect("the connection goes on");
    // The broker closes at DISCONNECT: that is an answer, and what it did not confirm is counted.
    let farewell = client.disconnect().await.unwrap();
    assert_eq!((farewell.confirmed, farewell.unconfirmed), (0, 1));
}

pub(crate) async fn receipts_out_of_order<A: Adapter>(line: Line) {
    let bench = Bench::of_frames(line, [to_client(tamper(Command::Receipt, Tampering::Swap))]);
    let (client, _kill) = bench.client::<A>().await;
    let sends = ["1", "2", "3", "4"].map(|body| client.send(QUEUE, body).confirmed().into_future());
    let [a, b, c, d] = sends;
    let first = futures_lite::future::zip(a, b);
    let second = futures_lite::future::zip(c, d);
    let ((a, b), (c, d)) = futures_lite::future::zip(first, second).await;
    for sent in [a, b, c, d] {
        sent.unwrap();
    }
}

pub(crate) async fn a_message_that_never_comes_is_sent_again<A: Adapter>(line: Line) {
    let bench = Bench::of_frames(line, [to_client(tamper(Command::Message, Tampering::Swallow))]);
    let client = bench.way.client::<A>().await;
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    client.send(QUEUE, "lost").confirmed().await.unwrap();
    bench.server.close_connections();
    let message = messages.next().await.unwrap();
    assert_eq!((message.body(), message.header("redelivered").is_some()), (&b"lost"[..], true));
    message.ack().unwrap();
    client.disconnect().await.unwrap();
}
