//! All outcomes of a run, and how they are shown: tables for people, JSON lines for programs.

use std::io::{self, Write};

use stomp_bench::table;

use crate::pairs::{Outcome, PAIRS, percentile};

/// Contestants over corpora.
#[derive(Debug)]
pub(crate) struct Results {
    /// `decode` or `encode`.
    kind: &'static str,
    contestants: Vec<&'static str>,
    columns: Vec<(&'static str, Vec<Outcome>)>,
}

impl Results {
    pub(crate) const fn new(kind: &'static str, contestants: Vec<&'static str>) -> Self {
        Self { kind, contestants, columns: Vec::new() }
    }

    /// Adds what the contestants, in their order, did with a corpus.
    pub(crate) fn push(&mut self, corpus: &'static str, outcomes: Vec<Outcome>) {
        self.columns.push((corpus, outcomes));
    }

    pub(crate) fn find(&self, contestant: &str, corpus: &str) -> Option<&Outcome> {
        let row = self.contestants.iter().position(|name| *name == contestant)?;
        self.columns.iter().find(|(name, _)| *name == corpus)?.1.get(row)
    }

    /// Time a frame, and relative to the base.
    pub(crate) fn print_times(&self) {
        self.print_table(|outcome, _| {
            format!("{} ({:.2})", time(outcome.quiet_nanoseconds()), outcome.relative())
        });
    }

    /// How many times as long as `ours` the others take.
    pub(crate) fn print_ratios(&self, ours: &str) {
        self.print_table(|outcome, corpus| {
            self.find(ours, corpus)
                .map_or_else(String::new, |ours| format!("{:.2}", outcome.relative_to(ours)))
        });
    }

    fn print_table(&self, cell: impl Fn(&Outcome, &str) -> String) {
        let mut rows = vec![vec![self.kind.to_owned()]];
        rows[0].extend(self.columns.iter().map(|(corpus, _)| (*corpus).to_owned()));
        for (row, contestant) in self.contestants.iter().enumerate() {
            let cells = self.columns.iter().map(|(corpus, outcomes)| cell(&outcomes[row], corpus));
            rows.push([(*contestant).to_owned()].into_iter().chain(cells).collect());
        }
        table::print(&rows);
    }

    /// A line for each contestant and corpus.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        for (corpus, outcomes) in &self.columns {
            for (contestant, outcome) in self.contestants.iter().zip(outcomes) {
                self.write_line(out, corpus, contestant, outcome)?;
            }
        }
        Ok(())
    }

    fn write_line(
        &self,
        out: &mut impl Write,
        corpus: &str,
        contestant: &str,
        outcome: &Outcome,
    ) -> io::Result<()> {
        // No name has a character that JSON escapes.
        writeln!(
            out,
            "{{\"kind\":\"{}\",\"corpus\":\"{corpus}\",\"contestant\":\"{contestant}\",\"pairs\":{PAIRS},\
             \"ns_per_frame\":{:.2},\"relative\":{:.4},\"relative_p10\":{:.4},\"relative_p90\":{:.4}}}",
            self.kind,
            outcome.quiet_nanoseconds(),
            outcome.relative(),
            percentile(&outcome.ratios, 10),
            percentile(&outcome.ratios, 90),
        )
    }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ..100.0 => format!("{nanoseconds:.1} ns"),
        100.0..10_000.0 => format!("{nanoseconds:.0} ns"),
        10_000.0..1e7 => format!("{:.1} us", nanoseconds / 1e3),
        _ => format!("{:.1} ms", nanoseconds / 1e6),
    }
}
