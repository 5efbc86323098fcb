//! What a peer can make the parser hold: never a large multiple of what it has sent, and never what it only announced.
//!
//! Allocations are counted for each thread by the allocator of this program.

use allocation_counter::measure;
use serde_json::Value;
use stomp_checks::codec::Setting;
use stomp_proto::{
    AckMode, Frame, HeartBeat, Item, ItemRef, Limits, Oversize, ParseErrorKind, Parser, Sender, Version,
};

const ROWS: &str = include_str!("../data/conformance.jsonl");

/// What a parser may hold besides twice what it received: a read buffer.
const BUFFER: usize = 64 * 1024;

/// The most memory that was in use at a time while the stream was parsed, each item dropped at once.
fn peak(setting: &Setting, octets: &[u8], piece: usize) -> usize {
    let used = measure(|| {
        let mut parser = setting.parser();
        for piece in octets.chunks(piece) {
            parser.feed(piece);
            while let Ok(Some(_)) = parser.next_item() {}
        }
        let _ = parser.finish();
    });
    used.bytes_max as usize
}

/// As [`peak`], the stream being read into the parser's own space.
fn peak_of_reads(setting: &Setting, mut octets: &[u8]) -> usize {
    let used = measure(|| {
        let mut parser = setting.parser();
        while !octets.is_empty() {
            let space = parser.space();
            let (now, later) = octets.split_at(space.len().min(octets.len()));
            space[..now.len()].copy_from_slice(now);
            parser.commit(now.len());
            while let Ok(Some(_)) = parser.next_item() {}
            octets = later;
        }
    });
    used.bytes_max as usize
}

fn check_peaks(what: &str, setting: &Setting, octets: &[u8]) {
    let bound = 2 * octets.len() + BUFFER;
    for piece in [octets.len().max(1), 1460, 1] {
        let peak = peak(setting, octets, piece);
        assert!(peak <= bound, "{what} in pieces of {piece}: {peak} octets for {}", octets.len());
    }
    let peak = peak_of_reads(setting, octets);
    assert!(peak <= bound, "{what} by reads: {peak} octets for {}", octets.len());
}

