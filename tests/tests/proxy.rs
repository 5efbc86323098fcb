//! Every adapter through a proxy that fails on purpose.

mod support;

use std::time::Duration;

use stomp_session::{
    Config, Lost, Unknown,
    client::{Client, Notice, SendError, Settings},
    proto::Command,
};
use stomp_testkit::{
    broker::BrokerConfig,
    proxy::{Break, Faults, Plan, Proxy, Tampering},
    server::Server,
};
use support::{Adapter, Kill, Smol, Tokio, connect_with};

const QUEUE: &str = "/queue/a";

/// Each case for each adapter.
macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod tokio_suite { $(#[test] fn $case() { super::run::<super::Tokio>(super::$case::<super::Tokio>()); })* }
        mod smol_suite { $(#[test] fn $case() { super::run::<super::Smol>(super::$case::<super::Smol>()); })* }
    };
}

suite!(
    one_octet_at_a_time_and_late,
    a_slow_line_is_no_dead_one,
    a_silent_line_is_a_dead_one,
    an_end_after_any_octet_of_the_broker,
    an_end_after_any_octet_of_ours,
    a_receipt_that_never_comes,
    receipts_out_of_order,
    a_connected_that_never_comes,
    a_message_that_never_comes_is_sent_again,
);

fn run<A: Adapter>(case: impl Future<Output = ()>) {
    let limit = 2 * support::PATIENCE;
    assert!(A::block_on(A::within(limit, case)).is_some(), "{}: it did not end within {limit:?}", A::NAME);
}

/// A broker behind a proxy.
struct Bench {
    server: Server,
    proxy: Proxy,
}

impl Bench {
    fn new(plans: impl IntoIterator<Item = Plan>) -> Self {
        let server = Server::start(BrokerConfig::default()).expect("a loopback port");
        let proxy = Proxy::start(server.address(), plans).expect("a loopback port");
        Self { server, proxy }
    }

    fn config(&self) -> Config {
        patient(&self.proxy)
    }

    async fn client<A: Adapter>(&self) -> (Client, Kill) {
        connect_with::<A>(self.config()).await.expect("the broker lets us in")
    }
}

/// Comes back soon, and for as long as it takes.
fn patient(proxy: &Proxy) -> Config {
    let options = "useExponentialBackOff=false&initialReconnectDelay=1&startupMaxReconnectAttempts=-1";
    Config::new(format!("failover:({})?{options}", proxy.uri()).parse().expect("a URI"))
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

/// Why the next connection is lost.
async fn loss(notices: &mut stomp_session::client::Listener) -> Lost {
    loop {
        match notices.next().await.expect("the session goes on") {
            Notice::Disconnected { reason, .. } | Notice::ConnectFailed { reason, .. } => return reason,
            _ => {}
        }
    }
}

async fn one_octet_at_a_time_and_late<A: Adapter>() {
    let slow = faults(|faults| {
        faults.slice = Some(1);
        faults.latency = Duration::from_millis(20);
    });
    let mut plan = to_client(slow.clone());
    plan.to_broker = slow;
    let bench = Bench::new([plan]);
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

/// A message that takes many heart-beats to arrive is itself the proof that its sender lives.
async fn a_slow_line_is_no_dead_one<A: Adapter>() {
    let bench = Bench::new([to_client(faults(|faults| faults.bandwidth = Some(64 * 1024)))]);
    let mut config = bench.config();
    config.receive_beat = Duration::from_millis(250);
    config.silence_margin = Duration::from_millis(250);
    let (client, _kill) = connect_with::<A>(config).await.unwrap();
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    bench.server.with(|broker| broker.publish(QUEUE, vec![b'x'; 128 * 1024], &[]));
    let message = messages.next().await.unwrap();
    assert_eq!(message.body().len(), 128 * 1024);
    message.ack().unwrap();
    client.disconnect().await.expect("it is the first connection still");
}

async fn a_silent_line_is_a_dead_one<A: Adapter>() {
    let stalled = faults(|faults| faults.after = Some((300, Break::Stall)));
    let bench = Bench::new([to_client(stalled)]);
    let mut config = bench.config();
    config.receive_beat = Duration::from_millis(100);
    config.silence_margin = Duration::from_millis(100);
    let (client, _kill) = connect_with::<A>(config).await.unwrap();
    let mut notices = client.listen();
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    bench.server.with(|broker| broker.publish(QUEUE, vec![b'x'; 1000], &[]));
    assert!(matches!(loss(&mut notices).await, Lost::HeartBeat(_)));
    messages.next().await.unwrap().ack().unwrap();
    client.disconnect().await.unwrap();
}

/// Cut after each octet, in both ways, up to and into the first message: it arrives whole, or not, and in the end once.
async fn an_end_after_any_octet_of_the_broker<A: Adapter>() {
    ends_anywhere::<A>(to_client).await;
}

async fn an_end_after_any_octet_of_ours<A: Adapter>() {
    ends_anywhere::<A>(to_broker).await;
}

/// Each octet has a client of its own, all at once: they come back only after a while.
async fn ends_anywhere<A: Adapter>(direction: fn(Faults) -> Plan) {
    const OCTETS: u64 = 300;
    let server = Server::start(BrokerConfig::default()).unwrap();
    let mut clients = Vec::new();
    for octets in 0..OCTETS {
        let how = if octets % 2 == 0 { Break::Reset } else { Break::HalfClose };
        let plan = direction(faults(|faults| faults.after = Some((octets, how))));
        let proxy = Proxy::start(server.address(), [plan]).unwrap();
        let queue = format!("/queue/{octets}");
        server.with(|broker| broker.publish(&queue, "whole", &[("persistent", "true")]));
        let client = A::start(patient(&proxy), Settings::default());
        clients.push((client, queue, proxy));
    }
    for ((client, _kill), queue, _proxy) in clients {
        let mut messages = client.subscribe(&queue).await.unwrap();
        let mut came = 0;
        // Its connection may be lost before the broker has the ACK: then it comes again.
        while server.with(|broker| broker.depth(&queue) + broker.unacked(&queue)) > 0 {
            let Some(message) = A::within(Duration::from_millis(20), messages.next()).await else { continue };
            let message = message.expect("the subscription goes on");
            assert_eq!(message.body(), b"whole");
            _ = message.ack();
            came += 1;
        }
        assert!((1..=2).contains(&came), "{queue}: it came {came} times");
        // One of them may meet the end that is still to come; the session goes on.
        while client.send(QUEUE, "").confirmed().await.is_err() {}
    }
}

async fn a_receipt_that_never_comes<A: Adapter>() {
    let bench = Bench::new([to_client(tamper(Command::Receipt, Tampering::Swallow))]);
    let mut config = bench.config();
    config.receipt_timeout = Duration::from_millis(100);
    config.disconnect_timeout = Duration::from_millis(100);
    let (client, _kill) = connect_with::<A>(config).await.unwrap();
    let sent = client.send(QUEUE, "").confirmed().await;
    assert_eq!(sent, Err(SendError::Unknown(Unknown::Timeout(Duration::from_millis(100)))));
    assert_eq!(bench.server.with(|broker| broker.depth(QUEUE)), 1, "it is there");
    client.send(QUEUE, "").await.expect("the connection goes on");
    assert!(client.disconnect().await.is_err(), "it was not confirmed");
}

async fn receipts_out_of_order<A: Adapter>() {
    let bench = Bench::new([to_client(tamper(Command::Receipt, Tampering::Swap))]);
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

async fn a_connected_that_never_comes<A: Adapter>() {
    let bench = Bench::new([to_client(tamper(Command::Connected, Tampering::Swallow))]);
    let mut config = bench.config();
    config.connected_timeout = Duration::from_millis(100);
    let (client, _kill) = A::start(config, Settings::default());
    let mut notices = client.listen();
    assert_eq!(loss(&mut notices).await, Lost::ConnectedTimeout(Duration::from_millis(100)));
    client.connected().await.unwrap();
    client.send(QUEUE, "").confirmed().await.unwrap();
}

async fn a_message_that_never_comes_is_sent_again<A: Adapter>() {
    let bench = Bench::new([to_client(tamper(Command::Message, Tampering::Swallow))]);
    let client = A::connect(&bench.proxy.uri()).await.unwrap();
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    client.send(QUEUE, "lost").confirmed().await.unwrap();
    bench.server.close_connections();
    let message = messages.next().await.unwrap();
    assert_eq!((message.body(), message.header("redelivered").is_some()), (&b"lost"[..], true));
    message.ack().unwrap();
    client.disconnect().await.unwrap();
}
