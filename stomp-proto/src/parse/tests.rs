//! What only a look into the parser shows: limits to the octet, places of errors, and that no frame leaves a trace in the next.

use alloc::{format, string::String, vec::Vec};

use super::*;
use crate::{Command, Excess, Frame, FrameRef, Oversize, Text};

fn server(version: Version, limits: Limits) -> Parser {
    let mut parser = Parser::new(Sender::Server, limits);
    parser.set_version(version);
    parser
}

/// The last item, or the error, of a stream.
fn last(mut parser: Parser, octets: &[u8]) -> Result<Option<Item>, ParseError> {
    parser.feed(octets);
    let mut last = None;
    while let Some(item) = parser.next_item()? {
        last = Some(item);
    }
    Ok(last)
}

fn error(version: Version, octets: &[u8]) -> ParseError {
    last(server(version, Limits::default()), octets).expect_err("no error")
}

/// Sets one limit, to what a stream needs or to so much less.
type Set = fn(&mut Limits, usize);

#[test]
fn limits_are_met_to_the_octet() {
    let rows: [(&str, Set); 7] = [
        ("MESSAGE\na:1\n\nbody\0", |limits, less| limits.body = 4 - less as u64),
        ("MESSAGE\ncontent-length:4\n\nbody\0", |limits, less| limits.body = 4 - less as u64),
        ("MESSAGE\na:1\nb:2\n\n\0", |limits, less| limits.headers = 2 - less),
        ("MESSAGE\nab:12\n\n\0", |limits, less| limits.header_line = 5 - less),
        ("MESSAGE\na:1\nb:2\n\n\0", |limits, less| limits.header_block = 8 - less),
        ("MESSAGE\na:1\r\nb:2\r\n\r\n\0", |limits, less| limits.header_block = 10 - less),
        ("MESSAGE\r\n\r\n\0", |limits, less| limits.command = 7 - less),
    ];
    for (stream, set) in rows {
        let with = |less| {
            let mut limits = Limits::default();
            set(&mut limits, less);
            last(server(Version::V1_2, limits), stream.as_bytes())
        };
        assert!(matches!(with(0), Ok(Some(Item::Frame(_)))), "{stream:?} {:?}", with(0));
        assert!(with(1).is_err(), "{stream:?}");
    }
}

#[test]
fn an_error_tells_where() {
    let rows: [(&[u8], u64, &[u8]); 8] = [
        (b"\n\nNONSENSE\n", 2, b"NONSENSE"),
        (b"\nNON\0SENSE\n", 1, b"NON\0"),
        (b"MESSAGE\na:1\nbroken\n", 12, b"broken"),
        (b"MESSAGE\nfoo:\\x\n", 8, b"foo"),
        (b"MESSAGE\ncontent-length:1\n\nab\0", 26, b""),
        (b"MESSAGE\ncontent-length:x\n\n", 26, b"content-length"),
        (b"ERROR\n\n\0\r\r\n", 8, b""),
        (b"MESS\rAGE\n", 0, b"MESS"),
    ];
    for (stream, position, excerpt) in rows {
        let error = error(Version::V1_2, stream);
        assert_eq!((error.position, &*error.excerpt), (position, excerpt), "{error}");
    }
}

#[test]
fn an_error_names_the_destination_that_was_read() {
    let destination = |version, stream: &[u8]| error(version, stream).destination;
    assert_eq!(destination(Version::V1_2, b"MESSAGE\ndestination:a\\cb\nbroken\n"), Some("a:b".into()));
    assert_eq!(destination(Version::V1_0, b"MESSAGE\ndestination:a\\cb\nbroken\n"), Some("a\\cb".into()));
    assert_eq!(destination(Version::V1_2, b"MESSAGE\nbroken\ndestination:a\n"), None);
    assert_eq!(destination(Version::V1_2, b"MESSAGE\ndestination:a\n\n\0MESSAGE\nbroken\n"), None);
}

