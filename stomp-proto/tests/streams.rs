//! Streams of frames: what is read from them in each version, how they are cut, and what ends them.

use stomp_proto::{Command, Item, Limits, ParseError, ParseErrorKind, Parser, Sender, Version};

use Version::{V1_0, V1_1, V1_2};

fn parser(sender: Sender, version: Version) -> Parser {
    let mut parser = Parser::new(sender, Limits::default());
    parser.set_version(version);
    parser
}

/// An item in short: a frame with its headers and its body, and a dot for an end of line.
fn brief(item: &Item) -> String {
    let Item::Frame(frame) = item else { return ".".to_owned() };
    let headers = frame.headers().iter().map(|(name, value)| format!(" [{name}]=[{value}]"));
    let body = match frame.body() {
        [] => String::new(),
        body => format!(" {}", body.escape_ascii()),
    };
    format!("{}{}{body}", frame.command(), headers.collect::<String>())
}

/// All items of a stream that comes in these pieces, and the error that ends it.
fn taken<'a>(
    mut parser: Parser,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<String>, Option<ParseError>) {
    let mut items = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.next_item() {
                Ok(Some(item)) => items.push(brief(&item)),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
    }
    (items, None)
}

/// The items of a stream that has no error, however it is cut.
fn items(sender: Sender, version: Version, stream: &[u8]) -> Vec<String> {
    let whole = taken(parser(sender, version), [stream]);
    assert_eq!(taken(parser(sender, version), stream.chunks(1)), whole);
    assert_eq!(whole.1, None, "{}", stream.escape_ascii());
    whole.0
}

/// The items before the error of a stream, and the error, however it is cut. Nothing comes after it.
fn failure(parser: impl Fn() -> Parser, stream: &[u8]) -> (Vec<String>, ParseErrorKind) {
    let (items, error) = taken(parser(), [stream]);
    let error = error.unwrap_or_else(|| panic!("no error: {}", stream.escape_ascii()));
    assert_eq!(taken(parser(), stream.chunks(1)), (items.clone(), Some(error.clone())));
    let mut failed = parser();
    failed.feed(stream);
    while failed.next_item().is_ok() {}
    failed.feed(b"\0\nRECEIPT\nreceipt-id:1\n\n\0");
    assert_eq!(failed.next_item(), Err(error.clone()));
    (items, error.kind)
}

/// Blanks belong to names and values, a value may be empty, and brokers relay headers without a name.
#[test]
fn blanks_and_nothing_are_headers() {
    let stream = b"SEND\n a name : a value \nempty:\n:nameless\n\nbody\0";
    let expected = "SEND [ a name ]=[ a value ] [empty]=[] []=[nameless] body";
    assert_eq!(items(Sender::Client, V1_1, stream), [expected]);
    let (items, error) = failure(|| parser(Sender::Client, V1_1).strict(), stream);
    assert_eq!((items.len(), error), (0, ParseErrorKind::EmptyHeaderName));
}

#[test]
fn of_repeated_headers_all_are_kept_and_the_first_counts() {
    for padding in ["", "\n"] {
        let mut parser = parser(Sender::Server, V1_1);
        parser.feed(format!("{padding}MESSAGE\nx:1\ny:3\nx:2\n\n\0").as_bytes());
        assert_eq!(parser.skip_heart_beats(), padding.len());
        let Ok(Some(Item::Frame(frame))) = parser.next_item() else { panic!("a frame was fed") };
        assert_eq!(frame.header("x").unwrap(), "1");
        assert_eq!(brief(&Item::Frame(frame)), "MESSAGE [x]=[1] [y]=[3] [x]=[2]");
    }
}

/// What was complete before an unknown command is delivered.
#[test]
fn nack_is_a_command_from_1_1_on() {
    let stream = b"ACK\nmessage-id:1\n\n\0NACK\nmessage-id:2\n\n\0";
    let (before, error) = failure(|| parser(Sender::Client, V1_0), stream);
    assert_eq!((&*before, error), (&["ACK [message-id]=[1]".to_owned()][..], ParseErrorKind::UnknownCommand));
    for version in [V1_1, V1_2] {
        assert_eq!(items(Sender::Client, version, stream), ["ACK [message-id]=[1]", "NACK [message-id]=[2]"]);
    }
}

/// Each end of line is told, in its place among the frames; whether it is a heart-beat is a question of the version.
#[test]
fn ends_of_line_between_frames_keep_their_place() {
    for version in Version::ALL {
        let found = items(
            Sender::Server,
            version,
            b"\n\nRECEIPT\nreceipt-id:1\n\n\0\n\n\nRECEIPT\nreceipt-id:2\n\n\0",
        );
        assert_eq!(found, [".", ".", "RECEIPT [receipt-id]=[1]", ".", ".", ".", "RECEIPT [receipt-id]=[2]"]);
    }
}

/// Two frames of an announced length, in which there are NULs, and each cut around their border.
#[test]
fn binary_bodies_end_where_they_were_announced_to() {
    let frame = b"MESSAGE\ncontent-length:5\n\n\xf0\0\x0a\0\x09\0";
    let stream = frame.repeat(2);
    let expected = [r"MESSAGE [content-length]=[5] \xf0\x00\n\x00\t"; 2];
    assert_eq!(items(Sender::Server, V1_1, &stream), expected);
    for at in [frame.len() - 1, frame.len(), frame.len() + 1] {
        let (first, rest) = stream.split_at(at);
        let (found, error) = taken(parser(Sender::Server, V1_1), [first, rest]);
        assert_eq!((&*found, error), (&expected.map(str::to_owned)[..], None), "cut at {at}");
    }
}

