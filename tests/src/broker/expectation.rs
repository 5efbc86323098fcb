//! What a test expects clients to send, and how what came differs from it.

use core::{fmt, ops::RangeInclusive};
use std::collections::{BTreeMap, VecDeque};

use stomp_proto::Frame;

use super::{Broker, matcher::Matcher};

/// The id of an expectation. Ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectationId(u64);

/// The number of frames of the expected kind that are kept to be shown, the latest ones.
const KEPT: usize = 10;
/// The number of octets of a body that are shown.
const SHOWN_OCTETS: usize = 80;

/// Frames that are expected, and what came of that kind.
#[derive(Debug)]
struct Expectation {
    matcher: Matcher,
    times: RangeInclusive<u64>,
    came: u64,
    /// Frames with the same command that did not match, or came too often.
    others: VecDeque<String>,
}

impl Expectation {
    fn is_met(&self) -> bool {
        self.times.contains(&self.came)
    }

    fn note(&mut self, frame: &Frame) {
        let matches = self.matcher.meets(frame);
        self.came += u64::from(matches);
        let is_wanted = matches && self.came <= *self.times.end();
        if is_wanted || !self.matcher.is_of(frame.command()) {
            return;
        }
        if self.others.len() == KEPT {
            self.others.pop_front();
        }
        self.others.push_back(shown(frame));
    }
}

/// All expectations of a broker.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    expectations: BTreeMap<ExpectationId, Expectation>,
    next: u64,
}

impl Expectations {
    pub(super) fn note(&mut self, frame: &Frame) {
        self.expectations.values_mut().for_each(|expectation| expectation.note(frame));
    }
}

/// Expectations that were not met.
///
/// Its text shows for each how often which frames were expected, and what came instead. `Debug` shows the same text.
#[derive(Clone, PartialEq, Eq)]
pub struct Unmet(String);

impl Broker {
    /// Expects frames of clients from now on, one or more of them unless
    /// [`expect_times`](Self::expect_times) says otherwise.
    pub fn expect(&mut self, matcher: Matcher) -> ExpectationId {
        let id = ExpectationId(self.expectations.next);
        self.expectations.next += 1;
        let expectation = Expectation { matcher, times: 1..=u64::MAX, came: 0, others: VecDeque::new() };
        self.expectations.expectations.insert(id, expectation);
        id
    }

    /// Sets how many frames an expectation is about.
    ///
    /// # Panics
    /// Panics if the range is empty: it could not be met.
    pub fn expect_times(&mut self, id: ExpectationId, times: RangeInclusive<u64>) {
        assert!(!times.is_empty(), "no number of frames is within {times:?}");
        if let Some(expectation) = self.expectations.expectations.get_mut(&id) {
            expectation.times = times;
        }
    }

    /// Checks all expectations.
    ///
    /// # Errors
    /// Returns an error that names those that are not met, and what came instead.
    pub fn verify(&self) -> Result<(), Unmet> {
        let unmet = self.expectations.expectations.values().filter(|expectation| !expectation.is_met());
        let lines: Vec<_> = unmet.map(ToString::to_string).collect();
        if lines.is_empty() { Ok(()) } else { Err(Unmet(lines.concat())) }
    }

    /// Forgets all expectations, whether they are met or not.
    pub fn forget_expectations(&mut self) {
        self.expectations.expectations.clear();
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "expected {} {}; came {}", Times(&self.times), self.matcher, self.came)?;
        match self.others.len() {
            0 => writeln!(f, "  no other {} frame came", self.matcher.kind()),
            _ => self.others.iter().try_for_each(|other| writeln!(f, "  {other}")),
        }
    }
}

struct Times<'a>(&'a RangeInclusive<u64>);

impl fmt::Display for Times<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self.0.start(), *self.0.end()) {
            (0, 0) => f.write_str("no"),
            (least, most) if least == most => write!(f, "exactly {least}"),
            (least, u64::MAX) => write!(f, "at least {least}"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}

/// A frame in one line, without passcodes.
fn shown(frame: &Frame) -> String {
    let mut line = format!("{}", frame.command());
    for (name, value) in frame.headers().iter() {
        let value = if name == "passcode" { "…".into() } else { value.octets().escape_ascii().to_string() };
        line.push_str(&format!(" {}:{value}", name.octets().escape_ascii()));
    }
    let body = frame.body();
    let start = body.get(..SHOWN_OCTETS).unwrap_or(body);
    let more = if start.len() < body.len() { "…" } else { "" };
    if !body.is_empty() {
        line.push_str(&format!(" \"{}\"{more}", start.escape_ascii()));
    }
    line
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unmet {}