#[test]
fn a_secret_is_never_shown() {
    let mut parser = Parser::new(Sender::Client, Limits::default());
    parser.set_version(Version::V1_2);
    let error = last(parser, b"CONNECT\npasscode canary\n\n\0").expect_err("no colon");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[test]
fn no_frame_leaves_a_trace_in_the_next() {
    let stream = b"MESSAGE\nfoo:a\\cb\ncontent-length:1\n\nx\0CONNECTED\nfoo:a\\cb\n\n\0";
    let Ok(Some(Item::Frame(frame))) = last(server(Version::V1_2, Limits::default()), stream) else {
        panic!("no frame")
    };
    assert_eq!(frame.header("foo").unwrap(), "a\\cb");
    assert_eq!(frame.headers().len(), 1);
}

#[test]
fn only_1_0_pads_a_content_length() {
    for (version, accepted) in [(Version::V1_0, true), (Version::V1_1, false), (Version::V1_2, false)] {
        let stream = b"MESSAGE\ncontent-length: 1 \n\n\0\0";
        assert_eq!(last(server(version, Limits::default()), stream).is_ok(), accepted, "{version}");
    }
}

fn draining(body: u64) -> Parser {
    server(Version::V1_2, Limits { body, oversize: Oversize::Drain, ..Limits::default() })
}

#[test]
fn a_body_over_the_limit_is_read_past() {
    let stream = b"MESSAGE\na:1\ncontent-length:5\n\n12345\0\nRECEIPT\n\n\0";
    let mut parser = draining(4);
    let mut items = Vec::new();
    for octet in stream {
        parser.feed(&[*octet]);
        items.extend(core::iter::from_fn(|| parser.next_item().unwrap()));
    }
    let [Item::TooLarge { frame, excess: Excess::Body { length: 5 } }, Item::HeartBeat, Item::Frame(_)] =
        &items[..]
    else {
        panic!("{items:?}")
    };
    assert_eq!((frame.header("a").unwrap(), frame.body().len()), (Text::new(b"1", false), 0));
}

#[test]
fn a_wrong_end_of_a_body_that_is_read_past() {
    let error =
        last(draining(4), b"MESSAGE\ndestination:d\ncontent-length:5\n\n123456\0").expect_err("no NUL");
    assert_eq!((error.kind, error.position), (ParseErrorKind::MissingNul, 40));
    assert_eq!(error.destination.as_deref(), Some("d"));
    let error = last(draining(4).strict(), b"RECEIPT\ncontent-length:5\n\n12345\0").expect_err("no body");
    assert_eq!(error.kind, ParseErrorKind::BodyTooLarge { limit: 4 });
}

#[test]
fn nothing_is_kept_after_an_error() {
    let mut parser = server(Version::V1_2, Limits::default());
    parser.feed(b"nonsense\n");
    let error = parser.next_item().expect_err("nonsense");
    for _ in 0..1000 {
        let count = parser.space().len();
        parser.commit(count);
        assert_eq!((parser.next_item(), parser.buffered()), (Err(error.clone()), 0));
    }
    assert!(parser.space().len() <= 128 * 1024);
}

#[test]
fn the_state_is_shown_and_the_octets_are_not() {
    let mut parser = server(Version::V1_2, Limits::default());
    parser.feed(b"MESSAGE\npasscode:canary");
    let shown: String = format!("{parser:?}");
    assert!(shown.contains("buffered: 23") && !shown.contains("canary"), "{shown}");
}

#[test]
fn a_run_of_heart_beats_is_taken_at_once() {
    for count in [0, 1, 63, 64, 65, 200] {
        let mut parser = Parser::new(Sender::Server, Limits::default());
        parser.feed(&b"\n".repeat(count));
        parser.feed(b"\r\n\nRECEIPT\n\n\n\n\0\n");
        assert_eq!(parser.skip_heart_beats(), count);
        assert_eq!(parser.next_item(), Ok(Some(Item::HeartBeat)), "CR LF is one, too");
        assert_eq!(parser.skip_heart_beats(), 1);
        let Ok(Some(Item::Frame(frame))) = parser.next_item() else { panic!("a frame follows") };
        assert_eq!(frame.body(), b"\n\n", "ends of line in a frame are none");
        assert_eq!((parser.skip_heart_beats(), parser.is_idle()), (1, true));
    }
    let mut parser = Parser::new(Sender::Server, Limits::default());
    parser.feed(b"RECEIPT\n\n");
    assert_eq!((parser.next_item(), parser.skip_heart_beats()), (Ok(None), 0));
    parser.feed(b"\n\n");
    assert_eq!(parser.skip_heart_beats(), 0, "they are a body");
    assert_eq!(parser.buffered(), 11);
}

/// 1.0 and 1.1 by the letter: a line ends with LF, and a CR is an octet like others.
#[test]
fn a_cr_between_frames_is_an_end_of_line_only_where_the_version_says_so() {
    for version in [Version::V1_0, Version::V1_1] {
        for octets in [&b"\r\nRECEIPT\n\n\0"[..], b"\rRECEIPT\n\n\0", b"\r\r\n"] {
            let strict = last(server(version, Limits::default()).strict(), octets).unwrap_err();
            assert_eq!(strict.kind, ParseErrorKind::UnknownCommand, "{octets:?} in {version}");
        }
        assert!(last(server(version, Limits::default()), b"\r\nRECEIPT\n\n\0").is_ok(), "interop takes it");
    }
    assert_eq!(error(Version::V1_2, b"\rRECEIPT\n\n\0").kind, ParseErrorKind::BadEol);
}

#[test]
fn an_error_names_the_destination_that_counts() {
    let found = error(Version::V1_2, b"MESSAGE\ndestination:/first\ndestination:/second\nfoo\n\n\0");
    assert_eq!(found.destination.as_deref(), Some("/first"));
}

#[test]
fn what_a_frame_is_known_to_need_is_all_that_is_reserved() {
    const LENGTH: usize = 1 << 20;
    let mut parser = server(Version::V1_2, Limits::default());
    parser.feed(format!("MESSAGE\ncontent-length:{LENGTH}\n\n").as_bytes());
    assert_eq!(parser.next_item(), Ok(None));
    parser.feed(&alloc::vec![b'x'; LENGTH - 100]);
    assert_eq!(parser.next_item(), Ok(None));
    let room = parser.space().len();
    assert!((101..LENGTH / 2).contains(&room), "{room}");
}

#[test]
fn what_is_read_into_the_space_is_parsed() {
    let stream = b"MESSAGE\na:1\n\nbody\0";
    let mut parser = server(Version::V1_2, Limits::default());
    let space = parser.space();
    space[..stream.len()].copy_from_slice(stream);
    assert_eq!((parser.next_item(), parser.buffered()), (Ok(None), 0), "nothing was committed");
    parser.space()[..stream.len()].copy_from_slice(stream);
    parser.commit(stream.len());
    let Ok(Some(Item::Frame(frame))) = parser.next_item() else { panic!("a frame was read") };
    assert_eq!((frame.body(), frame.headers().is_empty()), (&b"body"[..], false));
    assert!(Frame::new(Command::Send).headers().is_empty());
}

/// Three large frames: one with its length, in which there are NULs, one without, and one whose length is wrong.
fn large_frames() -> Vec<u8> {
    let body: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    let text = [b'x'; 200_000];
    let end = b"\n\nMESSAGE\ndestination:/queue/a\ncontent-length:100000\n\n";
    [b"MESSAGE\ncontent-length:300000\n\n", &body[..], b"\0\nMESSAGE\n\n", &text, b"\0", end, &text].concat()
}

/// All items up to the error.
fn items(parser: &mut Parser, lends: bool) -> (Vec<Item>, Option<ParseError>) {
    let mut items = Vec::new();
    loop {
        let next = if lends {
            parser.next_borrowed().map(|item| item.map(ItemRef::to_item))
        } else {
            parser.next_item()
        };
        match next {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, None),
            Err(error) => return (items, Some(error)),
        }
    }
}

