//! What a session costs, with little in it and with much: neither a receipt nor a message may depend on that.

use std::hint::black_box;

use bytes::Bytes;
use stomp_bench::{corpus, workload::Workload};
use stomp_proto::{AckMode, Command, Frame};
use stomp_session::{Action, Config, Event, Input, Message, Session, Subscribe, Timestamp};

/// Frames in a pass.
const FRAMES: u64 = 64;
/// Octets of a frame, nearly.
const OCTETS: u64 = 64;

/// A session that stands, and the parser of its connection.
pub(crate) struct Standing {
    session: Session,
    input: Input,
    now: Timestamp,
}

impl Standing {
    /// Connected, with that many subscriptions, none of which waits for its RECEIPT.
    pub(crate) fn new(subscriptions: u64) -> Self {
        let mut standing = Self::agreed("heart-beat:1000,1000");
        for number in 0..subscriptions {
            let subscribe = Subscribe::new("/queue/a").ack(AckMode::Auto);
            standing.session.subscribe(subscribe).expect("a connection");
            standing.write();
            standing.hear(format!("RECEIPT\nreceipt-id:{}\n\n\0", number + 1).as_bytes());
        }
        standing.collect();
        standing
    }

    /// Connected to a broker that says that in its CONNECTED.
    fn agreed(headers: &str) -> Self {
        let config = Config::new("tcp://broker".parse().expect("a list of brokers"));
        let now = Timestamp::ZERO;
        let mut session = Session::new(config, now);
        session.handle_timeout(now);
        let Some(Action::Connect(attempt)) = session.poll_action() else { panic!("no dial") };
        let input = session.handle_connected(attempt.id, None, now).expect("the newest attempt");
        let mut standing = Self { session, input, now };
        standing.write();
        standing.hear(format!("CONNECTED\nversion:1.2\n{headers}\n\n\0").as_bytes());
        standing.collect();
        standing
    }

    fn write(&mut self) {
        while let Some(octets) = self.session.poll_transmit(self.now) {
            black_box(octets);
        }
    }

    fn hear(&mut self, octets: &[u8]) {
        self.input.feed(octets);
    }

    fn collect(&mut self) -> usize {
        let Self { session, input, now, .. } = self;
        let mut count = 0;
        while black_box(&session.next_event(input, *now)).is_some() {
            count += 1;
        }
        count
    }

    fn turn(&mut self) {
        self.write();
        black_box(self.session.poll_timeout());
    }

    /// Subscribes, and takes a message, whose number of the connection is `delivery`.
    fn subscribe_and_take(&mut self, delivery: u64) -> Message {
        let id = self.session.subscribe(Subscribe::new("/queue/a")).expect("a connection");
        self.write();
        let name = format!("T_{id}@@session-1@@{delivery}");
        let head = format!("subscription:{id}\nmessage-id:{name}\nack:{name}\ndestination:/queue/a");
        self.hear(format!("MESSAGE\n{head}\n\nhello\0").as_bytes());
        let Self { session, input, now } = self;
        let events = std::iter::from_fn(|| session.next_event(input, *now));
        let mut messages = events.filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        });
        messages.next().expect("a message")
    }

    /// Lets the first heart-beats pass, after which a quiet connection has given back what it does not need, and gives the
    /// session alone.
    pub(crate) fn quiet(mut self) -> Session {
        for _ in 0..2 {
            self.now = self.session.poll_timeout().expect("heart-beats");
            self.session.handle_timeout(self.now);
            self.write();
            self.hear(b"\n");
        }
        self.collect();
        self.session
    }
}

/// The workload of that name.
pub(crate) fn find(name: &str) -> Option<Workload> {
    Some(match name {
        "receipts-1" => receipts(1),
        "receipts-1000000" => receipts(1_000_000),
        "received" => received(),
        "unsubscribes-4" => unsubscribes(4),
        "unsubscribes-4000" => unsubscribes(4000),
        "messages-1" => messages(1),
        "messages-10000" => messages(10_000),
        _ => return None,
    })
}

