//! What came of the rounds, and the table at the end.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::Blow;

/// What came of a round.
#[derive(Clone, Debug)]
pub struct Row {
    /// The kind of cluster.
    pub kind: &'static str,
    /// What befell it.
    pub blow: Blow,
    /// The node that was struck.
    pub node: usize,
    /// How long the round took, until everything was as before.
    pub took: Duration,
    /// The messages that brokers confirmed.
    pub confirmed: u64,
    /// The messages among them that nobody received.
    pub lost: usize,
    /// The messages that came again, for each time.
    pub copies: u64,
    /// The longest time for which no node served.
    pub outage: Duration,
    /// How many clients each node has at the end.
    pub spread: Vec<usize>,
    /// The longest time for which nobody received a new message.
    pub traffic: Duration,
    /// The longest time for which a client was without a confirmation, or without a message.
    pub gap: Duration,
    /// The longest part of such a time in which the cluster served.
    pub own: Duration,
    /// The clients for which that part was over what is allowed, and what they saw.
    pub late: Vec<String>,
    /// The laws that were broken.
    pub broken: Vec<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, blow, node, confirmed, lost, copies, .. } = self;
        let seconds = |duration: Duration| format!("{:.1}", duration.as_secs_f64());
        write!(
            formatter,
            "{kind:<17} {:<13} node {node} {:>6} s  confirmed {confirmed:>6}  lost {lost}  copies {copies:>4}  outage \
             {:>5}  traffic {:>5}  client {:>5}  own {:>5}  at {:?}  {}",
            blow.to_string(),
            seconds(self.took),
            seconds(self.outage),
            seconds(self.traffic),
            seconds(self.gap),
            seconds(self.own),
            self.spread,
            self.verdict()
        )?;
        self.broken.iter().try_for_each(|text| write!(formatter, "\n    broken: {text}"))?;
        self.late.iter().try_for_each(|text| write!(formatter, "\n    late: {text}"))
    }
}

impl Row {
    const fn verdict(&self) -> &'static str {
        match (self.broken.is_empty(), self.late.is_empty()) {
            (false, _) => "BROKEN",
            (true, false) => "LATE",
            (true, true) => "ok",
        }
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a round.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Returns the number of rounds in which a law was broken.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.rows.iter().filter(|row| !row.broken.is_empty()).count()
    }

    /// Returns the number of rounds in which a client was late.
    #[must_use]
    pub fn late(&self) -> usize {
        self.rows.iter().filter(|row| !row.late.is_empty()).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "cluster",
            "blow",
            "rounds",
            "confirmed",
            "lost",
            "copies",
            "outage",
            "traffic",
            "client",
            "own",
            "late",
            "broken",
        ];
        line(formatter, &head.map(str::to_owned))?;
        line(formatter, &head.map(|_| "---".to_owned()))?;
        let mut groups: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            groups.entry((row.kind, row.blow.to_string())).or_default().push(row);
        }
        for ((kind, blow), rows) in groups {
            line(formatter, &summary(kind, &blow, &rows))?;
        }
        write!(
            formatter,
            "\n{} rounds, {} broken, {} late (seconds: median, longest)",
            self.rows.len(),
            self.broken(),
            self.late()
        )
    }
}

fn line(formatter: &mut fmt::Formatter<'_>, cells: &[String]) -> fmt::Result {
    writeln!(formatter, "| {} |", cells.join(" | "))
}

fn summary(kind: &str, blow: &str, rows: &[&Row]) -> [String; 12] {
    let times = |of: fn(&Row) -> Duration| median_and_longest(rows.iter().map(|row| of(row)).collect());
    let count = |of: fn(&Row) -> u64| rows.iter().map(|row| of(row)).sum::<u64>().to_string();
    [
        kind.to_owned(),
        blow.to_owned(),
        rows.len().to_string(),
        count(|row| row.confirmed),
        count(|row| row.lost as u64),
        count(|row| row.copies),
        times(|row| row.outage),
        times(|row| row.traffic),
        times(|row| row.gap),
        times(|row| row.own),
        count(|row| u64::from(!row.late.is_empty())),
        count(|row| u64::from(!row.broken.is_empty())),
    ]
}

fn median_and_longest(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let (median, longest) = (times.get(times.len() / 2), times.last());
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    format!("{:.1}, {:.1}", seconds(median), seconds(longest))
}
