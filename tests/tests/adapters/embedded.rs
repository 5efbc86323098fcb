//! Against the embedded broker.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use stomp_session::{
    Closed, CommandError, Config, Ended, Endpoint, Lost, Unknown,
    client::{ConnectError, Delivery, SendError},
    proto::{AckMode, Command, Frame, Version},
};
use stomp_testkit::broker::{Broker, BrokerConfig};
use stomp_testkit::server::Server;

use crate::{
    Bench, Line, QUEUE, Way, config,
    support::{self, Adapter},
};

fn bench(line: Line) -> Bench {
    Bench::new(line, BrokerConfig::default())
}

pub(crate) async fn sends_and_receives_in_every_version<A: Adapter>(line: Line) {
    let Bench { server, way } = bench(line);
    for version in Version::ALL {
        let mut config = way.config();
        config.versions = vec![version];
        let (client, _kill) = way.connect_with::<A>(config).await.unwrap();
        assert_eq!(client.connection().unwrap().version, version);
        let mut messages = client.subscribe(QUEUE).await.unwrap();
        let body: Vec<u8> = (0..=255).collect();
        client.send(QUEUE, body.clone()).header("number", "1").confirmed().await.unwrap();
        let message = messages.next().await.unwrap();
        assert_eq!((message.body(), message.header("number").unwrap().number()), (&body[..], Some(1)));
        message.ack().unwrap();
        client.disconnect().await.unwrap();
        assert_eq!(messages.next().await.map(|_| ()), None);
        let closed = Closed::Disconnected { confirmed: true, closed: false, receipted: 0, unreceipted: 0 };
        assert_eq!(messages.ended(), Some(&Ended::Closed(closed)));
    }
    assert_eq!(server.with(|broker| broker.depth(QUEUE)), 0);
}

pub(crate) async fn a_large_body_goes_both_ways<A: Adapter>(line: Line) {
    let Bench { server: _server, way } = bench(line);
    let client = way.client::<A>().await;
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    let body: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|number| (number >> 3) as u8).collect();
    client.send(QUEUE, body.clone()).confirmed().await.unwrap();
    assert!(messages.next().await.unwrap().body() == body, "the body came as it went");
}

pub(crate) async fn a_burst_is_neither_lost_nor_reordered<A: Adapter>(line: Line) {
    const COUNT: u64 = 20_000;
    let Bench { server, way } = bench(line);
    let (sender, receiver) = (way.client::<A>().await, way.client::<A>().await);
    let mut messages = receiver.subscribe(QUEUE).prefetch(500).await.unwrap();
    let send = async {
        for number in 0..COUNT {
            sender.send(QUEUE, vec![b'x'; 1000]).header("number", number.to_string()).await.unwrap();
        }
    };
    let receive = async {
        for number in 0..COUNT {
            let message = messages.next().await.unwrap();
            assert_eq!(message.header("number").unwrap().number(), Some(number));
            message.ack().unwrap();
        }
    };
    futures_lite::future::zip(send, receive).await;
    receiver.disconnect().await.unwrap();
    assert_eq!(server.with(|broker| (broker.depth(QUEUE), broker.unacked(QUEUE))), (0, 0));
}

pub(crate) async fn publishers_in_bulk<A: Adapter>(line: Line) {
    const COUNT: u64 = 5_000;
    let Bench { server, way } = bench(line);
    let client = way.client::<A>().await;
    let (plain, confirmed) = (client.publisher(QUEUE), client.publisher(QUEUE).confirmed().window(100));
    let kept = client.publisher(QUEUE).at_least_once();
    for builder in [plain, confirmed, kept] {
        let mut publisher = builder.header("x", "a:b").build().unwrap();
        for number in 0..COUNT {
            assert_eq!(publisher.feed(number.to_string()).await, Ok(number));
        }
        assert_eq!(publisher.flush().await, Ok(()));
        assert_eq!(publisher.first_unsettled(), COUNT);
    }
    // Here the broker has read what is on the wire, too.
    client.disconnect().await.unwrap();
    let bodies = server.with(|broker| broker.messages(QUEUE));
    let expected: Vec<_> = (0..3 * COUNT).map(|number| (number % COUNT).to_string()).collect();
    assert!(bodies == expected, "{} {line:?}: {} messages", A::NAME, bodies.len());
}

