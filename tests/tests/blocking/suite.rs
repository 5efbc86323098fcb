//! What holds for every adapter.

use std::{
    collections::BTreeSet,
    error::Error,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
    thread,
    time::Duration,
};

use stomp_testkit::{broker::BrokerConfig, server::Server};

use super::adapter::{
    AckMode, Builder, Closed, CommandError, Config, Connect as _, ConnectError, Ended, Lost, Message, Notice,
    SendError, Subscription,
    blocking::{self, Client, Wait as _},
    session::proto::{Command, Frame, Version},
};

const QUEUE: &str = "/queue/a";

/// Within this time everything comes, or the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to look whether anything comes. It decides nothing: what is not there never comes.
const GLANCE: Duration = Duration::from_millis(10);

fn server() -> Server {
    Server::start(BrokerConfig::default().recording()).expect("a loopback port")
}

fn config(uri: &str) -> Config {
    Config::new(uri.parse().expect("a URI"))
}

fn connect(uri: &str, version: Version) -> Client {
    let mut config = config(uri);
    config.versions = vec![version];
    blocking::connect_with(Builder::from(config)).expect("the broker lets us in")
}

fn next(messages: &mut Subscription) -> Message {
    messages.next().wait_for(PATIENCE).expect("a message comes").expect("the subscription lives")
}

/// A port that nobody listens on.
fn dead() -> String {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    format!("tcp://{}", address.expect("a loopback port"))
}

/// Why no broker of that configuration was reached.
fn refusal(config: Config) -> Lost {
    match blocking::connect_with(Builder::from(config)) {
        Err(ConnectError::Closed(Closed::GaveUp { last, .. })) => last,
        other => panic!("{other:?}"),
    }
}

/// From the first send to the farewell, and again.
#[test]
fn a_life_in_each_version() {
    let server = server();
    for version in Version::ALL {
        let client = connect(&server.uri(), version);
        // 1.0 has no letters beyond ASCII.
        let (name, value) =
            if version == Version::V1_0 { ("name", "value") } else { ("näme", "vält: ☃") };
        let binary: Vec<u8> = (0..=255).collect();
        client.send(QUEUE, binary.clone()).header(name, value).confirmed().wait().unwrap();
        client.send(QUEUE, "second").confirmed().wait().unwrap();
        assert_eq!(server.with(|broker| broker.depth(QUEUE)), 2, "nobody has subscribed");

        let subscribe = || client.subscribe(QUEUE).id("4711").ack(AckMode::ClientIndividual);
        let mut messages = subscribe().wait().unwrap();
        let first = next(&mut messages);
        assert_eq!((first.body(), first.header(name).unwrap() == value), (&binary[..], true));
        first.ack().unwrap();
        let second = next(&mut messages);
        assert_eq!(second.body(), b"second");
        second.ack().unwrap();
        assert_eq!(blocking::within(&mut messages, GLANCE).count(), 0);

        messages.unsubscribe().wait().expect("the broker confirms it");
        client.send(QUEUE, "third").confirmed().wait().unwrap();
        assert_eq!(server.with(|broker| broker.depth(QUEUE)), 1, "nobody is subscribed");
        let mut messages = subscribe().wait().unwrap();
        next(&mut messages).ack().unwrap();

        client.disconnect().wait().expect("the broker confirms the end");
        client.disconnect().wait().expect("to all who ask");
        assert!(matches!(client.send(QUEUE, "late").wait(), Err(SendError::Closed(_))));
        assert_eq!(blocking::messages(&mut messages).count(), 0);
        assert_eq!(server.with(|broker| (broker.depth(QUEUE), broker.unacked(QUEUE))), (0, 0), "{version}");
    }
}

/// Command and headers, but for the receipts.
fn brief(frame: &Frame) -> String {
    let headers = frame.headers().iter().filter(|(name, _)| *name != "receipt");
    let headers = headers.map(|(name, value)| format!(" {name}:{value}"));
    format!("{}{}", frame.command(), headers.collect::<String>())
}

/// What clients have sent, one connection after the other.
fn sent(server: &Server) -> Vec<Vec<String>> {
    server.with(|broker| broker.received().map(|(_, frames)| frames.iter().map(brief).collect()).collect())
}

/// The headers that name the transactions, in the order in which they began.
fn begun(frames: &[String]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame.strip_prefix("BEGIN ")).collect()
}

