//! Each bound of the parser: at it, one under it and one over it, and however the stream was cut.

use stomp_checks::{
    codec::{self, Parsed, Setting},
    sim::Random,
};
use stomp_proto::{Excess, Frame, Item, Limits, Oversize, ParseErrorKind, Sender, Version};

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

    /// The lines that are left of headers over that bound: the first of each name that the protocol needs.
    fn kept(&self, bound: Bound, limit: usize) -> Vec<&str> {
        let mut names = codec::KEPT.to_vec();
        let mut is_first = |line: &&String| {
            let name = line.split(':').next().unwrap_or_default();
            let place = names.iter().position(|kept| *kept == name);
            place.map(|place| names.swap_remove(place)).is_some()
        };
        let is_short = |line: &&String| !matches!(bound, HeaderLine) || line.len() <= limit;
        let lines = self.lines.iter().filter(|line| is_first(line));
        lines.filter(is_short).map(String::as_str).collect()
    }

    /// Whether nobody can say where the frame ends, once what is over the bound is gone.
    fn loses_its_length(&self, bound: Bound, limit: usize) -> bool {
        let length = self.lines.iter().find(|line| line.starts_with("content-length:"));
        matches!(bound, HeaderLine) && length.is_some_and(|line| line.len() > limit)
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
    for _ in 0..luck.below(4) {
        let name = ["ack", "message-id", "subscription", "message"][luck.below(4)];
        lines.insert(luck.below(lines.len() + 1), format!("{name}:{}", text(luck)));
    }
    let body: Vec<_> = (0..luck.within(&(1..=60))).map(|number| b'a' + number as u8 % 26).collect();
    if !matches!(bound, BodyUpToNul) {
        lines.insert(luck.below(lines.len() + 1), format!("content-length:{}", body.len()));
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
    let has_last_words = case.command == "ERROR" && oversize == Oversize::Drain;
    match (&parsed.items[..], &parsed.error) {
        ([Item::TooLarge { frame, excess }], Some(found)) => {
            assert!(limit < case.measure(bound) && has_last_words && matches!(bound, BodyUpToNul));
            assert_eq!(found.kind, error(bound, limit));
            assert_eq!(*excess, Excess::Body { length: limit as u64 + 1 });
            assert_eq!((frame.headers().len(), frame.body().len()), (case.lines.len(), 0));
        }
        ([Item::Frame(frame)], None) => {
            assert!(limit >= case.measure(bound), "{bound:?} of {limit} was passed unseen");
            assert_eq!((frame.body(), frame.headers().len()), (&case.body[..], case.lines.len()));
        }
        ([Item::TooLarge { frame, excess }], None) => {
            assert!(limit < case.measure(bound) && frame.body().is_empty() && oversize == Oversize::Drain);
            check_rest(case, frame, *excess, bound, limit);
        }
        ([], Some(found)) => {
            assert!(limit < case.measure(bound), "{found} for {bound:?} of {limit}");
            assert_eq!(found.kind, error(bound, limit));
            let is_fatal = matches!(bound, Command | BodyUpToNul) || case.loses_its_length(bound, limit);
            assert!(oversize == Oversize::Fail || is_fatal, "it can be read past");
            assert!(!has_last_words || !matches!(bound, BodyUpToNul), "it can be told before");
        }
        other => panic!("{other:?}"),
    }
}

/// What is left of a frame that was read past.
fn check_rest(case: &Case, frame: &Frame, excess: Excess, bound: Bound, limit: usize) {
    let lines: Vec<_> = frame.headers().iter().map(|(name, value)| format!("{name}:{value}")).collect();
    match bound {
        AnnouncedBody => {
            assert_eq!(excess, Excess::Body { length: case.body.len() as u64 });
            assert_eq!(lines, case.lines);
        }
        _ => {
            assert_eq!(excess, Excess::Headers { length: case.measure(HeaderBlock) as u64 });
            // Of the text of an ERROR the beginning is kept.
            let is_text = |line: &&str| case.command == "ERROR" && line.starts_with("message:");
            let kept = case.kept(bound, usize::MAX);
            let kept: Vec<_> = kept
                .into_iter()
                .filter(|line| is_text(line) || case.kept(bound, limit).contains(line))
                .collect();
            assert_eq!(lines.len(), kept.len());
            for (line, kept) in lines.iter().zip(kept) {
                let cut = if is_text(&kept) { kept.get(..limit.max(15)).unwrap_or(kept) } else { kept };
                assert_eq!(line, if matches!(bound, HeaderLine) { cut } else { kept });
            }
        }
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
