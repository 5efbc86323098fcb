//! The server over real sockets. Every read has a deadline.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use stomp_proto::{Command, Frame, Item, Limits, Parser, Sender, Version};
use stomp_testkit::{
    broker::{Broker, BrokerConfig},
    server::{Server, ServerEvent, received},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A blocking client.
pub(crate) struct Client {
    socket: TcpStream,
    parser: Parser,
}

impl Client {
    pub(crate) fn connect(server: &Server, version: Version, heart_beat: &str) -> Self {
        let socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut client = Self { socket, parser: Parser::new(Sender::Server, Limits::default()) };
        client.say(&format!("CONNECT\naccept-version:{version}\nhost:h\nheart-beat:{heart_beat}\n\n"));
        assert_eq!(client.hear().unwrap().command(), Command::Connected);
        client.parser.set_version(version);
        client
    }

    pub(crate) fn say(&mut self, frame: &str) {
        self.socket.write_all(format!("{frame}\0").as_bytes()).unwrap();
    }

    /// The next frame, or `None` at the end.
    pub(crate) fn hear(&mut self) -> Option<Frame> {
        loop {
            match self.parser.next_item().unwrap() {
                Some(Item::Frame(frame)) => return Some(frame),
                Some(_) => {}
                None => match self.socket.read(self.parser.space()).unwrap() {
                    0 => return None,
                    octets => self.parser.commit(octets),
                },
            }
        }
    }

    pub(crate) fn receipt(&mut self, id: &str) {
        let frame = self.hear().unwrap();
        assert_eq!(frame.command(), Command::Receipt, "{frame:?}");
        assert_eq!(frame.header("receipt-id").unwrap(), id);
    }
}

#[test]
fn a_round_trip_in_every_version() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    for version in Version::ALL {
        let mut client = Client::connect(&server, version, "0,0");
        client.say("SUBSCRIBE\nid:0\ndestination:/queue/a\nreceipt:1\n\n");
        client.receipt("1");
        client.say("SEND\ndestination:/queue/a\n\nhello");
        assert_eq!(client.hear().unwrap().body(), b"hello");
        client.say("DISCONNECT\nreceipt:2\n\n");
        client.receipt("2");
        assert_eq!(client.hear(), None);
    }
}

#[test]
fn a_test_looks_in_and_interferes() {
    let server = Server::start(BrokerConfig::default().recording()).unwrap();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    client.say("SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client\nreceipt:1\n\n");
    client.receipt("1");
    let body = String::from("borrowed by the closure");
    server.with(|broker| broker.publish("/queue/a", body.clone(), &[("x", "1")]));
    assert_eq!(client.hear().unwrap().body(), body.as_bytes());
    let connection = server.with(|broker| {
        assert_eq!(broker.unacked("/queue/a"), 1);
        broker.connections()[0]
    });
    server.with(|broker| broker.close(connection));
    assert_eq!(client.hear(), None);
    assert_eq!(server.with(|broker| broker.frames(connection).len()), 2);
}

#[test]
fn a_panic_while_looking_harms_nobody() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    let looked = thread::scope(|scope| scope.spawn(|| server.with(|_| panic!("on purpose"))).join());
    assert!(looked.is_err());
    Client::connect(&server, Version::V1_2, "0,0");
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    let mut slow = Client::connect(&server, Version::V1_2, "0,0");
    slow.say("SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:1\n\n");
    slow.receipt("1");
    let mut fast = Client::connect(&server, Version::V1_2, "0,0");
    fast.say("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n");
    let body = "x".repeat(100_000);
    for number in 0..200 {
        fast.say(&format!("SEND\ndestination:/topic/a\nnumber:{number}\n\n{body}"));
        assert_eq!(fast.hear().unwrap().header("number").unwrap().number(), Some(number));
    }
    let waiting = server.with(|broker| broker.depth("/topic/a"));
    assert!(waiting > 50, "{waiting} of 20 MB wait where they are bounded");
    for number in 0..200 {
        assert_eq!(slow.hear().unwrap().header("number").unwrap().number(), Some(number));
    }
}

#[test]
fn a_client_that_sends_and_does_not_read_is_held_up_and_gets_all_its_receipts() {
    let server = Server::start(BrokerConfig::default().output_window(4096)).unwrap();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    let mut sender = client.socket.try_clone().unwrap();
    let sent = thread::spawn(move || {
        let filler = "x".repeat(1000);
        for number in 0..20_000 {
            let frame = format!("SEND\ndestination:/queue/a\nreceipt:{number}-{filler}\n\n\0");
            sender.write_all(frame.as_bytes()).unwrap();
        }
    });
    for number in 0..20_000 {
        let receipt = client.hear().unwrap();
        let id = receipt.header("receipt-id").unwrap().text().unwrap().into_owned();
        assert!(id.starts_with(&format!("{number}-")), "{number}");
    }
    sent.join().unwrap();
    assert_eq!(server.with(|broker| broker.depth("/queue/a")), 20_000);
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    (0..100).for_each(|number| client.say(&format!("SEND\ndestination:/queue/a\nreceipt:{number}\n\n")));
    client.socket.shutdown(Shutdown::Write).unwrap();
    (0..100).for_each(|number| client.receipt(&number.to_string()));
    assert_eq!(client.hear(), None);
}

