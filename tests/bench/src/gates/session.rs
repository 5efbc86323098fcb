//! What a session costs, with little in it and with much: neither a receipt nor a message may depend on that.

use std::hint::black_box;

use bytes::Bytes;
use stomp_proto::{AckMode, Command, Frame};
use stomp_session::{Action, Config, Event, Input, Session, Subscribe, Timestamp};

use crate::workload::Workload;

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
        let config = Config::new("tcp://broker".parse().expect("a list of brokers"));
        let now = Timestamp::ZERO;
        let mut session = Session::new(config, now);
        session.handle_timeout(now);
        let Some(Action::Connect(attempt)) = session.poll_action() else { panic!("no dial") };
        let input = session.handle_connected(attempt.id, None, now).expect("the newest attempt");
        let mut standing = Self { session, input, now };
        standing.write();
        standing.hear(b"CONNECTED\nversion:1.2\nheart-beat:1000,1000\n\n\0");
        for number in 0..subscriptions {
            let subscribe = Subscribe::new("/queue/a").ack(AckMode::Auto);
            standing.session.subscribe(subscribe).expect("a connection");
            standing.write();
            standing.hear(format!("RECEIPT\nreceipt-id:{}\n\n\0", number + 1).as_bytes());
        }
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
        std::iter::from_fn(|| session.next_event(input, *now)).map(black_box::<Event>).count()
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

/// Frames that are sent and answered, the oldest first, while that many wait.
pub(crate) fn receipts(waiting: u64) -> Workload {
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
pub(crate) fn messages(subscriptions: u64) -> Workload {
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