#[test]
fn each_call_is_the_frame_that_it_is_called_after() {
    let server = server();
    let mut config = config(&server.uri());
    config.versions = vec![Version::V1_1];
    let client = blocking::connect_with(Builder::from(config)).unwrap();
    let mut messages = client.subscribe(QUEUE).header("x", "1").wait().unwrap();
    client.send(QUEUE, "one").header("x", "2").wait().unwrap();
    let first = next(&mut messages);
    let one = first.header("message-id").unwrap().to_string();
    first.ack().unwrap();
    client.send(QUEUE, "").confirmed().wait().unwrap();
    let second = next(&mut messages);
    let two = second.header("message-id").unwrap().to_string();
    second.nack().unwrap();
    let transaction = client.begin().wait().unwrap();
    transaction.send("/queue/b", "").wait().unwrap();
    transaction.commit().wait().unwrap();
    client.begin().wait().unwrap().abort();
    client.disconnect().wait().unwrap();

    let [said] = &sent(&server)[..] else { panic!("one connection") };
    let [connect, subscribe, rest @ ..] = &said[..] else { panic!("{said:?}") };
    for header in ["CONNECT", "accept-version:1.1", "login:guest", "passcode:guest", "host:/"] {
        assert!(connect.contains(header), "{connect}");
    }
    for header in ["SUBSCRIBE", "id:0", "destination:/queue/a", "ack:client-individual", "x:1"] {
        assert!(subscribe.contains(header), "{subscribe}");
    }
    let [first, second] = &begun(rest)[..] else { panic!("{rest:?}") };
    assert_ne!(first, second);
    let expected = [
        "SEND destination:/queue/a x:2 content-length:3",
        &format!("ACK subscription:0 message-id:{one}"),
        "SEND destination:/queue/a",
        &format!("NACK subscription:0 message-id:{two}"),
        &format!("BEGIN {first}"),
        &format!("SEND destination:/queue/b {first}"),
        &format!("COMMIT {first}"),
        &format!("BEGIN {second}"),
        &format!("ABORT {second}"),
        "DISCONNECT",
    ];
    assert_eq!(rest, expected);
}

#[test]
fn each_connect_is_a_session_of_its_own() {
    let server = server();
    let [first, second] = [(); 2].map(|()| blocking::connect(&server.uri()).unwrap());
    assert_eq!(server.with(|broker| broker.connections().len()), 2);
    first.disconnect().wait().unwrap();
    second.send(QUEUE, "still there").confirmed().wait().unwrap();
}

/// At the start each broker of the list is tried, and none more than once unless that is wanted.
#[test]
fn a_dead_broker_is_passed_over_and_nothing_but_dead_ones_is_an_error() {
    let server = server();
    for options in ["", "&startupMaxReconnectAttempts=1"] {
        let of = |second: &str| format!("failover:({},{second})?randomize=false{options}", dead());
        let client = blocking::connect(&of(&server.uri())).unwrap();
        client.send(QUEUE, "").confirmed().wait().unwrap();
        assert!(matches!(refusal(config(&of(&dead()))), Lost::DialFailed { .. }));
    }
    assert_eq!(server.with(|broker| broker.depth(QUEUE)), 2);
}

#[test]
fn a_host_that_nobody_knows_is_an_error() {
    // No name may have so long a part: nobody needs to be asked.
    let host = "x".repeat(64);
    assert!(matches!(refusal(config(&format!("tcp://{host}.invalid"))), Lost::DialFailed { .. }));
}

#[test]
fn a_broker_that_never_answers_and_one_that_refuses_are_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("tcp://{}", listener.local_addr().unwrap());
    for uri in [&mute, &format!("failover:({},{mute})?randomize=false", dead())] {
        let mut impatient = config(uri);
        impatient.connected_timeout = Duration::from_millis(50);
        assert_eq!(refusal(impatient), Lost::ConnectedTimeout(Duration::from_millis(50)));
    }

    let server = server();
    let refused = refusal(config(&server.uri().replace("guest:guest", "guest:wrong")));
    assert!(matches!(refused, Lost::Refused(_)), "{refused:?}");
}

