//! Strategies for frames and for the octets of streams.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample::select};
use stomp_proto::{Command, Frame, Sender, Version};

/// Pieces of which names, values and bodies are made: what could end a line, a header or a frame, what could be taken for
/// another header, what is no text, and nothing.
const PIECES: [&[u8]; 26] = [
    b"\r",
    b"\n",
    b"\0",
    b":",
    b"\\",
    b"\r\n",
    b"\n\n",
    b"\\n",
    b"\\c",
    b"\\r",
    b"\\t",
    b"\\\\",
    b"a",
    b" ",
    b"content-length:0",
    b"\0\nSEND\ndestination:/x\n\ny\0",
    b"\nreceipt:1\n\n",
    b"0",
    b"5",
    b"\xc3\xa9",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f\x98\x80",
    b"\t",
    b"\x7f",
    b"",
];

const NAMES: [&str; 12] = [
    "destination",
    "content-length",
    "content-type",
    "receipt",
    "receipt-id",
    "id",
    "ack",
    "version",
    "host",
    "passcode",
    "Content-Length",
    "x",
];

/// What streams have, `content-length` apart.
const HEADERS: [&str; 11] = [
    "destination",
    "receipt-id",
    "id",
    "ack",
    "version",
    "message",
    "host",
    "passcode",
    "Content-Length",
    "x",
    "x",
];

const PADDINGS: [&[u8]; 4] = [b"", b"\n", b"\r\n", b"\n\n"];

/// A strategy for short octets that are easily misread: with ends of lines, NULs, colons, backslashes, parts of headers and
/// frames, and what is no UTF-8.
pub fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(piece(), 0..4).prop_map(|pieces| pieces.concat()),
        3 => vec(select(&b"abcxyz019/-"[..]), 1..=8),
        1 => vec(any::<u8>(), 0..6),
    ]
}

fn piece() -> impl Strategy<Value = &'static [u8]> {
    select(&PIECES[..])
}

/// A strategy for frames that this side sends in this version, and that it can express: with the headers that the
/// specification demands, further headers with everything that has to be escaped, and any octets in the body.
///
/// ```
/// use proptest::{strategy::{Strategy, ValueTree}, test_runner::TestRunner};
/// use stomp_testkit::{arbitrary, broker::proto::{Sender, Version, bytes::BytesMut}};
///
/// let strategy = arbitrary::frame(Sender::Client, Version::V1_1);
/// let frame = strategy.new_tree(&mut TestRunner::default())?.current();
/// assert_eq!(frame.encode(Version::V1_1, &mut BytesMut::new()), Ok(()));
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn frame(sender: Sender, version: Version) -> impl Strategy<Value = Frame> {
    let sends = |command: &Command| command.sender() == sender && command.exists_in(version);
    let commands: Vec<_> = Command::ALL.into_iter().filter(sends).collect();
    select(commands).prop_flat_map(move |command| of_command(command, version))
}

fn of_command(command: Command, version: Version) -> impl Strategy<Value = Frame> {
    let required: Vec<_> = required(command, version)
        .iter()
        .map(|name| (Just((*name).to_owned()), text(command, version, false)))
        .collect();
    let others = vec((other_name(command, version), text(command, version, false)), 0..4);
    let body = prop_oneof![Just(Vec::new()), octets(), vec(any::<u8>(), 0..40)];
    let body = body.prop_map(move |body| if command.may_have_body() { body } else { Vec::new() });
    (required, others, body, any::<bool>()).prop_map(move |(required, others, body, is_text)| {
        let is_text = is_text && !body.contains(&0);
        let headers = fixed(command, version).into_iter().chain(required).chain(others);
        let frame = Frame::new(command).with_body(body);
        let frame = headers.fold(frame, |frame, (name, value)| frame.with_header(name, value));
        if is_text { frame.without_content_length() } else { frame }
    })
}

/// The headers that have to be there.
const fn required(command: Command, version: Version) -> &'static [&'static str] {
    match (command, version) {
        (Command::Abort | Command::Begin | Command::Commit, _) => &["transaction"],
        (Command::Ack | Command::Nack, Version::V1_0) => &["message-id"],
        (Command::Ack | Command::Nack, Version::V1_1) => &["message-id", "subscription"],
        (Command::Ack | Command::Nack, Version::V1_2) | (Command::Unsubscribe, _) => &["id"],
        (Command::Connect | Command::Stomp, _) => &["host"],
        (Command::Error, _) => &["message"],
        (Command::Message, Version::V1_0) => &["destination", "message-id"],
        (Command::Message, _) => &["destination", "message-id", "subscription", "ack"],
        (Command::Receipt, _) => &["receipt-id"],
        (Command::Send, _) => &["destination"],
        (Command::Subscribe, _) => &["destination", "id"],
        (Command::Connected | Command::Disconnect, _) => &[],
    }
}

