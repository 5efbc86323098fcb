//! What a session holds, whatever its peer sends and however long its transport takes nothing.
//!
//! Allocations are counted for each thread by the allocator of this program.

use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use stomp_proto::{Command, Frame};
use stomp_session::{
    Action, AtLeastOnce, AttemptId, Config, Event, Input, Lost, ReceiptId, Session, Subscribe, Timestamp,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A session whose transport is open, and its parser.
struct Wire {
    session: Session,
    attempt: AttemptId,
    input: Input,
    /// What has happened.
    events: Vec<Event>,
    now: Timestamp,
}

impl Wire {
    /// CONNECT has left.
    fn dialled(mut config: Config) -> Self {
        config.identity = Some(7);
        let now = Timestamp::ZERO;
        let mut session = Session::new(config, now);
        let (attempt, input) = dial(&mut session, now);
        Self { session, attempt, input, events: Vec::new(), now }
    }

    fn connected(config: Config) -> Self {
        let mut wire = Self::dialled(config);
        wire.hear(b"CONNECTED\nversion:1.2\n\n\0");
        wire.events();
        wire
    }

    fn hear(&mut self, octets: &[u8]) {
        self.input.feed(octets);
        while let Some(event) = self.session.next_event(&mut self.input, self.now) {
            self.events.push(event);
        }
    }

    fn events(&mut self) -> Vec<Event> {
        self.events.extend(std::iter::from_fn(|| self.session.poll_event()));
        std::mem::take(&mut self.events)
    }

    /// Lets a second pass.
    fn wait(&mut self) {
        self.now = self.now.after(Duration::from_secs(1));
        self.session.handle_timeout(self.now);
    }
}

/// Lets the next dial succeed.
fn dial(session: &mut Session, now: Timestamp) -> (AttemptId, Input) {
    session.handle_timeout(now);
    let actions = std::iter::from_fn(|| session.poll_action());
    let attempts = actions.filter_map(|action| match action {
        Action::Connect(attempt) => Some(attempt.id),
        _ => None,
    });
    let attempt = attempts.last().expect("it wants to connect");
    let input = session.handle_connected(attempt, None, now).expect("the attempt is the current one");
    while session.poll_transmit(now).is_some() {}
    (attempt, input)
}

fn config() -> Config {
    let mut config = Config::new("failover:(tcp://broker)?startupMaxReconnectAttempts=-1".parse().unwrap());
    (config.send_beat, config.receive_beat) = (Duration::ZERO, Duration::ZERO);
    config
}

/// The most memory that was in use at a time, besides what there was.
fn peak(work: impl FnOnce()) -> usize {
    measure(work).bytes_max as usize
}

fn send(body: impl Into<Bytes>) -> Frame {
    Frame::new(Command::Send).with_header("destination", "/queue/a").with_body(body)
}

/// Before CONNECTED the peer is a stranger: a flood from it is neither kept nor believed.
#[test]
fn a_stranger_is_not_listened_to_for_long() {
    let octets = vec![b'x'; 64 * KIB];
    let refused = "message:Access refused for user 'a'\n";
    let lines = format!("a:{}\n", "x".repeat(1000)).repeat(900);
    for (head, is_final) in [
        (format!("ERROR\n{refused}content-length:{}\n\n", 100 * MIB), true),
        (format!("ERROR\n{refused}\n"), true),
        (format!("ERROR\n{refused}a:"), false),
        (format!("ERROR\n{lines}{refused}content-length:{}\n\n", 100 * MIB), true),
        (format!("ERROR\n{}{refused}content-length:{}\n\n", "a:b\n".repeat(20_000), 100 * MIB), true),
    ] {
        let mut wire = Wire::dialled(config());
        let used = peak(|| {
            head.as_bytes().chunks(1460).for_each(|octets| wire.hear(octets));
            (0..100 * MIB / octets.len()).for_each(|_| wire.hear(&octets));
            wire.hear(b"\0");
        });
        assert!(used <= 512 * KIB, "{used} octets for {head:.80}");
        let events = wire.events();
        assert!(matches!(events[0], Event::ConnectFailed { .. }), "{events:?}");
        assert_eq!(wire.session.is_closed(), is_final, "{events:?}");
    }
}

/// The limits of the configuration hold from CONNECTED on, for what came in the same read as well.
#[test]
fn a_login_is_trusted_with_more() {
    let body = "x".repeat(100 * KIB);
    let message = format!(
        "MESSAGE\nsubscription:0\nmessage-id:1\ndestination:a\nb:{:060000}\nc:{:060000}\n\n{body}\0",
        1, 2
    );
    let mut wire = Wire::dialled(config());
    wire.session.subscribe(Subscribe::new("a")).unwrap();
    wire.hear(format!("CONNECTED\nversion:1.2\n\n\0{message}").as_bytes());
    let bodies: Vec<_> = wire
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some(message.body().len()),
            _ => None,
        })
        .collect();
    assert_eq!(bodies, [body.len()]);
}