pub(crate) async fn a_lost_connection_is_made_again<A: Adapter>(line: Line) {
    let Bench { server, way } = bench(line);
    // Connections that do not last would be made again ever more slowly.
    let uri = format!("failover:({})?useExponentialBackOff=false", way.uri());
    let client = way.client_of::<A>(config(&uri)).await;
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    for round in 0..20 {
        server.close_connections();
        // Sent by somebody else: our own send may meet the dying connection.
        server.with(|broker| broker.publish(QUEUE, format!("{round}"), &[]));
        let message = messages.next().await.unwrap();
        assert_eq!(message.body(), round.to_string().as_bytes());
        message.ack().unwrap();
        // Until the broker has the ACK, closing again would bring the message again.
        client.send("/queue/other", "").confirmed().await.unwrap();
    }
}

/// Two producers, a consumer, and moves from one broker to the other and back: each message that was confirmed is handled, and
/// once.
pub(crate) async fn a_move_between_brokers_loses_and_doubles_nothing<A: Adapter>(line: Line) {
    const COUNT: u64 = 40;
    let (here, there) = (bench(line), bench(line));
    let spare: Endpoint = there.way.uri().parse().unwrap();
    let uri = format!("failover:({})", here.way.uri());
    // Each way has an authority of its own: the client trusts both.
    let mut tls = here.way.tls.clone();
    tls.roots.extend(there.way.tls.roots.iter().cloned());
    let settings = support::patient_with(tls);
    let (client, _kill) = support::connect_as::<A>(config(&uri), settings).await.unwrap();
    let home = client.connection().unwrap().endpoint;
    let handled = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&handled);
    let runner = client.subscribe(QUEUE).await.unwrap().handle_with(move |message: Delivery| {
        let number = message.header("number").and_then(|number| number.number());
        noted.lock().unwrap().extend(number);
        async { Ok::<(), String>(()) }
    });
    let produce = |first: u64| {
        let client = client.clone();
        async move {
            for number in (first..COUNT).step_by(2) {
                let send = client.send(QUEUE, "x").header("number", number.to_string());
                send.at_least_once().await.unwrap();
            }
        }
    };
    let mover = async {
        for (endpoint, from) in [(&spare, &here), (&home, &there), (&spare, &here), (&home, &there)] {
            let moved = client.reconnect("turn").to(endpoint.clone()).await.unwrap();
            assert!(moved.graceful && moved.connection.endpoint == *endpoint);
            assert_eq!((moved.unconfirmed, moved.unhandled), (0, 0));
            assert_eq!(from.server.with(|broker| broker.unacked(QUEUE)), 0, "nobody is left there");
        }
        // Each broker gives out what it still has.
        for (endpoint, at) in [(&spare, &there), (&home, &here)] {
            client.reconnect("look").to(endpoint.clone()).await.unwrap();
            while at.server.with(|broker| broker.depth(QUEUE) + broker.unacked(QUEUE)) > 0 {
                client.send("/queue/pace", "").confirmed().await.unwrap();
            }
        }
    };
    let work = async {
        let producers = futures_lite::future::zip(produce(0), produce(1));
        futures_lite::future::zip(producers, async {
            for _ in 0..3 {
                client.reconnect("meanwhile").to(spare.clone()).await.unwrap();
                client.reconnect("and back").to(home.clone()).await.unwrap();
            }
        })
        .await;
        mover.await;
        client.disconnect().await.unwrap();
    };
    futures_lite::future::zip(runner.run(), work).await.0.unwrap();
    let mut handled = handled.lock().unwrap().clone();
    handled.sort_unstable();
    assert_eq!(handled, (0..COUNT).collect::<Vec<_>>());
}

pub(crate) async fn a_broker_that_restarts_is_found_again<A: Adapter>(line: Line) {
    let Bench { server, way } = bench(line);
    let address = server.address();
    let client = way.client::<A>().await;
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    client.send(QUEUE, "kept").header("persistent", "true").confirmed().await.unwrap();
    assert_eq!(messages.next().await.unwrap().body(), b"kept", "it is not acknowledged");
    let broker: Broker = server.stop();
    let again = Server::resume(address, broker).unwrap();
    let message = messages.next().await.unwrap();
    assert_eq!((message.body(), message.header("redelivered").unwrap() == "true"), (&b"kept"[..], true));
    message.ack().unwrap();
    client.disconnect().await.unwrap();
    assert_eq!(again.with(|broker| broker.unacked(QUEUE)), 0);
}