/// A client whose broker is not there yet.
#[test]
fn without_a_connection_calls_wait_or_fail_as_they_are_told() {
    let config = config(&format!("failover:({})?startupMaxReconnectAttempts=-1", dead()));
    let (client, driver) = Builder::from(config).build().unwrap();
    let driver = thread::spawn(move || driver.run().wait());
    let send = || client.send(QUEUE, "x");
    assert_eq!(send().immediate().wait(), Err(SendError::Command(CommandError::NotConnected)));
    assert_eq!(send().timeout(GLANCE).wait(), Err(SendError::NoConnection(GLANCE)));
    assert!(send().wait_for(GLANCE).is_none());
    assert!(client.begin().wait_for(GLANCE).is_none());
    assert!(client.subscribe(QUEUE).wait_for(GLANCE).is_none());
    assert!(client.disconnect().wait().is_err(), "nobody confirms it");
    driver.join().expect("the session is over");
}

/// One message in a transaction and one outside. Whoever leaves early, by an error of his own, has committed nothing.
fn transfer(client: &Client, server: &Server, fails: bool) -> Result<(), Box<dyn Error>> {
    let transaction = client.begin().wait()?;
    transaction.send(QUEUE, "inside").wait()?;
    client.send(QUEUE, "outside").confirmed().wait()?;
    assert_eq!(server.with(|broker| broker.messages(QUEUE)), ["outside"]);
    if fails {
        Err("not today")?;
    }
    Ok(transaction.commit().wait()?)
}

#[test]
fn a_transaction_is_committed_at_its_end_and_aborted_by_an_error() {
    for fails in [false, true] {
        let server = server();
        let client = blocking::connect(&server.uri()).unwrap();
        let outcome = transfer(&client, &server, fails).map_err(|error| error.to_string());
        assert_eq!(outcome, if fails { Err("not today".to_owned()) } else { Ok(()) });
        client.disconnect().wait().unwrap();
        let arrived = server.with(|broker| broker.messages(QUEUE));
        assert_eq!(arrived, if fails { &["outside"][..] } else { &["outside", "inside"] });
        let said = sent(&server).concat();
        let end = if fails { Command::Abort } else { Command::Commit };
        assert!(said.contains(&format!("{end} {}", begun(&said)[0])), "{said:?}");
    }
}

/// The script notices nothing; the broker sees the same SUBSCRIBE again, and its UNSUBSCRIBE later.
#[test]
fn a_lost_connection_is_made_again_with_its_subscriptions() {
    let server = server();
    let client = connect(&server.uri(), Version::V1_2);
    let mut messages = client.subscribe(QUEUE).id("mine").header("x", "1").wait().unwrap();
    server.close_connections();
    server.with(|broker| broker.publish(QUEUE, "after", &[]));
    let message = next(&mut messages);
    assert_eq!(message.body(), b"after");
    message.ack().unwrap();
    messages.unsubscribe().wait().expect("the broker confirms it");
    client.disconnect().wait().unwrap();

    let said = sent(&server);
    let subscribes: Vec<_> = said.iter().flatten().filter(|frame| frame.starts_with("SUBSCRIBE")).collect();
    assert!(subscribes.len() > 1 && subscribes.iter().all(|frame| *frame == subscribes[0]), "{said:?}");
    assert!(subscribes[0].contains("x:1"), "{said:?}");
    assert!(said.concat().contains(&"UNSUBSCRIBE id:mine".to_owned()), "{said:?}");
    assert_eq!(server.with(|broker| (broker.depth(QUEUE), broker.unacked(QUEUE))), (0, 0));
}

#[test]
fn where_no_reconnect_is_wanted_a_loss_is_the_end_with_its_reason() {
    let server = server();
    let client = blocking::connect(&format!("failover:({})?maxReconnectAttempts=0", server.uri())).unwrap();
    let mut messages = client.subscribe(QUEUE).wait().unwrap();
    server.close_connections();
    assert_eq!(blocking::messages(&mut messages).count(), 0);
    assert!(matches!(messages.ended(), Some(Ended::Closed(Closed::GaveUp { .. }))), "{:?}", messages.ended());
    assert!(matches!(client.send(QUEUE, "").wait(), Err(SendError::Closed(_))));
}

