//! Single frames: what is said of them, what is written of them in each version, and that it reads back.

use bytes::BytesMut;
use stomp_proto::{Command, EncodeError, Frame, Item, Limits, Parser, Sender, Text, Version};

use Version::{V1_0, V1_1, V1_2};

fn written(frame: &Frame, version: Version) -> Result<Vec<u8>, EncodeError> {
    let mut out = BytesMut::new();
    frame.encode(version, &mut out).map(|()| out.to_vec())
}

/// The only frame of a stream.
fn read(version: Version, octets: &[u8]) -> Frame {
    let mut parser = Parser::new(Sender::Client, Limits::default());
    parser.set_version(version);
    parser.feed(octets);
    let Ok(Some(Item::Frame(frame))) = parser.next_item() else { panic!("{}", octets.escape_ascii()) };
    assert_eq!((parser.next_item(), parser.buffered()), (Ok(None), 0));
    frame
}

fn send() -> Frame {
    Frame::new(Command::Send)
}

/// A frame, and what stands on the wire for it.
#[test]
fn what_is_in_a_frame_is_on_the_wire() {
    let rows: [(Frame, Version, &[u8]); 5] = [
        (
            send().with_header("destination", "/queue/a").with_body("two\nlines\n"),
            V1_0,
            b"SEND\ndestination:/queue/a\ncontent-length:10\n\ntwo\nlines\n\0",
        ),
        (send().with_header("a", "1").with_body("x").without_content_length(), V1_2, b"SEND\na:1\n\nx\0"),
        (Frame::new(Command::Disconnect), V1_1, b"DISCONNECT\n\n\0"),
        (send().with_header("naïve", "tête"), V1_1, b"SEND\nna\xc3\xafve:t\xc3\xaate\n\n\0"),
        (send().with_body(&b"\xf0\0\x0a\x09"[..]), V1_1, b"SEND\ncontent-length:4\n\n\xf0\0\x0a\x09\0"),
    ];
    for (frame, version, expected) in rows {
        let octets = written(&frame, version).unwrap();
        assert_eq!(octets, expected, "{}", octets.escape_ascii());
        // The length that the writer adds is a header of what is read.
        let announced = octets.windows(15).any(|octets| octets == b"content-length:");
        let length = frame.body().len().to_string();
        let frame = if announced { frame.with_header("content-length", length) } else { frame };
        assert_eq!(read(version, &octets), frame);
    }
}

#[test]
fn what_is_no_ascii_has_no_place_in_1_0() {
    let frame = send().with_header("naïve", "tête");
    assert_eq!(
        written(&frame, V1_0),
        Err(EncodeError::UnencodableHeader { command: Command::Send, version: V1_0 })
    );
    assert!(written(&frame, V1_1).is_ok() && written(&frame, V1_2).is_ok());
}

/// All are written and the first counts; who sets a header anew has it once. The protocol's own may not come twice.
#[test]
fn repeated_headers_are_written_until_one_is_set() {
    let mut frame = send().with_header("x", "1").with_header("y", "").with_header("x", "2");
    assert_eq!(frame.header("x").unwrap(), "1");
    assert_eq!(written(&frame, V1_1).unwrap(), b"SEND\nx:1\ny:\nx:2\n\n\0");
    frame.headers_mut().set("x", "1");
    assert_eq!(frame.headers().iter().filter(|(name, _)| *name == "x").count(), 1);
    assert_eq!(written(&frame, V1_1).unwrap().windows(2).filter(|octets| octets == b"x:").count(), 1);
    let twice = send().with_header("destination", "a").with_header("destination", "b");
    assert_eq!(written(&twice, V1_1), Err(EncodeError::DuplicateHeader { name: "destination" }));
}

/// A header with all that has an escape, and one without CR, in each version: what a version has no way to say is refused.
#[test]
fn each_version_escapes_what_it_knows_and_connect_nothing() {
    let line = |command, name, value, version| {
        let octets = written(&Frame::new(command).with_header(name, value), version).ok()?;
        octets.split(|octet| *octet == b'\n').nth(1).map(|line| line.escape_ascii().to_string())
    };
    type Row = (Command, &'static str, &'static str, [Option<&'static str>; 3]);
    let rows: [Row; 7] = [
        (
            Command::Send,
            "a:b",
            "c:d\\e\nf",
            [None, Some(r"a\\cb:c\\cd\\\\e\\nf"), Some(r"a\\cb:c\\cd\\\\e\\nf")],
        ),
        (Command::Send, "a", "b\rc", [None, None, Some(r"a:b\\rc")]),
        (Command::Send, "a", "b:c\\d", [Some(r"a:b:c\\d"), Some(r"a:b\\cc\\\\d"), Some(r"a:b\\cc\\\\d")]),
        (Command::Connect, "a", "b:c\\d", [Some(r"a:b:c\\d"); 3]),
        (Command::Connected, "a", "b:c\\d", [Some(r"a:b:c\\d"); 3]),
        (Command::Connect, "a:b", "c", [None; 3]),
        (Command::Connect, "a", "b\nc", [None; 3]),
    ];
    for (command, name, value, expected) in rows {
        for (version, expected) in Version::ALL.into_iter().zip(expected) {
            assert_eq!(
                line(command, name, value, version).as_deref(),
                expected,
                "{command} {name}:{value} {version}"
            );
        }
    }
}

/// For logs: headers but no secrets, and of the body how long it is.
#[test]
fn a_frame_is_shown_without_its_body() {
    let frame = send().with_header("destination", "/queue/a").with_header("passcode", "canary");
    let shown = format!("{:?}", frame.with_body("canary ".repeat(100)));
    assert!(shown.contains("Send") && shown.contains("/queue/a") && shown.contains("700 octets"), "{shown}");
    assert!(!shown.contains("canary") && shown.len() < 200, "{shown}");
}

/// Names and values are octets: a number is written by who has one, and read by who expects one.
#[test]
fn a_number_is_a_header_when_it_is_text() {
    let frame = send().with_header("number", 4711.to_string());
    assert_eq!(written(&frame, V1_0).unwrap(), b"SEND\nnumber:4711\n\n\0");
    assert_eq!(frame.header("number").and_then(Text::number), Some(4711));
    assert_eq!(read(V1_2, &written(&frame, V1_2).unwrap()), frame);
}