pub(crate) async fn a_dead_broker_of_a_list_is_passed_over<A: Adapter>(line: Line) {
    let Bench { server, way } = bench(line);
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let uri = format!("failover:(tcp://{dead},{})?initialReconnectDelay=1&randomize=false", way.uri());
    let client = way.client_of::<A>(config(&uri)).await;
    assert_eq!(client.connection().unwrap().endpoint.port(), way.address.port());
    client.send(QUEUE, "").confirmed().await.unwrap();
    assert_eq!(server.with(|broker| broker.depth(QUEUE)), 1);
}

pub(crate) async fn a_broker_that_refuses_us_is_passed_over<A: Adapter>(line: Line) {
    let Bench { server: _server, way } = bench(line);
    let refusing = way.uri().replace("guest:guest", "guest:wrong");
    let client =
        way.client_of::<A>(config(&format!("failover:({refusing},{})?randomize=false", way.uri()))).await;
    client.send(QUEUE, "").confirmed().await.unwrap();
}

pub(crate) async fn unacknowledged_messages_come_again<A: Adapter>(line: Line) {
    let Bench { server: _server, way } = bench(line);
    let (client, kill) = way.connect_with::<A>(way.config()).await.unwrap();
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    for body in ["1", "2", "3"] {
        client.send(QUEUE, body).confirmed().await.unwrap();
    }
    let first = messages.next().await.unwrap();
    let second = messages.next().await.unwrap();
    first.ack().unwrap();
    client.send("/queue/other", "").confirmed().await.unwrap();
    kill();
    drop(second);
    let client = way.client::<A>().await;
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    for body in ["2", "3"] {
        let message = messages.next().await.unwrap();
        assert_eq!((message.body(), message.header("redelivered").is_some()), (body.as_bytes(), true));
        message.ack().unwrap();
    }
}

pub(crate) async fn a_stale_message_cannot_be_acknowledged<A: Adapter>(line: Line) {
    let Bench { server, way } = bench(line);
    let client = way.client::<A>().await;
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    client.send(QUEUE, "1").confirmed().await.unwrap();
    let stale = messages.next().await.unwrap();
    server.close_connections();
    let fresh = messages.next().await.unwrap();
    assert!(matches!(stale.ack(), Err(CommandError::Stale { .. })));
    fresh.ack().unwrap();
    client.disconnect().await.unwrap();
    assert_eq!(server.with(|broker| (broker.depth(QUEUE), broker.unacked(QUEUE))), (0, 0));
}

pub(crate) async fn the_last_handle_disconnects<A: Adapter>(line: Line) {
    let Bench { server, way } = Bench::new(line, BrokerConfig::default().recording());
    let client = way.client::<A>().await;
    let messages = client.subscribe(QUEUE).await.unwrap();
    let watcher = client.clone();
    drop((client, messages));
    watcher.send(QUEUE, "still there").confirmed().await.unwrap();
    drop(watcher);
    let observer = way.client::<A>().await;
    // The observer's own traffic gives the others time: the broker handles connections in turn, each whole.
    let disconnected =
        || server.with(|broker| broker.received().any(|(_, frames)| ends_with_disconnect(frames)));
    while !disconnected() {
        observer.send("/queue/other", "").confirmed().await.unwrap();
    }
}

fn ends_with_disconnect(frames: &[Frame]) -> bool {
    frames.last().is_some_and(|frame| frame.command() == Command::Disconnect)
}

pub(crate) async fn a_dropped_driver_ends_every_wait<A: Adapter>(line: Line) {
    let Bench { server, way } = bench(line);
    let (client, kill) = way.connect_with::<A>(way.config()).await.unwrap();
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    server.with(|broker| broker.drop_receipts(true));
    let waiting = client.send(QUEUE, "").confirmed();
    let kill = async { kill() };
    let (sent, ()) = futures_lite::future::zip(async { waiting.await }, kill).await;
    assert_eq!(sent, Err(SendError::Unknown(Unknown::Lost(Lost::DriverDropped))));
    while messages.next().await.is_some() {}
    assert_eq!(messages.ended(), Some(&Ended::Closed(Closed::DriverDropped)));
    assert_eq!(client.send(QUEUE, "").await, Err(SendError::Closed(Closed::DriverDropped)));
    assert_eq!(client.closed().await, Closed::DriverDropped);
}