/// Frames that are sent and answered, the oldest first, while that many wait.
fn receipts(waiting: u64) -> Workload {
    let mut standing = Standing::new(0);
    let frame =
        Frame::new(Command::Send).with_header("destination", "/queue/a").with_body(Bytes::from_static(b"x"));
    for _ in 0..waiting {
        standing.session.send_confirmed(frame.clone()).expect("a connection");
        standing.write();
    }
    let mut oldest = 1_u64;
    Workload {
        frames: FRAMES,
        octets: FRAMES * OCTETS,
        pass: Box::new(move || {
            for _ in 0..FRAMES {
                standing.session.send_confirmed(frame.clone()).expect("a connection");
                standing.write();
                standing.hear(format!("RECEIPT\nreceipt-id:{oldest}\n\n\0").as_bytes());
                oldest += 1;
                assert_eq!(standing.collect(), 1, "the receipt");
            }
        }),
    }
}

/// Messages for subscriptions all over the table, of which there are that many.
fn messages(subscriptions: u64) -> Workload {
    let mut standing = Standing::new(subscriptions);
    let frames: Vec<_> = (0..FRAMES)
        .map(|number| {
            // As wide as the widest, so that only the table differs.
            let id = number * 7919 % subscriptions;
            let padding = "x".repeat(5 - id.to_string().len());
            format!(
                "MESSAGE\nsubscription:{id}\nmessage-id:{padding}\nack:1\ndestination:/queue/a\n\nhello\0"
            )
        })
        .collect();
    Workload {
        frames: FRAMES,
        octets: FRAMES * OCTETS,
        pass: Box::new(move || {
            for frame in &frames {
                standing.hear(frame.as_bytes());
                assert_eq!(standing.collect(), 1, "the message");
            }
        }),
    }
}

/// Small messages that nobody acknowledges, in reads as from a socket, each dropped as soon as it is told.
fn received() -> Workload {
    let corpus = corpus::whole().swap_remove(0);
    let mut standing = Standing::new(0);
    let subscribe = Subscribe::new("/queue/orders.incoming").id("sub-0").ack(AckMode::Auto);
    standing.session.subscribe(subscribe).expect("a connection");
    standing.write();
    standing.hear(b"RECEIPT\nreceipt-id:1\n\n\0");
    standing.collect();
    Workload {
        frames: corpus.frames,
        octets: corpus.stream.len() as u64,
        pass: Box::new(move || {
            let mut messages = 0;
            for octets in corpus.stream.chunks(corpus.read) {
                standing.hear(octets);
                messages += standing.collect() as u64;
            }
            assert_eq!(messages, corpus.frames, "all of them");
        }),
    }
}

/// Subscriptions in a pass.
const UNSUBSCRIBED: u64 = 4000;

/// Subscriptions that each have a message which nobody has settled are unsubscribed, that many at once. Half of the UNSUBSCRIBEs
/// leave when the message is settled, the others when their time is over, on a broker that must be told what goes back to it.
fn unsubscribes(at_once: u64) -> Workload {
    let mut standing = Standing::agreed("server:RabbitMQ/4.1.2\nsession:session-1\nheart-beat:0,0");
    let mut deliveries = 0;
    Workload {
        frames: UNSUBSCRIBED,
        octets: UNSUBSCRIBED * OCTETS,
        pass: Box::new(move || {
            for _ in 0..UNSUBSCRIBED / at_once {
                unsubscribe_all(&mut standing, at_once, &mut deliveries);
            }
        }),
    }
}

fn unsubscribe_all(standing: &mut Standing, at_once: u64, deliveries: &mut u64) {
    let mut messages: Vec<_> = (0..at_once)
        .map(|_| {
            *deliveries += 1;
            standing.subscribe_and_take(*deliveries)
        })
        .collect();
    for message in &messages {
        standing.session.unsubscribe(message.subscription()).expect("it stands");
        standing.turn();
    }
    for message in messages.iter_mut().step_by(2) {
        standing.session.ack(message).expect("nobody has settled it");
        standing.turn();
    }
    standing.now = standing.session.poll_timeout().expect("the time of the others");
    standing.session.handle_timeout(standing.now);
    standing.turn();
    assert_eq!(standing.session.poll_timeout(), None, "all have left");
}