/// Reads from `octets` as much as there is room for, at most `count`.
fn read(parser: &mut Parser, octets: &mut &[u8], count: usize) {
    let space = parser.space();
    let (now, later) = octets.split_at(count.min(space.len()).min(octets.len()));
    space[..now.len()].copy_from_slice(now);
    assert!(octets.is_empty() || !now.is_empty(), "there is always room");
    parser.commit(now.len());
    *octets = later;
}

#[test]
fn large_frames_are_the_same_in_any_pieces() {
    let stream = large_frames();
    let mut parser = server(Version::V1_2, Limits::default());
    parser.feed(&stream);
    let (expected, error) = items(&mut parser, false);
    let error = error.unwrap();
    assert_eq!((expected.len(), &error.kind), (5, &ParseErrorKind::MissingNul));
    assert_eq!(error.destination.as_deref(), Some("/queue/a"));
    let sizes = [1 << 20, 300_000, 70_000, 65_536, 32_768, 10_007, 997];
    for (size, lends, reads) in
        sizes.into_iter().flat_map(|size| [0, 1, 2, 3].map(|way| (size, way % 2 == 0, way < 2)))
    {
        let mut parser = server(Version::V1_2, Limits::default());
        let (mut found, mut octets) = (Vec::new(), &stream[..]);
        let failed = loop {
            if reads {
                read(&mut parser, &mut octets, size);
            } else {
                let (now, later) = octets.split_at(size.min(octets.len()));
                parser.feed(now);
                octets = later;
            }
            assert!(parser.buffered() <= stream.len() - octets.len());
            let (items, failed) = items(&mut parser, lends);
            found.extend(items);
            if failed.is_some() {
                break failed;
            }
        };
        assert!(found == expected, "in pieces of {size}, lent: {lends}, read: {reads}");
        assert_eq!((failed.as_ref(), parser.buffered()), (Some(&error), 0));
    }
}

