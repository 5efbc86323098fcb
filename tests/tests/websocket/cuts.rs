//! However a stream of STOMP is cut into messages, frames and reads, the same octets are read; whatever a session writes, each
//! frame is one message; and however little a transport takes at a time, nothing is lost of either.

use bytes::BytesMut;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future::block_on};
use proptest::{collection::vec, prelude::*, sample::select};
use stomp_checks::wire::{Wire, answer, open};
use stomp_proto::{Command, Frame, Version};
use stomp_session::{Profile, client::WebSocketConfig};
use tungstenite::Message;

use crate::server::{endpoint, frame};

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked { default.cases } else { 600 },
        failure_persistence: None,
        max_shrink_iters: 300,
        ..default
    }
}

/// A piece of what a server sends.
#[derive(Clone, Debug)]
enum Piece {
    /// So many octets, and whether the message ends with them.
    Data {
        octets: usize,
        last: bool,
        text: bool,
    },
    Ping(Vec<u8>),
    Pong,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let size = prop_oneof![8 => 0..40_usize, 2 => 100..300_usize, 1 => 65_500..65_600_usize];
    let data = (size, any::<bool>(), any::<bool>());
    let piece = prop_oneof![
        6 => data.prop_map(|(octets, last, text)| Piece::Data { octets, last, text }),
        1 => vec(any::<u8>(), 0..=125).prop_map(Piece::Ping),
        1 => Just(Piece::Pong),
    ];
    vec(piece, 1..40)
}

/// How much moves at a time. Whatever is drawn, something moves.
fn steps() -> impl Strategy<Value = Vec<usize>> {
    let step = select(vec![0_usize, 1, 1, 2, 3, 7, 64, 1000, 100_000]);
    vec(step, 0..12).prop_map(|mut steps| {
        steps.push(5);
        steps
    })
}

/// What a server sends of a stream that is cut like that, and which pings are among it.
fn cut(stream: &[u8], pieces: &[Piece]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut sent, mut pings, mut rest, mut begun) = (Vec::new(), Vec::new(), stream, false);
    let mut data = |sent: &mut Vec<u8>, octets: &[u8], last: bool, text: bool| {
        let kind = match (begun, text) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        begun = !last;
        sent.extend(frame(kind | if last { 0x80 } else { 0 }, octets));
    };
    for piece in pieces {
        match piece {
            Piece::Data { octets, last, text } => {
                let (now, later) = rest.split_at((*octets).min(rest.len()));
                data(&mut sent, now, *last, *text);
                rest = later;
            }
            Piece::Ping(payload) => {
                sent.extend(frame(0x89, payload));
                pings.push(payload.clone());
            }
            Piece::Pong => sent.extend(frame(0x8a, b"unasked")),
        }
    }
    data(&mut sent, rest, true, false);
    (sent, pings)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_read_does_not_depend_on_how_it_was_cut(
        stream in vec(any::<u8>(), 0..3_000),
        pieces in pieces(),
        steps in steps(),
        rooms in vec(select(vec![1_usize, 2, 128, 4096]), 1..5),
    ) {
        let (sent, pings) = cut(&stream, &pieces);
        let down = [answer("").as_bytes(), &sent, &frame(0x88, &[0x03, 0xe8])].concat();
        let wire = Wire::new(&down, &steps);
        let read = block_on(async {
            let mut web_socket = open(&endpoint(), WebSocketConfig::default(), &wire).await.unwrap();
            let mut read = Vec::new();
            for room in rooms.iter().cycle() {
                let mut room = vec![0; *room];
                match web_socket.read(&mut room).await.unwrap() {
                    0 => break,
                    count => read.extend_from_slice(&room[..count]),
                }
            }
            web_socket.flush().await.unwrap();
            read
        });
        prop_assert!(read == stream, "{} octets of {}", read.len(), stream.len());
        let mut answers = wire.messages();
        prop_assert!(matches!(answers.pop(), Some(Message::Close(Some(frame))) if u16::from(frame.code) == 1000));
        // Section 5.5.3: the most recent ping is answered, and of the others any, in their order.
        let mut open = pings.iter();
        for answer in answers {
            let Message::Pong(payload) = answer else { panic!("{answer:?}") };
            prop_assert!(open.any(|ping| *ping == payload), "an answer to no ping");
        }
    }

    #[test]
    fn each_frame_that_is_written_is_one_message(
        frames in vec((vec(any::<u8>(), 0..200), 0..4_u8, any::<bool>(), any::<bool>()), 1..12),
        large in prop_oneof![3 => Just(0_usize), 1 => 1_000..70_000_usize],
        slices in vec(1..30_000_usize, 1..6),
        steps in steps(),
        text in any::<bool>(),
    ) {
        let mut parts = Vec::new();
        for (number, (body, kind, counted, beat)) in frames.into_iter().enumerate() {
            parts.push(written(&if number == 0 { [body, vec![b'x'; large]].concat() } else { body }, kind, counted, text));
            parts.extend(beat.then(|| b"\n".to_vec()));
        }
        let wire = Wire::new(answer("").as_bytes(), &steps);
        let mut config = WebSocketConfig::default();
        config.text = text;
        block_on(async {
            let mut web_socket = open(&endpoint(), config, &wire).await.unwrap();
            let stream = parts.concat();
            let (mut rest, mut slices) = (&stream[..], slices.iter().cycle());
            while !rest.is_empty() {
                let slice = &rest[..rest.len().min(*slices.next().unwrap())];
                let count = web_socket.write(slice).await.unwrap();
                assert!((1..=slice.len()).contains(&count));
                rest = &rest[count..];
            }
            web_socket.flush().await.unwrap();
        });
        let messages: Vec<_> = wire.messages();
        prop_assert!(messages.iter().all(|message| message.is_text() == text));
        let messages: Vec<Vec<u8>> = messages.into_iter().map(|message| message.into_data().to_vec()).collect();
        prop_assert!(messages == parts, "{} messages of {}", messages.len(), parts.len());
    }
}

