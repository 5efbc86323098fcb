//! Each bound of the parser: at it, one under it and one over it, and however the stream was cut.

use stomp_proto::{Item, Limits, Oversize, ParseErrorKind, Sender, Version};
use stomp_testkit::{
    codec::{self, Parsed, Setting},
    sim::Random,
};

/// What is bounded.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Command,
    HeaderLine,
    Headers,
    HeaderBlock,
    AnnouncedBody,
    BodyUpToNul,
}

use Bound::{AnnouncedBody, BodyUpToNul, Command, HeaderBlock, HeaderLine, Headers};

const BOUNDS: [Bound; 6] = [Command, HeaderLine, Headers, HeaderBlock, AnnouncedBody, BodyUpToNul];

/// A stream of one frame.
#[derive(Debug)]
struct Case {
    command: String,
    lines: Vec<String>,
    body: Vec<u8>,
    eol: &'static str,
}

impl Case {
    /// How much the frame has of what is bounded.
    fn measure(&self, bound: Bound) -> usize {
        match bound {
            Command => self.command.len(),
            HeaderLine => self.lines.iter().map(String::len).max().unwrap_or_default(),
            Headers => self.lines.len(),
            HeaderBlock => self.lines.iter().map(|line| line.len() + self.eol.len()).sum(),
            AnnouncedBody | BodyUpToNul => self.body.len(),
        }
    }

    fn stream(&self) -> Vec<u8> {
        let head: Vec<_> = [&self.command].into_iter().chain(&self.lines).map(String::as_str).collect();
        let head = head.join(self.eol) + self.eol + self.eol;
        [head.as_bytes(), &self.body, b"\0"].concat()
    }
}

/// Any case of that bound.
fn draw(bound: Bound, luck: &mut Random) -> Case {
    let text = |luck: &mut Random| -> String {
        (0..luck.below(20)).map(|_| char::from(b"abcdefgh:"[luck.below(9)])).collect()
    };
    let mut lines: Vec<_> =
        (0..luck.within(&(1..=8))).map(|number| format!("{number}:{}", text(luck))).collect();
    let body: Vec<_> = (0..luck.within(&(1..=60))).map(|number| b'a' + number as u8 % 26).collect();
    if !matches!(bound, BodyUpToNul) {
        lines.insert(0, format!("content-length:{}", body.len()));
    }
    let command = ["MESSAGE", "ERROR"][luck.below(2)].to_owned();
    Case { command, lines, body, eol: ["\n", "\r\n"][luck.below(2)] }
}

/// The parser's settings with one bound, everything else being as large as can be.
fn setting(bound: Bound, limit: usize, oversize: Oversize, strict: bool) -> Setting {
    let mut limits = Limits::default();
    (limits.header_line, limits.headers, limits.header_block) = (usize::MAX, usize::MAX, usize::MAX);
    (limits.body, limits.oversize) = (u64::MAX, oversize);
    match bound {
        Command => limits.command = limit,
        HeaderLine => limits.header_line = limit,
        Headers => limits.headers = limit,
        HeaderBlock => limits.header_block = limit,
        AnnouncedBody | BodyUpToNul => limits.body = limit as u64,
    }
    Setting { sender: Sender::Server, version: Some(Version::V1_2), strict, limits }
}

/// The error of a stream that is over that bound.
const fn error(bound: Bound, limit: usize) -> ParseErrorKind {
    match bound {
        Command => ParseErrorKind::CommandTooLong { limit },
        HeaderLine => ParseErrorKind::HeaderLineTooLong { limit },
        Headers => ParseErrorKind::TooManyHeaders { limit },
        HeaderBlock => ParseErrorKind::HeaderBlockTooLarge { limit },
        AnnouncedBody | BodyUpToNul => ParseErrorKind::BodyTooLarge { limit: limit as u64 },
    }
}

fn check(case: &Case, parsed: &Parsed, bound: Bound, limit: usize, oversize: Oversize) {
    match (&parsed.items[..], &parsed.error) {
        ([Item::Frame(frame)], None) => {
            assert!(limit >= case.measure(bound), "{bound:?} of {limit} was passed unseen");
            assert_eq!((frame.body(), frame.headers().len()), (&case.body[..], case.lines.len()));
        }
        ([Item::TooLarge { frame, length }], None) => {
            assert!(limit < case.body.len() && matches!(bound, AnnouncedBody) && oversize == Oversize::Drain);
            assert_eq!((*length, frame.headers().len()), (case.body.len() as u64, case.lines.len()));
        }
        ([], Some(found)) => {
            assert!(limit < case.measure(bound), "{found} for {bound:?} of {limit}");
            assert_eq!(found.kind, error(bound, limit));
            assert!(oversize == Oversize::Fail || !matches!(bound, AnnouncedBody), "it can be read past");
        }
        other => panic!("{other:?}"),
    }
}

/// Tells the seed of a case that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

#[test]
fn a_bound_is_reached_and_not_passed() {
    for seed in (0..100_000).map(Seed) {
        let luck = &mut Random::new(seed.0);
        let bound = BOUNDS[luck.below(BOUNDS.len())];
        let case = draw(bound, luck);
        let oversize = [Oversize::Drain, Oversize::Fail][luck.below(2)];
        let sizes = [luck.below(30), luck.below(30), luck.below(30)];
        let (measure, strict, stream) = (case.measure(bound), luck.once_in(2), case.stream());
        for limit in measure - 1..=measure + 1 {
            let setting = setting(bound, limit, oversize, strict);
            let parsed = codec::parse(&setting, codec::cut(&stream, &sizes));
            check(&case, &parsed, bound, limit, oversize);
        }
    }
}
