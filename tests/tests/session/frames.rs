//! Single frames, built and checked without a session.

use stomp_proto::{AckMode, Command, Frame, HeartBeat, Text, Version};
use stomp_session::frames::{self, FrameError};

use Version::{V1_0, V1_1, V1_2};

const NONE: HeartBeat = HeartBeat { outgoing: 0, incoming: 0 };

/// Command and headers in short.
fn shown(frame: &Frame) -> String {
    let headers = frame.headers().iter().map(|(name, value)| format!(" {name}:{value}"));
    format!("{}{}", frame.command(), headers.collect::<String>())
}

/// Names and values of headers.
type Pairs<'a> = &'a [(&'a str, &'a str)];

fn message(headers: Pairs<'_>) -> Frame {
    let frame = Frame::new(Command::Message).with_header("x", "unrelated");
    headers.iter().fold(frame, |frame, (name, value)| frame.with_header(name, value))
}

const fn missing(header: &'static str) -> FrameError {
    FrameError::MissingHeader { command: Command::Message, header }
}

#[test]
fn connect_says_what_the_versions_know() {
    let beat = HeartBeat { outgoing: 1, incoming: 2 };
    let rows: [(&[Version], &str); 5] = [
        (&[V1_0], "CONNECT host:h"),
        (&[V1_0, V1_1], "CONNECT accept-version:1.0,1.1 host:h heart-beat:1,2"),
        (&[V1_1], "CONNECT accept-version:1.1 host:h heart-beat:1,2"),
        (&[V1_2, V1_0, V1_2], "CONNECT accept-version:1.0,1.2 host:h heart-beat:1,2"),
        (&[], "CONNECT host:h"),
    ];
    for (versions, expected) in rows {
        assert_eq!(shown(&frames::connect(versions, "h", beat)), expected);
        let stomp = frames::stomp(versions, "h", beat);
        match expected.contains("accept-version") {
            true => assert_eq!(shown(&stomp.unwrap()), expected.replace("CONNECT", "STOMP")),
            false => {
                let refused = FrameError::NotInVersion { command: Command::Stomp, version: V1_0 };
                assert_eq!(stomp, Err(refused));
            }
        }
    }
}

#[test]
fn the_other_frames_of_a_client() {
    let rows = [
        (
            frames::subscribe("0", "/queue/a", AckMode::Client),
            "SUBSCRIBE id:0 destination:/queue/a ack:client",
        ),
        (frames::unsubscribe("0", "/queue/a", V1_0), "UNSUBSCRIBE id:0 destination:/queue/a"),
        (frames::unsubscribe("0", "/queue/a", V1_1), "UNSUBSCRIBE id:0"),
        (frames::begin("t"), "BEGIN transaction:t"),
        (frames::commit("t"), "COMMIT transaction:t"),
        (frames::abort("t"), "ABORT transaction:t"),
        (frames::begin("t").with_header("receipt", "r"), "BEGIN transaction:t receipt:r"),
    ];
    for (frame, expected) in rows {
        assert_eq!(shown(&frame), expected);
    }
}

