//! Laws of the codec over random frames and streams. `PROPTEST_CASES` asks for another number of cases than the usual 100,000 each.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample::select, test_runner::FileFailurePersistence};
use stomp_checks::codec::{self, Setting};
use stomp_proto::{Command, EncodeError, Frame, Item, Limits, Oversize, Parser, Sender, Version};
use stomp_testkit::arbitrary::{any_frame, frame, octets, stream};

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked { default.cases } else { 100_000 },
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..default
    }
}

fn setting() -> impl Strategy<Value = Setting> {
    let sender = select(vec![Sender::Server, Sender::Client]);
    let version = select(vec![None, Some(Version::V1_0), Some(Version::V1_1), Some(Version::V1_2)]);
    (sender, version, any::<[bool; 3]>()).prop_map(|(sender, version, [strict, tight, drain])| {
        let mut limits = Limits::default();
        if tight {
            (limits.command, limits.header_line, limits.headers) = (10, 24, 3);
            (limits.header_block, limits.body) = (60, 6);
        }
        limits.oversize = if drain { Oversize::Drain } else { Oversize::Fail };
        Setting { sender, version, strict, limits }
    })
}

fn case() -> impl Strategy<Value = (Setting, Vec<u8>)> {
    setting().prop_flat_map(|setting| {
        let stream = stream(setting.sender, setting.version.unwrap_or(Version::V1_2));
        (Just(setting), stream)
    })
}

fn valid() -> impl Strategy<Value = (Version, Frame)> {
    let sender = select(vec![Sender::Server, Sender::Client]);
    (select(&Version::ALL[..]), sender)
        .prop_flat_map(|(version, sender)| (Just(version), frame(sender, version)))
}

proptest! {
    #![proptest_config(config())]

    /// Whatever a frame is made of: it is refused, or it reads back as itself and as nothing more.
    #[test]
    fn a_frame_reads_back_as_itself_and_is_one(frame in any_frame()) {
        for version in Version::ALL {
            let strict = codec::round_trips(&frame, version, true);
            prop_assert_eq!(codec::round_trips(&frame, version, false), strict);
        }
    }

    /// A frame that is valid in a version can be written in it, and reads back.
    #[test]
    fn a_valid_frame_can_be_said((version, frame) in valid()) {
        prop_assert!(codec::round_trips(&frame, version, true));
    }

    /// What a version can say, it does say: text without a NUL goes through 1.2, escapes included.
    #[test]
    fn text_can_be_said(name in "[^\0]{1,6}", value in "[^\0]{0,9}", body in vec(any::<u8>(), 0..20)) {
        let frame = Frame::new(Command::Send).with_header(format!("x{name}"), value).with_body(body);
        prop_assert!(codec::round_trips(&frame, Version::V1_2, true));
    }

    /// How the stream was cut changes neither the items nor the error.
    #[test]
    fn cuts_do_not_matter((setting, stream) in case(), sizes in vec(0..20_usize, 1..6)) {
        let whole = codec::parse(&setting, [&stream[..]]);
        prop_assert_eq!(&codec::parse(&setting, codec::cut(&stream, &sizes)), &whole);
        prop_assert_eq!(&codec::parse(&setting, stream.chunks(1)), &whole);
    }

    /// What is over a limit is read past, what is within it comes as if there were none.
    #[test]
    fn what_is_read_past_leaves_what_is_promised((setting, stream) in case()) {
        codec::reads_past(&setting, &stream);
    }

    /// A frame that is lent is the one that would be given, whichever way the others were taken.
    #[test]
    fn what_is_lent_is_what_is_given(
        (setting, stream) in case(), sizes in vec(0..20_usize, 1..6), lends in vec(any::<bool>(), 1..5),
    ) {
        let mut lends = lends.iter().cycle();
        let next = |parser: &mut Parser| match lends.next() {
            Some(true) => codec::next_copied(parser),
            _ => parser.next_item(),
        };
        let given = codec::parse(&setting, [&stream[..]]);
        prop_assert_eq!(&codec::parse_by(next, &setting, codec::cut(&stream, &sizes)), &given);
        prop_assert_eq!(&codec::parse_by(codec::next_copied, &setting, [&stream[..]]), &given);
    }

    /// What came before an error is delivered, and what comes after it changes nothing.
    #[test]
    fn an_error_stays((setting, stream) in case(), more in vec(octets(), 0..4)) {
        let mut parser = setting.parser();
        parser.feed(&stream);
        let mut items = Vec::new();
        while let Ok(Some(item)) = parser.next_item() {
            items.push(item);
        }
        if let Err(error) = parser.next_item() {
            let longer = [&stream[..], &more.concat()].concat();
            let parsed = codec::parse(&setting, [&longer[..]]);
            prop_assert_eq!((parsed.items, parsed.error), (items, Some(error)));
        }
    }

    /// Of several headers of a name the first counts, for look-up and for `content-length`; all are kept.
    #[test]
    fn the_first_header_wins(values in vec("[0-9]{1,2}", 1..4), body in vec(any::<u8>(), 0..40)) {
        let lines: String = values.iter().map(|value| format!("content-length:{value}\nfoo:{value}\n")).collect();
        let stream = [b"MESSAGE\n", lines.as_bytes(), b"\n", &body, b"\0"].concat();
        let setting = Setting {
            sender: Sender::Server, version: Some(Version::V1_2), strict: true, limits: Limits::default(),
        };
        let parsed = codec::parse(&setting, [&stream[..]]);
        let first: usize = values[0].parse().unwrap();
        if let Some(Item::Frame(frame)) = parsed.items.first() {
            prop_assert_eq!(frame.body().len(), first);
            prop_assert_eq!(frame.headers().len(), 2 * values.len());
            prop_assert_eq!(frame.header("foo").unwrap(), values[0].as_str());
            let kept = frame.headers().iter().filter(|(name, _)| *name == "foo").map(|(_, value)| value);
            prop_assert!(kept.eq(values.iter().map(String::as_str)), "repeats are kept in order");
        } else {
            prop_assert!(first > body.len() || body.get(first).is_some_and(|octet| *octet != 0));
        }
    }
}