/// Thousands of clients may wait for their first message.
#[test]
fn a_quiet_session_holds_little() {
    let quiet = || {
        let mut wire = Wire::connected(config());
        wire.wait();
        wire.events = Vec::new();
        Box::new(wire)
    };
    // What exists once for all sessions.
    drop(quiet());
    let mut held = None;
    let counted = measure(|| held = Some(quiet()));
    assert!(counted.bytes_current <= 4608, "{} octets", counted.bytes_current);
}

/// Nobody asks for what comes on a connection that has ended.
#[test]
fn what_an_ended_connection_still_brings_is_not_kept() {
    let octets = vec![b'x'; 64 * KIB];
    let mut wire = Wire::connected(config());
    wire.hear(b"MESSAGE\ndestination:a\n\n");
    wire.session.handle_disconnected(wire.attempt, Lost::Eof, wire.now);
    wire.wait();
    let (_, mut current) = dial(&mut wire.session, wire.now);
    let used = peak(|| {
        wire.hear(b"more");
        for _ in 0..200 {
            wire.hear(&octets);
            let room = wire.input.space().len();
            assert!(room >= 128);
            wire.input.commit(room.min(octets.len()));
            // Not even where nobody is told.
            wire.input.feed(&octets);
        }
    });
    assert!(used <= 8 * KIB, "{used} octets");
    current.feed(b"CONNECTED\nversion:1.2\n\n\0");
    while wire.session.next_event(&mut current, wire.now).is_some() {}
    assert!(wire.session.connection().is_some(), "the present connection is heard");
}

/// The transport takes nothing: what is withdrawn meanwhile is gone at once, whoever withdraws it, and the rest leaves in order.
#[test]
fn withdrawn_frames_give_their_octets_back() {
    let mut config = config();
    config.at_least_once_timeout = Duration::from_secs(5);
    config.timeout = Duration::from_secs(5);
    for (what, length, is_kept) in
        [("small", 200, true), ("small", 200, false), ("large", 100 * KIB, true), ("large", 100 * KIB, false)]
    {
        let mut wire = Wire::connected(config.clone());
        let body = Bytes::from(vec![b'x'; length]);
        let push = |wire: &mut Wire| {
            match is_kept {
                true => wire.session.send_at_least_once(send(body.clone()), AtLeastOnce::new()),
                false => wire.session.send_confirmed(send(body.clone())),
            }
            .unwrap()
        };
        let used = peak(|| {
            for _ in 0..200 {
                let ids: Vec<ReceiptId> = (0..100).map(|_| push(&mut wire)).collect();
                assert!(wire.session.unsent() > 100 * length);
                ids.into_iter().for_each(|id| assert!(wire.session.cancel(id)));
                assert_eq!(wire.session.unsent(), 0, "cancelled");
            }
            for _ in 0..200 {
                (0..100).for_each(|_| _ = push(&mut wire));
                (0..6).for_each(|_| wire.wait());
                assert_eq!(wire.session.unsent(), 0, "its time was over");
                assert_eq!(wire.events().len(), 100);
            }
        });
        // A large body is copied nowhere; one that is kept is copied once, unless it is worth a read buffer.
        assert!(used <= 400 * KIB, "{used} octets, {what}, {is_kept}");
    }
}