fn setting(limits: Limits) -> Setting {
    Setting { sender: Sender::Server, version: Some(Version::V1_2), strict: false, limits }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

#[test]
fn a_conformance_row_takes_no_more_than_twice_its_length() {
    let rows = ROWS.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
    let mut count = 0;
    for row in rows.filter(|row| row["layer"] == "decode") {
        let octets = from_hex(row["input_hex"].as_str().unwrap());
        let sender = if row["direction"] == "c2s" { Sender::Client } else { Sender::Server };
        let version = Version::from_name(row["version"].as_str().unwrap());
        for strict in [true, false] {
            let setting = Setting { sender, version, strict, limits: Limits::default() };
            check_peaks(row["id"].as_str().unwrap(), &setting, &octets);
        }
        count += 1;
    }
    assert!(count > 250, "only {count} rows");
}

/// Whether it ends or not. Twice if its length is not announced. If it is, the memory grows to less than twice what has come,
/// and this allocator cannot let it grow where it is: the old and the new count for a moment.
#[test]
fn a_large_body_takes_no_more_than_a_bounded_multiple_of_its_length() {
    let setting = setting(Limits::default());
    for length in [100_000, 1 << 20, 16 << 20] {
        let announced = format!("MESSAGE\ncontent-length:{length}\n\n");
        // A body of announced length may be all NULs.
        for (head, octet, times) in [("MESSAGE\n\n", b'x', 2), (&announced, 0, 3)] {
            let octets = [head.as_bytes(), &vec![octet; length], b"\0"].concat();
            for sent in [octets.len(), octets.len() - 1, octets.len() * 2 / 3, octets.len() / 2 + 1] {
                let (octets, bound) = (&octets[..sent], times * sent + BUFFER);
                let mut peaks = [16 << 20, 1 << 20, 100_000, 16 * 1024, 1460]
                    .map(|size| peak(&setting, octets, size))
                    .to_vec();
                peaks.push(peak_of_reads(&setting, octets));
                assert!(peaks.iter().all(|peak| *peak <= bound), "{peaks:?} octets for {sent} of {head:?}");
            }
        }
    }
}

#[test]
fn what_is_only_announced_takes_nothing() {
    let lengths = ["100000", "16777216", "4294967295", "9223372036854775807", "18446744073709551615"];
    let overflowing = ["18446744073709551616", "99999999999999999999999999999999999999"];
    for (length, oversize, limit) in lengths.iter().chain(&overflowing).flat_map(|length| {
        [Oversize::Fail, Oversize::Drain].into_iter().flat_map(move |oversize| {
            [Limits::default().body, u64::MAX].map(|limit| (length, oversize, limit))
        })
    }) {
        let mut limits = Limits::default();
        (limits.oversize, limits.body) = (oversize, limit);
        let head = format!("MESSAGE\ncontent-length:{length}\n\n");
        for sent in [0, 1000, 50_000] {
            let octets = [head.as_bytes(), &vec![b'x'; sent]].concat();
            check_peaks(&format!("{length} announced, {oversize:?}"), &setting(limits.clone()), &octets);
        }
    }
}

/// Feeds the same octets again and again; gives the most memory in use, and the items.
fn flood(parser: &mut Parser, octets: &[u8], times: usize) -> (usize, usize) {
    let mut items = 0;
    let used = measure(|| {
        for _ in 0..times {
            parser.feed(octets);
            while let Ok(Some(item)) = parser.next_item() {
                items += 1;
                if item == Item::HeartBeat {
                    items += parser.skip_heart_beats();
                }
            }
        }
    });
    (used.bytes_max as usize, items)
}

#[test]
fn a_gibibyte_of_heart_beats_is_nothing() {
    let octets = vec![b'\n'; BUFFER];
    let mut parser = setting(Limits::default()).parser();
    // Until the read buffer has grown to its full size.
    let (first, _) = flood(&mut parser, &octets, 8);
    let times = (1 << 30) / octets.len();
    let (most, items) = flood(&mut parser, &octets, times);
    assert_eq!(items, 1 << 30);
    assert!(most <= first && first <= 4 * BUFFER, "{first} octets, then {most}");
}

/// Feeds a piece of a frame that does not end until the parser refuses it. Gives the error, how much was fed, and the
/// most memory in use.
fn endless(limits: Limits, head: &str, piece: &str) -> (ParseErrorKind, usize, usize) {
    let mut fed = head.len();
    let mut error = None;
    let used = measure(|| {
        let mut parser = setting(limits).parser();
        parser.feed(head.as_bytes());
        while error.is_none() {
            parser.feed(piece.as_bytes());
            fed += piece.len();
            error = parser.next_item().err().map(|error| error.kind);
        }
    });
    (error.unwrap(), fed, used.bytes_max as usize)
}

/// What a bound is passed by is not stored: a frame that never ends, however slowly it comes, ends at its bound.
#[test]
fn an_endless_frame_ends_at_its_bound() {
    let limits = Limits::default();
    let (line, count, block) = (limits.header_line, limits.headers, limits.header_block);
    let line_of_1_kib = format!("a:{}\n", "x".repeat(1021));
    let rows = [
        ("", "x", ParseErrorKind::CommandTooLong { limit: limits.command }, limits.command),
        ("MESSAGE\na:", "x", ParseErrorKind::HeaderLineTooLong { limit: line }, line),
        ("MESSAGE\n", "a:\n", ParseErrorKind::TooManyHeaders { limit: count }, 3 * count),
        ("MESSAGE\n", "a:\\n\\n\n", ParseErrorKind::TooManyHeaders { limit: count }, 7 * count),
        ("MESSAGE\n", &line_of_1_kib, ParseErrorKind::TooManyHeaders { limit: count }, 1024 * count),
        ("MESSAGE\n", &line_of_1_kib.repeat(2), ParseErrorKind::HeaderBlockTooLarge { limit: block }, block),
    ];
    for (head, piece, expected, bound) in rows {
        let mut limits = limits.clone();
        if matches!(expected, ParseErrorKind::HeaderBlockTooLarge { .. }) {
            limits.headers = usize::MAX;
        }
        let (error, fed, most) = endless(limits, head, piece);
        assert_eq!(error, expected);
        assert!(fed <= bound + head.len() + 2 * piece.len(), "{expected} after {fed} octets");
        assert!(most <= 3 * bound + BUFFER, "{expected}: {most} octets for {fed}");
    }
}

#[test]
fn an_endless_body_ends_at_its_bound() {
    let mut limits = Limits::default();
    limits.body = 1 << 20;
    let expected = ParseErrorKind::BodyTooLarge { limit: 1 << 20 };
    let (error, fed, most) = endless(limits, "MESSAGE\n\n", &"x".repeat(100));
    assert_eq!(error, expected);
    assert!(fed <= (1 << 20) + 200 && most <= 3 * fed + BUFFER, "{most} octets for {fed}");
}

/// As much as a parser holds of a frame that never ends: it is asked for items after a number of pieces each time, or never.
fn endless_peak(setting: &Setting, head: &str, piece: &[u8], asks_after: usize, most: usize) -> usize {
    let used = measure(|| {
        let mut parser = setting.parser();
        parser.feed(head.as_bytes());
        for count in 1..=most / piece.len() {
            if count.is_multiple_of(2) {
                parser.feed(piece);
            } else {
                let space = parser.space();
                let room = space.len().min(piece.len());
                space[..room].copy_from_slice(&piece[..room]);
                parser.commit(room);
                parser.feed(&piece[room..]);
            }
            if count.is_multiple_of(asks_after) {
                let _ = parser.next_item();
            }
        }
        assert!(parser.next_item().is_err(), "it has passed its bound");
    });
    used.bytes_max as usize
}

/// Whoever asks for nothing has the parser hold what it was given; but a body has its bound all the same, and stands in memory
/// once.
#[test]
fn an_endless_body_takes_little_more_than_its_bound() {
    let mut limits = Limits::default();
    limits.body = 16 << 20;
    let most = 20 << 20;
    for (piece, asks_after) in
        [(1460, 1), (65_536, 1), (65_536, 100), (65_536, usize::MAX), (1460, usize::MAX)]
    {
        for oversize in [Oversize::Fail, Oversize::Drain] {
            limits.oversize = oversize;
            let setting = setting(limits.clone());
            let peak = endless_peak(&setting, "MESSAGE\n\n", &vec![b'x'; piece], asks_after, most);
            let bound = (limits.body as usize) / 10 * 13;
            assert!(peak <= bound, "{peak} octets in pieces of {piece}, asked after {asks_after}");
        }
    }
}

/// Headers that are read past are not kept, and neither is the body behind them.
#[test]
fn headers_that_are_read_past_take_nothing() {
    let mut limits = Limits::default();
    (limits.oversize, limits.body) = (Oversize::Drain, 8 << 20);
    let setting = setting(limits.clone());
    let (line, block) = (limits.header_line, limits.header_block);
    let line_of_1_kib = format!("a:{}\n", "x".repeat(1021));
    for asks_after in [1, usize::MAX] {
        for (head, piece, bound) in [
            ("MESSAGE\na:", &*"x".repeat(1000), line),
            ("MESSAGE\n", &line_of_1_kib, block),
            ("MESSAGE\n", &"a:0123456789abc\n".repeat(1000), 16_000),
            ("MESSAGE\n", &format!("ack:{}\n", "x".repeat(4000)).repeat(10), block),
        ] {
            let peak = endless_peak(&setting, head, piece.as_bytes(), asks_after, 20 << 20);
            let bound = 3 * bound + 8 * BUFFER;
            assert!(peak <= bound, "{peak} octets of {:.20}, asked after {asks_after}", piece);
        }
    }
    let headers = "a:b\n".repeat(1001);
    for (length, oversize) in [("content-length:1000000000000\n", 0), ("", limits.body as usize)] {
        let head = format!("MESSAGE\n{headers}{length}\n");
        for asks_after in [1, usize::MAX] {
            let used = measure(|| {
                let mut parser = setting.parser();
                parser.feed(head.as_bytes());
                for count in 1..500 + oversize / BUFFER {
                    parser.feed(&[b'x'; BUFFER]);
                    if count % asks_after == 0 {
                        let _ = parser.next_item();
                    }
                }
                assert_eq!(parser.next_item().is_err(), oversize > 0);
            });
            assert!(
                used.bytes_max as usize <= 8 * BUFFER,
                "{} octets, asked after {asks_after}",
                used.bytes_max
            );
        }
    }
}

/// There is no hash to collide in, and names beyond the bound are refused before they are stored.
#[test]
fn a_hundred_thousand_names_are_refused_by_their_count() {
    let lines: String = (0..100_000).map(|number| format!("header-{number}:x\n")).collect();
    let stream = format!("MESSAGE\n{lines}\n\0");
    let setting = setting(Limits::default());
    let mut parser = setting.parser();
    let mut error = None;
    let used = measure(|| {
        for piece in stream.as_bytes().chunks(1460) {
            parser.feed(piece);
            error = parser.next_item().err();
        }
    });
    assert_eq!(error.unwrap().kind, ParseErrorKind::TooManyHeaders { limit: 1000 });
    assert!(used.bytes_max as usize <= 2 * BUFFER, "{} octets", used.bytes_max);
}

/// As many headers as are allowed: each is found, and finding allocates nothing.
#[test]
fn look_ups_allocate_nothing() {
    let lines: String = (0..1000).map(|number| format!("header-{number}:{number}\n")).collect();
    let mut parser = setting(Limits::default()).parser();
    parser.feed(format!("MESSAGE\n{lines}\n\0").as_bytes());
    let Ok(Some(Item::Frame(frame))) = parser.next_item() else { panic!("1000 headers are allowed") };
    let names: Vec<_> = (0..1000).map(|number| format!("header-{number}")).collect();
    let used = measure(|| {
        for (number, name) in names.iter().enumerate() {
            assert_eq!(frame.header(name).and_then(|value| value.number()), Some(number as u64));
            assert!(frame.header(name).is_some_and(|value| value.text().is_ok()));
        }
        assert!(frame.header("header-1000").is_none());
        assert_eq!(frame.headers().iter().filter(|(name, _)| *name == "header-7").count(), 1);
    });
    assert_eq!(used.count_total, 0);
}

/// Frames that are dropped before more is read cost no allocation: they are slices of the read buffer.
#[test]
fn dropped_frames_allocate_nothing() {
    let stream = b"MESSAGE\nfoo:bar\n\nbody\0\nRECEIPT\nreceipt-id:1\n\n\0".repeat(500);
    let mut parser = setting(Limits::default()).parser();
    let mut take = || {
        stream.chunks(1460).for_each(|octets| {
            parser.feed(octets);
            while let Ok(Some(_)) = parser.next_item() {}
        })
    };
    // Until the read buffer has grown to its full size.
    (0..16).for_each(|_| take());
    assert_eq!(measure(take).count_total, 0);
}

/// Frames that are lent cost nothing, however many headers they have, and what is kept of them does not keep the read buffer.
#[test]
fn lent_frames_allocate_nothing() {
    let lines: String = (0..30).map(|number| format!("header-{number}:{number}\n")).collect();
    let stream = format!("MESSAGE\n{lines}\nbody\0\nRECEIPT\nreceipt-id:1\n\n\0").repeat(100);
    let mut parser = setting(Limits::default()).parser();
    let mut lend = |piece: usize, kept: &mut Vec<Frame>| {
        let mut frames = 0;
        for octets in stream.as_bytes().chunks(piece) {
            parser.feed(octets);
            while let Ok(Some(item)) = parser.next_borrowed() {
                let ItemRef::Frame(frame) = item else { continue };
                frames += 1;
                if kept.len() < kept.capacity() {
                    kept.push(frame.to_frame());
                }
            }
        }
        frames
    };
    let mut kept = Vec::with_capacity(3);
    for piece in [16 * 1024, 1460, 1] {
        // Until the read buffer has grown to its full size.
        for _ in 0..16 {
            assert_eq!(lend(piece, &mut kept), 200);
        }
        let used = measure(|| assert_eq!(lend(piece, &mut kept), 200));
        assert_eq!(used.count_total, 0, "reads of {piece}, while {} frames are kept", kept.len());
    }
}

/// Escaped names and values are compared, and typed headers read, where they stand.
#[test]
fn escaped_and_typed_headers_allocate_nothing() {
    let mut parser = setting(Limits::default()).parser();
    let lines = r"a\cb:c\nd
content-length:0
heart-beat:10,20
version:1.2
ack:client";
    parser.feed(format!("MESSAGE\n{lines}\n\n\0").as_bytes());
    let Ok(Some(Item::Frame(frame))) = parser.next_item() else { panic!("it is a MESSAGE") };
    let used = measure(|| {
        assert!(frame.header("a:b").is_some_and(|value| value == "c\nd"));
        assert_eq!(frame.content_length(), Ok(Some(0)));
        assert_eq!(frame.heart_beat(), Ok(HeartBeat { outgoing: 10, incoming: 20 }));
        assert_eq!((frame.version(), frame.ack_mode()), (Ok(Version::V1_2), Ok(AckMode::Client)));
    });
    assert_eq!(used.count_total, 0);
}