/// The MESSAGE's headers, and the headers of its ACK and NACK in each version, or the one that is missing.
#[test]
fn an_acknowledgement_names_what_its_version_names() {
    type Row = (Pairs<'static>, [Result<&'static str, &'static str>; 3]);
    let rows: [Row; 5] = [
        (&[], [Err("message-id"), Err("subscription"), Err("ack")]),
        (&[("message-id", "m")], [Ok(" message-id:m"), Err("subscription"), Err("ack")]),
        (&[("subscription", "s")], [Err("message-id"), Err("message-id"), Err("ack")]),
        (
            &[("message-id", "m"), ("subscription", "s")],
            [Ok(" message-id:m"), Ok(" subscription:s message-id:m"), Err("ack")],
        ),
        (
            &[("message-id", "m"), ("subscription", "s"), ("ack", "a"), ("transaction", "of the sender")],
            [Ok(" message-id:m"), Ok(" subscription:s message-id:m"), Ok(" id:a")],
        ),
    ];
    for (headers, expected) in rows {
        let message = message(headers);
        for (version, expected) in Version::ALL.into_iter().zip(expected) {
            let expected = expected.map_err(missing);
            let ack = frames::ack(&message, version).map(|frame| shown(&frame));
            assert_eq!(ack, expected.clone().map(|headers| format!("ACK{headers}")), "{version}");
            let expected = match version {
                V1_0 => Err(FrameError::NotInVersion { command: Command::Nack, version }),
                _ => expected.map(|headers| format!("NACK{headers}")),
            };
            assert_eq!(frames::nack(&message, version).map(|frame| shown(&frame)), expected, "{version}");
        }
    }
}

#[test]
fn only_a_message_is_acknowledged() {
    let receipt = Frame::new(Command::Receipt).with_header("message-id", "m").with_header("ack", "a");
    let wrong = FrameError::WrongCommand { expected: Command::Message, found: Command::Receipt };
    for version in Version::ALL {
        assert_eq!(frames::ack(&receipt, version), Err(wrong.clone()));
    }
    assert_eq!(frames::message(&receipt, V1_2), Err(wrong));
}

/// The headers of a CONNECTED, the versions that were offered, and what is read.
#[test]
fn what_a_connected_says() {
    type Expected = Result<(Version, Option<&'static str>), FrameError>;
    let mismatch = |version: &str| Err(FrameError::VersionMismatch(version.to_owned()));
    let rows: [(Pairs<'_>, &[Version], Expected); 10] = [
        (&[], &[V1_0], Ok((V1_0, None))),
        (&[("session", "s")], &[V1_0, V1_1], Ok((V1_0, Some("s")))),
        (&[], &[V1_1], mismatch("1.0")),
        (&[("version", "1.1"), ("session", "s")], &[V1_1], Ok((V1_1, Some("s")))),
        (&[("version", "1.1"), ("server", "x/1")], &[V1_0, V1_1], Ok((V1_1, None))),
        (&[("version", "1.2")], &[V1_0, V1_1], mismatch("1.2")),
        (&[("version", "1.3")], &Version::ALL, mismatch("1.3")),
        (&[("version", "")], &Version::ALL, mismatch("")),
        (&[("version", "1.1,1.2")], &Version::ALL, mismatch("1.1,1.2")),
        (&[("version", "1.1"), ("version", "1.2")], &Version::ALL, Ok((V1_1, None))),
    ];
    for (headers, offered, expected) in rows {
        let frame = Frame::new(Command::Connected);
        let frame = headers.iter().fold(frame, |frame, (name, value)| frame.with_header(name, value));
        let found = frames::connected(&frame, offered);
        let found = found.map(|agreed| (agreed.version, agreed.session));
        assert_eq!(
            found,
            expected.map(|(version, session)| (version, session.map(str::to_owned))),
            "{headers:?}"
        );
    }
    let wrong = FrameError::WrongCommand { expected: Command::Connected, found: Command::Message };
    assert_eq!(frames::connected(&message(&[]), &Version::ALL), Err(wrong));
}

#[test]
fn the_heart_beats_of_a_connected() {
    let read = |value: &str| {
        let frame =
            Frame::new(Command::Connected).with_header("version", "1.1").with_header("heart-beat", value);
        frames::connected(&frame, &Version::ALL).map(|agreed| agreed.heart_beat)
    };
    assert_eq!(read("1,2"), Ok(HeartBeat { outgoing: 1, incoming: 2 }));
    assert_eq!(read("0,0"), Ok(NONE));
    for wrong in ["-1,0", "0,-1", "-1,-1", "2", ",", ",2", "2,", "", "1,2,3", "1, 2", "x,y", "+1,2"] {
        assert_eq!(read(wrong), Err(FrameError::InvalidHeartBeat(wrong.to_owned())), "{wrong:?}");
    }
}

#[test]
fn what_two_sides_agree_on_is_the_slower_of_them() {
    for (ours, theirs, agreed) in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 2, 2), (2, 1, 2)] {
        let client = HeartBeat { outgoing: ours, incoming: 0 };
        let server = HeartBeat { outgoing: 0, incoming: theirs };
        assert_eq!(client.agree(server), HeartBeat { outgoing: agreed, incoming: 0 });
        assert_eq!(server.agree(client), HeartBeat { outgoing: 0, incoming: agreed });
    }
}

#[test]
fn which_subscription_a_message_is_for() {
    let whole = [("message-id", "m"), ("destination", "d"), ("subscription", "s")];
    type Expected = Result<Option<&'static str>, &'static str>;
    let rows: [(Pairs<'_>, Version, Expected); 6] = [
        (&whole, V1_0, Ok(Some("s"))),
        (&whole, V1_2, Ok(Some("s"))),
        (&whole[..2], V1_0, Ok(None)),
        (&whole[..2], V1_1, Err("subscription")),
        (&whole[..1], V1_0, Err("destination")),
        (&whole[1..], V1_2, Err("message-id")),
    ];
    for (headers, version, expected) in rows {
        let message = message(headers);
        let found = frames::message(&message, version).map(|id| id.map(|id| id.to_string()));
        assert_eq!(found, expected.map(|id| id.map(str::to_owned)).map_err(missing), "{headers:?} {version}");
    }
}

#[test]
fn which_receipt_is_answered() {
    let receipt = Frame::new(Command::Receipt).with_header("receipt-id", "r");
    assert_eq!(frames::receipt(&receipt).map(Text::number), Ok(None));
    assert_eq!(frames::receipt(&receipt).unwrap(), "r");
    let nameless = Frame::new(Command::Receipt);
    let missing = FrameError::MissingHeader { command: Command::Receipt, header: "receipt-id" };
    assert_eq!(frames::receipt(&nameless), Err(missing));
}
