//! What came of each case with each broker, at a glance.

use std::{collections::BTreeMap, fmt::Write as _};

use super::record::{Record, Verdict};

/// The table, and below it every cell that is not `ok`, explained.
pub(crate) fn text(brokers: &[&str], records: &[Record]) -> String {
    let mut cases: Vec<&str> = Vec::new();
    for record in records {
        if !cases.contains(&&*record.case) {
            cases.push(&record.case);
        }
    }
    let width = cases.iter().map(|case| case.len()).max().unwrap_or_default();
    let mut text = String::from("broker × case\n\n");
    for (number, broker) in (1..).zip(brokers) {
        let _ = writeln!(text, "{number:>3}  {broker}");
    }
    let columns = |text: &mut String, name: &str, cells: &[String]| {
        let _ = write!(text, "{name:width$}");
        for cell in cells {
            let _ = write!(text, " {cell:>4}");
        }
        text.push('\n');
    };
    text.push('\n');
    columns(&mut text, "", &(1..=brokers.len()).map(|number| number.to_string()).collect::<Vec<_>>());
    for case in &cases {
        let cells = brokers.iter().map(|broker| cell(records, broker, case).to_owned());
        columns(&mut text, case, &cells.collect::<Vec<_>>());
    }
    explain(&mut text, "\n-: it does not apply\n", records, Verdict::DoesNotApply);
    explain(&mut text, "\nok, at the second time\n", records, Verdict::Passed);
    // Last, where it is still seen when only the end of a long output is kept.
    explain(&mut text, "\nRED: it failed\n", records, Verdict::Failed);
    text
}

/// What stands for all adapters and versions. Nothing where the case was not run with the broker.
fn cell(records: &[Record], broker: &str, case: &str) -> &'static str {
    let own = records.iter().filter(|record| record.broker == broker && record.case == case);
    own.map(|record| record.verdict).max().map_or("", Verdict::text)
}

/// Each reason once, with what it is the reason of. What has passed at once has none.
fn explain(text: &mut String, heading: &str, records: &[Record], verdict: Verdict) {
    let mut reasons: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    let is_told = |record: &&Record| record.verdict != Verdict::Passed || record.passed_at_second();
    for record in records.iter().filter(|record| record.verdict == verdict).filter(is_told) {
        let of = if verdict != Verdict::DoesNotApply && !record.variant.is_empty() {
            format!("{} ({})", record.case, record.variant)
        } else {
            record.case.clone()
        };
        let all = reasons.entry((&record.broker, &record.reason)).or_default();
        if !all.contains(&of) {
            all.push(of);
        }
    }
    if !reasons.is_empty() {
        text.push_str(heading);
    }
    for ((broker, reason), cases) in reasons {
        let _ = writeln!(text, "  {broker}: {}: {reason}", cases.join(", "));
    }
}