/// Most of a long queue is withdrawn, in any order: what is left holds no more than twice what it is.
#[test]
fn what_stays_between_withdrawn_frames_leaves() {
    let mut wire = Wire::connected(config());
    let body = |number: usize| format!("{number:0200}");
    let mut ids: Vec<_> =
        (0..20_000).map(|number| wire.session.send_confirmed(send(body(number))).unwrap()).collect();
    let before = wire.session.unsent();
    let used = measure(|| {
        for (number, id) in ids.iter().enumerate().rev().step_by(2).chain(ids.iter().enumerate().step_by(20))
        {
            wire.session.cancel(*id);
            assert!(number < 20_000);
        }
    });
    let left = wire.session.unsent();
    assert!(left < before / 2 && used.bytes_current < 0, "{left} of {before}, {} octets", used.bytes_current);
    assert!(
        used.bytes_current.unsigned_abs() as usize >= before / 3,
        "{} octets are back",
        -used.bytes_current
    );
    let mut said = Vec::new();
    while let Some(octets) = wire.session.poll_transmit(wire.now) {
        said.extend_from_slice(&octets);
    }
    assert_eq!(said.len(), left);
    let said = String::from_utf8(said).unwrap();
    let found: Vec<usize> =
        said.split('\0').filter_map(|frame| frame.split("\n\n").nth(1)?.parse::<usize>().ok()).collect();
    let expected: Vec<usize> = (0..20_000).filter(|number| number % 2 == 0 && number % 20 != 0).collect();
    assert_eq!(found, expected);
    ids.clear();
}

/// A few octets more or less are given back when their turn comes, and count no more at once.
#[test]
fn what_is_withdrawn_counts_no_more() {
    let mut wire = Wire::connected(config());
    for withdrawn in [[true, false, false], [false, true, false], [false, false, true], [true, true, true]] {
        let ids = ["a", "b", "c"].map(|body| wire.session.send_confirmed(send(body)).unwrap());
        let length = wire.session.unsent() / 3;
        ids.iter()
            .zip(withdrawn)
            .filter(|(_, withdrawn)| *withdrawn)
            .for_each(|(id, _)| _ = wire.session.cancel(*id));
        let left = withdrawn.iter().filter(|withdrawn| !**withdrawn).count();
        assert_eq!(wire.session.unsent(), left * length, "{withdrawn:?}");
        let said: usize =
            std::iter::from_fn(|| wire.session.poll_transmit(wire.now)).map(|octets| octets.len()).sum();
        assert_eq!((said, wire.session.unsent()), (left * length, 0), "{withdrawn:?}");
    }
}

/// A body that is sent on is a slice of a read buffer of 128 KiB: what waits for its RECEIPT does not hold that.
#[test]
fn small_bodies_hold_no_read_buffer() {
    let mut wire = Wire::connected(config());
    wire.session.subscribe(Subscribe::new("a").ack(stomp_proto::AckMode::Auto)).unwrap();
    while wire.session.poll_transmit(wire.now).is_some() {}
    let padding = "x".repeat(100 * KIB);
    let message = "MESSAGE\nsubscription:0\nmessage-id:1\ndestination:a\n\nforward\0";
    let other = format!("MESSAGE\nsubscription:0\nmessage-id:1\ndestination:a\n\n{padding}\0");
    // Until the read buffer has grown to its full size.
    (0..16).for_each(|_| wire.hear(other.as_bytes()));
    wire.events();
    let used = measure(|| {
        for _ in 0..2000 {
            wire.hear(format!("{message}{other}").as_bytes());
            let events = wire.events();
            let Some(Event::Message(message)) = events.first() else { panic!("{events:?}") };
            wire.session.send_at_least_once(send(message.body_bytes()), AtLeastOnce::new()).unwrap();
            drop(events);
            while wire.session.poll_transmit(wire.now).is_some() {}
        }
    });
    assert_eq!(wire.session.awaited_receipts(), 2000);
    // About a KiB for each, whatever its body: what is known of it and of its RECEIPT.
    assert!(used.bytes_current <= 4 * MIB as i64, "{} octets", used.bytes_current);
}