/// A body that is not over where it was announced to be: its NUL comes later, one octet later, was in it, or came before.
#[test]
fn another_octet_at_the_announced_end_is_an_error() {
    for body in ["123456789\0", "12345x\0", "12\x0045x\0", "1234\0x\0", "1234\0RECEIPT\n\n\0"] {
        let stream = format!("RECEIPT\nreceipt-id:1\n\n\0MESSAGE\ncontent-length:5\n\n{body}");
        let (items, error) = failure(|| parser(Sender::Server, V1_1), stream.as_bytes());
        assert_eq!((items.len(), error), (1, ParseErrorKind::MissingNul), "{body:?}");
    }
}

/// By the letter a frame that is no SEND, MESSAGE or ERROR has no body from 1.1 on; some brokers write one all the same.
#[test]
fn a_body_where_none_belongs_is_refused_by_the_strict_from_1_1_on() {
    let stream = b"DISCONNECT\nreceipt:1\n\nbody\0";
    for version in Version::ALL {
        assert_eq!(items(Sender::Client, version, stream), ["DISCONNECT [receipt]=[1] body"], "{version}");
        let strict = || parser(Sender::Client, version).strict();
        match version {
            V1_0 => assert_eq!(taken(strict(), [&stream[..]]).0, ["DISCONNECT [receipt]=[1] body"]),
            _ => assert_eq!(
                failure(strict, stream),
                (Vec::new(), ParseErrorKind::BodyNotAllowed(Command::Disconnect))
            ),
        }
    }
}

/// By the letter CR LF ends a line in 1.2 alone. A CR that is escaped stands in the value, before the one that ends the line.
#[test]
fn a_cr_before_the_end_of_a_line() {
    let stream = b"MESSAGE\nx:1\r\n\n\0";
    for version in Version::ALL {
        let (strict, error) = taken(parser(Sender::Server, version).strict(), [&stream[..]]);
        let value = if version == V1_2 { "1" } else { r"1\r" };
        assert_eq!((&*strict, error), (&[format!("MESSAGE [x]=[{value}]")][..], None), "{version}");
        assert_eq!(
            items(Sender::Server, version, stream),
            ["MESSAGE [x]=[1]"],
            "brokers write it in every version"
        );
    }
    assert_eq!(items(Sender::Server, V1_2, b"MESSAGE\r\nx:1\\r\r\n\r\n\0"), [r"MESSAGE [x]=[1\r]"]);
}

/// The version says what a backslash means.
#[test]
fn escapes_are_undone_by_version() {
    let stream = |value: &str| format!("MESSAGE\n{value}:{value}\n\n\0").into_bytes();
    let known = stream(r"a\n\\\cb");
    for version in [V1_1, V1_2] {
        assert_eq!(items(Sender::Server, version, &known), [r"MESSAGE [a\n\\:b]=[a\n\\:b]"], "{version}");
        let unknown = failure(|| parser(Sender::Server, version), &stream(r"\t"));
        assert_eq!(unknown, (Vec::new(), ParseErrorKind::UndefinedEscape), "{version}");
    }
    // Backslashes are shown twice.
    assert_eq!(items(Sender::Server, V1_0, &known), [r"MESSAGE [a\\n\\\\\\cb]=[a\\n\\\\\\cb]"]);
    assert_eq!(items(Sender::Server, V1_0, &stream(r"\t")), [r"MESSAGE [\\t]=[\\t]"]);
    assert_eq!(failure(|| parser(Sender::Server, V1_1), &stream(r"\r")).1, ParseErrorKind::UndefinedEscape);
    assert_eq!(items(Sender::Server, V1_2, &stream(r"\r")), [r"MESSAGE [\r]=[\r]"]);
}

/// What 1.2 has no meaning for delivers nothing. A colon in a value has one: brokers do not escape it everywhere.
#[test]
fn raw_octets_and_loose_backslashes_in_1_2() {
    let rows = [
        ("a\rb", ParseErrorKind::BadEol),
        ("a\nb", ParseErrorKind::HeaderWithoutColon),
        ("\\", ParseErrorKind::UndefinedEscape),
        ("a\\", ParseErrorKind::UndefinedEscape),
        ("a\\hb", ParseErrorKind::UndefinedEscape),
    ];
    for (value, expected) in rows {
        let stream = format!("MESSAGE\nx:{value}\n\n\0");
        let found = failure(|| parser(Sender::Server, V1_2), stream.as_bytes());
        assert_eq!(found, (Vec::new(), expected), "{value:?}");
    }
    assert_eq!(items(Sender::Server, V1_2, b"MESSAGE\nx:a:b\n\n\0"), ["MESSAGE [x]=[a:b]"]);
    assert_eq!(items(Sender::Server, V1_2, b"MESSAGE\nx:a\\cb\n\n\0"), ["MESSAGE [x]=[a:b]"]);
}