#[test]
fn cut_connections_give_back_what_they_had() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    client.say("SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client\nreceipt:1\n\n");
    client.receipt("1");
    server.with(|broker| broker.publish("/queue/a", "x", &[]));
    assert_eq!(client.hear().unwrap().body(), b"x");
    server.close_connections();
    assert_eq!(server.with(|broker| (broker.connections(), broker.depth("/queue/a"))), (vec![], 1));
    assert!(!matches!(client.socket.read(&mut [0; 64]), Ok(1..)));
    let mut heir = Client::connect(&server, Version::V1_2, "0,0");
    heir.say("SUBSCRIBE\nid:0\ndestination:/queue/a\nack:client\n\n");
    assert_eq!(heir.hear().unwrap().header("redelivered").unwrap(), "true");
}

#[test]
fn a_restart_keeps_the_messages() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    let address = server.address();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    client.say("SEND\ndestination:/queue/a\nreceipt:1\n\nx");
    client.receipt("1");
    let broker = server.stop();
    assert_eq!(client.hear(), None);
    assert!(TcpStream::connect(address).is_err());
    let server = Server::resume(address, broker).unwrap();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    client.say("SUBSCRIBE\nid:0\ndestination:/queue/a\n\n");
    assert_eq!(client.hear().unwrap().body(), b"x");
}

#[test]
fn heart_beats_in_real_time() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    let mut client = Client::connect(&server, Version::V1_2, "0,50");
    let mut beats = [0; 5];
    client.socket.read_exact(&mut beats).unwrap();
    assert_eq!(beats, *b"\n\n\n\n\n");
    let start = Instant::now();
    let mut silent = Client::connect(&server, Version::V1_2, "50,0");
    assert_eq!(silent.hear(), None);
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[test]
fn an_observer_is_told() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let broker = Broker::new(BrokerConfig::default());
    let server = Server::observed("127.0.0.1:0", broker, move |event| seen.lock().unwrap().push(event));
    let server = server.unwrap();
    let client = Client::connect(&server, Version::V1_2, "0,0");
    let here = client.socket.local_addr().unwrap();
    let connection = server.with(|broker| broker.connections()[0]);
    drop(server);
    let expected = [ServerEvent::Opened { connection, client: here }, ServerEvent::Closed { connection }];
    assert_eq!(*events.lock().unwrap(), expected);
}

#[test]
fn clients_come_and_go() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    for number in 0..300 {
        let mut client = Client::connect(&server, Version::V1_2, "0,0");
        if number % 3 == 0 {
            client.say("DISCONNECT\nreceipt:1\n\n");
            client.receipt("1");
        }
    }
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    client.say("SEND\ndestination:/queue/a\nreceipt:1\n\nx");
    client.receipt("1");
}

/// Producer to transformer to consumer, with acknowledgements and through three queues. `MESSAGES` asks for more.
#[test]
fn a_pipeline() {
    let count = std::env::var("MESSAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(3000);
    let server = Server::start(BrokerConfig::default()).unwrap();
    let start = Instant::now();
    let queues = ["/queue/1", "/queue/2", "/queue/3"];
    thread::scope(|scope| {
        for hop in queues.windows(2) {
            let client = Client::connect(&server, Version::V1_2, "0,0");
            scope.spawn(move || relay(client, hop[0], Some(hop[1]), count));
        }
        let client = Client::connect(&server, Version::V1_2, "0,0");
        scope.spawn(move || relay(client, queues[2], None, count));
        let mut producer = Client::connect(&server, Version::V1_2, "0,0");
        let body = "x".repeat(100);
        let frames: Vec<_> =
            (0..count).map(|number| format!("SEND\ndestination:/queue/1\nn:{number}\n\n{body}\0")).collect();
        frames.chunks(100).for_each(|some| producer.socket.write_all(some.concat().as_bytes()).unwrap());
        producer.say("DISCONNECT\nreceipt:1\n\n");
        producer.receipt("1");
    });
    println!("{count} messages in {:?}", start.elapsed());
    assert_eq!(server.with(|broker| broker.queues()), [""; 0]);
}

fn relay(mut client: Client, from: &str, to: Option<&str>, count: u64) {
    client
        .say(&format!("SUBSCRIBE\nid:0\ndestination:{from}\nack:client-individual\nprefetch-count:500\n\n"));
    let mut answer = String::new();
    for number in 0..count {
        let message = client.hear().unwrap();
        assert_eq!(message.header("n").unwrap().number(), Some(number), "{from}");
        if let Some(to) = to {
            let body = std::str::from_utf8(message.body()).unwrap();
            answer.push_str(&format!("SEND\ndestination:{to}\nn:{number}\n\n{body}\0"));
        }
        let id = message.header("ack").unwrap().text().unwrap().replace(':', "\\c");
        answer.push_str(&format!("ACK\nid:{id}\n\n\0"));
        if number % 50 == 49 || number + 1 == count {
            client.socket.write_all(answer.as_bytes()).unwrap();
            answer.clear();
        }
    }
    client.say("DISCONNECT\nreceipt:1\n\n");
    client.receipt("1");
}

#[test]
fn a_server_keeps_the_latest_frames_of_a_connection() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    for number in 0..3_000 {
        client.say(&format!("SEND\ndestination:/queue/a\n\n{number}"));
    }
    for _ in 0..3 {
        client.say(&format!("SEND\ndestination:/queue/b\n\n{}", "x".repeat(500_000)));
    }
    server.wait_for(PATIENCE, received("/queue/b", 3)).blocking().unwrap();
    let (count, octets, last) = server.with(|broker| {
        let (_, frames) = broker.received().next().unwrap();
        let octets: usize = frames.iter().map(|frame| frame.body().len()).sum();
        (frames.len(), octets, frames.last().unwrap().body().len())
    });
    assert!(count <= 1_000 && octets <= 1024 * 1024 && last == 500_000, "{count} frames, {octets} octets");
}