/// Whatever the error: a million octets later it is the same, and nothing of them is kept.
#[test]
fn an_error_stays_for_ever() {
    let streams: [&[u8]; 10] = [
        b"MESSAGE\nfoo:\xff\n\n\0",
        b"MESSAGE\nfoo:\rbar\n\n\0",
        b"RECEIPT\n\nx\0",
        b"MESSAGE\n:x\n\n\0",
        b"MESSAGE\nfoo\n\n\0",
        b"MESSAGE\ncontent-length:-1\n\n\0",
        b"MESSAGE\ncontent-length:1\n\nab\0",
        b"MESSAGE\nfoo:\\t\n\n\0",
        b"GARBAGE\n\n\0",
        b"MESSAGE\ncontent-length:18446744073709551615\n\n\0",
    ];
    let more = b"\n\0MESSAGE\ncontent-length:3\n\nabc\0\n\r\n".repeat(100);
    let mut kinds = std::collections::BTreeSet::new();
    for stream in streams {
        let setting = Setting {
            sender: Sender::Server,
            version: Some(Version::V1_2),
            strict: true,
            limits: Limits::default(),
        };
        let mut parser = setting.parser();
        parser.feed(stream);
        let error = parser.next_item().unwrap_err();
        for _ in 0..1_000_000 / more.len() + 1 {
            parser.feed(&more);
            assert_eq!(parser.next_item().as_ref(), Err(&error));
            assert_eq!((parser.finish().as_ref(), parser.buffered()), (Err(&error), 0));
        }
        kinds.insert(format!("{:?}", error.kind));
    }
    assert_eq!(kinds.len(), streams.len(), "{kinds:?}");
}

/// The random frames are worth something only if many can be written and many cannot, each for its reason.
#[test]
fn random_frames_are_of_every_kind() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut written = 0;
    let mut refused = std::collections::BTreeSet::new();
    for _ in 0..5000 {
        let frame = any_frame().new_tree(&mut runner).unwrap().current();
        match frame.encode(Version::V1_2, &mut BytesMut::new()) {
            Ok(()) => written += 1,
            Err(EncodeError::UnencodableHeader { .. }) => _ = refused.insert("unencodable"),
            Err(EncodeError::BodyNotAllowed { .. }) => _ = refused.insert("body"),
            Err(EncodeError::ContentLengthMismatch) => _ = refused.insert("length"),
            Err(EncodeError::DuplicateHeader { .. }) => _ = refused.insert("duplicate"),
            Err(EncodeError::NulInBody) => _ = refused.insert("NUL"),
            Err(EncodeError::ReceiptNotAllowed) => _ = refused.insert("receipt"),
            Err(other) => panic!("{other}"),
        }
    }
    assert!(written > 1000, "{written}");
    assert_eq!(refused.len(), 6, "{refused:?}");
}
