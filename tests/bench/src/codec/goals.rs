//! The ratios that the codec is meant to reach. They are reported, not gated: no time is certain on a busy machine.

use stomp_bench::{decoders, encoders, table};

use crate::results::Results;

/// How one contestant's time relates to another's.
struct Goal {
    corpus: &'static str,
    slow: &'static str,
    fast: &'static str,
    wanted: Wanted,
}

enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

use Wanted::{AtLeast, AtMost};

const fn goal(corpus: &'static str, slow: &'static str, fast: &'static str, wanted: Wanted) -> Goal {
    Goal { corpus, slow, fast, wanted }
}

const DECODE: [Goal; 13] = [
    goal("small", "iridium-stomp", decoders::OURS, AtLeast(7.0)),
    goal("medium", "iridium-stomp", decoders::OURS, AtLeast(7.0)),
    goal("escaped", "iridium-stomp", decoders::OURS, AtLeast(5.0)),
    goal("small", decoders::OURS, decoders::BASE, AtMost(2.5)),
    goal("medium", decoders::OURS, decoders::BASE, AtMost(2.5)),
    goal("large", decoders::OURS, decoders::BASE, AtMost(1.2)),
    goal("64 KiB, no length", "iridium-stomp", decoders::OURS, AtLeast(25.0)),
    goal("64 KiB, no length", "async-stomp", decoders::OURS, AtLeast(25.0)),
    goal("64 KiB, no length, 1460 B reads", "iridium-stomp", decoders::OURS, AtLeast(150.0)),
    goal("64 KiB, no length, 1460 B reads", "async-stomp", decoders::OURS, AtLeast(150.0)),
    goal("small, 1 B reads", decoders::OURS, decoders::BASE, AtMost(1.3)),
    goal("medium, 1 B reads", decoders::OURS, decoders::BASE, AtMost(1.3)),
    goal("large, 1 B reads", decoders::OURS, decoders::BASE, AtMost(1.3)),
];

const ENCODE: [Goal; 2] = [
    goal("32 B", "async-stomp", encoders::OURS, AtLeast(5.0)),
    goal("32 B", "async-stomp", encoders::PREPARED, AtLeast(15.0)),
];

pub(crate) fn print(decode: &[&Results], encode: &Results) {
    let heads = ["goal", "corpus", "wanted", "measured", ""];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(DECODE.iter().filter_map(|goal| decode.iter().find_map(|results| goal.row(results))));
    rows.extend(ENCODE.iter().filter_map(|goal| goal.row(encode)));
    table::print(&rows);
}

impl Goal {
    fn row(&self, results: &Results) -> Option<Vec<String>> {
        let slow = results.find(self.slow, self.corpus)?;
        let measured = slow.relative_to(results.find(self.fast, self.corpus)?);
        let (wanted, is_reached) = match self.wanted {
            AtLeast(least) => (format!(">= {least}"), measured >= least),
            AtMost(most) => (format!("<= {most}"), measured <= most),
        };
        let verdict = if is_reached { "reached" } else { "MISSED" };
        let goal = format!("{} / {}", self.slow, self.fast);
        let measured = format!("{measured:.2}");
        Some(vec![goal, self.corpus.to_owned(), wanted, measured, verdict.to_owned()])
    }
}