/// A parser that nobody takes items from keeps them in order.
#[test]
fn large_frames_wait_to_be_taken() {
    let stream = large_frames();
    for (reads, first) in [(true, 100), (false, 100), (true, 200_100), (false, 200_100), (false, 500_000)] {
        let mut parser = server(Version::V1_2, Limits::default());
        parser.feed(&stream[..first]);
        let (mut found, _) = items(&mut parser, false);
        let mut octets = &stream[first..];
        while !octets.is_empty() {
            if reads {
                read(&mut parser, &mut octets, 50_000);
            } else {
                let (now, later) = octets.split_at(octets.len().min(50_000));
                parser.feed(now);
                octets = later;
            }
        }
        let (more, error) = items(&mut parser, true);
        found.extend(more);
        assert_eq!((found.len(), error.unwrap().kind), (5, ParseErrorKind::MissingNul));
        assert_eq!(frame_of(&found[0]).body().len(), 300_000);
        assert_eq!(frame_of(&found[2]).body(), [b'x'; 200_000]);
    }
}

fn frame_of(item: &Item) -> FrameRef<'_> {
    match item.as_ref() {
        ItemRef::Frame(frame) => frame,
        other => panic!("{other:?}"),
    }
}

/// What is frequent is read without a closer look, which shows in nothing but time.
#[test]
fn the_short_way_is_taken() {
    let mut parser = server(Version::V1_2, Limits::default());
    parser.feed(b"MESSAGE\na:1\nb:\\c\n\n\0");
    assert_eq!(parser.frequent_command(), Some(Command::Message));
    parser.head.begin(Command::Message, 8);
    let ControlFlow::Break(line) = parser.plain_headers() else { panic!("the blank line is there") };
    assert_eq!((line.start, line.end, parser.head.slots.len()), (17, 17, 2));
    assert!(parser.head.escaped);

    let mut parser = server(Version::V1_2, Limits::default());
    parser.feed(b"RECEIPT\n");
    assert_eq!(parser.frequent_command(), None);
    assert_eq!(parser.whole_command(), Some(Command::Receipt));
}

/// A slot counts in 32 bits, whatever the limit.
#[test]
fn a_header_block_fits_its_index() {
    let limits = Limits { header_block: usize::MAX, ..Limits::default() };
    assert_eq!(server(Version::V1_2, limits).header_block_limit(), u32::MAX as usize / 2);
}

/// A frequent command that is not allowed here is as unknown as any other, and its line is all that is shown of it.
#[test]
fn a_frequent_command_of_the_other_side_is_unknown() {
    for (sender, command, limit) in [
        (Sender::Client, "MESSAGE", 32),
        (Sender::Server, "SEND", 32),
        (Sender::Client, "MESSAGE", 7),
        (Sender::Client, "SEND", 3),
    ] {
        let stream = format!("{command}\nfoo:bar\n\n\0");
        for size in [1, 3, stream.len()] {
            let mut parser = Parser::new(sender, Limits { command: limit, ..Limits::default() });
            let mut errors = stream.as_bytes().chunks(size).filter_map(|octets| {
                parser.feed(octets);
                parser.next_item().err()
            });
            let error = errors.next().unwrap();
            let (kind, shown) = if limit < command.len() {
                (ParseErrorKind::CommandTooLong { limit }, &command[..limit])
            } else {
                (ParseErrorKind::UnknownCommand, command)
            };
            assert_eq!((error.kind, &error.excerpt[..]), (kind, shown.as_bytes()), "{command} in {size}");
        }
    }
}