/// In 1.0, whose subscriptions need no id, two to one destination are two all the same.
#[test]
fn two_subscriptions_of_1_0_drain_one_queue() {
    let server = server();
    let client = connect(&server.uri(), Version::V1_0);
    for number in 0..10 {
        client.send(QUEUE, number.to_string()).confirmed().wait().unwrap();
    }
    let [mut one, mut two] = [client.subscribe(QUEUE).id("mine"), client.subscribe(QUEUE)]
        .map(|subscribe| subscribe.prefetch(1).wait().unwrap());
    let mut bodies = BTreeSet::new();
    for _ in 0..10 {
        let message = futures_lite::future::or(one.next(), two.next()).wait_for(PATIENCE);
        let message = message.expect("a message comes").expect("the subscription lives");
        assert!(bodies.insert(message.body().to_vec()), "none comes twice");
        message.ack().unwrap();
    }
    assert_eq!(bodies, (0..10).map(|number| number.to_string().into_bytes()).collect());
    // The broker has read the ACKs when it confirms what was sent after them.
    client.send("/queue/b", "").confirmed().wait().unwrap();
    assert_eq!(server.with(|broker| broker.depth(QUEUE) + broker.unacked(QUEUE)), 0);
    assert_eq!(server.with(|broker| broker.subscribers(QUEUE)), 2);
}

#[test]
fn heart_beats_go_on_while_the_script_does_something_else() {
    let server = server();
    let mut config = config(&server.uri());
    config.send_beat = Duration::from_millis(500);
    let client = blocking::connect_with(Builder::from(config)).unwrap();
    let id = server.with(|broker| broker.connections()[0]);
    // Heard in a thread without a runtime: nothing here drives the session.
    let mut trace = client.trace();
    let (heard, beats) = mpsc::channel();
    let listener = thread::spawn(move || {
        while let Some(notice) = futures_lite::future::block_on(trace.next()) {
            if notice == Notice::HeartBeatSent && heard.send(()).is_err() {
                return;
            }
        }
    });
    for _ in 0..2 {
        beats.recv_timeout(PATIENCE).expect("a heart-beat is due");
    }
    // Confirmed, so that the broker has read what was sent before.
    client.disconnect().wait().unwrap();
    assert!(server.with(|broker| broker.heart_beats(id)) >= 2);
    listener.join().unwrap();
}

/// Frames that clients have sent on all connections.
fn said(server: &Server) -> Vec<String> {
    sent(server).concat()
}

/// A script that ends without a farewell has said it all the same.
#[test]
fn the_last_client_that_is_dropped_ends_gracefully() {
    let server = server();
    let client = blocking::connect(&server.uri()).unwrap();
    let clone = client.clone();
    client.send(QUEUE, "one").wait().unwrap();
    drop(client);
    clone.send(QUEUE, "two").wait().unwrap();
    assert!(!said(&server).contains(&"DISCONNECT".to_owned()));
    drop(clone);
    // Nobody has waited since.
    assert_eq!(server.with(|broker| broker.messages(QUEUE)), ["one", "two"]);
    assert_eq!(said(&server).last().unwrap(), "DISCONNECT");
}

#[test]
fn a_subscription_keeps_the_session_of_a_client_that_is_dropped() {
    let server = server();
    let subscribed = blocking::connect(&server.uri()).unwrap().subscribe(QUEUE).wait();
    let mut messages = subscribed.unwrap();
    server.with(|broker| broker.publish(QUEUE, "late", &[]));
    next(&mut messages).ack().unwrap();
}

/// A broker that says nothing after CONNECTED does not keep the thread for longer than the end may take.
#[test]
fn the_end_of_a_client_that_is_dropped_has_a_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(&format!("tcp://{}", listener.local_addr().unwrap()));
    config.disconnect_timeout = GLANCE;
    let broker = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"CONNECTED\nversion:1.2\n\n\0").unwrap();
        // Until the client has closed the connection.
        let mut said = Vec::new();
        socket.read_to_end(&mut said).map(|_| String::from_utf8(said).unwrap())
    });
    drop(blocking::connect_with(Builder::from(config)).unwrap());
    let said = broker.join().unwrap().unwrap();
    assert!(said.contains("DISCONNECT\n"), "{said}");
}

/// Whatever the thread is told to do, a wait with a limit ends.
#[test]
fn a_wait_with_a_limit_ends() {
    assert_eq!(std::future::pending::<()>().wait_for(GLANCE), None);
    assert_eq!(std::future::ready(7).wait_for(Duration::ZERO), Some(7));
    assert_eq!(std::future::ready(7).wait_for(Duration::MAX), Some(7));
}

/// Many threads wait for one client.
#[test]
fn every_thread_may_wait() {
    let server = server();
    let client = blocking::connect(&server.uri()).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            thread::spawn(move || (0..25).try_for_each(|_| client.send(QUEUE, "x").confirmed().wait()))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    assert_eq!(server.with(|broker| broker.depth(QUEUE)), 100);
}