/// The headers whose values are given.
fn fixed(command: Command, version: Version) -> Option<(String, String)> {
    let name = match command {
        Command::Connect | Command::Stomp => "accept-version",
        Command::Connected => "version",
        _ => return None,
    };
    Some((name.to_owned(), version.as_str().to_owned()))
}

/// The name of a header that the protocol does not define.
fn other_name(command: Command, version: Version) -> impl Strategy<Value = String> {
    text(command, version, true).prop_map(|name| format!("x-{name}"))
}

/// A name or a value that can be expressed.
fn text(command: Command, version: Version, is_name: bool) -> impl Strategy<Value = String> {
    let mut pieces = vec!["a", "1", "/", "-", " ", "\\", "\\n", "content-length", "\t"];
    let escapes = command.escapes_in(version);
    if escapes {
        pieces.push("\n");
    }
    if escapes && version == Version::V1_2 {
        pieces.push("\r");
    }
    if escapes || !is_name {
        pieces.push(":");
    }
    if version != Version::V1_0 {
        pieces.extend(["\u{e9}", "\u{1f600}"]);
    }
    vec(select(pieces), 1..5).prop_map(|pieces| pieces.concat())
}

/// A strategy for frames that may break every rule: with any command, any names and values, headers that appear twice, a
/// `content-length` that is wrong, and a body where none may be. Some of them can be encoded, and some cannot.
pub fn any_frame() -> impl Strategy<Value = Frame> {
    let body = prop_oneof![Just(Vec::new()), octets()];
    let headers = vec((any_name(), octets()), 0..4);
    (select(&Command::ALL[..]), headers, body, any::<bool>()).prop_map(|(command, headers, body, text)| {
        let frame = Frame::new(command).with_body(body);
        let frame = headers.iter().fold(frame, |frame, (name, value)| frame.with_header(name, value));
        if text { frame.without_content_length() } else { frame }
    })
}

fn any_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => select(&NAMES[..]).prop_map(|name| name.as_bytes().to_vec()),
        1 => octets(),
    ]
}

/// A strategy for the octets of a stream: a few frames of this side, in this version, with ends of lines between them. In up to
/// two places some octets are replaced, so that many streams are not valid.
pub fn stream(sender: Sender, version: Version) -> impl Strategy<Value = Vec<u8>> {
    let commands: Vec<Command> =
        Command::ALL.into_iter().filter(|command| command.sender() == sender).collect();
    let value = prop_oneof![
        8 => vec(select(&b"abc:\\"[..]), 0..9),
        1 => vec(select(&b"abc:\\"[..]), 9..60),
    ];
    let plain = vec((select(&HEADERS[..]), value), 0..6);
    let padding = select(&PADDINGS[..]);
    let frame = (select(commands), plain, octets(), padding);
    (vec(frame, 1..4), vec(mutation(), 0..3)).prop_map(move |(frames, mutations)| {
        let mut out = BytesMut::new();
        for (command, headers, body, padding) in frames {
            let body = if command.may_have_body() { body } else { Vec::new() };
            let bare = Frame::new(command).with_body(body);
            let frame = headers.iter().fold(bare, |frame, (name, value)| frame.with_header(name, value));
            if frame.encode(version, &mut out).is_ok() {
                out.extend_from_slice(padding);
            }
        }
        mutate(out.to_vec(), &mutations)
    })
}

/// A change to a valid stream: at a place, some octets are replaced by a piece.
type Mutation = (prop::sample::Index, usize, &'static [u8]);

fn mutation() -> impl Strategy<Value = Mutation> {
    (any::<prop::sample::Index>(), 0..3_usize, piece())
}

fn mutate(mut stream: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for (at, count, piece) in mutations {
        let start = at.index(stream.len() + 1);
        let end = stream.len().min(start + count);
        stream.splice(start..end, piece.iter().copied());
    }
    stream
}