/// Some brokers take a message for a frame (ActiveMQ).
#[test]
fn a_frame_in_pieces_is_one_message() {
    let wire = Wire::new(answer("").as_bytes(), &[]);
    let frame = written(&[b'x'; 50_000], 0, true, true);
    block_on(async {
        let mut web_socket = open(&endpoint(), WebSocketConfig::default(), &wire).await.unwrap();
        web_socket.write_all(&frame).await.unwrap();
        web_socket.flush().await.unwrap();
    });
    let messages: Vec<_> = wire.messages().into_iter().map(|message| message.into_data().to_vec()).collect();
    assert!(messages == [frame], "{} messages", messages.len());
}

/// Unless the configuration says something else.
#[test]
fn a_profile_cuts_a_frame_into_messages() {
    let frame = written(&[b'x'; 50_000], 0, true, true);
    for (set, most) in [(None, 8192), (Some(1000), 1000), (Some(100_000), frame.len())] {
        let wire = Wire::new(answer("").as_bytes(), &[]);
        let mut config = WebSocketConfig::default();
        config.message_limit = set;
        block_on(async {
            let endpoint = endpoint().with_profile(Profile::SPRING);
            let mut web_socket = open(&endpoint, config, &wire).await.unwrap();
            web_socket.write_all(&frame).await.unwrap();
            web_socket.flush().await.unwrap();
        });
        let messages = wire.messages().into_iter().map(Message::into_data).collect::<Vec<_>>();
        assert!(messages.concat() == frame, "it is the same frame");
        assert_eq!(messages.iter().map(|message| message.len()).max(), Some(most));
    }
}

#[test]
fn a_ping_in_the_same_read_eats_nothing() {
    let sent = [frame(0x02, b"one "), frame(0x89, b"ping"), frame(0x80, b"message")].concat();
    let wire = Wire::new(&[answer("").as_bytes(), &sent].concat(), &[]);
    wire.with(|ends| ends.ended = true);
    let mut read = Vec::new();
    block_on(async {
        let mut web_socket = open(&endpoint(), WebSocketConfig::default(), &wire).await.unwrap();
        web_socket.read_to_end(&mut read).await.unwrap();
    });
    assert_eq!(read, b"one message");
}

/// A frame as a session writes it.
fn written(body: &[u8], kind: u8, counted: bool, text: bool) -> Vec<u8> {
    let body: Vec<u8> = match text {
        true => body.iter().map(|octet| b'a' + octet % 26).collect(),
        false => body.to_vec(),
    };
    let command = [Command::Send, Command::Send, Command::Connect, Command::Subscribe][usize::from(kind)];
    let mut frame =
        Frame::new(command).with_header("content-lengthy", "12").with_header("destination", "/queue/a");
    if command == Command::Send {
        let uncounted: Vec<u8> = body.iter().copied().filter(|octet| *octet != 0).collect();
        frame =
            if counted { frame.with_body(body) } else { frame.with_body(uncounted).without_content_length() };
    }
    let mut octets = BytesMut::new();
    frame.encode(Version::V1_2, &mut octets).unwrap();
    octets.to_vec()
}