pub(crate) async fn disconnect_waits_for_receipts<A: Adapter>(line: Line) {
    let Bench { server, way } = bench(line);
    let client = way.client::<A>().await;
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let mut send = Box::pin(client.send(QUEUE, "x").confirmed().into_future());
        // The first poll hands it over. Some receipts may be back already.
        match futures_lite::future::poll_once(send.as_mut()).await {
            Some(sent) => sent.unwrap(),
            None => waiting.push(send),
        }
    }
    let sent = async {
        for send in waiting {
            send.await.unwrap();
        }
    };
    let (ended, ()) = futures_lite::future::zip(client.disconnect(), sent).await;
    ended.unwrap();
    assert_eq!(server.with(|broker| broker.depth(QUEUE)), 200);
}

/// What a refusal says, within bounded time.
async fn refusal<A: Adapter>(way: &Way, config: Config) -> (Lost, String) {
    let (client, _kill) = A::start(config, way.settings());
    match client.connected().await {
        Err(closed @ Closed::GaveUp { .. }) => {
            let text = closed.to_string();
            let Closed::GaveUp { last, .. } = closed else { unreachable!() };
            (last, text)
        }
        other => panic!("{}: {other:?}", A::NAME),
    }
}

pub(crate) async fn a_refused_login_is_told<A: Adapter>(line: Line) {
    let Bench { server: _server, way } = bench(line);
    let uri = way.uri().replace("guest:guest", "guest:canary-7f3a");
    let (lost, text) = refusal::<A>(&way, config(&uri)).await;
    assert!(matches!(lost, Lost::Refused(_)), "{lost:?}");
    assert!(
        text.contains("refused the connection") && !format!("{lost:?} {text}").contains("canary"),
        "{text}"
    );
}

pub(crate) async fn nobody_listens<A: Adapter>(line: Line) {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let mut way = line.to(address);
    way.address = address;
    let uri = way.uri();
    let (lost, text) = refusal::<A>(&way, config(&uri)).await;
    assert!(matches!(lost, Lost::DialFailed { permanent: false, .. }), "{lost:?}");
    assert!(text.contains("refused"), "{text}");
}

pub(crate) async fn a_mute_broker_is_given_up<A: Adapter>(line: Line) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let way = line.to_plain(listener.local_addr().unwrap());
    let mut config = way.config();
    config.connected_timeout = Duration::from_millis(50);
    let (lost, text) = refusal::<A>(&way, config).await;
    assert_eq!(lost, Lost::ConnectedTimeout(Duration::from_millis(50)));
    assert!(text.contains("did not answer CONNECT"), "{text}");
}

pub(crate) async fn http_is_recognised<A: Adapter>(line: Line) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").unwrap();
    });
    let way = line.to_plain(address);
    let (lost, text) = refusal::<A>(&way, way.config()).await;
    assert!(matches!(lost, Lost::Protocol(_)), "{lost:?}");
    assert!(text.contains("HTTP: STOMP has a port of its own"), "{text}");
    answer.join().unwrap();
}

pub(crate) async fn a_wrong_uri_is_told<A: Adapter>(_: Line) {
    for (uri, expected) in [("localhost", "looks like tcp://"), ("amqp://localhost", "is not supported")] {
        match A::connect(uri).await {
            Err(error @ ConnectError::Brokers(_)) => assert!(error.to_string().contains(expected), "{error}"),
            other => panic!("{}: {other:?}", A::NAME),
        }
    }
}

pub(crate) async fn a_subscription_id_is_used_once<A: Adapter>(line: Line) {
    let Bench { server: _server, way } = bench(line);
    let client = way.client::<A>().await;
    let kept = client.subscribe(QUEUE).id("mine").ack(AckMode::Auto).await.unwrap();
    let refused = client.subscribe(QUEUE).id("mine").await.map(|_| ());
    assert_eq!(refused, Err(CommandError::SubscriptionIdInUse("mine".into()).into()));
    drop(kept);
}
